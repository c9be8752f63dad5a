//! Escapes characters that must not be shown as they are.

use std::{borrow::Cow, fmt::Write as _};

/// Returns true if a character is invisible, controls a terminal, ends a line, or reorders the text around it.
///
/// These are control characters (C0, DEL, C1), line and paragraph separators, and Unicode's format characters and
/// default-ignorable code points: bidirectional controls, joiners, fillers, variation selectors and tags.
pub fn is_hidden(ch: char) -> bool {
    ch.is_control()
        || matches!(ch,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Writes hidden characters as JSON escapes, which within a JSON string mean the same. Exempts those that `is_kept` accepts.
pub fn escaped_as_json(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |ch: char| is_hidden(ch) && !is_kept(ch);
    if !text.contains(is_escaped) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 32);
    for ch in text.chars() {
        if is_escaped(ch) {
            for unit in ch.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(ch);
        }
    }
    shown.into()
}

/// The characters of a text, each with its length and its displayed form.
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (usize, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.rest.chars().next()?;
        let (piece, rest) = self.rest.split_at(first.len_utf8());
        self.rest = rest;
        let shown = match first {
            hidden if is_hidden(hidden) => hidden.escape_default().to_string().into(),
            _ => Cow::Borrowed(piece),
        };
        Some((piece.len(), shown))
    }
}
