//! The verdict on a record.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    names::{Names, Naming},
    template::Template,
};
use crate::event::{self, Body, CloudEvent, JournalId, Mark, Origin, RawEvent, Record, SourceId};

/// The decision on a record for one sink.
#[derive(Debug)]
pub enum Verdict {
    /// Publish it.
    Publish(Published),
    /// Filtered by a rule.
    Filtered,
}

/// A record with its names and its payload.
#[derive(Debug)]
pub struct Published {
    /// The names.
    pub names: Arc<Names>,
    /// The JSON text of the payload.
    pub data: Bytes,
    /// The number of Socket.IO arguments.
    pub args: u16,
    /// True if `data` holds binary attachments.
    pub binary: bool,
}

/// The class of records that `journal replay` publishes again.
pub const REPLAY: &str = "replay";

/// The rules of one sink.
#[derive(Debug)]
pub struct Plan {
    journal: JournalId,
    sources: Arc<[String]>,
    naming: Naming,
    /// Replaces the class of every record.
    class: Option<&'static str>,
}

impl Plan {
    /// The same plan, which publishes in the given class.
    #[must_use]
    pub fn in_class(self, class: &'static str) -> Self {
        Self { class: Some(class), ..self }
    }

    /// A plan for the records of `journal`, with a sink's subject template.
    pub fn new(journal: JournalId, sources: Arc<[String]>, template: Template) -> Self {
        Self { journal, sources, naming: Naming::new(template), class: None }
    }

    /// The same plan, which announces the schema of each event: the catalogue's, below this URI. `None` announces none.
    #[must_use]
    pub fn with_schemas(self, schemas: Option<String>) -> Self {
        Self { naming: self.naming.with_schemas(schemas), ..self }
    }

    /// The names of the dead letter of an event with these names.
    pub fn dead_letter(&self, names: &Names) -> Arc<Names> {
        self.naming.dead_letter(names)
    }

    /// The journal whose records the plan decides on.
    pub fn journal(&self) -> JournalId {
        self.journal
    }

    /// Decides on one record.
    pub fn decide(&mut self, record: &Record) -> Verdict {
        let Some(source) = self.sources.get(record.source.index()) else { return Verdict::Filtered };
        Verdict::Publish(match &record.body {
            Body::Event(frame) => {
                let name = frame.name();
                let args = frame.args();
                let entity = event::entity(&name, &args);
                let names = self.naming.event(source, self.class.unwrap_or("event"), &name, entity.as_ref());
                let binary = !frame.attachments.is_empty();
                Published { names, data: data(frame), args: frame.argc, binary }
            }
            Body::Notice(notice) => Published {
                names: self.naming.bridge(source, self.class.unwrap_or("bridge"), &notice.name),
                data: notice.data.clone(),
                args: 1,
                binary: false,
            },
        })
    }

    /// The names of a copy of a record in another class: `dlq`, `replay`.
    pub fn copy(&mut self, record: &Record, class: &'static str) -> Option<Published> {
        let class = self.class.replace(class);
        let verdict = self.decide(record);
        self.class = class;
        match verdict {
            Verdict::Publish(published) => Some(published),
            Verdict::Filtered => None,
        }
    }

    /// The names of a status message.
    pub fn status(&mut self, source: SourceId, what: &str) -> Option<Arc<Names>> {
        let source = self.sources.get(source.index())?;
        Some(self.naming.bridge(source, "status", what))
    }

    /// The envelope of a published record. In the class `replay` every record has the origin `replay`.
    pub fn envelope<'a>(&self, record: &Record, published: &'a Published, mark: Mark) -> CloudEvent<'a> {
        CloudEvent {
            journal: self.journal,
            mark,
            sink: None,
            gap: record.gap,
            source: &published.names.source,
            ty: &published.names.ty,
            subject: published.names.subject.as_deref(),
            event: published.names.event.as_deref(),
            time: record.at,
            args: published.args,
            origin: if self.class == Some(REPLAY) { Origin::Replay } else { record.origin },
            binary: published.binary,
            // Attachments are placed beside what the schema describes.
            schema: published.names.schema.as_deref().filter(|_| !published.binary),
            data: published.data.clone(),
        }
    }
}

/// One argument is the data, byte for byte; none or several become an array of the same texts; binary
/// attachments are placed beside their placeholders.
fn data(frame: &RawEvent) -> Bytes {
    let args = frame.args();
    if frame.attachments.is_empty() {
        if frame.argc == 1 {
            return args;
        }
        return [b"[", &args[..], b"]"].concat().into();
    }
    let mut out = Vec::with_capacity(
        args.len() + frame.attachments.iter().map(|a| a.len() * 4 / 3 + 8).sum::<usize>() + 32,
    );
    out.extend_from_slice(b"{\"args\":[");
    out.extend_from_slice(&args);
    out.extend_from_slice(b"],\"attachments\":[");
    for (index, attachment) in frame.attachments.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(data_encoding::BASE64.encode(attachment).as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"]}");
    out.into()
}
