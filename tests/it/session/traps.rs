//! The session against a PBX that does what real ones were seen to do.

use std::time::{Duration, Instant};

use cti_bridge::event::EndReason;
use pbx_simulator::{Knobs, Login, SocketLogin, Upgrade};

use crate::support::scene::{scene, scene_with};

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
async fn a_lost_token_is_replaced_before_the_login_times_out() {
    let mut scene = scene(Some(TOTP), &["login_timeout=1h"]).await;
    scene.live().await;
    scene.pbx.restart();
    scene.ended(EndReason::ConnectionClosed).await;
    let away = Instant::now();
    scene.until("no new login", |scene| scene.count("/api/login") >= 2).await;
    assert!(away.elapsed() < Duration::from_secs(5), "{:?}", away.elapsed());
}

#[tokio::test]
async fn a_rejection_on_the_socket_closes_it_and_logs_in_again() {
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
async fn a_server_reload_is_published_and_opens_a_new_session() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.emit("serverReloaded", "");
    assert_eq!(scene.says().await, "serverReloaded");
    scene.ended(EndReason::ServerReloaded).await;
    scene.live_after("server_reloaded").await;
    // A second one at once, as in a storm.
    scene.pbx.emit("serverReloaded", "");
    assert_eq!(scene.says().await, "serverReloaded");
    scene.ended(EndReason::ServerReloaded).await;
    scene.live_after("server_reloaded").await;
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live_after("disconnected").await;
}

#[tokio::test]
async fn a_reload_that_forgets_tokens_is_waited_out() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    let reload = scene.pbx.reload(Duration::from_secs(2));
    let cut = async {
        scene.pbx.cut();
        scene.until("no login", |scene| scene.count("/api/login") >= 2).await;
    };
    tokio::join!(reload, cut);
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live().await;
}

#[tokio::test]
async fn early_events_follow_the_gap_and_a_second_ok_is_ignored() {
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
async fn a_limit_a_dead_session_and_a_wrong_password_are_named() {
    for (turn, expected) in [
        ((|knobs| knobs.too_many_requests = true) as fn(&mut Knobs), "too many requests"),
        (|knobs| knobs.login = Login::Dead, "/user/me"),
        (|knobs| knobs.backend_down = true, "the PBX is still starting"),
    ] {
        let scene = scene(None, &[]).await;
        scene.pbx.turn(turn);
        scene.pbx.revoke("bridge");
        scene.pbx.cut();
        scene.tells(expected).await;
        scene.stop.end_sessions();
        scene.until("does not stop", |scene| scene.task.is_finished()).await;
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
async fn a_password_that_is_refused_for_a_moment_is_soon_tried_again() {
    let mut scene = scene_with(|knobs| knobs.login = Login::Refused, None, &[]).await;
    let failed = scene.notice("auth.failed").await;
    assert_eq!(
        (&failed["slow"], &failed["failures"], &failed["operator"]),
        (&false.into(), &1.into(), &false.into())
    );
    assert!(failed["retryIn"].as_u64().unwrap() <= 10, "{failed}");
    scene.pbx.turn(|knobs| knobs.login = Login::Normal);
    scene.live().await;
}

#[tokio::test]
async fn a_rejected_password_is_retried_by_the_minute_or_on_request() {
    let mut scene = scene_with(|knobs| knobs.login = Login::Refused, None, &[]).await;
    assert_eq!(scene.notice("auth.failed").await["slow"], false);
    for attempts in 2..=6 {
        // An operator who is impatient spares the test the waits.
        scene.retry.fire();
        scene.until("no attempt", |scene| scene.count("/api/login") == attempts).await;
        scene.until("no rest", |scene| scene.health().retry_at.is_some()).await;
    }
    let alarm = scene.notice("auth.failed").await;
    assert_eq!((&alarm["slow"], &alarm["failures"]), (&true.into(), &3.into()));
    assert!((60..=120).contains(&alarm["retryIn"].as_u64().unwrap()), "{alarm}");
    let reason = alarm["detail"].as_str().unwrap();
    assert!(reason.contains("SIGHUP") && reason.contains("systemctl reload"), "{reason}");
    let health = scene.health();
    assert!(format!("{health:?}").contains("minutes apart"), "{health:?}");
    let away = health.retry_at.unwrap().duration_since(jiff::Timestamp::now());
    assert!(away.as_secs() > 60, "by now the pace is slower still: {away}");
    scene.pbx.turn(|knobs| knobs.login = Login::Normal);
    scene.retry.fire();
    scene.live().await;
    assert!(scene.health().retry_at.is_none());
}

#[tokio::test]
async fn a_backend_that_boots_is_not_sent_the_password_over_and_over() {
    let mut scene = scene_with(|knobs| knobs.backend_down = true, None, &[]).await;
    scene.notice("auth.failed").await;
    scene.retry.fire();
    scene.until("no look at the socket", |scene| scene.count("/api/ws/") >= 3).await;
    scene.tells("the PBX is starting").await;
    assert_eq!(scene.count("/api/login"), 1, "each refused password may count towards locking the account");
    scene.pbx.turn(|knobs| knobs.backend_down = false);
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 2);
}

#[tokio::test]
async fn a_silent_websocket_is_abandoned_without_a_new_login() {
    let mut scene = scene_with(|knobs| knobs.upgrade = Upgrade::Mute, None, &["connect_timeout=500ms"]).await;
    scene.tells("open packet").await;
    scene.until("no second attempt", |scene| scene.count("/api/ws/") >= 2).await;
    scene.pbx.turn(|knobs| knobs.upgrade = Upgrade::Normal);
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_when_the_session_ends() {
    let mut scene = scene(None, &["login_timeout=1s"]).await;
    scene.live().await;
    scene.pbx.revoke("bridge");
    scene.pbx.emit("still", "1");
    assert_eq!(scene.says().await, "still");
    assert_eq!(scene.count("/api/login"), 1);
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 2);
}

#[tokio::test]
async fn a_backend_that_lost_its_tokens_refuses_the_session_once() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.kill_sessions();
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 2);
}

#[tokio::test]
async fn logins_on_the_socket_that_stay_refused_are_an_alarm_too() {
    let mut scene = scene_with(|knobs| knobs.socket_login = SocketLogin::Refused, None, &[]).await;
    for attempts in 1..=5 {
        scene.until("no attempt", |scene| scene.count("/api/ws/") >= attempts).await;
        scene.until("no rest", |scene| scene.health().retry_at.is_some()).await;
        scene.retry.fire();
    }
    let alarm = scene.notice("auth.failed").await;
    assert_eq!(
        (&alarm["slow"], &alarm["failures"], &alarm["operator"]),
        (&true.into(), &5.into(), &false.into())
    );
    scene.pbx.turn(|knobs| knobs.socket_login = SocketLogin::Normal);
    scene.retry.fire();
    scene.live().await;
}

#[tokio::test]
async fn rate_limiting_is_not_a_wrong_password() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.too_many_requests = true);
    scene.pbx.revoke("bridge");
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    // The websocket is limited too; once it opens again, the token turns out to be dead.
    scene.until("no attempts at the websocket", |scene| scene.limited("/api/ws/") >= 3).await;
    scene.tells("429").await;
    scene.pbx.turn(|knobs| knobs.too_many_requests = false);
    scene.live().await;
}

#[tokio::test]
async fn a_rate_limited_login_is_retried_soon_without_an_alarm() {
    let mut scene = scene_with(|knobs| knobs.too_many_requests = true, None, &[]).await;
    scene.until("no third attempt", |scene| scene.limited("/api/login") >= 4).await;
    scene.tells("too many requests").await;
    scene.pbx.turn(|knobs| knobs.too_many_requests = false);
    // The first thing on the line: no `auth.failed` before it.
    scene.live().await;
}

#[tokio::test]
async fn a_password_that_was_right_before_is_not_given_up_on_soon() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| knobs.login = Login::Refused);
    scene.pbx.revoke("bridge");
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    assert_eq!(scene.notice("auth.failed").await["slow"], false);
    for attempts in 3..=6 {
        scene.retry.fire();
        scene.until("no attempt", |scene| scene.count("/api/login") == attempts).await;
        scene.until("no rest", |scene| scene.health().retry_at.is_some()).await;
    }
    let away = scene.health().retry_at.unwrap().duration_since(jiff::Timestamp::now());
    assert!(away.as_secs() <= 30, "after five refusals: {away}");
    scene.pbx.turn(|knobs| knobs.login = Login::Normal);
    scene.live().await;
}
