//! Takeovers between the session and others of its type.

use std::time::Duration;

use cti_bridge::event::EndReason;
use jiff::{Timestamp, ToSpan as _};
use pbx_simulator::Simulator;

use crate::support::scene::{Scene, scene, scene_with};
use pbx_client::{AUTHE_OK, Raw, login, token};

/// Longer than any test: what waits this long has been spared the wait.
const NEVER: Duration = Duration::from_hours(1);
const TAKE_OVER: &str = r#"42["takeOver"]"#;

/// Another program that uses the bridge's account, and says that it is a desktop.
async fn rival(pbx: &Simulator) -> Raw {
    let token = token(pbx).await;
    let mut rival = Raw::join(pbx).await;
    rival.send(&login(&token, r#","uaType":"desktop""#)).await;
    rival
}

async fn desktop(policy: &str) -> Scene {
    let policy = format!("on_takeover={policy}");
    let mut scene =
        scene_with(|knobs| knobs.takeover_wait = NEVER, None, &["ua_type=desktop", &policy]).await;
    scene.live().await;
    scene
}

#[tokio::test]
async fn stand_by_yields_at_once_and_returns_after_minutes() {
    let mut scene = desktop("stand-by").await;
    let mut rival = rival(&scene.pbx).await;
    // Without `takeOverAck` it would wait.
    assert_eq!(rival.text().await, AUTHE_OK);
    let told = scene.notice("takenover").await;
    assert_eq!(
        (&told["policy"], &told["contested"], &told["session"]),
        (&"stand-by".into(), &false.into(), &1.into())
    );
    let until: Timestamp = told["until"].as_str().unwrap().parse().unwrap();
    let now = Timestamp::now();
    assert!(until > now + 4.minutes() && until <= now + 10.minutes(), "{told}");
    scene.ended(EndReason::TakenOver).await;
    scene.tells("standing by for minutes").await;
    let back = scene.health().retry_at.unwrap();
    assert!(back.duration_since(until).abs().as_secs() <= 1, "the state and the event tell one time");
    rival.is_silent().await;
    // Asked to, it takes its place back; the other one, which does not answer, is waited for.
    scene.pbx.turn(|knobs| knobs.takeover_wait = Duration::from_millis(300));
    scene.retry.fire();
    assert_eq!(rival.text().await, TAKE_OVER);
    scene.live_after("taken_over").await;
}

#[tokio::test]
async fn a_yielded_session_waits_for_a_request() {
    let mut scene = desktop("yield").await;
    let mut rival = rival(&scene.pbx).await;
    assert_eq!(rival.text().await, AUTHE_OK);
    let told = scene.notice("takenover").await;
    assert_eq!((&told["policy"], &told["until"]), (&"yield".into(), &serde_json::Value::Null));
    scene.ended(EndReason::TakenOver).await;
    scene.tells("staying away until SIGHUP").await;
    assert!(scene.health().retry_at.is_none());
    drop(rival);
    scene.retry.fire();
    scene.live_after("taken_over").await;
}

#[tokio::test]
async fn who_reclaims_does_not_fight() {
    let mut scene = desktop("reclaim").await;
    for round in 1..=4 {
        let mut rival = rival(&scene.pbx).await;
        assert_eq!(rival.text().await, AUTHE_OK);
        let told = scene.notice("takenover").await;
        let fight = round == 4;
        assert_eq!(told["policy"], if fight { "stand-by" } else { "reclaim" }, "{told}");
        assert_eq!(told["contested"], fight);
        let until: Timestamp = told["until"].as_str().unwrap().parse().unwrap();
        let pause = until.duration_since(Timestamp::now()).as_secs();
        let least = if fight { 295 } else { 10 };
        assert!((least..=600).contains(&pause), "{pause} s in round {round}");
        scene.ended(EndReason::TakenOver).await;
        drop(rival);
        if fight {
            scene.tells("two programs compete for it").await;
            return;
        }
        scene.retry.fire();
        scene.live_after("taken_over").await;
    }
}

#[tokio::test]
async fn who_is_of_no_kind_stays() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    let mut rival = rival(&scene.pbx).await;
    assert_eq!(rival.text().await, AUTHE_OK);
    scene.pbx.emit("takeOver", "");
    let told = scene.notice("takenover").await;
    assert_eq!((&told["policy"], &told["until"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    scene.pbx.emit("still", "1");
    assert_eq!(scene.says().await, "still");
}

#[tokio::test]
async fn a_waiting_login_keeps_early_events_and_acceptances() {
    let mut scene = desktop("stand-by").await;
    scene.pbx.turn(|knobs| knobs.takeover_wait = Duration::from_secs(2));
    // A half-open line, twice: two ghosts, which answer nothing and cost the next login its time and an `authe_ok` each.
    for _ in 0..2 {
        scene.pbx.cut_unnoticed();
        scene.ended(EndReason::ConnectionClosed).await;
        let sockets = scene.count("/api/ws/");
        scene.until("no socket", |scene| scene.count("/api/ws/") > sockets).await;
        scene.live().await;
    }
    scene.pbx.emit("one", "1");
    scene.pbx.emit("two", "2");
    assert_eq!([scene.says().await, scene.says().await], ["one", "two"]);
    // While a login waits, the middleware's own events reach it already: they stand behind the gap.
    scene.pbx.cut_unnoticed();
    scene.ended(EndReason::ConnectionClosed).await;
    let early = async {
        for number in 0..400 {
            scene.pbx.inject(&format!(r#"42["satellite/summary",{number}]"#));
            tokio::time::sleep(Duration::from_millis(100)).await;
            if *scene.pbx.live().borrow() > 0 {
                return;
            }
        }
        panic!("no session: {:?}", scene.board.snapshot());
    };
    early.await;
    scene.live().await;
    assert_eq!(scene.says().await, "satellite/summary");
}
