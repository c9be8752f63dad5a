//! All open sockets, their logged-in users, and the queues to their writers.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    burst::Template,
    frame, lock,
    profile::{Audience, Profile},
};

/// Waiting items per socket. The real server queues without bound for a reader that lags; ours cuts
/// a socket that is this far behind.
const QUEUE: usize = 1 << 20;

/// The id of a socket, in order of connecting.
pub(super) type SocketId = u64;

/// Output for a socket's writer.
#[derive(Debug, Clone)]
pub(super) enum Out {
    /// Complete frames, or any bytes that a test sends.
    Bytes(Bytes),
    /// Numbered events, made by the writer as it goes.
    Numbered(Arc<Template>, Range<u64>),
    /// These frames in turn, up to a total number.
    Repeated(Arc<[Bytes]>, usize),
    /// Closes the transport without a close frame, after all earlier output.
    End,
}

/// The user who is logged in on a socket.
#[derive(Debug, Clone)]
pub(super) struct LoggedInUser {
    pub(super) username: String,
    pub(super) ua_type: Option<String>,
    pub(super) profile: Profile,
}

#[derive(Debug)]
struct Socket {
    queue: mpsc::Sender<Out>,
    cut: CancellationToken,
    user: Option<LoggedInUser>,
    /// The client is gone but the server hasn't noticed, and considers it logged in.
    ghost: bool,
    /// Whether a valid login has passed the middleware, which sends events to this socket from then on.
    registered: bool,
}

impl Socket {
    fn push(&self, out: Out) {
        if self.queue.try_send(out).is_err() {
            self.cut.cancel();
        }
    }
}

/// A login that waits for an older session to make way.
#[derive(Debug)]
struct TakeOver {
    old: SocketId,
    new: SocketId,
    user: LoggedInUser,
    /// Cancels the timer; `None` where a bug of the real server leaves it running.
    timer: Option<CancellationToken>,
}

#[derive(Debug, Default)]
struct Sockets {
    open: BTreeMap<SocketId, Socket>,
    /// In order of login.
    logged_in: Vec<SocketId>,
    takeovers: Vec<TakeOver>,
    next: SocketId,
}

/// All open sockets.
#[derive(Debug)]
pub(super) struct Hub {
    sockets: Mutex<Sockets>,
    logged_in: watch::Sender<usize>,
}

/// The registration of a socket's task.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) id: SocketId,
    pub(super) queue: mpsc::Receiver<Out>,
    pub(super) cut: CancellationToken,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self { sockets: Mutex::default(), logged_in: watch::Sender::new(0) }
    }

    /// Watches the number of logged-in sockets.
    pub(super) fn watch(&self) -> watch::Receiver<usize> {
        self.logged_in.subscribe()
    }

    pub(super) fn register(&self) -> Registration {
        let (sender, queue) = mpsc::channel(QUEUE);
        let cut = CancellationToken::new();
        let mut sockets = lock(&self.sockets);
        let id = sockets.next;
        sockets.next += 1;
        sockets.open.insert(
            id,
            Socket { queue: sender, cut: cut.clone(), user: None, ghost: false, registered: false },
        );
        Registration { id, queue, cut }
    }

    pub(super) fn remove(&self, id: SocketId) {
        let mut sockets = lock(&self.sockets);
        if sockets.open.get(&id).is_some_and(|socket| socket.ghost) {
            return self.count(&sockets);
        }
        sockets.open.remove(&id);
        self.log_out(&mut sockets, id);
    }

    /// Logs a socket out whose namespace was left; it stays open.
    pub(super) fn leave(&self, id: SocketId) {
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.open.get_mut(&id) {
            socket.user = None;
        }
        self.log_out(&mut sockets, id);
    }

    fn log_out(&self, sockets: &mut Sockets, id: SocketId) {
        sockets.logged_in.retain(|logged_in| *logged_in != id);
        sockets.takeovers.retain(|takeover| takeover.new != id);
        self.count(sockets);
    }

    fn count(&self, sockets: &Sockets) {
        let alive = |id: &&SocketId| sockets.open.get(id).is_some_and(|socket| !socket.ghost);
        self.logged_in.send_replace(sockets.logged_in.iter().filter(alive).count());
    }

    pub(super) fn send(&self, id: SocketId, out: Out) {
        if let Some(socket) = lock(&self.sockets).open.get(&id) {
            socket.push(out);
        }
    }

    pub(super) fn send_text(&self, id: SocketId, text: &str) {
        self.send(id, Out::Bytes(frame::text(text.as_bytes())));
    }

    /// Sends to every logged-in socket in the audience. Returns their number.
    pub(super) fn publish(&self, audience: &Audience, out: &Out) -> usize {
        let sockets = lock(&self.sockets);
        let hears = |user: &LoggedInUser| user.profile.hears(audience, &user.username);
        let hearing = sockets.open.values().filter(|socket| socket.user.as_ref().is_some_and(hears));
        hearing.map(|socket| socket.push(out.clone())).count()
    }

    /// Records that a valid login has passed the middleware.
    pub(super) fn mark_registered(&self, id: SocketId) {
        if let Some(socket) = lock(&self.sockets).open.get_mut(&id) {
            socket.registered = true;
        }
    }

    /// Sends to every socket with a login that the middleware accepted, whatever the backend decided.
    pub(super) fn inject(&self, text: &str) {
        let out = Out::Bytes(frame::text(text.as_bytes()));
        lock(&self.sockets)
            .open
            .values()
            .filter(|socket| socket.registered)
            .for_each(|socket| socket.push(out.clone()));
    }

    /// Drops every connection, without a close frame.
    pub(super) fn cut(&self) {
        lock(&self.sockets).open.values().for_each(|socket| socket.cut.cancel());
    }

    /// Drops every connection, while the server still considers them open.
    pub(super) fn cut_unnoticed(&self) {
        for socket in lock(&self.sockets).open.values_mut() {
            socket.ghost = socket.user.is_some();
            socket.cut.cancel();
        }
    }

    /// Removes the remains of connections that are gone.
    pub(super) fn remove_ghosts(&self) {
        let mut sockets = lock(&self.sockets);
        sockets.open.retain(|_, socket| !socket.ghost);
        let Sockets { open, logged_in, .. } = &mut *sockets;
        logged_in.retain(|id| open.contains_key(id));
        self.count(&sockets);
    }

    /// Closes the namespace of every logged-in socket; the transports stay open.
    pub(super) fn close_namespace(&self) {
        let mut sockets = lock(&self.sockets);
        for id in std::mem::take(&mut sockets.logged_in) {
            if let Some(socket) = sockets.open.get_mut(&id) {
                socket.user = None;
                socket.push(Out::Bytes(frame::text(b"41")));
            }
        }
        self.count(&sockets);
    }

    /// Logs a socket in and confirms the login `times` times. From then on it receives events.
    pub(super) fn log_in(&self, id: SocketId, user: LoggedInUser, times: usize) {
        let mut sockets = lock(&self.sockets);
        let Some(socket) = sockets.open.get_mut(&id) else { return };
        for _ in 0..times {
            socket.push(Out::Bytes(frame::text(br#"42["authe_ok",{"message":"authorized successfully"}]"#)));
        }
        socket.user = Some(user);
        if !sockets.logged_in.contains(&id) {
            sockets.logged_in.push(id);
        }
        self.count(&sockets);
    }

    /// Asks every session of the same user and client type to make way for `new`. Returns the old ones,
    /// each with the token that ends its timer; the new login is due when any of them answers or
    /// its timer ends.
    pub(super) fn take_over(&self, new: SocketId, user: &LoggedInUser) -> Vec<(SocketId, CancellationToken)> {
        let mut sockets = lock(&self.sockets);
        if user.ua_type.is_none() {
            return Vec::new();
        }
        let rival = |id: &SocketId| {
            sockets
                .open
                .get(id)
                .and_then(|socket| socket.user.as_ref())
                .is_some_and(|other| other.username == user.username && other.ua_type == user.ua_type)
        };
        let old: Vec<SocketId> = sockets.logged_in.iter().copied().filter(rival).collect();
        let last = sockets.logged_in.last().copied();
        let mut timers = Vec::new();
        for old in old {
            let timer = CancellationToken::new();
            if let Some(socket) = sockets.open.get(&old) {
                socket.push(Out::Bytes(frame::text(br#"42["takeOver"]"#)));
            }
            // The server's acknowledgement handler clears the timer of the last session it looped
            // over, no matter which one answered: all other timers run on and log the client in once more.
            let clears = (last == Some(old)).then(|| timer.clone());
            sockets.takeovers.push(TakeOver { old, new, user: user.clone(), timer: clears });
            timers.push((old, timer));
        }
        timers
    }

    /// Returns the logins that waited for `old`, which has acknowledged.
    pub(super) fn acknowledged(&self, old: SocketId) -> Vec<(SocketId, LoggedInUser)> {
        let mut sockets = lock(&self.sockets);
        let mut due = Vec::new();
        sockets.takeovers.retain(|takeover| {
            if takeover.old != old {
                return true;
            }
            if let Some(timer) = &takeover.timer {
                timer.cancel();
            }
            due.push((takeover.new, takeover.user.clone()));
            false
        });
        due
    }

    /// Removes a take-over whose timer has expired.
    pub(super) fn expired(&self, old: SocketId, new: SocketId) {
        lock(&self.sockets).takeovers.retain(|takeover| (takeover.old, takeover.new) != (old, new));
    }
}
