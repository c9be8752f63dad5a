//! The state that all connections of one simulated PBX share.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::{Timestamp, tz::Offset};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    accounts::Accounts,
    hub::{Hub, LoggedInUser, SocketId},
    knobs::Knobs,
    lock,
    world::World,
};

/// The limit of recorded requests for tests; the oldest are dropped first.
const REMEMBERED: usize = 10_000;

/// One HTTP request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The time of the answer.
    pub at: Timestamp,
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path with `/api`, without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: Option<String>,
    /// The status of the answer; 101 for a websocket.
    pub status: u16,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pbx {
    pub(super) knobs: Mutex<Knobs>,
    pub(super) accounts: Mutex<Accounts>,
    pub(super) world: Mutex<World>,
    /// Start of the world's time.
    pub(super) began: Instant,
    /// A script was scheduled.
    pub(super) cued: Notify,
    pub(super) hub: Hub,
    pub(super) requests: Mutex<VecDeque<Seen>>,
    /// While true the backend has no tokens and sends no events.
    pub(super) reloading: AtomicBool,
    /// While true nothing is read, written or accepted.
    pub(super) frozen: watch::Sender<bool>,
    /// Ends everything.
    pub(super) stop: CancellationToken,
    /// Ends the connections of the running middleware; a restart puts a new one here.
    pub(super) connections: Mutex<CancellationToken>,
    pub(super) tasks: TaskTracker,
}

impl Pbx {
    /// A copy of the knobs as they are now.
    pub(super) fn knobs(&self) -> Knobs {
        lock(&self.knobs).clone()
    }

    /// Returns true while the backend reloads.
    pub(super) fn is_reloading(&self) -> bool {
        self.reloading.load(Ordering::Relaxed)
    }

    /// The server's clock.
    pub(super) fn now(&self) -> Timestamp {
        let (ahead, stands) = {
            let knobs = lock(&self.knobs);
            (jiff::SignedDuration::from_secs(knobs.clock_ahead), knobs.clock_stands)
        };
        let now = stands.unwrap_or_else(Timestamp::now);
        now.checked_add(ahead).unwrap_or(now)
    }

    /// A time in the server's local zone as Go writes RFC 3339: `Z` for UTC. `format` is that of
    /// date and time.
    pub(super) fn local(&self, at: Timestamp, format: &str) -> String {
        let minutes = i32::from(lock(&self.knobs).utc_offset);
        let offset = Offset::from_seconds(minutes * 60).unwrap_or(Offset::UTC);
        let local = offset.to_datetime(at).strftime(format).to_string();
        match offset.seconds() / 60 {
            0 => format!("{local}Z"),
            east => {
                let sign = if east < 0 { '-' } else { '+' };
                format!("{local}{sign}{:02}:{:02}", east.abs() / 60, east.abs() % 60)
            }
        }
    }

    /// Waits out a freeze.
    pub(super) async fn thawed(&self) {
        // The sender lives in `self`, so the wait can't fail.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    pub(super) fn record(&self, request: Seen) {
        let mut requests = lock(&self.requests);
        if requests.len() == REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    /// Logs a socket in, at once or after those it takes over from.
    pub(super) fn enter(self: &Arc<Self>, id: SocketId, user: LoggedInUser) {
        let Knobs { authe_ok, takeover_wait, .. } = self.knobs();
        let rivals = self.hub.take_over(id, &user);
        if rivals.is_empty() {
            self.hub.log_in(id, user, authe_ok);
            return;
        }
        for (old, timer) in rivals {
            let (pbx, user) = (Arc::clone(self), user.clone());
            self.tasks.spawn(async move {
                if pbx.wait_unless(takeover_wait, &timer).await {
                    pbx.hub.expired(old, id);
                    pbx.hub.log_in(id, user, authe_ok);
                }
            });
        }
    }

    /// Returns true if `wait` passed before `ended` or the end of everything.
    pub(super) async fn wait_unless(&self, wait: Duration, ended: &CancellationToken) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = ended.cancelled() => false,
            () = self.stop.cancelled() => false,
        }
    }
}
