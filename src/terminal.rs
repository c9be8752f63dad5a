//! How text is laid out for the terminal that shows it: colour, width, and a locale without UTF-8.

use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
};

/// When output has colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Also in a file or pipe
    Always,
    /// Nowhere
    Never,
}

static CHOSEN: OnceLock<Colour> = OnceLock::new();

/// Sets what `--color` says. The first call counts.
pub(crate) fn choose(colour: Colour) {
    let _ = CHOSEN.set(colour);
}

/// Whether a stream gets colours.
pub(crate) fn has_colours(is_terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match CHOSEN.get().copied().unwrap_or_default() {
        Colour::Always => true,
        Colour::Never => false,
        // <https://no-color.org>
        Colour::Auto => {
            is_terminal && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// How standard output is to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// It has colours.
    pub has_colours: bool,
    /// Columns of the terminal; `None` for a file or pipe, where lines are not wrapped.
    pub columns: Option<usize>,
    /// The locale shows ASCII alone.
    pub is_ascii: bool,
}

/// The colours that have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    Good,
    Attention,
    Bad,
    Faint,
    Strong,
}

impl Style {
    /// Of standard output.
    pub(crate) fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let size = if is_terminal { rustix::termios::tcgetwinsize(io::stdout()).ok() } else { None };
        let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).unwrap_or_default());
        let is_ascii = is_terminal && is_ascii_locale(&locale);
        Self { has_colours: has_colours(is_terminal), columns, is_ascii }
    }

    /// The text in this colour.
    pub(crate) fn paint(self, tint: Tint, text: &str) -> String {
        if !self.has_colours {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Good => 32,
            Tint::Attention => 33,
            Tint::Bad => 31,
            Tint::Faint => 2,
            Tint::Strong => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// The text with breaks between words, so that it fits behind `indent` columns, which each further line begins with.
    pub(crate) fn wrap(self, text: &str, indent: usize) -> String {
        let Some(room) = self.columns.map(|columns| columns.saturating_sub(indent).max(LEAST)) else {
            return text.to_owned();
        };
        let (mut out, mut width) = (String::with_capacity(text.len() + 16), 0);
        for word in text.split(' ') {
            let length = word.chars().count();
            if width > 0 && width + 1 + length > room {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                width = 0;
            } else if width > 0 {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
        out
    }

    /// The text as the locale can show it.
    pub(crate) fn shown(self, text: &str) -> String {
        if !self.is_ascii || text.is_ascii() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '…' => out.push_str("..."),
                '→' => out.push_str("->"),
                '←' => out.push_str("<-"),
                '↔' => out.push_str("<>"),
                '–' | '·' => out.push('-'),
                other if other.is_ascii() => out.push(other),
                other => out.extend(other.escape_unicode()),
            }
        }
        out
    }
}

/// A sentence in fewer columns is not readable.
const LEAST: usize = 24;

/// By the first variable that is set, as setlocale(3) chooses. Where none is, nothing is known.
fn is_ascii_locale(variables: &[String]) -> bool {
    let locale = variables.iter().find(|value| !value.is_empty()).map(|value| value.to_ascii_lowercase());
    locale.is_some_and(|locale| !locale.contains("utf-8") && !locale.contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words_and_never_within() {
        let style = Style { columns: Some(30), ..Style::default() };
        let long = "x".repeat(40);
        assert_eq!(
            style.wrap("one two three four five six seven", 4),
            "one two three four five\n    six seven"
        );
        assert_eq!(style.wrap(&format!("see {long} there"), 4), format!("see\n    {long}\n    there"));
        assert_eq!(Style::default().wrap("one two three four five six seven", 4).lines().count(), 1);
    }

    #[test]
    fn the_locale_is_the_first_that_is_set() {
        let is_ascii = |values: [&str; 3]| is_ascii_locale(&values.map(str::to_owned));
        assert!(is_ascii(["C", "", "en_US.UTF-8"]) && is_ascii(["", "", "POSIX"]));
        assert!(
            !is_ascii(["", "de_DE.utf8", "C"]) && !is_ascii(["C.UTF-8", "", ""]) && !is_ascii(["", "", ""])
        );
        let style = Style { is_ascii: true, ..Style::default() };
        assert_eq!(style.shown("Zoë → 201…"), "Zo\\u{eb} -> 201...");
    }
}
