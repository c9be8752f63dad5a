//! Names that the operator chooses: instance, sources, sinks.

use super::InvalidValue;

/// The pattern that [`check`] accepts, for the schema.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// Checks a name. It goes unchanged into subjects, stream names and `CloudEvents` sources, so only what is legal in
/// all of them, and short enough for each, is accepted.
pub(crate) fn check(name: &str) -> Result<(), InvalidValue> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(legal) {
        Ok(())
    } else {
        Err(InvalidValue::new("is not a valid name: use 1 to 64 of A-Z a-z 0-9 - _"))
    }
}

/// The name as an environment variable can spell it: without case and without hyphens, which shells reject.
pub(crate) fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// The known word that is closest to a misspelt one.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = folded(wrong);
    known
        .map(|word| (strsim::damerau_levenshtein(&wrong, word), word))
        .filter(|(distance, word)| {
            *distance <= (word.len() / 3).max(1) || word.starts_with(&wrong) && wrong.len() > 2
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
