//! Events of the connection: errors of the server, and the end of the connection.

use std::{collections::BTreeSet, error::Error, sync::OnceLock};

use async_nats::{Event, ServerError};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::DropGuard;

use super::{
    guard::{Violation, ViolationCell},
    unreachable::REACHABLE,
};
use crate::{health::Trouble, sink::SinkError, text::PeerText};

/// The events of one connection.
#[derive(Debug)]
pub(super) struct Events {
    server: String,
    /// The required permissions, which complete the sentence "allow the account …".
    allow: String,
    down: Notify,
    /// The last error that the server reported.
    error: Mutex<Option<PeerText>>,
    /// The protocol violation for which the guard has closed the connection.
    pub(super) violation: ViolationCell,
    /// Stops the guard when dropped.
    pub(super) guard: OnceLock<DropGuard>,
    /// The subject of the dead letter in flight, and the refusal of the server, if any.
    letter: Mutex<(String, Option<PeerText>)>,
    /// The subjects of heartbeats, and the refusal of the server for one of them, if any.
    heartbeats: Mutex<(BTreeSet<String>, Option<PeerText>)>,
}

impl Events {
    pub(super) fn new(server: String, allow: String) -> Self {
        Self {
            server,
            allow,
            down: Notify::new(),
            error: Mutex::default(),
            letter: Mutex::default(),
            heartbeats: Mutex::default(),
            violation: ViolationCell::default(),
            guard: OnceLock::new(),
        }
    }

    /// Waits for the end of the connection, or for an error of the server. Either ends the link. Cancel safe.
    pub(super) async fn down(&self) {
        self.down.notified().await;
    }

    /// Records an event of the client.
    pub(super) fn record(&self, event: &Event) {
        if let Event::ServerError(error) = event {
            let text = match error {
                ServerError::AuthorizationViolation => "authorization violation",
                ServerError::SlowConsumer(_) => return,
                ServerError::Other(text) => text,
            };
            if self.refuses_letter(text) || self.refuses_heartbeat(text) {
                return;
            }
            *self.error.lock() = Some(PeerText::new(text));
        }
        if matches!(event, Event::ServerError(_) | Event::Disconnected | Event::Closed) {
            self.down.notify_one();
        }
    }

    /// Announces a dead letter for this subject: its refusal does not end the link.
    pub(super) fn expect_letter(&self, subject: &str) {
        *self.letter.lock() = (subject.to_owned(), None);
    }

    /// Announces a heartbeat for this subject: its refusal does not end the link.
    pub(super) fn expect_heartbeat(&self, subject: &str) {
        let mut heartbeats = self.heartbeats.lock();
        if !heartbeats.0.contains(subject) {
            heartbeats.0.insert(subject.to_owned());
        }
    }

    fn refuses_heartbeat(&self, text: &str) -> bool {
        let mut heartbeats = self.heartbeats.lock();
        let (subjects, refusal) = &mut *heartbeats;
        let is_refused = subjects.iter().any(|subject| refuses(text, subject));
        if is_refused {
            *refusal = Some(PeerText::new(text));
        }
        is_refused
    }

    /// The reason why the server refuses heartbeats, with the remedy. `None` while it accepts them.
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

    fn refuses_letter(&self, text: &str) -> bool {
        let mut letter = self.letter.lock();
        let (subject, refusal) = &mut *letter;
        let is_refused = !subject.is_empty() && refuses(text, subject);
        if is_refused {
            *refusal = Some(PeerText::new(text));
        }
        is_refused
    }

    /// Takes the reason why the server refused the dead letter. `None` if it did not.
    pub(super) fn letter_refusal(&self) -> Option<String> {
        let refusal = self.letter.lock().1.take();
        refusal.map(|refusal| refusal.to_string())
    }

    /// Makes the error for the end of the connection. Its cause names the server, as that of a failed attempt to connect does: one
    /// outage is one cause.
    pub(super) fn error(&self) -> SinkError {
        self.fault().at(&self.server)
    }

    /// As [`error`](Self::error), for a call of the client that failed with `source`. Where the server reported the cause itself,
    /// the client's error adds nothing.
    pub(super) fn failed(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> SinkError {
        let is_explained = self.violation.get().is_some() || self.error.lock().is_some();
        if is_explained { self.error() } else { self.error().because(source) }
    }

    fn fault(&self) -> SinkError {
        let Self { server, allow, .. } = self;
        if let Some(violation) = self.violation.get() {
            return violated(server, violation);
        }
        let error = self.error.lock().clone();
        match error {
            Some(error) if error.as_str().to_ascii_lowercase().contains("permissions violation") => {
                SinkError::operator(
                    Trouble::Permission,
                    format!("{server} reports: {error}: allow the account {allow}"),
                )
            }
            Some(error) => SinkError::again(Trouble::Unreachable, format!("{server} reports: {error}")),
            None => SinkError::again(Trouble::Unreachable, format!("{server} closed the connection"))
                .remedy(REACHABLE),
        }
    }
}

/// Returns true if an error of the server refuses messages for this subject.
fn refuses(text: &str, subject: &str) -> bool {
    text.to_ascii_lowercase().contains("permissions violation for publish")
        && text.contains(&format!("\"{subject}\""))
}

/// Makes the error for a connection that the guard has closed.
pub(super) fn violated(server: &str, violation: &Violation) -> SinkError {
    SinkError::again(
        Trouble::Unreachable,
        format!("{server} sent {violation}, and was disconnected: check that it is a NATS server"),
    )
}
