//! Text that is safe to show: in the log, in `/status`, to systemd, in notices, on a terminal.
//!
//! Text from a peer (PBX, broker, token endpoint, proxy) becomes a [`PeerText`] before it is part of a sentence. The
//! sentences themselves pass `sentence` at the few places where they leave the process: `health`, the log's fields,
//! standard error, `check`, notices. So code that forgot the first rule can still neither control a terminal, nor start a
//! second line, nor show a secret of this process.
//!
//! # Example
//! ```
//! use text::{PeerText, secrets};
//!
//! secrets::register(&"correct-horse-battery".to_owned().into());
//! let text = PeerText::new("no such user\n\u{1b}[2Jpassword correct-horse-battery");
//! assert!(!text.as_str().contains("correct-horse"));
//! assert!(!text.as_str().chars().any(char::is_control));
//! ```

mod escape;
pub mod io;
pub mod secrets;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serializer};

use escape::Pieces;
pub use escape::{escaped_as_json, is_hidden};
use secrets::Words;

/// The limit of a peer's text, in bytes of output.
const LIMIT: usize = 512;
/// The limit of a sentence of ours, which may quote several peers.
const SENTENCE: usize = 8 * LIMIT;
/// The part of a peer's text that is read, in bytes. The rest is only counted.
const READ: usize = 64 * 1024;
/// Room for the note that the text was truncated, in bytes.
const NOTE: usize = 40;

/// A text that a peer sent, safe to show: one line of at most 512 bytes, without control characters, bidirectional controls
/// or invisible characters (they are escaped as in `\u{1b}`), and without the secrets of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerText(String);

impl PeerText {
    /// Sanitises the text of a peer.
    pub fn new(text: &str) -> Self {
        Self::within(text, LIMIT)
    }

    /// Same as [`PeerText::new`] for bytes: invalid UTF-8 is replaced (U+FFFD).
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (read, beyond) = bytes.split_at_checked(READ).unwrap_or((bytes, &[]));
        Self(safe(&String::from_utf8_lossy(read), beyond.len(), LIMIT, Words::OfPeer))
    }

    /// Sanitises the text of a peer, to at most `limit` bytes.
    pub fn within(text: &str, limit: usize) -> Self {
        let (read, beyond) = text.split_at(text.floor_char_boundary(READ));
        Self(safe(read, beyond.len(), limit, Words::OfPeer))
    }

    /// The sanitised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<PeerText> for String {
    fn from(text: PeerText) -> Self {
        text.0
    }
}

impl<'de> Deserialize<'de> for PeerText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&Cow::<str>::deserialize(deserializer)?))
    }
}

/// Sanitises a sentence of ours, which may quote a peer: one line, with neither control characters nor secrets.
pub fn sentence(text: &str) -> String {
    let (read, beyond) = text.split_at(text.floor_char_boundary(READ));
    safe(read, beyond.len(), SENTENCE, Words::Ours)
}

/// Serializes a text of a notice as a [`sentence`].
pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&sentence(text))
}

/// Masks first, as a truncated secret would not be found. `beyond` bytes were not read.
fn safe(text: &str, beyond: usize, limit: usize, words: Words) -> String {
    let text = secrets::mask(text, words);
    let length: usize = Pieces::of(&text).map(|(_, piece)| piece.len()).sum();
    if beyond == 0 && length <= limit {
        return Pieces::of(&text).map(|(_, piece)| piece).collect();
    }
    let mut shown = String::new();
    let mut read = 0;
    for (size, piece) in Pieces::of(&text) {
        if shown.len() + piece.len() + NOTE > limit {
            break;
        }
        shown.push_str(&piece);
        read += size;
    }
    format!("{shown}… ({} bytes more)", text.len() - read + beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_is_one_visible_line() {
        for (text, shown) in [
            ("Ada Neri, 1º piano – «Sala»", "Ada Neri, 1º piano – «Sala»"),
            ("a\nMAINPID=1\r\n\0", r"a\nMAINPID=1\r\n\u{0}"),
            ("\u{1b}[31m\u{7f}\u{9b}2J\u{85}", r"\u{1b}[31m\u{7f}\u{9b}2J\u{85}"),
            ("a\u{202e}b\u{2066}c\u{61c}\u{200e}", r"a\u{202e}b\u{2066}c\u{61c}\u{200e}"),
            ("\u{feff}a\u{200b}b\u{200d}\u{ad}\u{2060}", r"\u{feff}a\u{200b}b\u{200d}\u{ad}\u{2060}"),
            ("a\u{2028}b\u{2029}\u{e0041}\u{fe0f}\u{fff9}", r"a\u{2028}b\u{2029}\u{e0041}\u{fe0f}\u{fff9}"),
        ] {
            assert_eq!(PeerText::new(text).as_str(), shown);
            assert_eq!(PeerText::new(shown).as_str(), shown, "escaped once, however often it is shown");
            assert_eq!(sentence(text), shown);
        }
        assert_eq!(PeerText::from_bytes(b"a\xff\xc3b").as_str(), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_long_text_is_truncated_at_a_character_with_a_note() {
        for text in ["è".repeat(5_000), "\u{1b}".repeat(5_000), "x".repeat(200_000)] {
            let shown = PeerText::new(&text);
            assert!((400..=LIMIT).contains(&shown.as_str().len()), "{}", shown.as_str().len());
            let (start, note) = shown.as_str().split_once("… (").unwrap_or_default();
            let left: usize = note.trim_end_matches(" bytes more)").parse().unwrap_or_default();
            let escaped = r"\u{1b}".len();
            let read = if text.starts_with('\u{1b}') { start.len() / escaped } else { start.len() };
            assert_eq!(read + left, text.len());
            assert_eq!(PeerText::from_bytes(text.as_bytes()), shown);
            assert_eq!(sentence(shown.as_str()), shown.as_str());
        }
        let fits = "x".repeat(LIMIT);
        assert_eq!(PeerText::new(&fits).as_str(), fits);
    }
}
