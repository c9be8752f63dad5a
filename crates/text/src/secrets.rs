//! The registry of this process's secrets, so that no text shows them: code that reads a secret registers it.
//!
//! Most of them are sent to a peer, which may send them back: a server that echoes a request, a proxy that quotes a header.

mod forms;
mod views;

use std::{borrow::Cow, collections::VecDeque, ops::Range};

use parking_lot::RwLock;
use secrecy::{ExposeSecret as _, SecretString};

use self::{
    forms::{Form, forms},
    views::View,
};

/// The replacement for a secret.
const MASK: &str = "[secret]";
/// The minimum length, in characters, at which a secret is masked anywhere: a shorter one also occurs in other words.
const SHORT: usize = 4;
/// The minimum length of a secret of lower-case letters only: a shorter one could be a word of our own messages.
const WORD: usize = 12;
/// The minimum length, in bytes, at which the start of a secret is masked at the end of a truncated text.
const PART: usize = 6;
/// The minimum length of a token, in bytes: 72 bits in base64.
const TOKEN: usize = 12;
/// The minimum length, in bytes, at which a line of a multi-line secret (a key or credentials file) is masked by itself.
const LINE: usize = 16;

/// The author of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// A peer: short secrets are masked where it may quote a value, such as `pass=…`.
    OfPeer,
    /// This program, possibly quoting a peer: short secrets, and those that could be a word of ours, are masked only as JSON
    /// strings. A mask within a sentence that is public in the source would reveal the secret.
    Ours,
}

/// Secrets of the configuration. Each reload registers all of them again, so replaced ones are evicted first.
static CONFIGURED: Secrets = Secrets::holding(512);
/// Tokens issued by a peer. Each renewal adds one.
static ISSUED: Secrets = Secrets::holding(256);

/// Registers a secret that was configured or typed.
pub fn register(secret: &SecretString) {
    CONFIGURED.add(secret);
}

/// Registers a token issued by a peer, unless it is too short to be secret: its issuer could choose a word of ours.
pub fn register_issued(token: &SecretString) {
    if token.expose_secret().len() >= TOKEN {
        ISSUED.add(token);
    }
}

/// Masks the secrets in a text.
pub(super) fn mask(text: &str, words: Words) -> Cow<'_, str> {
    let mut found = Vec::new();
    let views = View::all(text);
    CONFIGURED.find(&views, words, &mut found);
    ISSUED.find(&views, words, &mut found);
    if found.is_empty() {
        return text.into();
    }
    // An existing mask: a secret may be a part of that word.
    let masks: Vec<_> = text.match_indices(MASK).map(|(at, _)| at..at + MASK.len()).collect();
    found.retain(|range| !masks.iter().any(|mask| mask.start <= range.start && range.end <= mask.end));
    found.sort_by_key(|range| range.start);
    let (mut shown, mut read) = (String::with_capacity(text.len()), 0);
    for Range { start, end } in found {
        if start >= read {
            shown.push_str(text.get(read..start).unwrap_or_default());
            shown.push_str(MASK);
        }
        read = read.max(end);
    }
    shown.push_str(text.get(read..).unwrap_or_default());
    shown.into()
}

/// A bounded set of secrets, the most recently registered one last.
struct Secrets {
    most: usize,
    known: RwLock<VecDeque<Secret>>,
}

struct Secret {
    raw: SecretString,
    is_short: bool,
    is_word: bool,
    forms: Vec<Form>,
}

impl Secrets {
    const fn holding(most: usize) -> Self {
        Self { most, known: RwLock::new(VecDeque::new()) }
    }

    fn add(&self, secret: &SecretString) {
        let whole = secret.expose_secret();
        if whole.is_empty() {
            return;
        }
        self.add_one(whole);
        if whole.contains('\n') {
            let lines = whole.lines().map(str::trim);
            lines
                .filter(|line| line.len() >= LINE && !line.starts_with("--"))
                .for_each(|line| self.add_one(line));
        }
    }

    fn add_one(&self, raw: &str) {
        let mut known = self.known.write();
        let at = known.iter().position(|secret| secret.raw.expose_secret() == raw);
        let secret = at.and_then(|at| known.remove(at)).unwrap_or_else(|| Secret::new(raw));
        known.push_back(secret);
        if known.len() > self.most {
            known.pop_front();
        }
    }

    fn find(&self, views: &[View], words: Words, found: &mut Vec<Range<usize>>) {
        for secret in self.known.read().iter() {
            let is_sure = !secret.is_short && (words == Words::OfPeer || !secret.is_word);
            for (form, view) in
                secret.forms.iter().flat_map(|form| views.iter().map(move |view| (form, view)))
            {
                let is_meant = |place: &Range<usize>| is_sure || stands_alone(&view.bytes, place, words);
                let places = form.places(&view.bytes).filter(is_meant);
                found.extend(places.map(|place| view.origin(&place)));
                if words == Words::OfPeer {
                    found.extend(form.cut_off(&view.bytes, PART).map(|place| view.origin(&place)));
                }
            }
        }
    }
}

impl Secret {
    fn new(raw: &str) -> Self {
        let is_short = raw.chars().count() < SHORT;
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
        let is_word = raw.len() < WORD && raw.bytes().all(is_letter);
        Self { raw: raw.into(), is_short, is_word, forms: forms(raw, is_short) }
    }
}

/// Returns true if it is a complete JSON string; in a peer's text also if it is a word after a quotation mark, `=` or `:`.
fn stands_alone(text: &[u8], place: &Range<usize>, words: Words) -> bool {
    let before = place.start.checked_sub(1).and_then(|at| text.get(at));
    let after = text.get(place.end);
    match words {
        Words::OfPeer => {
            before.is_none_or(|byte| b"\"'`=:".contains(byte))
                && !after.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
        }
        Words::Ours => before == Some(&b'"') && after == Some(&b'"'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secrets: &Secrets, text: &str, words: Words) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        secrets.find(&View::all(text), words, &mut found);
        found
    }

    #[test]
    fn a_short_secret_is_masked_only_as_a_separate_value() {
        let secrets = Secrets::holding(8);
        secrets.add(&"a1".into());
        for (text, words, is_found) in [
            ("pass=a1, user", Words::OfPeer, true),
            ("a1", Words::OfPeer, true),
            (r#"{"pass":"a1"}"#, Words::OfPeer, true),
            ("a1b, ba1, éa1, :a1é", Words::OfPeer, false),
            ("that is a1", Words::OfPeer, false),
            (r#"{"pass":"a1"}"#, Words::Ours, true),
            ("pass=a1, user", Words::Ours, false),
        ] {
            assert_eq!(!masked(&secrets, text, words).is_empty(), is_found, "{text}");
        }
    }

    #[test]
    fn a_secret_like_a_word_of_ours_is_masked_in_peer_text() {
        let secrets = Secrets::holding(8);
        secrets.add(&"secret".into());
        for (text, words, is_found) in [
            ("no `totp_secret` is configured", Words::Ours, false),
            (r#"it says: {"pass":"secret"}"#, Words::Ours, true),
            ("user ada, secret", Words::OfPeer, true),
        ] {
            assert_eq!(!masked(&secrets, text, words).is_empty(), is_found, "{text}");
        }
    }

    #[test]
    fn the_oldest_is_evicted_unless_registered_again() {
        let secrets = Secrets::holding(2);
        for secret in ["first-of-all", "second-of-all", "first-of-all", "third-of-all"] {
            secrets.add(&secret.into());
        }
        let is_known = |secret: &str| !masked(&secrets, secret, Words::Ours).is_empty();
        assert!(is_known("first-of-all") && !is_known("second-of-all") && is_known("third-of-all"));
    }

    #[test]
    fn a_truncated_secret_is_masked_from_six_bytes_on() {
        let secrets = Secrets::holding(8);
        secrets.add(&"zuqovubepi".into());
        assert_eq!(masked(&secrets, "said: zuqovubep", Words::OfPeer).first(), Some(&(6..15)));
        assert!(masked(&secrets, "said: zuqov", Words::OfPeer).is_empty());
    }

    #[test]
    fn masks_merge_and_are_not_masked_again() {
        register(&"zabrinski-point".into());
        register(&"point-blank".into());
        register(&"secret]".into());
        let text = "user ada, pass zabrinski-point-blank; zabrinski-point.";
        let once = mask(text, Words::OfPeer).into_owned();
        assert_eq!(once, "user ada, pass [secret]; [secret].");
        assert_eq!(mask(&once, Words::Ours), once);
    }

    #[test]
    fn a_file_is_masked_line_by_line_too() {
        let secrets = Secrets::holding(8);
        let file = "-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QifQ.e30.x\n------END NATS USER JWT------\n";
        secrets.add(&file.into());
        assert!(!masked(&secrets, r#"{"jwt":"eyJ0eXAiOiJKV1QifQ.e30.x"}"#, Words::OfPeer).is_empty());
        assert!(masked(&secrets, "no -----BEGIN NATS USER JWT----- here", Words::OfPeer).is_empty());
    }
}
