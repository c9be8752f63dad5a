//! Inspects the stream without changing it, for `check`.

use super::{JetStream, api::Api, stream, tail};
use crate::{
    health::Trouble,
    sink::{
        Claim, ProbeReport, SinkError,
        nats::{connect::Connected, subjects::covers},
    },
    text::PeerText,
};

impl JetStream {
    /// Reports what a start would do with the stream.
    pub(in crate::sink::nats) async fn inspect(
        &self,
        connected: &Connected,
        claim: &Claim,
    ) -> Result<ProbeReport, SinkError> {
        let name = &self.ours.stream;
        let api = Api { connected, stream: name };
        let Some((info, added, unwise)) = stream::inspect(&api, &self.settings, &self.ours).await? else {
            self.refuse_overlap(&self.ours.subjects).await?;
            let message = format!("stream {name} does not exist yet: the bridge will create it");
            return Ok(ProbeReport::new(message));
        };
        self.refuse_overlap(&added).await?;
        let warn = |sentence| format!("stream {name} can be used, but {sentence}");
        let mut warnings: Vec<String> = unwise.into_iter().map(|finding| warn(finding.sentence)).collect();
        // Without a fence others may write to it, and its newest message proves nothing.
        if self.settings.fence {
            let read =
                tail::read(&api, info.last_sequence, (&info.config.subjects, &self.settings.ignored)).await;
            let stored = match read {
                Ok((stored, _)) => stored,
                // A running bridge may be writing to it.
                Err(SinkError::Again(_)) => None,
                Err(error) => return Err(error),
            };
            if let Some(stored) = stored {
                let watch = async |ours, patience| self.watch(ours, patience).await;
                warnings.extend(Box::pin(claim.check(&stored, watch)).await?);
            }
        }
        let mut message = format!("stream {name} exists and is suitable");
        if !added.is_empty() {
            message = format!("stream {name} exists; the bridge will add {}", added.join(", "));
        }
        Ok(ProbeReport { message, warnings })
    }

    /// Fails if another stream has one of these subjects, as the server allows none in two streams. Uses its own connection: the
    /// account need not have the right to list streams, and a violation ends the connection.
    async fn refuse_overlap(&self, subjects: &[String]) -> Result<(), SinkError> {
        if subjects.is_empty() {
            return Ok(());
        }
        let Ok(connected) = self.servers.connect(self.allow.clone()).await else { return Ok(()) };
        let api = Api { connected: &connected, stream: &self.ours.stream };
        for subject in subjects {
            let Ok(others) = api.streams_with(subject).await else { return Ok(()) };
            let other = others.iter().map(PeerText::as_str).find(|other| *other != self.ours.stream);
            if let Some(other) = other {
                return Err(SinkError::operator(
                    Trouble::Setup,
                    format!(
                        "{} has a stream {other} with the subject {subject}, or part of it, and no subject can be in two streams: set \
                     `stream = \"{other}\"`, remove the subject from it, or set another `subject`",
                        connected.server,
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The subjects to which the account must be allowed to publish events.
    pub(in crate::sink::nats) fn subjects(&self) -> &[String] {
        &self.ours.subjects
    }

    /// The required permissions, which complete the sentence "allow the account …".
    pub(in crate::sink::nats) fn allow(&self) -> &str {
        &self.allow
    }
}

/// Returns true if a server's permission lists allow all of `subject`.
pub(in crate::sink::nats) fn permitted(allow: &[String], deny: &[String], subject: &str) -> bool {
    let is_allowed = allow.is_empty() || allow.iter().any(|wide| covers(wide, subject));
    is_allowed && !deny.iter().any(|wide| covers(wide, subject))
}
