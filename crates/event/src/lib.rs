//! Data model of the journal: records and notices, their names on a bus, and their CloudEvents envelope.
//!
//! Pure data and functions; nothing here reads a socket or a clock.

mod catalogue;
mod cloudevent;
mod fingerprint;
mod identity;
mod json;
pub mod micros;
mod name;
mod notice;
mod raw;
mod received;
mod record;
mod takeover;

pub use catalogue::{Entity, Kind, STATE_EVENTS, entity, is_known, state_entity};
pub use cloudevent::is_legal;
pub use cloudevent::structured_with_key;
pub use cloudevent::{Attribute, CloudEvent, Mark, structured};
pub use fingerprint::Fingerprints;
pub use identity::{JournalId, Position, Seq, SinkId, SourceId};
pub use json::{elements, field, fields};
pub use name::{NONE, entity_token, escape, slug};
pub use notice::word;
pub use notice::{AuthFailure, EndReason, GapReason, LossReason, Notice, ResyncReason, UnreadSnapshot};
pub use raw::RawEvent;
pub use received::{Received, parse_structured};
pub use record::{Body, EncodedNotice, Origin, Record};
pub use record::{event_type, notice_type};
pub use takeover::OnTakeover;
