//! Data model of the journal: records and notices, their names on a bus, and their CloudEvents envelope.
//!
//! Pure data and functions; nothing here reads a socket or a clock.
//!
//! ```
//! let args = br#"{"queue":"401","member":"201","paused":true}"#;
//! let entity = event::entity(b"queueMemberUpdate", args).expect("the catalogue has the event");
//! assert_eq!(entity.subject(), "queue/401/member/201");
//!
//! let schema = event::event_schema(b"queueMemberUpdate").expect("the catalogue has the event");
//! assert!(schema.is_state);
//! assert_eq!(schema.ty(), "cti.event.queueMemberUpdate.v1");
//! ```

mod catalogue;
mod cloudevent;
mod fingerprint;
mod identity;
mod json;
pub mod micros;
pub mod model;
mod name;
mod notice;
mod pointer;
mod raw;
mod received;
mod record;
mod takeover;

pub use catalogue::{
    Audience, Class, Drift, DriftKind, Entity, Node, Personal, Schema, Step, Template, Type,
    data_fingerprint, drifts, entity, event_index, event_schema, is_known, is_state_event, notice_schema,
    schemas, state_entity, state_events,
};
pub use cloudevent::is_legal;
pub use cloudevent::structured_with_key;
pub use cloudevent::{Attribute, CloudEvent, Mark, structured};
pub use fingerprint::Fingerprints;
pub use identity::{JournalId, Position, Seq, SinkId, SourceId};
pub use json::{arguments, elements, field, fields};
pub use name::{HIDDEN_NAME, NONE, entity_token, escape, slug};
pub use notice::word;
pub use notice::{AuthFailure, EndReason, GapReason, LossReason, Notice, ResyncReason, UnreadSnapshot};
pub use pointer::{InvalidPointer, Pointer, scalar_text};
pub use raw::RawEvent;
pub use received::{Received, parse_structured};
pub use record::{Body, EncodedCall, EncodedNotice, Origin, Record};
pub use record::{call_type, event_type, notice_type};
pub use takeover::OnTakeover;
