//! What the client reports beside the answers.

use std::{collections::BTreeSet, sync::OnceLock};

use async_nats::{Event, ServerError};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::DropGuard;

use super::guard::{Noted, Violation};
use crate::{health::Trouble, sink::SinkError, text::PeerText};

/// What the client reports beside the answers.
#[derive(Debug)]
pub(super) struct Events {
    server: String,
    /// What a permissions violation asks for.
    allow: String,
    down: Notify,
    /// The last error the server spoke of.
    said: Mutex<Option<PeerText>>,
    /// What the server sent that no server sends; the guard has then closed the connection.
    pub(super) violation: Noted,
    /// Keeps the guard.
    pub(super) guard: OnceLock<DropGuard>,
    /// The subject of a dead letter, and why the server does not let us publish there.
    letter: Mutex<(String, Option<PeerText>)>,
    /// The subjects of heartbeats, and why the server does not let us publish to one of them.
    heartbeats: Mutex<(BTreeSet<String>, Option<PeerText>)>,
}

impl Events {
    pub(super) fn new(server: String, allow: String) -> Self {
        Self {
            server,
            allow,
            down: Notify::new(),
            said: Mutex::default(),
            letter: Mutex::default(),
            heartbeats: Mutex::default(),
            violation: Noted::default(),
            guard: OnceLock::new(),
        }
    }

    /// Waits for the end of the connection, or for an error of the server: either ends the link. Cancel safe.
    pub(super) async fn down(&self) {
        self.down.notified().await;
    }

    pub(super) fn note(&self, event: &Event) {
        if let Event::ServerError(error) = event {
            let said = match error {
                ServerError::AuthorizationViolation => "authorization violation",
                ServerError::SlowConsumer(_) => return,
                ServerError::Other(text) => text,
            };
            if self.is_of_letter(said) || self.is_of_heartbeat(said) {
                return;
            }
            *self.said.lock() = Some(PeerText::new(said));
        }
        if matches!(event, Event::ServerError(_) | Event::Disconnected | Event::Closed) {
            self.down.notify_one();
        }
    }

    /// A dead letter goes to this subject. That the server refuses it does not end the connection.
    pub(super) fn expect_letter(&self, subject: &str) {
        *self.letter.lock() = (subject.to_owned(), None);
    }

    /// A heartbeat goes to this subject. That the server refuses it does not end the connection.
    pub(super) fn expect_heartbeat(&self, subject: &str) {
        let mut heartbeats = self.heartbeats.lock();
        if !heartbeats.0.contains(subject) {
            heartbeats.0.insert(subject.to_owned());
        }
    }

    fn is_of_heartbeat(&self, said: &str) -> bool {
        let mut heartbeats = self.heartbeats.lock();
        let (subjects, refusal) = &mut *heartbeats;
        let is_refused = subjects.iter().any(|subject| refuses(said, subject));
        if is_refused {
            *refusal = Some(PeerText::new(said));
        }
        is_refused
    }

    /// Why the server refuses heartbeats, with the remedy.
    pub(super) fn heartbeat_refusal(&self) -> Option<String> {
        let heartbeats = self.heartbeats.lock();
        let (subjects, refusal) = &*heartbeats;
        let all: Vec<&str> = subjects.iter().map(String::as_str).collect();
        refusal.as_ref().map(|refusal| {
            format!(
                "{} refuses heartbeats ({refusal}): allow the account to publish {}, or set `heartbeat = \"off\"`",
                self.server,
                all.join(", ")
            )
        })
    }

    fn is_of_letter(&self, said: &str) -> bool {
        let mut letter = self.letter.lock();
        let (subject, refusal) = &mut *letter;
        let is_refused = !subject.is_empty() && refuses(said, subject);
        if is_refused {
            *refusal = Some(PeerText::new(said));
        }
        is_refused
    }

    /// Why the server refused the dead letter.
    pub(super) fn letter_refusal(&self) -> Option<String> {
        let refusal = self.letter.lock().1.take();
        refusal.map(|refusal| refusal.to_string())
    }

    /// Why the connection is of no use any longer. The cause names the server, as that of a failed attempt to connect does: one
    /// outage is one cause.
    pub(super) fn error(&self) -> SinkError {
        let error = self.fault();
        let sentence = error.to_string();
        error.at(&self.server, sentence)
    }

    fn fault(&self) -> SinkError {
        let Self { server, allow, .. } = self;
        if let Some(violation) = self.violation.get() {
            return violated(server, violation);
        }
        let said = self.said.lock().clone();
        match said {
            Some(said) if said.as_str().to_ascii_lowercase().contains("permissions violation") => {
                SinkError::operator(
                    Trouble::Permission,
                    format!("{server} says: {said}: allow the account {allow}"),
                )
            }
            Some(said) => SinkError::again(Trouble::Unreachable, format!("{server} says: {said}")),
            None => SinkError::again(
                Trouble::Unreachable,
                format!("{server} closed the connection: check that it is running and reachable"),
            ),
        }
    }
}

/// Whether the server says that it does not let us publish to this subject.
fn refuses(said: &str, subject: &str) -> bool {
    said.to_ascii_lowercase().contains("permissions violation for publish")
        && said.contains(&format!("\"{subject}\""))
}

/// The error of a connection that the guard has closed.
pub(super) fn violated(server: &str, violation: &Violation) -> SinkError {
    SinkError::again(
        Trouble::Unreachable,
        format!("{server} sent {violation}, and was disconnected: is it a NATS server?"),
    )
}
