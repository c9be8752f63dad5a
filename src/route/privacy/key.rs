//! The key of a recipient's pseudonyms.

use std::{fmt, sync::Arc};

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::dialling::E164;

/// The fewest bytes of a key.
const LEAST: usize = 32;
/// The bytes of the digest that a pseudonym keeps.
const KEPT: usize = 16;
/// The length of the text of a pseudonym.
const LENGTH: usize = PREFIX.len() + 26;
/// Marks a pseudonym.
const PREFIX: &str = "p_";
/// The text whose pseudonym names the key.
const KEY_ID: &str = "key id";

/// A key. Anyone who has it can try all numbers.
#[derive(Clone)]
pub struct Key {
    secret: Arc<SecretSlice<u8>>,
    id: Arc<str>,
}

/// A text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a key: it must hold 64 hexadecimal digits or more on one line, and nothing else; create one with `cti-bridge privacy key`"
)]
pub struct InvalidKey;

/// The kinds of data that have pseudonyms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Name,
    Address,
}

impl Key {
    /// Parses the content of a key file: hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| InvalidKey)?;
        if bytes.len() < LEAST {
            return Err(InvalidKey);
        }
        let secret = Arc::new(SecretSlice::from(bytes));
        let id = digest(&secret, &[KEY_ID]).get(..8).unwrap_or_default().into();
        Ok(Self { secret, id })
    }

    /// The public name of the key: 8 characters of base32.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Returns the pseudonym of a number.
    pub fn number(&self, number: &E164) -> String {
        self.pseudonym(Kind::Number, number.as_str())
    }

    /// Returns the pseudonym of a name.
    pub fn name(&self, name: &str) -> String {
        self.pseudonym(Kind::Name, name)
    }

    pub(super) fn pseudonym(&self, kind: Kind, text: &str) -> String {
        let kind = match kind {
            Kind::Number => "number:",
            Kind::Name => "name:",
            Kind::Address => "address:",
        };
        format!("{PREFIX}{}", digest(&self.secret, &[kind, text]))
    }
}

/// The first 128 bits of HMAC-SHA-256, in lower-case base32 without padding.
fn digest(secret: &SecretSlice<u8>, parts: &[&str]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret()));
    for part in parts {
        context.update(part.as_bytes());
    }
    let tag = context.sign();
    BASE32_NOPAD.encode(tag.as_ref().get(..KEPT).unwrap_or_default()).to_ascii_lowercase()
}

/// Returns true for a text of the form of a pseudonym.
pub(super) fn is_pseudonym(text: &str) -> bool {
    text.len() == LENGTH
        && text.strip_prefix(PREFIX).is_some_and(|rest| {
            rest.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'2'..=b'7'))
        })
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::route::privacy::dialling::Dialling;

    #[test]
    fn a_pseudonym_is_128_bits_of_the_hmac_in_base32() {
        let key = Key::parse(&"0b".repeat(32)).unwrap();
        let number = Dialling::default().e164("0721000111").unwrap();
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[0x0b; 32]), b"number:0721000111");
        let expected = BASE32_NOPAD.encode(&signed.as_ref()[..16]).to_lowercase();
        assert_eq!(key.number(&number), format!("p_{expected}"));
        assert!(is_pseudonym(&key.number(&number)) && is_pseudonym(&key.name("Ada")));
        assert_ne!(key.name("0721000111"), key.number(&number), "the kinds are apart");
        assert_eq!(key.id().len(), 8);
        assert!(!format!("{key:?}").contains("0b0b") && !format!("{key:?}").contains("11, 11"));
    }

    #[test]
    fn a_short_key_or_other_text_is_refused() {
        for text in ["", "0b", &"0b".repeat(31), &"0g".repeat(32), &format!("{}b", "0b".repeat(32))] {
            assert_eq!(Key::parse(text).unwrap_err(), InvalidKey);
        }
        assert!(Key::parse(&format!("{}\n", "0B".repeat(40))).is_ok());
    }
}
