//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, steps of 30 s, as the PBX has them.

use std::{collections::VecDeque, fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

/// Seconds per step.
const STEP: i64 = 30;

/// The reason why a secret is invalid. Never shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    /// Some character is outside base32's alphabet.
    #[error(
        "`totp_secret` is not base32 (letters A to Z, digits 2 to 7); copy the `secret` of the QR code's otpauth URL"
    )]
    NotBase32,
    /// No characters, or too few for a single byte.
    #[error("`totp_secret` is empty; copy the `secret` of the QR code's otpauth URL")]
    Empty,
}

/// Computes codes from a secret.
pub struct Totp(totp_rs::Totp);

impl Totp {
    /// Base32 in either case; blanks, hyphens and padding are ignored, since secrets are shown in groups.
    pub fn new(secret: &SecretString) -> Result<Self, TotpError> {
        let bytes = decode(secret.expose_secret()).ok_or(TotpError::NotBase32)?;
        if bytes.is_empty() {
            return Err(TotpError::Empty);
        }
        Ok(Self::from_bytes(bytes, 6))
    }

    /// The secret in one form: upper case, without what [`Totp::new`] ignores.
    pub fn canonical(secret: &SecretString) -> SecretString {
        digits(secret.expose_secret()).collect::<String>().into()
    }

    fn from_bytes(secret: Vec<u8>, digits: u8) -> Self {
        // Not the checking constructor: it refuses secrets under 128 bits, and whether those are
        // good enough is for the PBX to decide, which made the secret.
        Self(
            totp_rs::Builder::new()
                .with_algorithm(totp_rs::Algorithm::SHA1)
                .with_digits(digits)
                .with_step_duration(STEP.unsigned_abs())
                .with_secret(secret)
                .build_noncompliant(),
        )
    }

    /// The code for the step that `at` falls in.
    pub fn code(&self, at: Timestamp) -> SecretString {
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        self.0.generate(seconds).to_string().into()
    }
}

/// The characters that count.
fn digits(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '=')).map(|c| c.to_ascii_uppercase())
}

/// Base32 (RFC 4648, section 6) of any length. Bits beyond the last complete byte are dropped, as authenticator apps do.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for digit in digits(text) {
        let value = match digit {
            'A'..='Z' => u32::from(digit) - u32::from('A'),
            '2'..='7' => u32::from(digit) - u32::from('2') + 26,
            _ => return None,
        };
        bits = (bits << 5 | value) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap_or_default());
        }
    }
    Some(bytes)
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp([REDACTED])")
    }
}

/// Codes, each given out once.
///
/// The PBX has no memory of used codes, but other servers of its make may, and RFC 6238, section
/// 5.2, demands one: a code that was seen on the way is then worth nothing.
#[derive(Debug)]
pub struct Codes {
    totp: Totp,
    /// The latest steps whose codes may have left the process.
    spent: VecDeque<i64>,
}

impl Codes {
    /// More steps than two clocks can spend while a code of either is still good.
    const REMEMBERED: u8 = 8;

    /// None given out yet.
    pub fn new(totp: Totp) -> Self {
        Self { totp, spent: VecDeque::new() }
    }

    /// The code for `now`, by whichever clock; or how long to wait for the next step whose code is not spent. A code
    /// counts as spent once taken, sent or not.
    pub fn take(&mut self, now: Timestamp) -> Result<SecretString, Duration> {
        let step = now.as_second().div_euclid(STEP);
        // A correction of the clock can lead back to a spent step.
        let next = (step..=step + i64::from(Self::REMEMBERED)).find(|step| !self.spent.contains(step));
        let next = next.unwrap_or(step);
        if next != step {
            let next = Timestamp::from_second(next * STEP).unwrap_or(now);
            return Err(Duration::try_from(next.duration_since(now)).unwrap_or_default());
        }
        if self.spent.len() == usize::from(Self::REMEMBERED) {
            self.spent.pop_front();
        }
        self.spent.push_back(step);
        Ok(self.totp.code(now))
    }
}

/// How far the PBX's clock is ahead of ours, from an answer's `Date` that arrived at `now`.
///
/// `Date` is cut to whole seconds, and the answer was under way: under 2 s is no difference.
pub fn skew(date: Timestamp, now: Timestamp) -> SignedDuration {
    let ahead = date.duration_since(now) + SignedDuration::from_millis(500);
    if ahead.abs() < SignedDuration::from_secs(2) { SignedDuration::ZERO } else { ahead }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use data_encoding::BASE32_NOPAD;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// RFC 6238, appendix B, the rows for SHA-1; six digits are the last six of the eight.
    const VECTORS: [(i64, &str); 6] = [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];

    #[test]
    fn the_vectors_of_rfc_6238() {
        let secret = b"12345678901234567890";
        let eight = Totp::from_bytes(secret.to_vec(), 8);
        let six = Totp::new(&BASE32_NOPAD.encode(secret).into()).unwrap();
        for (time, code) in VECTORS {
            assert_eq!(eight.code(at(time)).expose_secret(), code);
            assert_eq!(six.code(at(time)).expose_secret(), &code[2..]);
        }
    }

    #[test]
    fn secrets_come_in_groups_cases_and_padding() {
        for text in
            ["gezd gnbv gy3t qojq", "GEZDGNBVGY3TQOJQ", "GEZD-GNBV-GY3T-QOJQ", "GEZDGNBVGY3TQOJQ====\n"]
        {
            let code = Totp::new(&text.into()).unwrap().code(at(59));
            assert_eq!(code.expose_secret().len(), 6, "{text}");
        }
        assert_eq!(Totp::new(&"planted1089".into()).unwrap_err(), TotpError::NotBase32);
        assert_eq!(Totp::new(&" - ".into()).unwrap_err(), TotpError::Empty);
    }

    #[test]
    fn a_secret_of_any_length_counts_in_complete_bytes() {
        // 20 letters are 100 bits: twelve bytes, and four bits that count for nothing.
        for (text, bytes) in [
            ("GEZDGNBVGY3TQOJQGEZD", &b"123456789012"[..]),
            ("GE", b"1"),
            ("GEZ", b"1"),
            ("GEZDGN", b"123"),
            ("G", b""),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(Totp::new(&"G".into()).unwrap_err(), TotpError::Empty);
    }

    proptest! {
        #[test]
        fn encoding_round_trips(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&BASE32_NOPAD.encode(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn a_code_is_given_once_in_its_step() {
        let mut codes = Codes::new(Totp::new(&"GEZDGNBVGY3TQOJQ".into()).unwrap());
        let first = codes.take(at(1_000_000_010)).unwrap();
        // 1,000,000,020 starts a step.
        assert_eq!(codes.take(at(1_000_000_010)).unwrap_err(), Duration::from_secs(10));
        assert_eq!(codes.take(at(1_000_000_019)).unwrap_err(), Duration::from_secs(1));
        let second = codes.take(at(1_000_000_020)).unwrap();
        assert_ne!(first.expose_secret(), second.expose_secret());
        assert_eq!(
            codes.take(at(1_000_000_015)).unwrap_err(),
            Duration::from_secs(35),
            "the clock was put back"
        );
        assert!(codes.take(at(900_000_000)).is_ok(), "the clock was changed: no wait of years");
    }

    #[test]
    fn a_skew_below_the_resolution_of_date_is_none() {
        let now = at(1_000_000_000) + Duration::from_millis(300);
        for (seconds, expected) in [(0, 0), (1, 0), (-2, 0), (2, 2200), (-3, -2800), (3600, 3_600_200)] {
            assert_eq!(skew(at(1_000_000_000 + seconds), now).as_millis(), expected, "{seconds}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let codes = Codes::new(Totp::new(&"GEZDGNBVGY3TQOJQ".into()).unwrap());
        assert!(!format!("{codes:?}").contains("GEZD"));
        assert!(!format!("{codes:?}").contains("49, 50, 51"));
    }
}
