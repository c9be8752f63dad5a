//! A session against the simulator, and the records that it appends.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use cti_bridge::{
    api,
    auth::{self, Account as Login},
    config::{Assignment, Flags},
    event::{Body, EndReason, Record, SinkId, SourceId},
    health::{Board, Component, Health},
    journal::{Journal, Reader},
    request::Trigger,
    session,
    shutdown::Stop,
};
use pbx_simulator::{Account, Answer, Knobs, Options, Simulator};
use tokio_util::sync::CancellationToken;

/// A simulated PBX, and a source that is connected to it.
pub(crate) struct Scene {
    pub(crate) pbx: Simulator,
    source: Source,
}

/// A source of the bridge without the other components.
pub(crate) struct Source {
    pub(crate) board: Board,
    pub(crate) stop: Stop,
    pub(crate) retry: Trigger,
    pub(crate) resync: Trigger,
    pub(crate) journal: Journal,
    pub(crate) findings: session::Findings,
    /// The state of the only sink, which the test plays.
    pub(crate) sink: Component,
    reader: Reader,
    records: Vec<Record>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

/// Starts a simulator and a source with these settings.
pub(crate) async fn scene(totp: Option<&str>, settings: &[&str]) -> Scene {
    scene_with(|_| {}, totp, settings).await
}

/// Same as [`scene`], with faults that the PBX has from the start.
pub(crate) async fn scene_with(
    turn: impl FnOnce(&mut Knobs),
    totp: Option<&str>,
    settings: &[&str],
) -> Scene {
    let account = totp.into_iter().fold(Account::new("bridge", "secret"), Account::with_totp);
    let mut options = Options::quiet(account);
    turn(&mut options.knobs);
    let pbx = Simulator::start(options).await.unwrap();
    let source = Source::start(pbx.url().as_str(), totp, settings);
    Scene { pbx, source }
}

impl Deref for Scene {
    type Target = Source;

    fn deref(&self) -> &Source {
        &self.source
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Source {
        &mut self.source
    }
}

/// Same as [`scene`], with other options of the PBX; the account is `bridge` with the password `secret`.
pub(crate) async fn scene_on(options: Options, settings: &[&str]) -> Scene {
    let pbx = Simulator::start(options).await.unwrap();
    let source = Source::start(pbx.url().as_str(), None, settings);
    Scene { pbx, source }
}

impl Scene {
    pub(crate) fn count(&self, path: &str) -> usize {
        self.pbx.seen().iter().filter(|seen| seen.path == path).count()
    }

    /// Makes the PBX answer this path, and no other, with `answer`.
    pub(crate) fn answers(&self, path: &str, answer: Answer) {
        self.pbx.turn(|knobs| knobs.answers = vec![(path.to_owned(), answer)]);
    }

    /// Ends all faults of the PBX.
    pub(crate) fn well(&self) {
        self.pbx.turn(|knobs| *knobs = Knobs::default());
    }

    /// The number of requests for this path that were answered 429.
    pub(crate) fn limited(&self, path: &str) -> usize {
        self.pbx.seen().iter().filter(|seen| seen.path == path && seen.status == 429).count()
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        until(what, || condition(self), &self.board).await;
    }
}

async fn until(what: &str, condition: impl Fn() -> bool, board: &Board) {
    let deadline = std::time::Instant::now() + Duration::from_secs(40);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what}; {:?}", board.snapshot());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Source {
    /// Starts a source for the user `bridge` of the PBX at this address.
    pub(crate) fn start(at: &str, totp: Option<&str>, settings: &[&str]) -> Self {
        let mut set = vec![
            format!("sources.a.url={at}"),
            "sources.a.username=bridge".into(),
            "sources.a.password=secret".into(),
            // Their own tests switch them on; others would see their records.
            "sources.a.resync=false".into(),
            "sources.a.detect_drift=false".into(),
        ];
        set.push("sinks.out.type=stdout".into());
        set.extend(totp.map(|secret| format!("sources.a.totp_secret={secret}")));
        set.extend(settings.iter().map(|setting| format!("sources.a.{setting}")));
        let set = set.iter().map(|setting| setting.parse::<Assignment>().unwrap()).collect();
        let loaded = cti_bridge::app::config::load_with(&Flags { set, ..Flags::default() }, []).unwrap();
        let config = loaded.config.sources["a"].clone();
        let client = api::Config {
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            ..api::Config::at(config.base.clone())
        };
        let client = api::Client::new(client).unwrap();
        let login = auth::Config {
            username: config.username.clone(),
            credentials: config.credentials.clone(),
            token_cache: config.token_cache.clone(),
        };
        let journal = Journal::memory(1 << 24, &["a".to_owned()], &["sink".to_owned()]);
        let (board, stop) = (Board::default(), Stop::default());
        let (retry, resync) = (Trigger::default(), Trigger::default());
        let findings = session::Findings::default();
        let sink = board.component("sink/sink".to_owned());
        let source = session::Source {
            id: SourceId(0),
            config,
            account: Login::new(login, client).unwrap(),
            journal: journal.clone(),
            health: board.component("source/a".into()),
            stop: stop.clone(),
            retry: retry.subscribe(),
            resync: resync.subscribe(),
            reconnect: Trigger::default().subscribe(),
            findings: findings.clone(),
            board: board.clone(),
            sinks: vec!["sink".to_owned()],
        };
        let (renewing, again) = (source.account.clone(), retry.subscribe());
        // Ends with the test's runtime.
        tokio::spawn(async move { renewing.renew(CancellationToken::new(), again).await });
        let task = tokio::spawn(session::run(source));
        let reader = journal.reader(SinkId(0));
        Self { board, stop, retry, resync, journal, findings, sink, reader, records: Vec::new(), task }
    }

    /// The next record.
    pub(crate) async fn next(&mut self) -> Record {
        while self.records.is_empty() {
            let ready = tokio::time::timeout(Duration::from_secs(40), self.reader.ready()).await;
            ready.unwrap_or_else(|_| panic!("nothing happened; {:?}", self.board.snapshot()));
            self.reader.read(100, &mut self.records).await;
        }
        self.records.remove(0)
    }

    /// The name of the next record's notice or event.
    pub(crate) async fn says(&mut self) -> String {
        match self.next().await.body {
            Body::Event(frame) => String::from_utf8(frame.name().into_owned()).unwrap(),
            Body::Notice(notice) => notice.name.into_owned(),
            Body::Call(call) => panic!("a call: {call:?}"),
        }
    }

    pub(crate) async fn live(&mut self) {
        self.live_after("").await;
    }

    /// Waits for a session whose gap has this reason.
    pub(crate) async fn live_after(&mut self, reason: &str) {
        let gap = self.notice("gap").await;
        assert!(reason.is_empty() || gap["reason"] == reason, "{gap}");
        self.notice("connected").await;
    }

    /// The data of the next record, which must be this notice.
    pub(crate) async fn notice(&mut self, what: &str) -> serde_json::Value {
        let Body::Notice(notice) = self.next().await.body else { panic!("an event instead of {what}") };
        let data = serde_json::from_slice(&notice.data).unwrap();
        assert_eq!(notice.name, what, "{data}");
        data
    }

    /// Waits until the state of a component contains this text.
    pub(crate) async fn tells(&self, text: &str) {
        until(text, || format!("{:?}", self.board.snapshot()).contains(text), &self.board).await;
    }

    /// The state of the source.
    pub(crate) fn health(&self) -> Health {
        self.board.snapshot().remove("source/a").unwrap()
    }

    pub(crate) async fn ended(&mut self, expected: EndReason) {
        let data = self.notice("disconnected").await;
        assert_eq!(data["reason"], serde_json::to_value(expected).unwrap(), "{data}");
    }
}
