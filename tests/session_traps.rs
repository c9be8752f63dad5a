//! The session against a PBX that does what real ones were seen to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use cti_bridge::{
    api,
    auth::{self, Account as Login},
    config::{Assignment, Flags},
    event::{Body, EndReason, Record, SourceId},
    health::Board,
    journal::{Journal, Reader},
    request::Call,
    session,
    shutdown::Stop,
    simulator::{self, Account, Knobs, Options, Simulator, SocketLogin},
};

struct Scene {
    pbx: Simulator,
    board: Board,
    stop: Stop,
    retry: Call,
    reader: Reader,
    records: Vec<Record>,
    task: tokio::task::JoinHandle<()>,
}

/// A bridge's source without the rest of a bridge, with further settings of the source.
async fn scene(totp: Option<&str>, settings: &[&str]) -> Scene {
    let account = totp.into_iter().fold(Account::new("bridge", "p"), Account::with_totp);
    let pbx = Simulator::start(Options::quiet(account)).await.unwrap();
    let mut set = vec![
        format!("sources.a.url={}", pbx.url()),
        "sources.a.username=bridge".into(),
        "sources.a.password=p".into(),
    ];
    set.push("sinks.out.type=stdout".into());
    set.extend(totp.map(|secret| format!("sources.a.totp_secret={secret}")));
    set.extend(settings.iter().map(|setting| format!("sources.a.{setting}")));
    let set = set.iter().map(|setting| setting.parse::<Assignment>().unwrap()).collect();
    let loaded = cti_bridge::config::load_with(&Flags { set, ..Flags::default() }, []).unwrap();
    let config = loaded.config.sources["a"].clone();
    let client = api::Client::new(api::Config::at(config.base.clone())).unwrap();
    let login = auth::Config {
        username: config.username.clone(),
        password: config.password.clone(),
        totp_secret: config.totp_secret.clone(),
    };
    let journal = Journal::memory(1 << 24, &["a".to_owned()], &["sink".to_owned()]);
    let (board, stop, retry) = (Board::default(), Stop::default(), Call::default());
    let source = session::Source {
        id: SourceId(0),
        config,
        account: Login::new(login, client).unwrap(),
        journal: journal.clone(),
        health: board.component("source/a".into()),
        stop: stop.clone(),
        retry: retry.listen(),
    };
    let task = tokio::spawn(session::run(source));
    Scene { pbx, board, stop, retry, reader: journal.reader(0), records: Vec::new(), task }
}

impl Scene {
    /// The next record.
    async fn next(&mut self) -> Record {
        while self.records.is_empty() {
            let ready = tokio::time::timeout(Duration::from_secs(40), self.reader.ready()).await;
            ready.unwrap_or_else(|_| panic!("nothing happened; {:?}", self.board.snapshot()));
            self.reader.read(100, &mut self.records).await;
        }
        self.records.remove(0)
    }

    /// What the next record says: a notice's name, or an event's.
    async fn says(&mut self) -> String {
        match self.next().await.body {
            Body::Event(frame) => String::from_utf8(frame.name().into_owned()).unwrap(),
            Body::Notice(notice) => notice.what.into_owned(),
        }
    }

    async fn live(&mut self) {
        assert_eq!([self.says().await, self.says().await], ["gap", "connected"]);
    }

    async fn ended(&mut self, expected: EndReason) {
        let Body::Notice(notice) = self.next().await.body else { panic!("an event") };
        let data: serde_json::Value = serde_json::from_slice(&notice.data).unwrap();
        assert_eq!(notice.what, "disconnected", "{data}");
        assert_eq!(data["reason"], serde_json::to_value(expected).unwrap(), "{data}");
    }

    fn count(&self, path: &str) -> usize {
        self.pbx.seen().iter().filter(|seen| seen.path == path).count()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(40);
        while !condition(self) {
            assert!(std::time::Instant::now() < deadline, "{what}; {:?}", self.board.snapshot());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[tokio::test]
async fn a_backend_that_boots_costs_no_second_login() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.backend_down = true);
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    let before = scene.count("/api/ws/");
    scene.until("no attempts at the websocket", |scene| scene.count("/api/ws/") >= before + 2).await;
    scene.pbx.turn(|knobs| knobs.backend_down = false);
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 1, "the token was good all along");
}

#[tokio::test]
async fn a_login_dropped_in_silence_is_answered_with_a_new_token() {
    let mut scene = scene(None, &["login_timeout=1s"]).await;
    scene.live().await;
    // As after a restart that lost the token: the socket's login is dropped, REST would say 403.
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Dropped);
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.until("no new login", |scene| scene.count("/api/login") >= 2).await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Normal);
    scene.live().await;
}

#[tokio::test]
async fn a_restart_that_forgets_verified_tokens_is_survived() {
    let mut scene = scene(Some(TOTP), &["login_timeout=1s"]).await;
    scene.live().await;
    scene.pbx.restart();
    scene.ended(EndReason::ConnectionClosed).await;
    // The code of this step was sent already: the next login may wait up to 30 s for the next one.
    scene.live().await;
    assert_eq!(scene.count("/api/2fa/verify-otp"), 2);
}

#[tokio::test]
async fn a_refusal_on_the_socket_closes_the_open_transport_and_logs_in_anew() {
    let mut scene = scene(None, &[]).await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Refused);
    scene.until("no second try", |scene| scene.count("/api/login") >= 2).await;
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Normal);
    scene.live().await;
    // A `401` while live.
    scene.pbx.send_text(r#"42["401",{"message":"unauthorized access"}]"#);
    scene.ended(EndReason::LoginRefused).await;
    scene.live().await;
    // The namespace ends, the transport stays.
    scene.pbx.send_text("41");
    scene.ended(EndReason::NamespaceClosed).await;
    scene.live().await;
}

#[tokio::test]
async fn a_reload_of_the_server_is_published_and_followed_by_a_new_session() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.emit("serverReloaded", "");
    assert_eq!(scene.says().await, "serverReloaded");
    scene.ended(EndReason::ServerReloaded).await;
    scene.live().await;
}

#[tokio::test]
async fn what_comes_before_the_session_is_accepted_waits_behind_the_gap_and_a_second_authe_ok_is_nothing() {
    let mut scene = scene(None, &[]).await;
    scene.pbx.turn(|knobs| {
        knobs.before_login = vec![r#"42["satellite/summary",{}]"#.to_owned(); 3];
        knobs.authe_ok = 2;
    });
    scene.pbx.cut();
    loop {
        // The first session may have been faster than the knob.
        if scene.says().await == "satellite/summary" {
            break;
        }
    }
    assert_eq!([scene.says().await, scene.says().await], ["satellite/summary", "satellite/summary"]);
    scene.pbx.emit("after", "1");
    assert_eq!(scene.says().await, "after");
}

#[tokio::test]
async fn a_takeover_is_told_and_ghosts_are_waited_for() {
    let mut scene = scene(None, &["ua_type=desktop"]).await;
    scene.pbx.turn(|knobs| knobs.takeover_wait = Duration::from_millis(300));
    scene.live().await;
    scene.pbx.emit("takeOver", "");
    assert_eq!(scene.says().await, "takenover");
    // A half-open line: the ghost stays, and the new login has to wait for it.
    scene.pbx.cut_unnoticed();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live().await;
}

#[tokio::test]
async fn a_limit_a_dead_session_and_a_wrong_password_are_named() {
    for (turn, expected) in [
        ((|knobs| knobs.too_many_requests = true) as fn(&mut Knobs), "too many requests"),
        (|knobs| knobs.login = simulator::Login::Dead, "/user/me"),
        (|knobs| knobs.backend_down = true, "the PBX is still starting"),
    ] {
        let scene = scene(None, &[]).await;
        scene.pbx.turn(turn);
        scene.pbx.revoke("bridge");
        scene.pbx.cut();
        let says = |scene: &Scene| format!("{:?}", scene.board.snapshot());
        scene.until(expected, |scene| says(scene).contains(expected)).await;
        scene.stop.end_sessions();
        tokio::time::timeout(Duration::from_secs(10), scene.task).await.expect("does not stop").unwrap();
    }
}

#[tokio::test]
async fn a_stop_ends_a_live_session_in_order() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.emit("last", "1");
    assert_eq!(scene.says().await, "last");
    scene.stop.end_sessions();
    scene.ended(EndReason::Stopping).await;
    scene.until("the session does not end", |scene| scene.task.is_finished()).await;
}

#[tokio::test]
async fn who_rests_for_minutes_tries_at_once_when_asked_to() {
    let mut scene = scene(None, &[]).await;
    scene.pbx.turn(|knobs| knobs.too_many_requests = true);
    scene.pbx.revoke("bridge");
    scene.pbx.cut();
    let says = |scene: &Scene| format!("{:?}", scene.board.snapshot());
    scene.until("no refusal", |scene| says(scene).contains("too many requests")).await;
    let before = scene.count("/api/login");
    scene.pbx.turn(|knobs| knobs.too_many_requests = false);
    scene.retry.make();
    scene.until("no attempt", |scene| scene.count("/api/login") > before).await;
    while scene.says().await != "connected" {}
}
