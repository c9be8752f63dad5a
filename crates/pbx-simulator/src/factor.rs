//! The second factor: seeds, one-time passwords (RFC 6238) and recovery codes.

use fastrand::Rng;
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret};

/// One user's second factor.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    secret: SecretString,
    pub(super) enabled: bool,
    recovery: Vec<String>,
}

impl Factor {
    pub(super) fn new(secret: SecretString, enabled: bool) -> Self {
        Self { secret, enabled, recovery: Vec::new() }
    }

    /// A fresh seed of 32 base32 characters, not yet enabled.
    pub(super) fn generate(rng: &mut Rng) -> Self {
        let seed: [u8; 20] = std::array::from_fn(|_| rng.u8(..));
        Self::new(data_encoding::BASE32_NOPAD.encode(&seed).into(), false)
    }

    pub(super) fn seed(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The codes, which are made once and then only used up; after the last one come five new ones.
    pub(super) fn recovery_codes(&mut self, rng: &mut Rng) -> &[String] {
        if self.recovery.is_empty() {
            self.recovery = (0..5).map(|_| format!("{:06}", rng.u32(0..1_000_000))).collect();
        }
        &self.recovery
    }

    /// Whether `code` is right at `now` (Unix seconds): the previous, current or next step, as often
    /// as it likes (the real server keeps no memory of used codes), or a recovery code, once.
    pub(super) fn accepts(&mut self, code: &str, now: i64) -> bool {
        let six = code.len() == 6 && code.starts_with(|first: char| first.is_ascii_digit());
        if six && self.is_due(code, now) {
            return true;
        }
        let used = self.recovery.iter().position(|known| known == code);
        used.map(|index| self.recovery.remove(index)).is_some()
    }

    fn is_due(&self, code: &str, now: i64) -> bool {
        let Ok(secret) = Secret::try_from_base32(self.seed()) else { return false };
        let totp = Builder::new().with_secret(secret).with_skew(1).build_noncompliant();
        totp.check(code, u64::try_from(now).unwrap_or(0)).is_some()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The seed of RFC 6238, appendix B ("12345678901234567890").
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn three_adjacent_steps_are_accepted_repeatedly() {
        // Appendix B: at 1111111109 the 8-digit code is 07081804, so the 6-digit one is 081804.
        let mut factor = Factor::new(SEED.into(), true);
        for now in [1_111_111_109, 1_111_111_109, 1_111_111_079, 1_111_111_139] {
            assert!(factor.accepts("081804", now), "{now}");
        }
        for now in [1_111_111_049, 1_111_111_170] {
            assert!(!factor.accepts("081804", now), "{now}");
        }
        assert!(!factor.accepts("07081804", 1_111_111_109));
    }

    #[test]
    fn a_recovery_code_works_once() {
        let mut rng = Rng::with_seed(1);
        let mut factor = Factor::generate(&mut rng);
        assert_eq!(factor.seed().len(), 32);
        let codes = factor.recovery_codes(&mut rng).to_vec();
        assert_eq!(codes.len(), 5);
        assert!(factor.accepts(&codes[0], 0));
        assert!(!factor.accepts(&codes[0], 0));
        assert_eq!(factor.recovery_codes(&mut rng), &codes[1..]);
    }
}
