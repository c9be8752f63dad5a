//! CloudEvents 1.0 envelope, binary and structured (<https://github.com/cloudevents/spec>).

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;

use super::{JournalId, Origin, Seq};

/// A context attribute of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "CloudEvents and `docs/consume/events.md` document them")]
pub enum Attribute {
    SpecVersion,
    Id,
    Source,
    Type,
    Time,
    DataContentType,
    Sequence,
    CtiPrev,
    CtiGap,
    Subject,
    CtiEvent,
    CtiArgs,
    CtiOrigin,
    CtiBinary,
    CtiRedacted,
    CausationId,
    DataSchema,
}

impl Attribute {
    /// Returns the attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpecVersion => "specversion",
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Time => "time",
            Self::DataContentType => "datacontenttype",
            Self::Sequence => "sequence",
            Self::CtiPrev => "ctiprev",
            Self::CtiGap => "ctigap",
            Self::Subject => "subject",
            Self::CtiEvent => "ctievent",
            Self::CtiArgs => "ctiargs",
            Self::CtiOrigin => "ctiorigin",
            Self::CtiBinary => "ctibinary",
            Self::CtiRedacted => "ctiredacted",
            Self::CausationId => "causationid",
            Self::DataSchema => "dataschema",
        }
    }

    /// Returns whether CloudEvents types it as Boolean or Integer, so that JSON has no quotes around it.
    fn is_bare(self) -> bool {
        matches!(self, Self::CtiArgs | Self::CtiBinary)
    }
}

/// Identification of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A record of the journal.
    Numbered {
        /// Its number.
        seq: Seq,
        /// Number of the source's previous event in the same partition; 0 for the first.
        prev: Seq,
    },
    /// A copy of a record: in a replay or a dead letter.
    Copy {
        /// Its number.
        seq: Seq,
    },
    /// A status message, which is not in the journal.
    Status {
        /// Start of the process in microseconds since 1970, which is unique within a journal.
        start: i64,
        /// Counter of the status messages.
        count: u64,
    },
}

/// An event with its envelope attributes, ready for any binding.
#[derive(Debug, Clone)]
pub struct CloudEvent<'a> {
    /// Journal that numbered the event.
    pub journal: JournalId,
    /// Identification of the event.
    pub mark: Mark,
    /// Sink that could not publish the event; set on dead letters only.
    pub sink: Option<&'a str>,
    /// Number of the source's newest notice of loss.
    pub gap: Seq,
    /// `/cti/<source>`.
    pub source: &'a str,
    /// `cti.event.<slug>.v1`.
    pub ty: &'a str,
    /// Entity of the event.
    pub subject: Option<&'a str>,
    /// Socket.IO name, if it differs from the slug.
    pub event: Option<&'a str>,
    /// Receive time of the frame.
    pub time: Timestamp,
    /// Number of Socket.IO arguments.
    pub args: u16,
    /// Origin of the event.
    pub origin: Origin,
    /// Whether `data` holds binary attachments.
    pub binary: bool,
    /// Privacy profile that changed names or data, with the id of its key; `None` if nothing was changed.
    pub redacted: Option<&'a str>,
    /// Number of the event that a derived event follows from; `None` for any other event.
    pub cause: Option<Seq>,
    /// URI of the schema of `data`.
    pub schema: Option<&'a str>,
    /// JSON text.
    pub data: Bytes,
}

impl CloudEvent<'_> {
    /// Calls `each` with every attribute to send. `scratch` is overwritten; pass the same one for each event
    /// to avoid allocations.
    pub fn attributes(&self, scratch: &mut String, mut each: impl FnMut(Attribute, &str)) {
        each(Attribute::SpecVersion, "1.0");
        self.changing(scratch, &mut each);
        each(Attribute::Source, self.source);
        each(Attribute::Type, self.ty);
        each(Attribute::DataContentType, "application/json");
        if let Some(subject) = self.subject {
            each(Attribute::Subject, subject);
        }
        if let Some(event) = self.event {
            each(Attribute::CtiEvent, event);
        }
        if self.args != 1 {
            scratch.clear();
            // Writing to a String can't fail.
            let _ = write!(scratch, "{}", self.args);
            each(Attribute::CtiArgs, scratch);
        }
        if let Some(origin) = self.origin.attribute() {
            each(Attribute::CtiOrigin, origin);
        }
        if self.binary {
            each(Attribute::CtiBinary, "true");
        }
        if let Some(profile) = self.redacted {
            each(Attribute::CtiRedacted, profile);
        }
        if let Some(schema) = self.schema {
            each(Attribute::DataSchema, schema);
        }
    }

    /// Calls `each` with the attributes that may differ between two events of the same names, shape and
    /// origin.
    pub fn changing(&self, scratch: &mut String, mut each: impl FnMut(Attribute, &str)) {
        scratch.clear();
        let _ = match self.mark {
            Mark::Numbered { seq, .. } | Mark::Copy { seq } => write!(scratch, "{}-{}", self.journal, seq.0),
            Mark::Status { start, count } => write!(scratch, "{}-status-{start}-{count}", self.journal),
        };
        if let Some(sink) = self.sink {
            let _ = write!(scratch, "-{sink}");
        }
        each(Attribute::Id, scratch);
        scratch.clear();
        let _ = write!(scratch, "{:.6}", self.time);
        each(Attribute::Time, scratch);
        if let Mark::Numbered { seq, prev } = self.mark {
            each(Attribute::Sequence, padded(seq, scratch));
            each(Attribute::CtiPrev, padded(prev, scratch));
        }
        if let Mark::Copy { seq } = self.mark {
            each(Attribute::Sequence, padded(seq, scratch));
        }
        each(Attribute::CtiGap, padded(self.gap, scratch));
        if let Some(cause) = self.cause {
            scratch.clear();
            let _ = write!(scratch, "{}-{}", self.journal, cause.0);
            each(Attribute::CausationId, scratch);
        }
    }
}

/// Formats a number with 20 digits, so that text compares as numbers do (required by the `sequence`
/// extension).
fn padded(seq: Seq, scratch: &mut String) -> &str {
    scratch.clear();
    let mut digits = [b'0'; 20];
    let mut rest = seq.0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    scratch.extend(digits.iter().map(|&digit| char::from(digit)));
    scratch
}

/// Appends the event in structured mode: one JSON object with `data` unchanged.
pub fn structured(event: &CloudEvent<'_>, scratch: &mut String, out: &mut Vec<u8>) {
    out.push(b'{');
    structured_fields(event, scratch, out);
}

/// Appends the event in structured mode with a `partitionkey`.
pub fn structured_with_key(event: &CloudEvent<'_>, key: &str, scratch: &mut String, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"partitionkey\":");
    // A string can't fail to serialize, nor a Vec to be written to.
    let _ = serde_json::to_writer(&mut *out, key);
    out.push(b',');
    structured_fields(event, scratch, out);
}

/// Appends the object without its opening brace.
fn structured_fields(event: &CloudEvent<'_>, scratch: &mut String, out: &mut Vec<u8>) {
    event.attributes(scratch, |attribute, value| {
        out.push(b'"');
        out.extend_from_slice(attribute.name().as_bytes());
        out.extend_from_slice(b"\":");
        if attribute.is_bare() {
            out.extend_from_slice(value.as_bytes());
        } else {
            // A string can't fail to serialize, nor a Vec to be written to.
            let _ = serde_json::to_writer(&mut *out, value);
        }
        out.push(b',');
    });
    out.extend_from_slice(b"\"data\":");
    out.extend_from_slice(&event.data);
    out.push(b'}');
}

/// Returns whether CloudEvents allows the text in a string attribute and it is short enough.
pub fn is_legal(text: &str) -> bool {
    text.chars().count() <= 256
        && text.chars().all(|c| {
            !c.is_control() && (u32::from(c) & 0xFFFE) != 0xFFFE && !('\u{FDD0}'..='\u{FDEF}').contains(&c)
        })
}
