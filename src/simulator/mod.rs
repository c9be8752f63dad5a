//! A PBX that speaks the real protocol: for demos, for developers without one, and for tests.
//!
//! It answers as the middleware and the server behind it do, trap for trap: the same statuses and bodies,
//! the login that is dropped in silence, `401` with an open transport, 101 followed by nothing. [`Knobs`]
//! turn the faults on. A small company's calls ([`World`]) or recorded traffic ([`replay`]) feed it.

mod accounts;
mod knobs;
pub mod replay;
mod rest;
mod server;
mod socket;
mod world;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use accounts::Account;
use accounts::Accounts;
pub use knobs::{Fault, Knobs};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;
use url::Url;
pub use world::{Told, World};

/// What a simulator starts with.
#[derive(Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its users.
    pub accounts: Vec<Account>,
    /// The story's seed.
    pub seed: u64,
    /// Bytes of an extension's state at least.
    pub payload: usize,
    /// Things that happen per second by themselves; none: only what the handle sends.
    pub rate: Option<f64>,
    /// Faults from the start.
    pub knobs: Knobs,
}

impl Options {
    /// On a free port of loopback, with one user, quiet.
    pub fn quiet(account: Account) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen, accounts: vec![account], seed: 1, payload: 0, rate: None, knobs: Knobs::default() }
    }
}

/// A running simulator. Dropping it ends everything at once, as a power cut does.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// A request it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "plain HTTP")]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub status: u16,
}

struct Shared {
    knobs: Mutex<Knobs>,
    accounts: Mutex<Accounts>,
    world: Mutex<World>,
    sockets: Mutex<HashMap<u64, Peer>>,
    /// Sockets that are logged in.
    live: watch::Sender<usize>,
    seen: Mutex<Vec<Seen>>,
    ids: AtomicU64,
    stop: CancellationToken,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("live", &*self.live.borrow()).finish_non_exhaustive()
    }
}

struct Peer {
    // Unbounded, as the real server's buffers are: a client that reads slowly is its trouble.
    orders: mpsc::UnboundedSender<Out>,
    user: Option<(String, Option<String>)>,
}

/// What a socket is told to do.
#[derive(Debug, Clone)]
enum Out {
    Event(Message),
    Burst(Arc<[Utf8Bytes]>, usize),
    TakeOver,
    Cut,
    Freeze(bool),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// Starts one on the current runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            knobs: Mutex::new(options.knobs),
            accounts: Mutex::new(Accounts::new(options.accounts)),
            world: Mutex::new(World::new(options.seed, options.payload)),
            sockets: Mutex::default(),
            live: watch::Sender::new(0),
            seen: Mutex::default(),
            ids: AtomicU64::new(1),
            stop: CancellationToken::new(),
        });
        let stop = shared.stop.clone();
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move { stop.run_until_cancelled(server::accept(listener, accepting)).await });
        let simulator = Self { shared, address };
        if let Some(rate) = options.rate {
            simulator.live_on(rate);
        }
        Ok(simulator)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> Url {
        // An address makes a URL.
        Url::parse(&format!("http://{}", self.address)).unwrap_or_else(|_| unreachable!("{}", self.address))
    }

    /// Turns knobs while it runs.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut lock(&self.shared.knobs));
    }

    /// Sends an event to everybody who is logged in; `args` is JSON texts, comma separated.
    pub fn emit(&self, name: &str, args: &str) {
        self.shared.emit(name, args);
    }

    /// Sends any text frame to everybody who is logged in.
    pub fn send_text(&self, frame: &str) {
        self.shared.broadcast(&Out::Event(Message::text(frame.to_owned())));
    }

    /// Sends a binary frame to everybody who is logged in.
    pub fn send_binary(&self, frame: &[u8]) {
        self.shared.broadcast(&Out::Event(Message::binary(frame.to_vec())));
    }

    /// Sends these frames over and over, `count` in all, as fast as they are taken.
    pub fn burst(&self, frames: &[String], count: usize) {
        let frames: Vec<Utf8Bytes> = frames.iter().map(|frame| frame.as_str().into()).collect();
        self.shared.broadcast(&Out::Burst(frames.into(), count));
    }

    /// Cuts every websocket without a goodbye.
    pub fn cut(&self) {
        self.shared.broadcast(&Out::Cut);
    }

    /// From now on nothing is sent nor read, and every connection stays open; or ends that.
    pub fn freeze(&self, frozen: bool) {
        self.shared.broadcast(&Out::Freeze(frozen));
    }

    /// The middleware restarts: sockets end, and tokens that verify-otp gave out are forgotten.
    pub fn restart(&self) {
        lock(&self.shared.accounts).forget_verified();
        self.cut();
    }

    /// All tokens of a user are revoked, as when an administrator changes two-factor authentication.
    pub fn revoke(&self, username: &str) {
        lock(&self.shared.accounts).revoke(username);
    }

    /// How many tokens are listed.
    pub fn tokens(&self) -> usize {
        lock(&self.shared.accounts).tokens()
    }

    /// Watches the number of sockets that are logged in.
    pub fn live(&self) -> watch::Receiver<usize> {
        self.shared.live.subscribe()
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// A clone of the handle's inside for a task that feeds it.
    fn live_on(&self, rate: f64) {
        let shared = Arc::clone(&self.shared);
        let stop = shared.stop.clone();
        let pause = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(1));
        tokio::spawn(async move {
            stop.run_until_cancelled(async {
                let mut pace = tokio::time::interval(pause.max(Duration::from_micros(100)));
                loop {
                    pace.tick().await;
                    let told = lock(&shared.world).tick();
                    for (name, args) in told {
                        shared.emit(&name, &args);
                    }
                }
            })
            .await
        });
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    fn knobs(&self) -> Knobs {
        lock(&self.knobs).clone()
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        lock(&self.accounts)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    fn saw(&self, request: Seen) {
        lock(&self.seen).push(request);
    }

    fn emit(&self, name: &str, args: &str) {
        let name = serde_json::Value::from(name);
        let comma = if args.is_empty() { "" } else { "," };
        self.broadcast(&Out::Event(Message::text(format!("42[{name}{comma}{args}]"))));
    }

    fn broadcast(&self, order: &Out) {
        for peer in lock(&self.sockets).values() {
            let _ = peer.orders.send(order.clone());
        }
    }

    fn register(&self) -> (u64, mpsc::UnboundedReceiver<Out>) {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let (orders, receiver) = mpsc::unbounded_channel();
        lock(&self.sockets).insert(id, Peer { orders, user: None });
        (id, receiver)
    }

    fn logged_in(&self, id: u64, user: &str, kind: Option<&str>) {
        let mut sockets = lock(&self.sockets);
        if let Some(peer) = sockets.get_mut(&id) {
            peer.user = Some((user.to_owned(), kind.map(str::to_owned)));
        }
        self.count(&sockets);
    }

    fn unregister(&self, id: u64) {
        let mut sockets = lock(&self.sockets);
        sockets.remove(&id);
        self.count(&sockets);
    }

    fn count(&self, sockets: &HashMap<u64, Peer>) {
        self.live.send_replace(sockets.values().filter(|peer| peer.user.is_some()).count());
    }

    /// Tells the other sockets of this user and kind that they are taken over; how many there are.
    fn take_over(&self, id: u64, user: &str, kind: &str) -> usize {
        let same =
            |peer: &Peer| peer.user.as_ref().is_some_and(|(u, k)| u == user && k.as_deref() == Some(kind));
        let sockets = lock(&self.sockets);
        let ghosts = sockets.iter().filter(|(other, peer)| **other != id && same(peer));
        ghosts.filter(|(_, peer)| peer.orders.send(Out::TakeOver).is_ok()).count()
    }
}
