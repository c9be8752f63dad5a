//! One websocket from its 101 to its end: the middleware's proxy and the backend behind it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, ReadHalf},
    time::{Instant, sleep_until},
};

use super::{
    frame::{self, Broken, Decoder, Received},
    hub::{Out, Registration, SocketId},
    knobs::{Knobs, Upgrade},
    legacy, lock, login,
    packet::{self, Packet},
    pbx::Pbx,
    writer,
};

pub(super) type Io = TokioIo<Upgraded>;

/// Serves a websocket until either side ends it. `query` is the request's; `legacy`: there is no middleware on the way.
pub(super) async fn run(pbx: Arc<Pbx>, io: Io, query: String, legacy: bool) {
    let knobs = pbx.knobs();
    let field = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    };
    // The middleware answers 101 before it dials the backend; what the backend refuses ends here.
    let refused = field("transport").as_deref() != Some("websocket");
    if refused || knobs.backend_down || knobs.upgrade == Upgrade::Eof {
        return;
    }
    let mute = knobs.upgrade == Upgrade::Mute || field("EIO").is_some_and(|version| version != "4");
    let Registration { id, queue, cut } = pbx.hub.register();
    let _registered = Registered { pbx: Arc::clone(&pbx), id };
    let (reader, writer) = tokio::io::split(io);
    let mut session = Session { legacy, ..Session::new(Arc::clone(&pbx), id, &knobs, mute) };
    tokio::select! {
        () = cut.cancelled() => {}
        () = pbx.stop.cancelled() => {}
        () = session.read(reader) => {}
        // A failed write counts as an end.
        _ = writer::run(&pbx, writer, queue) => {}
    }
}

/// Ends with the connection's task, also where a restart of the middleware drops it.
struct Registered {
    pbx: Arc<Pbx>,
    id: SocketId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.pbx.hub.remove(self.id);
    }
}

/// The connection is over.
struct ConnectionEnd;

impl From<Broken> for ConnectionEnd {
    fn from(_: Broken) -> Self {
        Self
    }
}

/// The reading side's state.
struct Session {
    pbx: Arc<Pbx>,
    id: SocketId,
    /// Whether the backend is silent: the middleware alone answers pings and closes.
    mute: bool,
    /// The client talks to the backend directly.
    legacy: bool,
    joined: bool,
    /// Attachments still to come for a binary event.
    attachments: usize,
    ping_interval: Duration,
    ping_timeout: Duration,
    /// The due time of the next ping (`2`); `None` until the last one was answered.
    ping_at: Option<Instant>,
    /// The time at which the client counts as gone.
    dead_at: Instant,
    /// When a transport without a namespace is closed; `None` once one was joined, also after it
    /// was left again.
    join_by: Option<Instant>,
}

impl Session {
    fn new(pbx: Arc<Pbx>, id: SocketId, knobs: &Knobs, mute: bool) -> Self {
        let now = Instant::now();
        let Knobs { ping_interval, ping_timeout, join_wait, .. } = *knobs;
        if !mute {
            let (interval, timeout) = (ping_interval.as_millis(), ping_timeout.as_millis());
            let open = format!(
                r#"0{{"sid":"{}","upgrades":[],"pingInterval":{interval},"pingTimeout":{timeout}}}"#,
                sid()
            );
            pbx.hub.send_text(id, &open);
        }
        Self {
            pbx,
            id,
            mute,
            legacy: false,
            joined: false,
            attachments: 0,
            ping_interval,
            ping_timeout,
            ping_at: (!mute).then(|| now + ping_interval),
            dead_at: now + ping_interval + ping_timeout,
            join_by: (!mute).then(|| now + join_wait),
        }
    }

    /// Reads until the client ends the connection. If the server ends it, waits for the writer to finish.
    async fn read(&mut self, mut io: ReadHalf<Io>) {
        let mut decoder = Decoder::default();
        loop {
            let deadline =
                [self.ping_at, self.join_by].into_iter().flatten().fold(self.dead_at, Instant::min);
            let over = tokio::select! {
                read = io.read_buf(&mut decoder.buffer) => {
                    if !matches!(read, Ok(1..)) {
                        return;
                    }
                    self.pbx.thawed().await;
                    self.received(&mut decoder)
                }
                () = sleep_until(deadline) => self.due(),
            };
            if over.is_err() {
                self.pbx.hub.send(self.id, Out::End);
                std::future::pending::<()>().await;
            }
        }
    }

    fn due(&mut self) -> Result<(), ConnectionEnd> {
        let now = Instant::now();
        if now >= self.dead_at || self.join_by.is_some_and(|by| now >= by) {
            return Err(ConnectionEnd);
        }
        if self.ping_at.is_some_and(|at| now >= at) {
            if lock(&self.pbx.knobs).heartbeat {
                self.send("2");
                self.ping_at = None;
                self.dead_at = now + self.ping_timeout;
            } else {
                self.ping_at = Some(now + self.ping_interval);
            }
        }
        Ok(())
    }

    fn received(&mut self, decoder: &mut Decoder) -> Result<(), ConnectionEnd> {
        while let Some(message) = decoder.next()? {
            match message {
                Received::Ping(payload) => self.pbx.hub.send(self.id, Out::Bytes(frame::pong(&payload))),
                Received::Close(payload) => {
                    self.pbx.hub.send(self.id, Out::Bytes(frame::close(&payload)));
                    return Err(ConnectionEnd);
                }
                Received::Text(text) if !self.mute => self.text(&text)?,
                Received::Binary(_) if !self.mute => {
                    self.attachments = self.attachments.checked_sub(1).ok_or(ConnectionEnd)?;
                }
                Received::Pong | Received::Text(_) | Received::Binary(_) => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &Bytes) -> Result<(), ConnectionEnd> {
        let text = std::str::from_utf8(text).map_err(|_| ConnectionEnd)?;
        self.dead_at = Instant::now() + self.ping_interval + self.ping_timeout;
        let login = if self.legacy { login::Forwarding::Passed } else { login::forwarding(&self.pbx, text) };
        match login {
            login::Forwarding::Dropped => return Ok(()),
            login::Forwarding::Trusted => self.pbx.hub.mark_registered(self.id),
            login::Forwarding::Passed => {}
        }
        match packet::parse(text) {
            Packet::Ping | Packet::Malformed => return Err(ConnectionEnd),
            Packet::Pong => self.ping_at = Some(Instant::now() + self.ping_interval),
            Packet::Connect("/") => {
                self.joined = true;
                self.join_by = None;
                self.send(&format!(r#"40{{"sid":"{}"}}"#, sid()));
            }
            Packet::Connect(other) => {
                self.send(&format!(r#"44{other},{{"message":"Invalid namespace"}}"#));
            }
            Packet::Disconnect("/") => {
                self.joined = false;
                self.pbx.hub.leave(self.id);
            }
            Packet::Event { namespace: "/", ack, args } if self.joined => {
                self.event(ack, &args, login == login::Forwarding::Trusted);
            }
            Packet::Binary(count) => self.attachments = count,
            Packet::Idle | Packet::Disconnect(_) | Packet::Event { .. } | Packet::Ignored => {}
        }
        Ok(())
    }

    fn event(&mut self, ack: &str, args: &[serde_json::Value], trusted: bool) {
        match args.first().and_then(|name| name.as_str()) {
            Some("login") => match login::admit(&self.pbx, args.get(1), self.trusts(args.get(1), trusted)) {
                login::Admission::Refused => {
                    self.send(r#"42["401",{"message":"unauthorized access"}]"#);
                    self.send("41");
                    self.joined = false;
                    self.pbx.hub.leave(self.id);
                }
                login::Admission::Silent => {}
                login::Admission::Accepted(user) => {
                    for text in self.pbx.knobs().before_login {
                        self.send(&text);
                    }
                    self.pbx.enter(self.id, user);
                }
            },
            Some("ping") if !ack.is_empty() && lock(&self.pbx.knobs).ping_ack => {
                self.send(&format!("43{ack}[]"));
            }
            Some("takeOverAck") => {
                let times = lock(&self.pbx.knobs).authe_ok;
                for (new, user) in self.pbx.hub.acknowledged(self.id) {
                    self.pbx.hub.log_in(new, user, times);
                }
            }
            _ => {}
        }
    }

    /// Whether the token of a login is valid: accepted by the middleware, or the backend's own.
    fn trusts(&self, login: Option<&serde_json::Value>, vouched: bool) -> bool {
        if self.legacy { legacy::is_known(&self.pbx, login) } else { vouched }
    }

    fn send(&self, text: &str) {
        self.pbx.hub.send_text(self.id, text);
    }
}

/// 20 characters, as the real server's ids.
fn sid() -> String {
    (0..20).map(|_| fastrand::alphanumeric()).collect()
}
