//! A session that is up and brings nothing.

use std::time::Duration;

use cti_bridge::{event::EndReason, health::State};

use crate::support::scene::scene;

/// Of silence, against a limit of 200 ms.
const SEVERAL_LIMITS: Duration = Duration::from_millis(1500);
const QUEUE: &str = r#"{"queue":"401","members":{}}"#;

#[tokio::test]
async fn a_silent_feed_is_an_alarm_until_the_next_event() {
    let mut scene = scene(None, &["dead_feed_after=1s"]).await;
    scene.live().await;
    scene.pbx.emit("queueUpdate", QUEUE);
    assert_eq!(scene.says().await, "queueUpdate");
    let told = scene.notice("feed.silent").await;
    assert_eq!(told["session"], 1, "{told}");
    assert!(told["lastEvent"].as_str() > told["since"].as_str(), "{told}");
    scene.ended(EndReason::FeedSilent).await;
    // The new session alone proves nothing: the alarm stays, and is not told again.
    scene.live_after("feed_silent").await;
    assert!(
        matches!(scene.health().state, State::Failing { reason } if reason.contains("has sent no events for 1s"))
    );
    scene.ended(EndReason::FeedSilent).await;
    scene.live_after("feed_silent").await;
    assert!(matches!(scene.health().state, State::Failing { .. }));
    scene.pbx.emit("queueUpdate", QUEUE);
    assert_eq!(scene.says().await, "queueUpdate");
    scene.until("the alarm does not end", |scene| scene.health().state == State::Active).await;
    // And it starts again.
    scene.notice("feed.silent").await;
}

#[tokio::test]
async fn a_pbx_without_queues_may_be_silent() {
    for (settings, name) in
        [(&["dead_feed_after=200ms"], "extenUpdate"), (&["dead_feed_after=off"], "queueUpdate")]
    {
        let mut scene = scene(None, settings).await;
        scene.live().await;
        scene.pbx.emit(name, "{}");
        assert_eq!(scene.says().await, name);
        // A session that ended for it would put that on the line first.
        tokio::time::sleep(SEVERAL_LIMITS).await;
        scene.pbx.emit("later", "1");
        assert_eq!(scene.says().await, "later");
    }
}
