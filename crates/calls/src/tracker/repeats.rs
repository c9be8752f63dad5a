//! Recognises states that were received before. A PBX repeats the state of a busy extension about once a second.

use std::collections::HashMap;

use memchr::memmem;

/// Longest state that is remembered, in bytes.
const LONGEST: usize = 8 << 10;
/// Most bytes that are remembered.
const LIMIT: usize = 4 << 20;
/// A field that counts seconds. Nothing is derived from it.
const DURATION: &[u8] = br#""duration":"#;

/// States that change nothing, by extension, without the digits of their durations.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    states: HashMap<String, Vec<u8>>,
    bytes: usize,
}

impl Repeats {
    /// Returns true if a state is the one that was remembered.
    pub(super) fn contains(&self, extension: &str, state: &[u8]) -> bool {
        let Some(known) = self.states.get(extension) else { return false };
        let mut rest = known.as_slice();
        for piece in without_durations(state) {
            let Some(after) = rest.strip_prefix(piece) else { return false };
            rest = after;
        }
        rest.is_empty()
    }

    /// Remembers a state that changes nothing, until the legs of the extension change.
    pub(super) fn remember(&mut self, extension: &str, state: &[u8]) {
        if state.len() > LONGEST {
            return self.forget(extension);
        }
        if self.bytes > LIMIT {
            self.clear();
        }
        if !self.states.contains_key(extension) {
            self.states.insert(extension.to_owned(), Vec::with_capacity(state.len()));
        }
        let Some(known) = self.states.get_mut(extension) else { return };
        self.bytes -= known.len();
        known.clear();
        known.extend(without_durations(state).flatten());
        self.bytes += known.len();
    }

    pub(super) fn forget(&mut self, extension: &str) {
        if let Some(known) = self.states.remove(extension) {
            self.bytes -= known.len();
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.clear();
        self.bytes = 0;
    }
}

/// Returns the text between the digits of durations. Where a longer name, or a text, ends in the same way, nothing that is read is
/// left out either.
fn without_durations(state: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    let ends = memmem::find_iter(state, DURATION).map(|at| at + DURATION.len()).chain([state.len()]);
    ends.map(move |end| {
        let piece = state.get(from..end).unwrap_or_default();
        let rest = state.get(end..).unwrap_or_default();
        from = end + rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_durations_may_differ() {
        let mut repeats = Repeats::default();
        let state = |duration: &str, name: &str| {
            format!(r#"{{"a":{{"duration":{duration},"name":"{name}"}},"duration":{duration}}}"#)
        };
        repeats.remember("201", state("9", "x").as_bytes());
        for (same, text) in [
            (true, state("9", "x")),
            (true, state("10", "x")),
            (false, state("9", "y")),
            (false, state("null", "x")),
            (false, state("9", "x") + " "),
            (false, state("9", "x").trim_end_matches('}').to_owned()),
            (false, String::new()),
        ] {
            assert_eq!(repeats.contains("201", text.as_bytes()), same, "{text}");
        }
        assert!(!repeats.contains("202", state("9", "x").as_bytes()));
        repeats.remember("201", state("9", "z").as_bytes());
        assert!(!repeats.contains("201", state("9", "x").as_bytes()));
        repeats.forget("201");
        assert!(!repeats.contains("201", state("9", "z").as_bytes()) && repeats.bytes == 0);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut repeats = Repeats::default();
        for number in 0..4096 {
            repeats.remember(&number.to_string(), &[b'x'; LONGEST]);
            assert!(repeats.bytes <= LIMIT + LONGEST);
        }
        repeats.remember("0", &[b'x'; LONGEST + 1]);
        assert!(!repeats.states.contains_key("0"));
    }
}
