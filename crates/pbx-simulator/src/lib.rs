//! A NethVoice PBX that speaks the real protocol, with faults on demand.
//!
//! The middleware and the backend behind it in one: REST under `/api/`, Engine.IO 4 and Socket.IO 5
//! on the websocket `/api/ws/`. Statuses, bodies and frames are those of the real servers, their
//! traps included. The backend answers without the middleware too, as a PBX does that was not upgraded (`/webrest/`,
//! `/socket.io/`). It promises to answer as they do; it keeps nothing on disk and masks no numbers.
//!
//! It serves the command `demo`, the command `simulate`, and the tests.
//!
//! # Example
//! ```
//! use pbx_simulator::{Account, Options, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let pbx = Simulator::start(Options::quiet(Account::new("bridge", "secret"))).await?;
//! println!("{}api/login", pbx.url());
//! pbx.turn(|knobs| knobs.backend_down = true);
//! assert_eq!(*pbx.live().borrow(), 0, "nobody is logged in");
//! # Ok(())
//! # }
//! ```

mod accounts;
mod administrator;
mod answer;
mod burst;
mod factor;
mod factor_routes;
mod flow;
pub mod frame;
mod hub;
mod knobs;
mod legacy;
mod login;
mod options;
mod packet;
mod pbx;
mod profile;
pub mod rehearsal;
mod replay;
mod reply;
mod rest;
mod server;
mod snapshot;
mod socket;
mod state;
mod token;
mod trigger;
mod world;
mod writer;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use self::{
    accounts::Accounts,
    burst::Template,
    hub::{Hub, Out},
    pbx::Pbx,
    profile::Audience,
    world::World,
};
pub use self::{
    answer::Answer,
    knobs::{KnobError, Knobs, Login, NAMES, SocketLogin, Upgrade},
    options::{Account, Flow, Options, Source, Tls},
    pbx::Seen,
    profile::Profile,
    replay::{BadLine, Replay, ReplayError},
    state::settled,
};

/// A running PBX. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Simulator {
    pbx: Arc<Pbx>,
    address: SocketAddr,
    url: Url,
    /// The next number of a burst.
    numbers: Mutex<u64>,
}

impl Simulator {
    /// Binds and serves. Fails if the address is in use or the certificate is invalid.
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options { listen, accounts, tls, seed, source, knobs } = options;
        let acceptor = tls.as_ref().map(server::acceptor).transpose()?;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{address}")).map_err(io::Error::other)?;
        let start = Timestamp::now().as_millisecond();
        let world = match source {
            Source::Calls(flow) => {
                World::new(seed, start, (flow.rate / world::NATURAL_RATE).clamp(1e-3, 1e6))
            }
            Source::Silence | Source::Replay(_) => World::idle(seed, start),
        };
        let pbx = Arc::new(Pbx {
            knobs: Mutex::new(knobs),
            accounts: Mutex::new(Accounts::new(accounts, seed)),
            world: Mutex::new(world),
            began: Instant::now(),
            cued: Notify::new(),
            hub: Hub::new(),
            requests: Mutex::new(VecDeque::new()),
            reloading: AtomicBool::new(false),
            frozen: watch::Sender::new(false),
            stop: CancellationToken::new(),
            connections: Mutex::new(CancellationToken::new()),
            tasks: TaskTracker::new(),
        });
        pbx.tasks.spawn(server::run(Arc::clone(&pbx), listener, acceptor));
        pbx.tasks.spawn(flow::cuts(Arc::clone(&pbx)));
        let payload_bytes = match &source {
            Source::Calls(flow) => flow.payload_bytes,
            Source::Silence | Source::Replay(_) => None,
        };
        pbx.tasks.spawn(flow::calls(Arc::clone(&pbx), payload_bytes));
        if let Source::Replay(replay) = source {
            pbx.tasks.spawn(flow::replay(Arc::clone(&pbx), replay));
        }
        Ok(Self { pbx, address, url, numbers: Mutex::new(0) })
    }

    /// The base URL; `/api/…` is below it.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The address and port it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the faults from now on.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut lock(&self.pbx.knobs));
    }

    /// Sends an event to all logged-in sockets. `args` is the JSON text of the arguments, separated
    /// by commas, and goes out byte for byte; empty for none.
    pub fn emit(&self, name: &str, args: &str) {
        self.send_text(&world::packet(name, args));
    }

    /// Sends one text frame to all logged-in sockets.
    pub fn send_text(&self, text: &str) {
        self.send_bytes(frame::text(text.as_bytes()));
    }

    /// Sends one text frame as the middleware does its own: to every socket that a good login was seen on, be it
    /// answered, refused, or still waiting.
    pub fn inject(&self, text: &str) {
        self.pbx.hub.inject(text);
    }

    /// Sends one binary frame to all logged-in sockets.
    pub fn send_binary(&self, payload: &[u8]) {
        self.send_bytes(frame::binary(payload));
    }

    /// Puts bytes on the wire of all logged-in sockets, below the websocket: part of a frame, a
    /// frame that is no UTF-8, or many frames at once. [`frame`] makes them.
    pub fn send_bytes(&self, bytes: impl Into<Bytes>) {
        self.pbx.hub.publish(&Audience::All, &Out::Bytes(bytes.into()));
    }

    /// Sends `count` of these text frames to all logged-in sockets, over and over, as fast as they
    /// are read.
    pub fn burst(&self, frames: &[String], count: usize) {
        let frames = frames.iter().map(|text| frame::text(text.as_bytes())).collect();
        self.pbx.hub.publish(&Audience::All, &Out::Repeated(frames, count));
    }

    /// Sends `count` `extenUpdate`s of about `payload_bytes` of JSON to all logged-in sockets, as
    /// fast as they read. `uniqueId` and `linkedId` of the one conversation end in `.` and a number
    /// of twelve digits that rises by one per event; returned is the range of these numbers.
    pub fn burst_numbered(&self, count: u64, payload_bytes: usize) -> Range<u64> {
        let mut next = lock(&self.numbers);
        let numbers = *next..*next + count;
        *next = numbers.end;
        let burst = Out::Numbered(Arc::new(Template::new(payload_bytes)), numbers.clone());
        self.pbx.hub.publish(&Audience::All, &burst);
        numbers
    }

    /// Drops all sockets, without a close frame.
    pub fn cut(&self) {
        self.pbx.hub.cut();
    }

    /// The line breaks: clients see their connections end, the server believes in them until it is
    /// restarted, so a new login of the same kind has to wait for these ghosts to make way.
    pub fn cut_unnoticed(&self) {
        self.pbx.hub.cut_unnoticed();
    }

    /// Closes the namespace of all logged-in sockets (`41`) and leaves their transports open.
    pub fn close_namespace(&self) {
        self.pbx.hub.close_namespace();
    }

    /// Freezes the server, so that it accepts, reads, writes and closes nothing;
    /// `false` ends that.
    pub fn freeze(&self, frozen: bool) {
        self.pbx.frozen.send_replace(frozen);
    }

    /// Restarts the middleware: every connection is dropped and the sessions are read from disk,
    /// which holds what the last login or logout wrote. So tokens that a one-time password has made
    /// since are unknown, and those they replaced are back.
    pub fn restart(&self) {
        lock(&self.pbx.accounts).reload();
        self.pbx.hub.remove_ghosts();
        std::mem::take(&mut *lock(&self.pbx.connections)).cancel();
    }

    /// Loses the backend's own tokens: REST answers 401 with an empty body, a login frame gets
    /// `401`. A new login helps. Open sockets stay.
    pub fn kill_sessions(&self) {
        lock(&self.pbx.accounts).kill();
    }

    /// What a user who follows the events and snapshots ends up with, as far as the profile goes: the text of the newest
    /// `extenUpdate`, `queueUpdate`, `trunkUpdate`, `parkingUpdate`, `userMainPresenceUpdate` or `userPresenceUpdate`, by
    /// that name and the entity as subjects write it. The three parts of a user's presence are `ada=2Fpresence`,
    /// `ada=2Fpresence_onbusy` and `ada=2Fpresence_onunavailable`. Compare it in the form of [`settled`].
    pub fn state(&self, username: &str) -> BTreeMap<(String, String), String> {
        state::of(&self.pbx, username)
    }

    /// The number of listed tokens of all users.
    pub fn tokens(&self) -> usize {
        lock(&self.pbx.accounts).tokens()
    }

    /// The number of logged-in sockets, to wait on.
    pub fn live(&self) -> watch::Receiver<usize> {
        self.pbx.hub.watch()
    }

    /// The requests so far, oldest first; of more than 10,000 the newest.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.pbx.requests).iter().cloned().collect()
    }

    /// Ends everything and waits until it has ended, the listener too.
    pub async fn stop(self) {
        self.pbx.stop.cancel();
        self.pbx.tasks.close();
        self.pbx.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.pbx.stop.cancel();
    }
}

/// What one thread left when it panicked is still the state the others see: no reason to panic too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
