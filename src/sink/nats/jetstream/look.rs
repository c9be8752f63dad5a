//! A look at the stream that changes nothing, for `check`.

use super::{JetStream, api::Api, findings::covers, stream, tail};
use crate::{
    event::JournalId,
    sink::{Looked, SinkError, nats::connect::Connected, proof::foreign},
};

impl JetStream {
    /// What a start would make of the stream. `ours`: the journal that the bridge will write from, if it has begun one.
    pub(in crate::sink::nats) async fn look(
        &self,
        connected: &Connected,
        ours: Option<JournalId>,
        adopt: Option<JournalId>,
    ) -> Result<Looked, SinkError> {
        let name = &self.ours.stream;
        let api = Api { connected, stream: name };
        let Some((info, added, unwise)) = stream::inspect(&api, &self.settings, &self.ours).await? else {
            let message = format!("there is no stream {name} yet: the bridge will create it");
            return Ok(Looked { message, warnings: Vec::new() });
        };
        // Without a fence others may write to it, and its end tells nothing.
        if self.settings.fence {
            let read =
                tail::read(&api, info.last_sequence, (&info.config.subjects, &self.settings.ignored)).await;
            let stored = match read {
                Ok((stored, _)) => stored,
                // It grows while a running bridge writes to it, as it should.
                Err(SinkError::Again(_)) => None,
                Err(error) => return Err(error),
            };
            if let Some(stored) = stored
                && Some(stored.journal) != ours
                && Some(stored.journal) != adopt
            {
                return Err(foreign(&stored, ours));
            }
        }
        let mut message = format!("stream {name} is there, as it should be");
        if !added.is_empty() {
            message = format!("stream {name} is there; the bridge will add {}", added.join(", "));
        }
        let warn = |sentence| format!("stream {name} can be used, but {sentence}");
        Ok(Looked { message, warnings: unwise.into_iter().map(|finding| warn(finding.sentence)).collect() })
    }

    /// What the account must be allowed to publish beside status messages.
    pub(in crate::sink::nats) fn subjects(&self) -> &[String] {
        &self.ours.subjects
    }

    pub(in crate::sink::nats) fn allow(&self) -> &str {
        &self.allow
    }
}

/// Whether a list of a server's permissions lets all of `subject` pass.
pub(in crate::sink::nats) fn permitted(allow: &[String], deny: &[String], subject: &str) -> bool {
    let is_allowed = allow.is_empty() || allow.iter().any(|wide| covers(wide, subject));
    is_allowed && !deny.iter().any(|wide| covers(wide, subject))
}
