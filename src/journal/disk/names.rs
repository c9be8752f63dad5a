//! Event names as numbers, for quotas.

use std::{collections::HashMap, sync::Arc};

use crate::event::Body;

/// Gives event names numbers. A clone does not follow.
#[derive(Debug, Default, Clone)]
pub(crate) struct NameIds(Arc<HashMap<Box<[u8]>, u32>>);

/// Names beyond this count as one: event data must not grow our memory.
const NAMES: usize = 1024;
/// Stands for all names beyond [`NAMES`], and for notices, which have no quota.
pub(crate) const NO_NAME: u32 = 0;

impl NameIds {
    pub(crate) fn of(&mut self, body: &Body) -> u32 {
        let Body::Event(frame) = body else { return NO_NAME };
        let name = frame.name();
        if let Some(id) = self.0.get(&*name) {
            return *id;
        }
        if self.0.len() >= NAMES {
            return NO_NAME;
        }
        let id = u32::try_from(self.0.len()).unwrap_or_default() + 1;
        Arc::make_mut(&mut self.0).insert((*name).into(), id);
        id
    }

    /// The number of a name, if it has one.
    pub(crate) fn known(&self, body: &Body) -> u32 {
        let Body::Event(frame) = body else { return NO_NAME };
        self.0.get(&*frame.name()).copied().unwrap_or(NO_NAME)
    }
}
