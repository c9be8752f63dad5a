//! The verdict on a record.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use super::{
    names::{Names, Naming},
    privacy::{Privacy, Redactor},
    rules::{Decision, Routes},
    selector::Candidate,
    template::Template,
};
use crate::event::{
    self, Body, Class, CloudEvent, EncodedCall, Entity, JournalId, Mark, Origin, RawEvent, Record, SourceId,
};

/// The decision on a record for one sink.
#[derive(Debug)]
pub enum Verdict {
    /// Publish it.
    Publish(Published),
    /// Filtered by the route of this name.
    Filtered(Arc<str>),
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
    /// The privacy profile that changed names or data, with the id of its key. `None` if it changed nothing.
    pub redacted: Option<Arc<str>>,
}

/// The class of records that `journal replay` publishes again.
pub const REPLAY: &str = "replay";

/// The configured rules of one sink.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The subject template.
    pub template: Template,
    /// The rules that select events, and that change their destination.
    pub routes: Routes,
    /// The personal data that is hidden.
    pub privacy: Privacy,
    /// The URI that the schemas' file names are appended to. `None` announces no schemas.
    pub schemas: Option<String>,
}

/// The rules of one sink, applied to the records of a journal.
#[derive(Debug)]
pub struct Plan {
    journal: JournalId,
    sources: Arc<[String]>,
    naming: Naming,
    routes: Routes,
    redactor: Redactor,
    /// Replaces the class of every record.
    class: Option<&'static str>,
}

impl Plan {
    /// The same plan, which publishes in the given class.
    #[must_use]
    pub fn in_class(self, class: &'static str) -> Self {
        Self { class: Some(class), ..self }
    }

    /// A plan for the records of `journal`.
    pub fn new(journal: JournalId, sources: Arc<[String]>, rules: Rules) -> Self {
        let Rules { template, routes, privacy, schemas } = rules;
        let redactor = Redactor::new(privacy, &sources);
        Self { journal, sources, naming: Naming::new(template, schemas), routes, redactor, class: None }
    }

    /// The names of the dead letter of an event with these names.
    pub fn dead_letter(&self, names: &Names) -> Arc<Names> {
        self.naming.dead_letter(names)
    }

    /// The journal whose records the plan decides on.
    pub fn journal(&self) -> JournalId {
        self.journal
    }

    /// Returns true if a route may drop records.
    pub fn may_drop(&self) -> bool {
        self.routes.may_drop()
    }

    /// Decides on one record.
    pub fn decide(&mut self, record: &Record) -> Verdict {
        let Some(source) = self.sources.get(record.source.index()) else {
            return Verdict::Filtered(Arc::from("unknown source"));
        };
        match &record.body {
            Body::Event(frame) => {
                let (name, args, data) = (frame.name(), frame.args(), data(frame));
                let entity = event::entity(&name, &args);
                let candidate = Candidate::event(source, (&name, entity.as_ref()), &data, record.unchanged);
                let template = match self.routes.decide(&candidate) {
                    Decision::Drop(route) => return Verdict::Filtered(Arc::clone(route)),
                    // A copy goes to the subject of its class, whatever route the event takes.
                    Decision::Publish(template) => template.filter(|_| self.class.is_none()),
                };
                let class = self.class.unwrap_or("event");
                let binary = !frame.attachments.is_empty();
                let hidden = if binary {
                    self.redactor.binary_event(record.source, &name, &data)
                } else {
                    self.redactor.event(record.source, &name, &data)
                };
                let hidden_entity =
                    entity.as_ref().and_then(|entity| self.redactor.entity(record.source, entity));
                let hidden_name = self.redactor.event_name(&name);
                let is_redacted = hidden.is_some() || hidden_entity.is_some() || hidden_name.is_some();
                let name = hidden_name.map_or(&*name, str::as_bytes);
                let entity = hidden_entity.as_ref().or(entity.as_ref());
                Verdict::Publish(Published {
                    names: self.naming.event((source, class), name, entity, template),
                    data: hidden.unwrap_or(data),
                    args: frame.argc,
                    binary,
                    redacted: is_redacted.then(|| Arc::clone(self.redactor.label())),
                })
            }
            Body::Notice(notice) => {
                let candidate = Candidate::notice(source, &notice.name, &notice.data);
                let template = match self.routes.decide(&candidate) {
                    // No route drops a notice.
                    Decision::Drop(_) => None,
                    Decision::Publish(template) => template.filter(|_| self.class.is_none()),
                };
                let class = self.class.unwrap_or("bridge");
                let hidden = self.redactor.notice(record.source, (Class::Bridge, &notice.name), &notice.data);
                Verdict::Publish(Published {
                    names: self.naming.bridge((source, class), &notice.name, template),
                    redacted: hidden.is_some().then(|| Arc::clone(self.redactor.label())),
                    data: hidden.unwrap_or_else(|| notice.data.clone()),
                    args: 1,
                    binary: false,
                })
            }
            Body::Call(call) => {
                let entity = call_entity(call);
                let candidate = Candidate::call(source, &call.step, &entity, &call.data);
                let template = match self.routes.decide(&candidate) {
                    Decision::Drop(route) => return Verdict::Filtered(Arc::clone(route)),
                    Decision::Publish(template) => template.filter(|_| self.class.is_none()),
                };
                let class = self.class.unwrap_or("call");
                let hidden = self.redactor.notice(record.source, (Class::Call, &call.step), &call.data);
                Verdict::Publish(Published {
                    names: self.naming.call((source, class), &call.step, &entity, template),
                    redacted: hidden.is_some().then(|| Arc::clone(self.redactor.label())),
                    data: hidden.unwrap_or_else(|| call.data.clone()),
                    args: 1,
                    binary: false,
                })
            }
        }
    }

    /// The names of a copy of a record in another class: `dlq`, `replay`.
    pub fn copy(&mut self, record: &Record, class: &'static str) -> Option<Published> {
        let class = self.class.replace(class);
        let verdict = self.decide(record);
        self.class = class;
        match verdict {
            Verdict::Publish(published) => Some(published),
            Verdict::Filtered(_) => None,
        }
    }

    /// A status message with these data.
    pub fn status(&mut self, source: SourceId, what: &str, data: &Bytes) -> Option<Published> {
        let name = self.sources.get(source.index())?;
        let hidden = self.redactor.notice(source, (Class::Status, what), data);
        Some(Published {
            names: self.naming.bridge((name, "status"), what, None),
            redacted: hidden.is_some().then(|| Arc::clone(self.redactor.label())),
            data: hidden.unwrap_or_else(|| data.clone()),
            args: 1,
            binary: false,
        })
    }

    /// The data of a record, with nothing hidden.
    pub fn original(record: &Record) -> Bytes {
        match &record.body {
            Body::Event(frame) => data(frame),
            Body::Notice(notice) => notice.data.clone(),
            Body::Call(call) => call.data.clone(),
        }
    }

    /// A broker's text about a record, as the sink may see it.
    pub fn sentence<'a>(&mut self, record: &Record, text: &'a str) -> Cow<'a, str> {
        self.redactor.sentence(record.source, text)
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
            redacted: published.redacted.as_deref(),
            cause: match &record.body {
                Body::Call(call) => Some(call.cause),
                Body::Event(_) | Body::Notice(_) => None,
            },
            // Attachments are placed beside what the schema describes.
            schema: published.names.schema.as_deref().filter(|_| !published.binary),
            data: published.data.clone(),
        }
    }
}

/// Returns the entity of an event of a call.
pub(super) fn call_entity(call: &EncodedCall) -> Entity<'_> {
    Entity { kind: "call", id: Cow::Borrowed(call.key.as_bytes()), word: None, part: None }
}

/// One argument is the data, byte for byte; none or several become an array of the same texts; binary
/// attachments are placed beside their placeholders.
pub(super) fn data(frame: &RawEvent) -> Bytes {
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
