//! Files of the journal; see the layout in the crate documentation.

pub(crate) mod bell;
pub(crate) mod codec;
pub(crate) mod compact;
pub(crate) mod crowd;
pub(crate) mod identity;
pub(crate) mod names;
pub(crate) mod repair;
pub(crate) mod retention;
pub(crate) mod scan;
pub(crate) mod sealed;
pub(crate) mod segment;
pub(crate) mod segment_state;
pub(crate) mod store;
pub(crate) mod stretch;
pub(crate) mod superseded;
