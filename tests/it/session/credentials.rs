//! A session whose account changes while it is live, and logins that take their time.

use std::time::Duration;

use cti_bridge::{event::EndReason, health::State};
use pbx_simulator::{Account, Answer, Knobs, Options};
use serde_json::{Value, json};

use crate::support::scene::{Scene, scene, scene_on, scene_with};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const CONFIGURED: &str = "totp_secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const QUICK: &str = "login_timeout=1s";
const RESYNC: &str = "resync=true";
const OTP: &str = "/api/2fa/verify-otp";

/// The user has no second factor yet.
async fn plain(settings: &[&str]) -> Scene {
    scene_on(Options::quiet(Account::new("bridge", "secret")), settings).await
}

/// The session is up: an event goes through, and is the next on the line.
async fn still_up(scene: &mut Scene) {
    scene.pbx.emit("still", "1");
    assert_eq!(scene.says().await, "still");
}

/// The session's line is cut.
async fn cut(scene: &mut Scene) {
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
}

/// Asks for a resync of the live session; what it came to, whatever it appended.
async fn resynced(scene: &mut Scene) -> Value {
    scene.resync.fire();
    completed(scene).await
}

async fn completed(scene: &mut Scene) -> Value {
    loop {
        if let cti_bridge::event::Body::Notice(notice) = scene.next().await.body {
            match &*notice.name {
                "resync.started" => {}
                "resync.completed" => return serde_json::from_slice(&notice.data).unwrap(),
                other => panic!("{other} instead of a resync"),
            }
        }
    }
}

#[tokio::test]
async fn enabling_2fa_keeps_the_session_until_the_next_login() {
    let mut scene = plain(&[CONFIGURED, QUICK]).await;
    scene.live().await;
    scene.pbx.two_factor("bridge", Some(SECRET));
    still_up(&mut scene).await;
    assert_eq!((scene.count("/api/login"), scene.count(OTP)), (1, 0));
    cut(&mut scene).await;
    // No alarm before it.
    scene.live().await;
    assert_eq!((scene.count("/api/login"), scene.count(OTP)), (2, 1));
    // Its verified token was never written to disk: a restart forgets it, and the next code is 30 s away at most.
    scene.pbx.restart();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.live().await;
    assert_eq!((scene.count("/api/login"), scene.count(OTP)), (3, 2));
}

#[tokio::test]
async fn disabling_2fa_keeps_the_session_and_drops_the_code() {
    let mut scene = scene(Some(SECRET), &[QUICK]).await;
    scene.live().await;
    scene.pbx.two_factor("bridge", None);
    still_up(&mut scene).await;
    cut(&mut scene).await;
    scene.live().await;
    assert_eq!((scene.count("/api/login"), scene.count(OTP)), (2, 1));
}

#[tokio::test]
async fn a_resync_that_logs_in_again_notices_2fa_changes() {
    let mut scene = plain(&[CONFIGURED, RESYNC]).await;
    scene.live().await;
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
    for (secret, codes) in [(Some(SECRET), 1), (None, 1)] {
        scene.pbx.two_factor("bridge", secret);
        let told = resynced(&mut scene).await;
        assert_eq!((&told["failed"], &told["session"]), (&json!([]), &json!(1)), "{told}");
        assert_eq!(scene.count(OTP), codes);
    }
    assert_eq!((scene.count("/api/login"), scene.count("/api/ws/")), (3, 1));
}

#[tokio::test]
async fn a_missing_totp_secret_is_an_alarm_until_it_is_set() {
    let mut scene = plain(&[QUICK, RESYNC]).await;
    scene.live().await;
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
    scene.pbx.two_factor("bridge", Some(SECRET));
    let told = resynced(&mut scene).await;
    assert_eq!(told["failed"].as_array().unwrap().len(), 5, "{told}");
    let warning = scene.health().warnings["resync"].clone();
    assert!(warning.contains("`bridge` needs a one-time password, and no `totp_secret`"), "{warning}");
    still_up(&mut scene).await;
    assert_eq!(scene.health().state, State::Active, "events come, whatever the token");
    assert_eq!(scene.count("/api/login"), 2, "one login shows it");

    cut(&mut scene).await;
    let alarm = scene.notice("auth.failed").await;
    assert_eq!((&alarm["operator"], &alarm["failures"]), (&json!(true), &json!(1)), "{alarm}");
    assert_eq!(alarm["reason"], "otp_required", "{alarm}");
    assert!(alarm["detail"].as_str().unwrap().contains("no `totp_secret` is configured; set it"), "{alarm}");
    scene.pbx.two_factor("bridge", None);
    scene.retry.fire();
    scene.live().await;
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
    assert!(!scene.health().warnings.contains_key("resync"), "{:?}", scene.health());
    // One shows that it is needed, one that it no longer is; between them the first one's token is used again.
    assert_eq!(scene.count("/api/login"), 3);
}

#[tokio::test]
async fn a_changed_password_matters_at_the_next_login_only() {
    let mut scene = plain(&[QUICK]).await;
    scene.live().await;
    scene.pbx.change_password("bridge", "another");
    still_up(&mut scene).await;
    cut(&mut scene).await;
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 1, "the token is as good as before");

    scene.pbx.revoke("bridge");
    cut(&mut scene).await;
    let alarm = scene.notice("auth.failed").await;
    assert_eq!(alarm["reason"], "credentials_refused", "{alarm}");
    let told = (&alarm["slow"], &alarm["failures"], &alarm["operator"]);
    assert_eq!(told, (&json!(false), &json!(1), &json!(false)), "{alarm}");
    assert!(alarm["detail"].as_str().unwrap().contains("either user name or password is wrong"), "{alarm}");
    assert!((5..=10).contains(&alarm["retryIn"].as_u64().unwrap()), "{alarm}");
    scene.until("no second attempt", |scene| scene.count("/api/login") >= 3).await;
    scene.pbx.change_password("bridge", "secret");
    // By itself, and without another word.
    scene.live().await;
    assert!(scene.count("/api/login") <= 5, "{}", scene.count("/api/login"));
}

#[tokio::test]
async fn clock_skew_of_an_hour_does_not_break_one_time_passwords() {
    for ahead in [3_600, -3_600] {
        let mut scene = scene_with(|knobs| knobs.clock_ahead = ahead, Some(SECRET), &[QUICK]).await;
        scene.live().await;
        assert_eq!(scene.count(OTP), 1, "the first code was right");
        scene.pbx.turn(|knobs| knobs.clock_ahead = -ahead);
        scene.pbx.revoke("bridge");
        cut(&mut scene).await;
        scene.live().await;
        assert_eq!(scene.count(OTP), 2);
    }
}

#[tokio::test]
async fn a_user_name_in_upper_case_is_sent_in_lower_case_everywhere() {
    // The PBX refuses it in any other form: at login, with the one-time password, and on the socket.
    let mut scene = scene(Some(SECRET), &["username=BRIDGE", QUICK]).await;
    scene.notice("gap").await;
    assert_eq!(scene.notice("connected").await["user"], "bridge");
    assert_eq!((scene.count("/api/login"), scene.count(OTP)), (1, 1));
}

#[tokio::test]
async fn a_code_that_crashes_the_middleware_is_sent_again_soon() {
    let crash = ("/2fa/verify-otp".to_owned(), Answer::Empty(500));
    let mut scene = scene_with(|knobs| knobs.answers = vec![crash], Some(SECRET), &[]).await;
    scene.tells("/api/2fa/verify-otp answered 500").await;
    scene.well();
    // No alarm before it; the next code is 30 s away at most.
    scene.live().await;
    assert!(scene.count(OTP) <= 3, "{}", scene.count(OTP));
}

#[tokio::test]
async fn a_login_of_over_half_a_minute_is_awaited_and_not_repeated() {
    // The middleware waits 30 s for its backend, more than once.
    let late = ("/login".to_owned(), Answer::Late(Duration::from_secs(33)));
    let mut scene = scene_with(|knobs| knobs.answers = vec![late], None, &[RESYNC]).await;
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(31) {
        assert_eq!(scene.count("/api/login"), 0, "answered early");
        scene.retry.fire();
        scene.resync.fire();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    scene.live().await;
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
    assert_eq!((scene.count("/api/login"), scene.pbx.tokens()), (1, 1));
}

#[tokio::test]
async fn a_cancelled_login_is_finished_and_shared() {
    let mut scene = plain(&[RESYNC, QUICK]).await;
    scene.live().await;
    completed(&mut scene).await;
    scene.answers("/login", Answer::Late(Duration::from_secs(3)));
    scene.pbx.revoke("bridge");
    scene.resync.fire();
    assert_eq!(scene.says().await, "resync.started");
    // The resync has found the token dead, and logs in; the session that it belongs to ends meanwhile.
    scene.until("no snapshot refused", |scene| scene.pbx.seen().iter().any(|seen| seen.status == 403)).await;
    cut(&mut scene).await;
    scene.live().await;
    assert_eq!(completed(&mut scene).await["failed"], json!([]));
    assert_eq!(
        (scene.count("/api/login"), scene.pbx.tokens()),
        (2, 1),
        "parallel logins can crash the middleware"
    );
}

#[tokio::test]
async fn logins_within_one_second_share_a_token_that_nobody_logs_out() {
    let stands = |knobs: &mut Knobs| knobs.clock_stands = Some(jiff::Timestamp::now());
    let mut scene = scene_with(stands, None, &[RESYNC]).await;
    scene.live().await;
    completed(&mut scene).await;
    for logins in 2..5 {
        // The old token is refused and goes out of use; the new one is the same text.
        scene.pbx.kill_sessions();
        cut(&mut scene).await;
        scene.live().await;
        assert_eq!(completed(&mut scene).await["failed"], json!([]));
        assert_eq!((scene.count("/api/login"), scene.pbx.tokens()), (logins, logins));
    }
    assert_eq!(scene.count("/api/logout"), 0);
    still_up(&mut scene).await;
}

#[tokio::test]
async fn tokens_that_end_soon_are_renewed_under_a_session_that_stays() {
    let mut scene = scene_with(|knobs| knobs.token_lifetime = Duration::from_secs(15), None, &[RESYNC]).await;
    scene.live().await;
    completed(&mut scene).await;
    scene.until("no renewals", |scene| scene.count("/api/login") >= 3).await;
    assert_eq!(resynced(&mut scene).await["failed"], json!([]));
    // Each old one is logged out once the new one is in use; the newest of them may be under way.
    scene.until("old tokens stay listed", |scene| scene.pbx.tokens() <= 1).await;
    assert_eq!(scene.count("/api/ws/"), 1);
    cut(&mut scene).await;
    scene.live().await;
}

#[tokio::test]
async fn tokens_that_end_at_once_are_replaced_where_the_pbx_asks() {
    let mut scene = plain(&[RESYNC]).await;
    scene.live().await;
    completed(&mut scene).await;
    // The PBX's clock leaps: all its tokens are of the past, for REST. The login of a session is not held against it.
    scene.pbx.turn(|knobs| knobs.clock_ahead = 15 * 24 * 3_600);
    let told = resynced(&mut scene).await;
    assert_eq!((&told["failed"], scene.count("/api/login")), (&json!([]), 2), "{told}");
    scene.pbx.turn(|knobs| (knobs.clock_ahead, knobs.refuse_expired) = (30 * 24 * 3_600, true));
    cut(&mut scene).await;
    scene.live().await;
    assert_eq!(scene.count("/api/login"), 3);
}
