//! Fixed-size keys for data from peers, so that a table does not grow with the length of names.

use std::hash::{BuildHasher as _, Hash, RandomState};

/// A keyed 128-bit hash. The keys are random, so no sender can make two values collide.
#[derive(Debug, Clone, Default)]
pub struct Fingerprints([RandomState; 2]);

impl Fingerprints {
    /// Returns the fingerprint of a value, which is stable for `self` and its clones.
    pub fn of(&self, value: &impl Hash) -> u128 {
        let [first, second] = &self.0;
        u128::from(first.hash_one(value)) << 64 | u128::from(second.hash_one(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_keyed_so_that_no_sender_can_choose_collisions() {
        let (one, other) = (Fingerprints::default(), Fingerprints::default());
        assert_eq!(one.of(&"extenUpdate"), one.clone().of(&"extenUpdate"));
        assert_ne!(one.of(&"extenUpdate"), other.of(&"extenUpdate"), "each table has keys of its own");
        let fingerprint = one.of(&"extenUpdate");
        assert_ne!(fingerprint >> 64, fingerprint & u128::from(u64::MAX), "the halves have different keys");
    }
}
