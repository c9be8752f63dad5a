//! A connection that has joined its namespace.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, error::CapacityError};
use url::Url;

use crate::{
    BadFrame, BadReason, CloseReason, ConnectError, Frame, Options,
    deadline::Deadline,
    liveness::{Liveness, Verdict},
    open::ping_interval,
    packet::{Event, Packet, decode},
    upgrade::{Websocket, upgrade},
};

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Incoming {
    /// An event.
    Event(Frame),
    /// `41`: the server has ended the namespace. The transport stays open; close it.
    Disconnected,
    /// A frame that is not an event.
    Bad(BadFrame),
    /// The answer to the barrier with this number: everything that the server sent before has been delivered.
    Barrier(u64),
}

/// The minimum size of the read buffer, in bytes.
const LARGE: usize = 1 << 20;

/// A connection that has joined its namespace. Dropping it closes the TCP connection at once.
pub struct Socket {
    websocket: Websocket,
    options: Options,
    liveness: Liveness,
    barriers: u64,
    outbox: VecDeque<Message>,
    /// The deadline for the outbox to be empty.
    write_by: Option<Instant>,
    pending: Option<Pending>,
    /// The size of the largest message so far, in bytes.
    largest: usize,
}

/// A binary event that waits for its attachments.
struct Pending {
    at: Timestamp,
    bytes: Bytes,
    event: Event,
    attachments: Vec<Bytes>,
    size: usize,
    by: Instant,
    deadline: Deadline,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The outbox may hold a login.
        f.debug_struct("Socket").field("liveness", &self.liveness).finish_non_exhaustive()
    }
}

impl Socket {
    /// Establishes a session on a connection: upgrade, open packet, namespace; each within its limit.
    ///
    /// `url` is `ws://` or `wss://` with the path of the server, by default `/socket.io/`; host and path go into the
    /// request. The caller establishes the connection, and TLS on it.
    pub async fn connect(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        url: &Url,
        options: Options,
    ) -> Result<Self, ConnectError> {
        let mut websocket = upgrade(url, Box::new(stream), &options).await?;
        let late = |step, limit| move |_| ConnectError::TimedOut { step, limit };
        let open = timeout(options.open, first_text(&mut websocket))
            .await
            .map_err(late("send the Engine.IO open packet", options.open))?
            .ok_or(ConnectError::Dropped)?;
        let ping_interval = ping_interval(&open).ok_or(ConnectError::NotEngineIo)?;
        let namespace = options.namespace;
        let mut socket = Self {
            websocket,
            liveness: Liveness::new(ping_interval, &options),
            options,
            barriers: 0,
            outbox: VecDeque::new(),
            write_by: None,
            pending: None,
            largest: 0,
        };
        socket.queue("40".to_owned());
        timeout(namespace, socket.join()).await.map_err(late("join the namespace", namespace))??;
        Ok(socket)
    }

    /// Waits until the namespace is joined.
    async fn join(&mut self) -> Result<(), ConnectError> {
        loop {
            self.flush().await.map_err(|_| ConnectError::Dropped)?;
            let text = first_text(&mut self.websocket).await.ok_or(ConnectError::Dropped)?;
            match decode(text.as_bytes()) {
                Ok(Packet::Connected) => return Ok(()),
                Ok(Packet::Refused(_) | Packet::Disconnected) => return Err(ConnectError::NamespaceRefused),
                Ok(Packet::Ping) => self.queue("3".to_owned()),
                // Nothing else is expected before the namespace is joined.
                _ => {}
            }
        }
    }

    /// Sends an event with one argument, JSON text, or none, without asking for an acknowledgement: `42["name",argument]`.
    /// No space is put between the two.
    pub async fn emit(&mut self, name: &str, argument: Option<&str>) -> Result<(), CloseReason> {
        let name = Value::from(name);
        self.queue(match argument {
            Some(argument) => format!("42[{name},{argument}]"),
            None => format!("42[{name}]"),
        });
        self.flush().await
    }

    /// Requests an [`Incoming::Barrier`] with the returned number, delivered after everything that the server sends before
    /// it. It is an event without arguments; a server that does not acknowledge it never answers the barrier. Sent by
    /// the next call of [`Socket::next`].
    pub fn barrier(&mut self, event: &str) -> u64 {
        self.barriers += 1;
        // 0 is the probe's.
        self.queue(format!("42{}[{}]", self.barriers, Value::from(event)));
        self.barriers
    }

    /// Waits for the next event on the connection. Answers pings and requests for acknowledgement, probes a quiet peer, and
    /// fails if it stays silent. Cancel safe.
    pub async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            self.flush().await?;
            let due = self.due();
            tokio::select! {
                biased;
                message = self.websocket.next() => if let Some(incoming) = self.take(message)? {
                    return Ok(incoming);
                },
                () = sleep_until(due) => if let Some(incoming) = self.overdue()? {
                    return Ok(incoming);
                },
            }
        }
    }

    /// Returns what has already arrived, without waiting. If `None`, call [`Socket::next`].
    pub fn try_next(&mut self) -> Option<Result<Incoming, CloseReason>> {
        loop {
            // Packets that need an answer are left to `next`, which can wait for the write.
            if !self.outbox.is_empty() {
                return None;
            }
            let message = self.websocket.next().now_or_never()?;
            match self.take(message) {
                Ok(Some(incoming)) => return Some(Ok(incoming)),
                Ok(None) => {}
                Err(closed) => return Some(Err(closed)),
            }
        }
    }

    /// Closes the connection properly, waiting for a second at most.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.websocket.close(None)).await;
    }

    fn queue(&mut self, text: String) {
        self.write_by.get_or_insert_with(|| Instant::now() + self.options.write);
        self.outbox.push_back(Message::text(text));
    }

    /// Writes queued messages. Cancel safe: a message leaves the queue in the step that hands it over.
    async fn flush(&mut self) -> Result<(), CloseReason> {
        let Some(by) = self.write_by else { return Ok(()) };
        let write = async {
            while let Some(message) = self.outbox.front() {
                self.websocket.feed(message.clone()).await?;
                self.outbox.pop_front();
            }
            self.websocket.flush().await
        };
        match tokio::time::timeout_at(by, write).await {
            Ok(Ok(())) => {
                self.write_by = None;
                Ok(())
            }
            Ok(Err(error)) => Err(closed(error)),
            Err(_) => Err(CloseReason::WriteTimeout(self.options.write)),
        }
    }

    /// Returns true while a message is arriving: an awaited one may follow it.
    pub fn is_receiving(&self) -> bool {
        self.websocket.get_ref().activity.message_since.is_some()
    }

    /// The time of the next action if nothing arrives.
    fn due(&self) -> Instant {
        let due = self.liveness.due(self.websocket.get_ref().activity);
        self.pending
            .as_ref()
            .map_or(due, |pending| due.min(pending.deadline.due(self.attachments_by(pending))))
    }

    fn overdue(&mut self) -> Result<Option<Incoming>, CloseReason> {
        let now = Instant::now();
        let by = self.pending.as_ref().map(|pending| self.attachments_by(pending));
        if let (Some(pending), Some(by)) = (&mut self.pending, by)
            && pending.deadline.is_over(by, now)
        {
            return Ok(self.give_up_pending());
        }
        match self.liveness.judge(self.websocket.get_ref().activity, now) {
            Verdict::Alive => {}
            Verdict::Probe(event) => {
                let probe = format!("420[{}]", Value::from(event));
                self.queue(probe);
            }
            Verdict::Dead(reason) => return Err(reason),
        }
        Ok(None)
    }

    /// The deadline for the next attachment; extended while a message is arriving, which may be it.
    fn attachments_by(&self, pending: &Pending) -> Instant {
        let activity = self.websocket.get_ref().activity;
        match activity.message_since {
            Some(_) => pending.by.max(activity.last_read + self.options.attachments),
            None => pending.by,
        }
    }

    fn take(&mut self, message: Option<Result<Message, WsError>>) -> Result<Option<Incoming>, CloseReason> {
        self.websocket.get_mut().complete();
        match message {
            None => Err(CloseReason::Eof),
            Some(Err(error)) => Err(closed(error)),
            Some(Ok(Message::Text(text))) => self.text(&text.into()),
            Some(Ok(Message::Binary(binary))) => Ok(self.binary(&binary)),
            Some(Ok(Message::Close(frame))) => {
                Err(frame.map_or(CloseReason::Eof, |frame| CloseReason::Closed(frame.code.into())))
            }
            // The library answers websocket pings. They prove that a proxy is alive, but not the server behind it.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        }
    }

    /// Copies a message to its own allocation: a slice would keep the complete read buffer alive with the event. The buffer
    /// is no larger than the largest message so far, so one of half that size is not worth a copy.
    fn owned(&mut self, message: &Bytes) -> Bytes {
        self.largest = self.largest.max(message.len());
        if message.len() >= LARGE && message.len() >= self.largest / 2 {
            return message.clone();
        }
        Bytes::copy_from_slice(message)
    }

    fn text(&mut self, text: &Bytes) -> Result<Option<Incoming>, CloseReason> {
        let event = match decode(text) {
            Err(reason) => return Ok(Some(Incoming::Bad(BadFrame::new(reason.into(), text)))),
            Ok(Packet::Ping) => {
                self.queue("3".to_owned());
                return Ok(None);
            }
            Ok(Packet::Close) => return Err(CloseReason::EngineClosed),
            Ok(Packet::Disconnected) => return Ok(Some(Incoming::Disconnected)),
            Ok(Packet::Ack { id, .. }) => {
                self.liveness.answered();
                return Ok((id > 0 && id <= self.barriers).then_some(Incoming::Barrier(id)));
            }
            Ok(Packet::Open(_) | Packet::Idle | Packet::Connected | Packet::Refused(_)) => return Ok(None),
            Ok(Packet::Event(event)) => event,
        };
        if let Some(id) = event.ack {
            self.queue(format!("43{id}[]"));
        }
        let bytes = self.owned(text);
        let at = Timestamp::now();
        if event.attachments == 0 {
            let Event { name, args, argc, .. } = event;
            return Ok(Some(Incoming::Event(Frame {
                at,
                bytes,
                name,
                args,
                argc,
                attachments: Box::default(),
            })));
        }
        let missing = self.give_up_pending();
        if event.attachments > self.options.max_attachments {
            return Ok(Some(Incoming::Bad(BadFrame::new(BadReason::AttachmentsTooLarge, text))));
        }
        let by = Instant::now() + self.options.attachments;
        let deadline = Deadline::default();
        self.pending = Some(Pending { at, bytes, event, attachments: Vec::new(), size: 0, by, deadline });
        Ok(missing)
    }

    /// Other frames may come between a binary event and its attachments: a proxy that multiplexes may send its own.
    fn binary(&mut self, binary: &Bytes) -> Option<Incoming> {
        let Some(pending) = &mut self.pending else {
            return Some(Incoming::Bad(BadFrame::new(BadReason::UnexpectedBinary, binary)));
        };
        pending.size += binary.len();
        if pending.size > self.options.max_attachment_bytes {
            self.pending = None;
            return Some(Incoming::Bad(BadFrame::new(BadReason::AttachmentsTooLarge, binary)));
        }
        let bytes = self.owned(binary);
        let pending = self.pending.as_mut()?;
        pending.attachments.push(bytes);
        pending.by = Instant::now() + self.options.attachments;
        if pending.attachments.len() < pending.event.attachments {
            return None;
        }
        let Pending { at, bytes, event: Event { name, args, argc, .. }, attachments, .. } =
            self.pending.take()?;
        Some(Incoming::Event(Frame { at, bytes, name, args, argc, attachments: attachments.into() }))
    }

    fn give_up_pending(&mut self) -> Option<Incoming> {
        let pending = self.pending.take()?;
        Some(Incoming::Bad(BadFrame::new(BadReason::AttachmentsMissing, &pending.bytes)))
    }
}

/// The first text message; `None` if the connection ends before it.
async fn first_text(websocket: &mut Websocket) -> Option<String> {
    loop {
        match websocket.next().await?.ok()? {
            Message::Text(text) => {
                websocket.get_mut().complete();
                return Some(text.as_str().to_owned());
            }
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

fn closed(error: WsError) -> CloseReason {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => CloseReason::Eof,
        WsError::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => CloseReason::Eof,
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            CloseReason::TooLarge { size, limit: max_size }
        }
        WsError::Utf8(_) => CloseReason::NotUtf8,
        other => CloseReason::Transport(other.into()),
    }
}
