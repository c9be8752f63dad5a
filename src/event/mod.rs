//! What is on the line: records and notices, the names they get on a bus, and their CloudEvents envelope.
//!
//! Everything here is data and pure functions; nothing reads a socket or a clock.

mod catalogue;
mod cloudevent;
mod identity;
mod json;
pub(crate) mod micros;
mod name;
mod notice;
mod received;
mod record;

pub use catalogue::{Entity, Kind, STATE_EVENTS, entity, is_known, state_entity};
pub(crate) use cloudevent::is_legal;
#[cfg(feature = "kafka")]
pub(crate) use cloudevent::structured_with_key;
pub use cloudevent::{Attribute, CloudEvent, Mark, structured};
pub use identity::{JournalId, Position, Seq, SinkId, SourceId};
pub(crate) use json::{field, fields};
pub use name::{NONE, entity_token, escape, slug};
pub(crate) use notice::word;
pub use notice::{AuthFailure, EndReason, GapReason, LossReason, Notice, ResyncReason, UnreadSnapshot};
pub use received::{Received, parse_structured};
pub use record::{Body, Origin, Record, Told};
pub(crate) use record::{event_type, notice_type};
