//! One websocket: what the middleware does to its frames, and the server behind it.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{Out, Shared};

/// What the server does not take costs the connection: 1 MB.
const LARGEST: usize = 1_000_000;

struct Socket {
    websocket: WebSocketStream<TokioIo<Upgraded>>,
    shared: Arc<Shared>,
    id: u64,
    joined: bool,
    /// Who is logged in, and as what kind of client.
    user: Option<(String, Option<String>)>,
    /// A login that waits for a ghost to give way.
    waiting: Option<(Instant, String, Option<String>)>,
    frozen: bool,
}

/// Why the connection ends.
struct Ended;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    access_key_id: Value,
    token: Value,
    ua_type: Option<Value>,
}

/// Serves one connection to its end.
pub(super) async fn serve(upgraded: Upgraded, query: &str, shared: Arc<Shared>) {
    let knobs = shared.knobs();
    let has = |pair: &str| query.split('&').any(|part| part == pair);
    if knobs.backend_down || !has("transport=websocket") {
        // 101, and then nothing: no close frame.
        return;
    }
    let websocket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let (id, orders) = shared.register();
    let socket = Socket {
        websocket,
        shared: Arc::clone(&shared),
        id,
        joined: false,
        user: None,
        waiting: None,
        frozen: false,
    };
    if has("EIO=3") {
        // Mute, and open for ever.
        std::future::pending::<()>().await;
    }
    let _ = socket.run(orders).await;
    shared.unregister(id);
}

impl Socket {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Out>) -> Result<(), Ended> {
        let knobs = self.shared.knobs();
        let millis = knobs.ping_interval.as_millis();
        self.text(format!(
            "0{{\"sid\":\"e{}\",\"upgrades\":[],\"pingInterval\":{millis},\"pingTimeout\":10000000}}",
            self.id
        ))
        .await?;
        let mut pings = interval_at(Instant::now() + knobs.ping_interval, knobs.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let join_by = Instant::now() + knobs.join_timeout;
        loop {
            let waiting = self.waiting.as_ref().map(|(until, ..)| *until);
            tokio::select! {
                order = orders.recv() => self.obey(order.ok_or(Ended)?).await?,
                message = self.websocket.next(), if !self.frozen => match message {
                    Some(Ok(Message::Text(text))) => self.hear(text.as_str()).await?,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Ended),
                    Some(Ok(_)) => {}
                },
                _ = pings.tick(), if !self.frozen && self.shared.knobs().pings => self.text("2".to_owned()).await?,
                () = sleep_until(join_by), if self.user.is_none() && !self.joined && !self.frozen => return Err(Ended),
                () = sleep_until(waiting.unwrap_or(join_by)), if waiting.is_some() => {
                    if let Some((_, user, kind)) = self.waiting.take() {
                        self.accept(user, kind).await?;
                    }
                }
            }
        }
    }

    async fn obey(&mut self, order: Out) -> Result<(), Ended> {
        match order {
            Out::Event(message) if self.user.is_some() && !self.frozen => self.send(message).await,
            Out::Burst(frames, count) if self.user.is_some() => {
                for frame in frames.iter().cycle().take(count) {
                    self.websocket.feed(Message::Text(frame.clone())).await.map_err(|_| Ended)?;
                }
                self.websocket.flush().await.map_err(|_| Ended)
            }
            Out::Event(_) | Out::Burst(..) => Ok(()),
            Out::TakeOver => self.text("42[\"takeOver\"]".to_owned()).await,
            Out::Cut => Err(Ended),
            Out::Freeze(frozen) => {
                self.frozen = frozen;
                Ok(())
            }
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), Ended> {
        if text.len() > LARGEST {
            return Err(Ended);
        }
        match text.as_bytes() {
            [b'3', ..] | b"1" => Ok(()),
            [b'4', b'0', rest @ ..] if !rest.starts_with(b"/") => {
                self.joined = true;
                self.text(format!("40{{\"sid\":\"s{}\"}}", self.id)).await
            }
            [b'4', b'0', rest @ ..] => {
                let name =
                    String::from_utf8_lossy(rest.split(|&byte| byte == b',').next().unwrap_or_default())
                        .into_owned();
                self.text(format!("44{name},{{\"message\":\"Invalid namespace\"}}")).await
            }
            [b'4', b'1'] => Err(Ended),
            [b'4', b'2', ..] => self.event(text).await,
            // An Engine.IO ping from a client, or anything malformed.
            _ => Err(Ended),
        }
    }

    async fn event(&mut self, text: &str) -> Result<(), Ended> {
        let body = text.get(2..).unwrap_or_default();
        let id: String = body.chars().take_while(char::is_ascii_digit).collect();
        let args: Vec<Value> =
            serde_json::from_str(body.get(id.len()..).unwrap_or_default()).map_err(|_| Ended)?;
        match args.first().and_then(Value::as_str) {
            None => Err(Ended),
            Some("ping") if !id.is_empty() && self.shared.knobs().probe_answers => {
                self.text(format!("43{id}[]")).await
            }
            Some("takeOverAck") => Ok(()),
            // Before the namespace is joined nothing is heard.
            Some("login") if self.joined => {
                let login = args.get(1).cloned().and_then(|login| serde_json::from_value(login).ok());
                // The middleware knows a login by its first bytes alone.
                self.login(login, text.starts_with("42[\"login\"")).await
            }
            Some(_) => Ok(()),
        }
    }

    async fn login(&mut self, login: Option<Login>, recognised: bool) -> Result<(), Ended> {
        let Some(Login { access_key_id: Value::String(user), token: Value::String(token), ua_type }) = login
        else {
            return self.refuse().await;
        };
        let kind = ua_type.as_ref().and_then(Value::as_str).map(str::to_owned);
        let knobs = self.shared.knobs();
        let (session, listed) = {
            let accounts = self.shared.accounts();
            (accounts.has_session(&user), accounts.is_listed(&user, &token))
        };
        if knobs.refuse_login
            || !recognised
            || !session
            || kind.as_deref().is_some_and(|kind| !matches!(kind, "mobile" | "desktop"))
        {
            return self.refuse().await;
        }
        if knobs.silent_login || !listed {
            return Ok(());
        }
        for number in 0..knobs.early_events {
            self.text(format!("42[\"satellite/summary\",{{\"uniqueid\":\"{number}\"}}]")).await?;
        }
        let ghosts = kind.as_ref().map_or(0, |kind| self.shared.take_over(self.id, &user, kind));
        if ghosts > 0 {
            self.waiting = Some((Instant::now() + knobs.takeover, user, kind));
            return Ok(());
        }
        self.accept(user, kind).await
    }

    async fn accept(&mut self, user: String, kind: Option<String>) -> Result<(), Ended> {
        for _ in 0..self.shared.knobs().authe_ok.max(1) {
            self.text("42[\"authe_ok\",{\"message\":\"authorized successfully\"}]".to_owned()).await?;
        }
        self.shared.logged_in(self.id, &user, kind.as_deref());
        self.user = Some((user, kind));
        Ok(())
    }

    /// `401` and the end of the namespace; the transport stays open.
    async fn refuse(&mut self) -> Result<(), Ended> {
        self.text("42[\"401\",{\"message\":\"unauthorized access\"}]".to_owned()).await?;
        self.text("41".to_owned()).await
    }

    async fn text(&mut self, text: String) -> Result<(), Ended> {
        self.send(Message::text(text)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        tokio::time::timeout(Duration::from_mins(1), self.websocket.send(message))
            .await
            .map_err(|_| Ended)?
            .map_err(|_| Ended)
    }
}
