//! What the client reports beside the answers.

use std::sync::{Mutex, PoisonError};

use async_nats::{Event, ServerError};
use tokio::sync::Notify;

use crate::{sink::SinkError, text::PeerText};

/// What the client reports beside the answers.
#[derive(Debug)]
pub(super) struct Events {
    server: String,
    /// What a permissions violation asks for.
    allow: String,
    down: Notify,
    /// The last error the server spoke of.
    said: Mutex<Option<PeerText>>,
}

impl Events {
    pub(super) fn new(server: String, allow: String) -> Self {
        Self { server, allow, down: Notify::new(), said: Mutex::new(None) }
    }

    /// Waits for the end of the connection, or for an error of the server: either ends the link. Cancel safe.
    pub(super) async fn down(&self) {
        self.down.notified().await;
    }

    pub(super) fn note(&self, event: &Event) {
        if let Event::ServerError(error) = event {
            let said = match error {
                ServerError::AuthorizationViolation => PeerText::new("authorization violation"),
                ServerError::SlowConsumer(_) => return,
                ServerError::Other(text) => PeerText::new(text),
            };
            *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        }
        if matches!(event, Event::ServerError(_) | Event::Disconnected | Event::Closed) {
            self.down.notify_one();
        }
    }

    /// Why the connection is of no use any longer.
    pub(super) fn error(&self) -> SinkError {
        let Self { server, allow, .. } = self;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match said {
            Some(said) if said.as_str().to_ascii_lowercase().contains("permissions violation") => {
                SinkError::Operator(format!("{server} says: {said}: allow the account {allow}"))
            }
            Some(said) => SinkError::Again(format!("{server} says: {said}")),
            None => SinkError::Again(format!("{server} closed the connection")),
        }
    }
}
