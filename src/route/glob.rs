//! Patterns on names: `*` stands for any characters, `/` included, and `?` for one.

use std::fmt;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    text: Box<str>,
    form: Form,
}

/// The ways to match, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Matches everything.
    All,
    /// Matches one name.
    Literal,
    /// `*` only at the end.
    Prefix,
    Wild,
}

impl From<&str> for Glob {
    fn from(text: &str) -> Self {
        let form = match text.find(['*', '?']) {
            None => Form::Literal,
            Some(0) if text == "*" => Form::All,
            Some(at) if at + 1 == text.len() && text.ends_with('*') => Form::Prefix,
            Some(_) => Form::Wild,
        };
        Self { text: text.into(), form }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Glob {
    /// Returns true if the pattern matches the complete name.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let text = self.text.as_bytes();
        match self.form {
            Form::All => true,
            Form::Literal => text == name,
            Form::Prefix => text.strip_suffix(b"*").is_some_and(|start| name.starts_with(start)),
            Form::Wild => is_match(text, name),
        }
    }

    /// Returns true if it may match a name that starts like this. Exact but for patterns with a wildcard within the start.
    pub(super) fn may_start_with(&self, start: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let fixed = text.split(|byte| matches!(byte, b'*' | b'?')).next().unwrap_or_default();
        fixed.starts_with(start) || fixed.len() < text.len() && start.starts_with(fixed)
    }

    /// Returns true if it matches every name that `other` matches. Exact but for patterns that combine `*` and `?` in
    /// another order, which it may not recognise.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let symbols: Vec<Symbol> = other.text.chars().map(Symbol::from).collect();
        let ours: Vec<Symbol> = self.text.chars().map(Symbol::from).collect();
        is_cover(&ours, &symbols)
    }
}

/// Matches in the usual way, with one place to return to: that of the last `*`.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut rest) = (pattern, name);
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (at.split_first(), rest.split_first()) {
            (Some((b'*', after)), _) => {
                at = after;
                again = Some((at, rest));
                continue;
            }
            (Some((b'?', after)), Some(_)) => {
                at = after;
                rest = after_character(rest);
                continue;
            }
            (Some((byte, after)), Some((first, others))) if byte == first => {
                at = after;
                rest = others;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after, from)) = again else { return false };
        let Some((_, shorter)) = from.split_first() else { return false };
        again = Some((after, shorter));
        (at, rest) = (after, shorter);
    }
}

/// Returns the text after its first character: a byte, and the continuation bytes of UTF-8 that follow it.
fn after_character(text: &[u8]) -> &[u8] {
    let rest = text.get(1..).unwrap_or_default();
    let length = rest.iter().take_while(|byte| **byte & 0xC0 == 0x80).count();
    rest.get(length..).unwrap_or_default()
}

/// A character of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    One(char),
    Any,
    Many,
}

impl From<char> for Symbol {
    fn from(ch: char) -> Self {
        match ch {
            '*' => Self::Many,
            '?' => Self::Any,
            _ => Self::One(ch),
        }
    }
}

/// Returns true if `wide` matches `narrow` as if it were a name: `*` of the narrow one only fits into a `*`. Quadratic, for patterns of
/// a configuration.
fn is_cover(wide: &[Symbol], narrow: &[Symbol]) -> bool {
    // `fits[n]`: the symbols of `wide` so far cover the first n of `narrow`.
    let mut fits: Vec<bool> = (0..=narrow.len()).map(|length| length == 0).collect();
    for symbol in wide {
        let mut next = Vec::with_capacity(fits.len());
        for (length, before) in fits.iter().enumerate() {
            let shorter = length.checked_sub(1);
            let last = shorter.and_then(|at| narrow.get(at));
            let fitted = shorter.and_then(|at| fits.get(at)) == Some(&true);
            next.push(match symbol {
                Symbol::Many => *before || shorter.and_then(|at| next.get(at)) == Some(&true),
                Symbol::Any => fitted && last.is_some_and(|last| *last != Symbol::Many),
                Symbol::One(_) => fitted && last == Some(symbol),
            });
        }
        fits = next;
    }
    fits.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, without any shortcut.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', after)), _) => (0..=name.len()).any(|skip| naive(after, &name[skip..])),
            (Some(('?', after)), Some((_, rest))) => naive(after, rest),
            (Some((one, after)), Some((other, rest))) => one == other && naive(after, rest),
            _ => false,
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn patterns_match_complete_names() {
        for (pattern, name, expected) in [
            ("extenUpdate", "extenUpdate", true),
            ("extenUpdate", "extenUpdates", false),
            ("satellite/*", "satellite/summary", true),
            ("satellite/*", "satellite", false),
            ("queue/401/*", "queue/401/member/201", true),
            ("extension/2??", "extension/201", true),
            ("extension/2??", "extension/2011", false),
            ("*Update", "queueUpdate", true),
            ("*", "", true),
            ("?", "è", true),
            ("??", "è", false),
            ("", "", true),
        ] {
            assert_eq!(Glob::from(pattern).matches(name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(Glob::from("a?*").matches(b"a\x80\x80"), "a name need not be UTF-8");
    }

    #[test]
    fn a_pattern_may_match_names_of_one_kind() {
        for (pattern, expected) in [
            ("call/*", true),
            ("call/7", true),
            ("*", true),
            ("c?ll/*", true),
            ("call", false),
            ("user/*", false),
        ] {
            assert_eq!(Glob::from(pattern).may_start_with(b"call/"), expected, "{pattern}");
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        for (wide, narrow, expected) in [
            ("*", "a*", true),
            ("a*", "*", false),
            ("a*", "ab*c", true),
            ("*Update", "queue*Update", true),
            ("?", "*", false),
            ("??", "?a", true),
            ("*a*", "?*b", false),
            ("a", "a", true),
        ] {
            assert_eq!(Glob::from(wide).covers(&Glob::from(narrow)), expected, "{wide} {narrow}");
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab€*?]{0,7}", name in "[ab€]{0,7}") {
            let found = Glob::from(&*pattern).matches(name.as_bytes());
            prop_assert_eq!(found, naive(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn a_cover_matches_whatever_the_other_matches(
            wide in "[ab*?]{0,4}", narrow in "[ab*?]{0,4}", name in "[abc]{0,5}",
        ) {
            let (wide, narrow) = (Glob::from(&*wide), Glob::from(&*narrow));
            if wide.covers(&narrow) && narrow.matches(name.as_bytes()) {
                prop_assert!(wide.matches(name.as_bytes()), "{} {} {}", wide, narrow, name);
            }
        }
    }
}
