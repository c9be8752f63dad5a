//! The numbers of the PBX's own extensions, which stay clear.

use super::dialling::is_separator;

/// The longest number of an extension, in digits, unless patterns are configured.
pub(super) const LONGEST: usize = 5;

/// The own numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnNumbers {
    /// All of up to five digits.
    Short,
    /// Those that match one of these globs: `?` is any character, `*` any text.
    Globs(Vec<String>),
}

impl OwnNumbers {
    /// Returns true for an own number. The text consists of digits, `+`, `*`, `#` and separators.
    pub(super) fn has(&self, text: &str) -> bool {
        match self {
            Self::Short => text.bytes().filter(u8::is_ascii_digit).count() <= LONGEST,
            Self::Globs(globs) => {
                let plain: String = text.chars().filter(|c| !is_separator(*c)).collect();
                globs.iter().any(|glob| matches(glob.as_bytes(), plain.as_bytes()))
            }
        }
    }
}

/// Returns true if a text matches a glob. Backtracks to the last `*` only, so the time is bounded by the product of the lengths.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while let Some(byte) = text.get(from) {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((place, start)) = star else { return false };
                star = Some((place, start + 1));
                (at, from) = (place + 1, start + 1);
            }
        }
    }
    glob.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_complete_numbers() {
        let own = OwnNumbers::Globs(["2??", "4*", "+39072155*"].map(str::to_owned).to_vec());
        for number in ["201", "299", "4", "4123456789", "2 01", "+39 0721 55-1"] {
            assert!(own.has(number), "{number}");
        }
        for number in ["20", "2011", "301", "", "39072155"] {
            assert!(!own.has(number), "{number}");
        }
        assert!(OwnNumbers::Short.has("12345") && !OwnNumbers::Short.has("123456"));
        assert!(matches(b"*1*2*3", b"0010020033") && !matches(b"*1*2*3", b"001002004"));
    }
}
