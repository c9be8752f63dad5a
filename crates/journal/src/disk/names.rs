//! Numeric ids of event names, for quotas.

use std::{collections::HashMap, sync::Arc};

use event::{Body, Fingerprints};

/// Assigns ids to event names. A clone does not see later assignments.
#[derive(Debug, Default, Clone)]
pub(crate) struct NameIds {
    /// Ids by the name's fingerprint: a name may be as long as a frame.
    ids: Arc<HashMap<u128, u32>>,
    fingerprints: Fingerprints,
}

/// Maximum number of ids. Further names share one, so that event data can't grow our memory.
const NAMES: usize = 1024;
/// Id of all names beyond [`NAMES`], and of notices, which have no quota.
pub(crate) const NO_NAME: u32 = 0;

impl NameIds {
    pub(crate) fn of(&mut self, body: &Body) -> u32 {
        let Body::Event(frame) = body else { return NO_NAME };
        let key = self.fingerprints.of(&frame.name());
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        if self.ids.len() >= NAMES {
            return NO_NAME;
        }
        let id = u32::try_from(self.ids.len()).unwrap_or_default() + 1;
        Arc::make_mut(&mut self.ids).insert(key, id);
        id
    }

    /// Returns the id of a name, if it has one.
    pub(crate) fn known(&self, body: &Body) -> u32 {
        let Body::Event(frame) = body else { return NO_NAME };
        self.ids.get(&self.fingerprints.of(&frame.name())).copied().unwrap_or(NO_NAME)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use event::RawEvent;

    fn event(name: &str) -> Body {
        let text = format!("42[\"{name}\",1]");
        let (name_end, end) =
            (4 + u32::try_from(name.len()).unwrap(), u32::try_from(text.len()).unwrap() - 1);
        let args = name_end + 2..end;
        let (at, bytes) = (Timestamp::UNIX_EPOCH, text.into_bytes().into());
        Body::Event(RawEvent { at, bytes, name: 4..name_end, args, argc: 1, attachments: Box::default() })
    }

    #[test]
    fn names_are_bounded_in_bytes_and_the_rest_share_an_id() {
        let mut ids = NameIds::default();
        let long = "x".repeat(20_000);
        for number in 0..2 * NAMES {
            let id = ids.of(&event(&format!("{number}{long}")));
            assert_eq!(id == NO_NAME, number >= NAMES);
        }
        // The names themselves are not stored.
        assert_eq!(ids.ids.len(), NAMES);
        assert_eq!(size_of_val(ids.ids.iter().next().unwrap().0), 16);
        assert_eq!(ids.known(&event(&format!("7{long}"))), 8);
        assert_eq!(ids.known(&event("unknown")), NO_NAME);
    }
}
