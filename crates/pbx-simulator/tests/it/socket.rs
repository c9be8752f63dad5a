//! The simulator's websocket, frame by frame: handshake, heartbeat, login and its traps.

use std::time::Duration;

use futures_util::SinkExt as _;
use pbx_simulator::{Simulator, SocketLogin, Upgrade};
use tokio_tungstenite::tungstenite::Message;

use pbx_client::{AUTHE_OK, Raw, UNAUTHORIZED, connected, login, start, start_with, token};

const SHORT: Duration = Duration::from_millis(100);
/// Longer than any test: what waits this long must not happen.
const NEVER: Duration = Duration::from_hours(1);

#[tokio::test]
async fn the_handshake_ends_in_authe_ok_and_events_follow() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let (mut raw, open) = Raw::open(&pbx).await;
    let sid = pbx_client::field(open.strip_prefix('0').unwrap(), &["sid"]);
    assert_eq!(
        open,
        format!(r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":25000,"pingTimeout":10000000}}"#)
    );
    raw.send("40").await;
    let joined = raw.text().await;
    let socket = pbx_client::field(joined.strip_prefix("40").unwrap(), &["sid"]);
    assert_eq!(joined, format!(r#"40{{"sid":"{socket}"}}"#));
    assert_ne!(socket, sid);
    // An event before the login reaches nobody.
    pbx.emit("early", "");
    raw.send(&login(&token, r#","uaType":"desktop""#)).await;
    assert_eq!(raw.text().await, AUTHE_OK);
    connected(&pbx, 1).await;
    pbx.emit("takeOver", "");
    pbx.emit("satellite/summary", r#"{"a": 1e999}"#);
    pbx.emit("actionNethLink", r#""http://x","url""#);
    pbx.send_binary(&[1, 2, 3]);
    assert_eq!(raw.text().await, r#"42["takeOver"]"#);
    assert_eq!(raw.text().await, r#"42["satellite/summary",{"a": 1e999}]"#);
    assert_eq!(raw.text().await, r#"42["actionNethLink","http://x","url"]"#);
    assert_eq!(raw.next().await, Some(Message::binary(vec![1, 2, 3])));
    drop(raw);
    connected(&pbx, 0).await;
    let seen = pbx.seen().into_iter().map(|seen| (seen.path, seen.status)).collect::<Vec<_>>();
    assert_eq!(seen, [("/api/login".to_owned(), 200), ("/api/ws/".to_owned(), 101)]);
}

#[tokio::test]
async fn a_login_of_a_token_that_is_not_listed_is_dropped_in_silence() {
    let pbx = start().await;
    let token = token(&pbx).await;
    pbx.revoke("bridge");
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login(&token, "")).await;
    raw.is_silent().await;
}

#[tokio::test]
async fn a_refused_login_keeps_the_transport_open() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let good = login(&token, "");
    let mut raw = Raw::join(&pbx).await;
    for frame in [
        good.replace("42[", "420["),
        good.replace("42[", "42[ "),
        good.replace("bridge", "nobody"),
        login(&token, r#","uaType":"toaster""#),
        r#"42["login",{"accessKeyId":"bridge"}]"#.to_owned(),
        r#"42["login"]"#.to_owned(),
    ] {
        raw.send(&frame).await;
        assert_eq!(raw.text().await, UNAUTHORIZED, "{frame}");
        assert_eq!(raw.text().await, "41");
        // The same transport may join again.
        raw.send("40").await;
        assert!(raw.text().await.starts_with("40{"));
    }
    // A space before the comma, and a type that isn't a string, are no obstacle.
    raw.send(&login(&token, r#","uaType":null"#).replace("\"login\"", "\"login\" ")).await;
    assert_eq!(raw.text().await, AUTHE_OK);
}

#[tokio::test]
async fn without_a_namespace_the_transport_is_closed() {
    let pbx = start_with(|options| options.knobs.join_wait = SHORT).await;
    let token = token(&pbx).await;
    let (mut raw, _) = Raw::open(&pbx).await;
    raw.send(&login(&token, "")).await;
    raw.send("40/foo,").await;
    assert_eq!(raw.text().await, r#"44/foo,{"message":"Invalid namespace"}"#);
    raw.is_cut().await;
    // Once refused, there is no such limit: the heartbeat goes on past it.
    pbx.turn(|knobs| knobs.ping_interval = 3 * SHORT);
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login("x", "").replace("bridge", "nobody")).await;
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), (UNAUTHORIZED, "41"));
    assert_eq!(raw.text().await, "2");
}

#[tokio::test]
async fn the_server_asks_again_only_after_an_answer_and_then_gives_up() {
    let pbx = start_with(|options| {
        options.knobs.ping_interval = SHORT;
        options.knobs.ping_timeout = 2 * SHORT;
    })
    .await;
    let mut raw = Raw::join(&pbx).await;
    for _ in 0..3 {
        assert_eq!(raw.text().await, "2");
        raw.send("3").await;
    }
    assert_eq!(raw.text().await, "2");
    raw.is_cut().await;
}

#[tokio::test]
async fn only_unreadable_packets_end_the_connection() {
    let pbx = start().await;
    for bad in ["2", "42{x", "45", "4", "zzz", ""] {
        let mut raw = Raw::join(&pbx).await;
        raw.send(bad).await;
        raw.is_cut().await;
    }
    let mut raw = Raw::join(&pbx).await;
    raw.send("1").await;
    raw.is_silent().await;
    raw.send(r#"451-["x",{"_placeholder":true,"num":0}]"#).await;
    raw.0.send(Message::binary(vec![0])).await.unwrap();
    raw.is_silent().await;
    raw.0.send(Message::binary(vec![0])).await.unwrap();
    raw.is_cut().await;
    let mut raw = Raw::join(&pbx).await;
    raw.0.send(Message::text("x".repeat(1_100_000))).await.unwrap();
    raw.is_cut().await;
}

#[tokio::test]
async fn websocket_pings_and_closes_are_answered_by_the_middleware() {
    let pbx = start_with(|options| options.knobs.upgrade = Upgrade::Mute).await;
    let mut raw = Raw::dial(&pbx, "EIO=4&transport=websocket").await;
    raw.0.send(Message::Ping(vec![7].into())).await.unwrap();
    assert_eq!(raw.next().await, Some(Message::Pong(vec![7].into())));
    raw.0.send(Message::Close(None)).await.unwrap();
    assert!(matches!(raw.next().await, Some(Message::Close(_))));
}

#[tokio::test]
async fn a_101_proves_nothing() {
    let pbx = start_with(|options| options.knobs.upgrade = Upgrade::Eof).await;
    Raw::dial(&pbx, "EIO=4&transport=websocket").await.is_cut().await;
    pbx.turn(|knobs| (knobs.upgrade, knobs.backend_down) = (Upgrade::Normal, true));
    Raw::dial(&pbx, "EIO=4&transport=websocket").await.is_cut().await;
    pbx.turn(|knobs| knobs.backend_down = false);
    Raw::dial(&pbx, "EIO=4&transport=polling").await.is_cut().await;
    // Another version is taken and then ignored for good.
    let mut raw = Raw::dial(&pbx, "EIO=3&transport=websocket").await;
    raw.send("40").await;
    raw.0.send(Message::Ping(vec![].into())).await.unwrap();
    assert_eq!(raw.next().await, Some(Message::Pong(vec![].into())));
}

async fn desktop(pbx: &Simulator, token: &str) -> Raw {
    let mut raw = Raw::join(pbx).await;
    raw.send(&login(token, r#","uaType":"desktop""#)).await;
    raw
}

const TAKE_OVER: &str = r#"42["takeOver"]"#;

#[tokio::test]
async fn a_second_session_of_a_type_waits_for_the_first() {
    let pbx = start_with(|options| options.knobs.takeover_wait = NEVER).await;
    let token = token(&pbx).await;
    let mut old = desktop(&pbx, &token).await;
    assert_eq!(old.text().await, AUTHE_OK);
    let mut new = desktop(&pbx, &token).await;
    assert_eq!(old.text().await, TAKE_OVER);
    new.is_silent().await;
    old.send(r#"42["takeOverAck"]"#).await;
    assert_eq!(new.text().await, AUTHE_OK);
    // The old one is neither closed nor logged out.
    connected(&pbx, 2).await;
    pbx.emit("x", "");
    assert_eq!(old.text().await, r#"42["x"]"#);
    // Another kind, and none at all, take over nothing.
    let mut other = Raw::login(&pbx, &token).await;
    other.send(&login(&token, r#","uaType":"mobile""#)).await;
    assert_eq!(other.text().await, AUTHE_OK);
    old.is_silent().await;
}

#[tokio::test]
async fn unanswered_takeovers_time_out_one_login_per_old_session() {
    let pbx = start_with(|options| options.knobs.takeover_wait = SHORT).await;
    let token = token(&pbx).await;
    let mut first = desktop(&pbx, &token).await;
    assert_eq!(first.text().await, AUTHE_OK);
    let mut second = desktop(&pbx, &token).await;
    assert_eq!(first.text().await, TAKE_OVER);
    assert_eq!(second.text().await, AUTHE_OK);
    let mut third = desktop(&pbx, &token).await;
    assert_eq!(first.text().await, TAKE_OVER);
    assert_eq!(second.text().await, TAKE_OVER);
    assert_eq!((third.text().await.as_str(), third.text().await.as_str()), (AUTHE_OK, AUTHE_OK));
    // A session may even take over itself.
    let mut alone = Raw::join(&pbx).await;
    for expected in [&[AUTHE_OK][..], &[TAKE_OVER, AUTHE_OK]] {
        alone.send(&login(&token, r#","uaType":"mobile""#)).await;
        for text in expected {
            assert_eq!(alone.text().await, *text);
        }
    }
}

#[tokio::test]
async fn a_ghost_session_delays_a_takeover() {
    let pbx = start_with(|options| options.knobs.takeover_wait = NEVER).await;
    let token = token(&pbx).await;
    let mut old = desktop(&pbx, &token).await;
    assert_eq!(old.text().await, AUTHE_OK);
    pbx.cut_unnoticed();
    old.is_cut().await;
    connected(&pbx, 0).await;
    let mut new = desktop(&pbx, &token).await;
    new.is_silent().await;
    pbx.restart();
    new.is_cut().await;
    let mut new = desktop(&pbx, &token).await;
    assert_eq!(new.text().await, AUTHE_OK);
    connected(&pbx, 1).await;
    pbx.restart();
    new.is_cut().await;
    connected(&pbx, 0).await;
}

#[tokio::test]
async fn an_answer_of_another_than_the_last_session_logs_in_twice() {
    let pbx = start_with(|options| options.knobs.takeover_wait = 3 * SHORT).await;
    let token = token(&pbx).await;
    let mut old = desktop(&pbx, &token).await;
    assert_eq!(old.text().await, AUTHE_OK);
    let _last = Raw::login(&pbx, &token).await;
    let mut new = desktop(&pbx, &token).await;
    assert_eq!(old.text().await, TAKE_OVER);
    old.send(r#"42["takeOverAck"]"#).await;
    assert_eq!((new.text().await.as_str(), new.text().await.as_str()), (AUTHE_OK, AUTHE_OK));
}

#[tokio::test]
async fn logins_can_be_dropped_refused_doubled_and_preceded() {
    let pbx = start_with(|options| options.knobs.socket_login = SocketLogin::Dropped).await;
    let token = token(&pbx).await;
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login(&token, "")).await;
    raw.is_silent().await;
    pbx.turn(|knobs| knobs.socket_login = SocketLogin::Refused);
    raw.send(&login(&token, "")).await;
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), (UNAUTHORIZED, "41"));
    pbx.turn(|knobs| {
        knobs.socket_login = SocketLogin::Normal;
        knobs.authe_ok = 2;
        knobs.before_login = vec![r#"42["satellite/summary",{}]"#.to_owned()];
    });
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login(&token, "")).await;
    assert_eq!(raw.text().await, r#"42["satellite/summary",{}]"#);
    assert_eq!((raw.text().await.as_str(), raw.text().await.as_str()), (AUTHE_OK, AUTHE_OK));
    // An expired token still logs in, unless the server is told to look.
    pbx.turn(|knobs| (knobs.clock_ahead, knobs.authe_ok) = (15 * 24 * 3600, 1));
    let mut raw = Raw::join(&pbx).await;
    pbx.turn(|knobs| knobs.before_login.clear());
    raw.send(&login(&token, "")).await;
    assert_eq!(raw.text().await, AUTHE_OK);
    pbx.turn(|knobs| knobs.refuse_expired = true);
    raw.send(&login(&token, "")).await;
    assert_eq!(raw.text().await, UNAUTHORIZED);
}

#[tokio::test]
async fn cut_restart_stop_and_drop_end_the_sockets_at_once() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let mut raw = Raw::login(&pbx, &token).await;
    pbx.cut();
    raw.is_cut().await;
    let mut raw = Raw::login(&pbx, &token).await;
    pbx.restart();
    raw.is_cut().await;
    let mut raw = Raw::login(&pbx, &token).await;
    pbx.close_namespace();
    assert_eq!(raw.text().await, "41");
    connected(&pbx, 0).await;
    raw.send("40").await;
    assert!(raw.text().await.starts_with("40{"));
    pbx.turn(|knobs| knobs.cut_every = Some(SHORT));
    raw.is_cut().await;
    pbx.turn(|knobs| knobs.cut_every = None);
    let mut raw = Raw::join(&pbx).await;
    drop(pbx);
    raw.is_cut().await;
    let pbx = start().await;
    let (address, mut raw) = (pbx.address(), Raw::join(&pbx).await);
    pbx.stop().await;
    raw.is_cut().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the listener is open");
}

#[tokio::test]
async fn a_frozen_server_answers_only_after_it_thaws() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let mut raw = Raw::login(&pbx, &token).await;
    pbx.freeze(true);
    raw.send(r#"421["ping"]"#).await;
    pbx.emit("x", "");
    let waited = tokio::time::timeout(3 * SHORT, futures_util::StreamExt::next(&mut raw.0)).await;
    assert!(waited.is_err(), "{waited:?} from a frozen server");
    let request = tokio::time::timeout(SHORT, pbx_client::get(&pbx, "/api/user/me", &token)).await;
    assert!(request.is_err(), "{request:?} from a frozen server");
    pbx.freeze(false);
    assert_eq!(raw.text().await, r#"42["x"]"#);
    assert_eq!(raw.text().await, "431[]");
}
