//! Files of the journal; see the layout in the crate documentation.

pub(crate) mod codec;
pub(crate) mod compact;
pub(crate) mod fill_level;
pub(crate) mod head;
pub(crate) mod identity;
pub(crate) mod names;
pub(crate) mod repair;
pub(crate) mod retention;
pub(crate) mod scan;
pub(crate) mod sealed;
pub(crate) mod segment;
mod segment_list;
pub(crate) mod segment_range;
pub(crate) mod segment_state;
pub(crate) mod store;
pub(crate) mod superseded;
pub(crate) mod wakeup;
mod write_buffer;
