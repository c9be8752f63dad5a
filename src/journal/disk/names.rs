//! Event names as numbers, for quotas.

use std::{collections::HashMap, sync::Arc};

use crate::{event::Body, fingerprint::Fingerprints};

/// Gives event names numbers. A clone does not follow.
#[derive(Debug, Default, Clone)]
pub(crate) struct NameIds {
    /// By the name's fingerprint: a name may be as long as a frame.
    ids: Arc<HashMap<u128, u32>>,
    fingerprints: Fingerprints,
}

/// Names beyond this count as one: event data must not grow our memory.
const NAMES: usize = 1024;
/// Stands for all names beyond [`NAMES`], and for notices, which have no quota.
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

    /// The number of a name, if it has one.
    pub(crate) fn known(&self, body: &Body) -> u32 {
        let Body::Event(frame) = body else { return NO_NAME };
        self.ids.get(&self.fingerprints.of(&frame.name())).copied().unwrap_or(NO_NAME)
    }
}
