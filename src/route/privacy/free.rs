//! Finds numbers and addresses in text.

use super::{
    MASK,
    dialling::is_separator,
    harmless::{is_address, is_channel_count, is_date, is_moment, is_plain, is_unique_id},
    settings::{Addresses, Content, Numbers},
    text::Texts,
};

/// The most digits of a number, with prefixes.
const LONGEST_NUMBER: usize = 18;

/// The characters of a word: those of numbers and addresses.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".:".contains(c)
}

impl Texts<'_> {
    /// Hides numbers and addresses in a text. `None` if there are none.
    pub(super) fn free(&self, text: &str) -> Option<String> {
        let settings = self.rules.settings;
        if text.starts_with("data:") {
            return (settings.media == Content::Drop).then(|| MASK.to_owned());
        }
        // The shortest address is `::`, the shortest number has six digits.
        if text.len() < 6 && !text.contains(':') {
            return None;
        }
        let mails = if settings.is_thorough() && settings.addresses != Addresses::Clear {
            self.mails(text)
        } else {
            None
        };
        let text_or = mails.as_deref().unwrap_or(text);
        let out = self.words(text_or);
        (out != text).then_some(out)
    }

    fn words(&self, text: &str) -> String {
        let settings = self.rules.settings;
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = ' ';
        while let Some(first) = rest.chars().next() {
            if settings.replaces_numbers()
                && !before.is_ascii_alphanumeric()
                && let Some(number) = number_at(rest)
                && !is_address(start(rest, |c| !is_word(c)))
                && !(before == '-' && is_channel_count(number, rest.get(number.len()..).unwrap_or_default()))
            {
                let after = rest.get(number.len()..).unwrap_or_default();
                if self.is_hideable(number, after) && !is_unique_id(number) && !is_moment(number) {
                    out.push_str(&self.replaced_number(number));
                } else {
                    out.push_str(number);
                }
                before = '0';
                rest = after;
                continue;
            }
            let word = start(rest, |c| !is_word(c));
            if word.is_empty() {
                out.push(first);
                before = first;
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            let after = rest.get(word.len()..).unwrap_or_default();
            if is_address(word.trim_matches(|c: char| ".:".contains(c))) {
                out.push_str(&self.address(word).unwrap_or_else(|| word.to_owned()));
            } else if before == '-' && is_channel_count(word, after) {
                out.push_str(word);
            } else {
                self.runs(word, &mut out);
            }
            before = ' ';
            rest = after;
        }
        out
    }

    /// Hides runs of six or more digits.
    fn runs(&self, word: &str, out: &mut String) {
        let mut rest = word;
        while !rest.is_empty() {
            let run = start(rest, |c| !c.is_ascii_digit());
            let after = rest.get(run.len()..).unwrap_or_default();
            // Already masked text stays unchanged.
            if self.rules.settings.numbers != Numbers::Clear && self.is_hideable(run, after) {
                out.push_str(&self.replaced_number(run));
            } else {
                out.push_str(run);
            }
            let others = start(after, |c| c.is_ascii_digit());
            out.push_str(others);
            rest = after.get(others.len()..).unwrap_or_default();
        }
    }

    /// Hides addresses with an `@`.
    fn mails(&self, text: &str) -> Option<String> {
        if !text.contains('@') || super::channel::is_channel(text) {
            return None;
        }
        let ends = |c: char| c.is_whitespace() || "<>\"'(),;".contains(c);
        let words = text.split_inclusive(ends).map(|word| {
            let mail = word.trim_end_matches(ends);
            let end = word.get(mail.len()..).unwrap_or_default();
            let hidden = if mail.contains('@') { self.address(mail) } else { None };
            hidden.unwrap_or_else(|| mail.to_owned()) + end
        });
        Some(words.collect())
    }
}

fn start(text: &str, end: impl Fn(char) -> bool) -> &str {
    text.find(end).and_then(|at| text.get(..at)).unwrap_or(text)
}

/// Returns the number at the start of a text, with its separators. `None` if there is none of six or more digits.
pub(super) fn number_at(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let opening = text.find(|c: char| !"+( ".contains(c)).filter(|_| !text.starts_with(' '))?;
    let (mut at, mut end, mut digits) = (opening, 0, 0);
    let mut first_space = None;
    loop {
        let run = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let word = start(text.get(at..)?, |c| !c.is_ascii_alphanumeric());
        // Letters belong to something else, as do the digits that count a channel.
        let is_count = end > 0 && is_channel_count(word, text.get(at + word.len()..).unwrap_or_default());
        if run == 0 || is_count || (end > 0 && word.len() > run) {
            break;
        }
        digits += run;
        (at, end) = (at + run, at + run);
        if digits == run && opening == 0 && is_date(text.get(..10).unwrap_or_default()) {
            return text.get(..10);
        }
        let gap = text.get(at..)?.chars().take_while(|c| is_separator(*c)).map(char::len_utf8).sum::<usize>();
        if gap == 0 || gap > 4 {
            break;
        }
        if first_space.is_none()
            && text.get(at..at + gap).is_some_and(|gap| gap.contains([' ', '\u{a0}']))
            && digits > super::own::LONGEST
        {
            first_space = Some(end);
        }
        at += gap;
    }
    // Two numbers side by side are not one.
    let end = if digits > LONGEST_NUMBER { first_space.unwrap_or(end) } else { end };
    text.get(..end).filter(|_| digits > super::own::LONGEST)
}

/// The number of a SIP or telephone URI, if it is one; otherwise the text.
pub(super) fn user_part(text: &str) -> &str {
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let user = rest.split(['@', ';']).next().unwrap_or(rest);
    if is_plain(user) && user.bytes().any(|byte| byte.is_ascii_digit()) { user } else { text }
}

/// Replaces the last three digits.
pub(super) fn without_last_three(text: &str) -> String {
    let mut left = 3;
    let masked = text.chars().rev().map(|c| {
        if left > 0 && c.is_ascii_digit() {
            left -= 1;
            'x'
        } else {
            c
        }
    });
    masked.collect::<Vec<_>>().into_iter().rev().collect()
}
