//! A simulated PBX behind a failing front, and a source of the bridge that connects to it.

use std::time::{Duration, Instant};

use cti_bridge::{
    api,
    auth::{self, Account as Login},
    config::{Assignment, Flags},
    event::SourceId,
    health::Board,
    journal::Journal,
    request::Trigger,
    session,
    shutdown::Stop,
};
use pbx_simulator::{Account, Options, Simulator};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::front::{Fault, Front};

/// The longest time that a source may be down.
const FOR_EVER: Duration = Duration::from_mins(10);

pub(crate) struct Place {
    pbx: Simulator,
    front: Front,
}

impl Place {
    /// Returns once the first session is live.
    pub(crate) async fn start() -> Self {
        let pbx = Simulator::start(Options::quiet(Account::new("bridge", "secret"))).await.unwrap();
        let front = Front::start(pbx.address()).await;
        start(&format!("http://{}", front.address()));
        let place = Self { pbx, front };
        place.live(1).await;
        place
    }

    /// Runs an outage. Returns the time from its end to the next session.
    pub(crate) async fn suffer(&self, fault: Fault, lasts: Duration) -> Duration {
        self.front.turn(Some(fault));
        if fault == Fault::NoBackend {
            self.pbx.turn(|knobs| knobs.backend_down = true);
            self.pbx.cut();
        }
        let began = Instant::now();
        self.live(0).await;
        tokio::time::sleep(lasts.saturating_sub(began.elapsed())).await;
        self.pbx.turn(|knobs| knobs.backend_down = false);
        self.front.turn(None);
        let ended = Instant::now();
        self.live(1).await;
        ended.elapsed()
    }

    async fn live(&self, sessions: usize) {
        let mut live = self.pbx.live();
        let reached = timeout(FOR_EVER, live.wait_for(|live| *live == sessions)).await;
        reached.expect("no session for ten minutes").unwrap();
    }
}

/// Runs a source as the bridge does, with a journal that is not read.
fn start(url: &str) {
    let set = [
        format!("sources.a.url={url}"),
        "sources.a.username=bridge".to_owned(),
        "sources.a.password=secret".to_owned(),
        "sinks.out.type=stdout".to_owned(),
    ];
    let set = set.iter().map(|setting| setting.parse::<Assignment>().unwrap()).collect();
    let loaded = cti_bridge::app::config::load_with(&Flags { set, ..Flags::default() }, []).unwrap();
    let config = loaded.config.sources["a"].clone();
    let client = api::Client::new(api::Config {
        connect_timeout: config.connect_timeout,
        request_timeout: config.request_timeout,
        ..api::Config::at(config.base.clone())
    });
    let login = auth::Config {
        username: config.username.clone(),
        credentials: config.credentials.clone(),
        token_cache: None,
    };
    let account = Login::new(login, client.unwrap()).unwrap();
    let board = Board::default();
    let retry = Trigger::default();
    let source = session::Source {
        id: SourceId(0),
        config,
        account: account.clone(),
        journal: Journal::memory(1 << 24, &["a".to_owned()], &["sink".to_owned()]),
        health: board.component("source/a".into()),
        stop: Stop::default(),
        retry: retry.subscribe(),
        resync: Trigger::default().subscribe(),
        reconnect: Trigger::default().subscribe(),
        findings: session::Findings::default(),
        board,
        sinks: vec!["sink".to_owned()],
    };
    tokio::spawn(async move { account.renew(CancellationToken::new(), retry.subscribe()).await });
    tokio::spawn(session::run(source));
}
