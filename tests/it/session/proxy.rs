//! A session when something between bridge and PBX answers in its place, or the PBX against the rule: at one step only, as
//! each step has its own way to fail.

use cti_bridge::event::{Body, EndReason};
use futures_util::future::join_all;
use pbx_simulator::{Account, Answer, Options, Simulator};
use serde_json::{Value, json};

use crate::support::scene::{Scene, scene, scene_with};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const LOGIN: &str = "/login";
const OTP: &str = "/2fa/verify-otp";
const ME: &str = "/user/me";
const SOCKET: &str = "/ws/";
const STEPS: [&str; 4] = [LOGIN, OTP, ME, SOCKET];
const SNAPSHOTS: [&str; 5] = [
    "/astproxy/extensions",
    "/user/endpoints/all",
    "/astproxy/queues",
    "/astproxy/trunks",
    "/astproxy/parkings",
];

/// A session whose PBX answers this step like this from the start.
async fn at(step: &str, answer: Answer) -> Scene {
    let answers = vec![(step.to_owned(), answer)];
    scene_with(|knobs| knobs.answers = answers, Some(SECRET), &[]).await
}

fn sent(scene: &Scene, step: &str) -> usize {
    scene.count(&format!("/api{step}"))
}

/// The alarm that only an operator can end; and its end.
async fn alarmed(scene: &mut Scene, says: &str) {
    let alarm = scene.notice("auth.failed").await;
    assert_eq!(alarm["operator"], true, "{alarm}");
    assert!(alarm["detail"].as_str().unwrap().contains(says), "{alarm}");
    scene.well();
    scene.retry.fire();
    scene.live().await;
}

#[tokio::test]
async fn a_page_instead_of_an_answer_is_an_alarm_that_names_it() {
    join_all([LOGIN, OTP, ME].map(async |step| {
        let mut scene = at(step, Answer::Page(200)).await;
        alarmed(&mut scene, &format!("/api{step} answered 200 with a web page")).await;
        if step == ME {
            assert_eq!(sent(&scene, LOGIN), 1, "the token that could not be proven is proven later");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_proxys_error_page_is_waited_out_without_an_alarm() {
    join_all(STEPS.map(async |step| {
        let mut scene = at(step, Answer::Page(502)).await;
        scene
            .tells(if step == SOCKET {
                "502: the reverse proxy reports that the PBX is down"
            } else {
                "answered 502"
            })
            .await;
        scene.well();
        // The first thing on the line.
        scene.live().await;
        if [ME, SOCKET].contains(&step) {
            assert_eq!(sent(&scene, LOGIN), 1, "the token is kept");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_limit_at_one_step_is_waited_out_without_an_alarm() {
    join_all(STEPS.map(async |step| {
        let mut scene = at(step, Answer::Limited).await;
        scene.tells("too many requests from this address").await;
        scene.until("no second attempt", |scene| sent(scene, step) >= 2 || step == OTP).await;
        scene.well();
        scene.live().await;
        if [ME, SOCKET].contains(&step) {
            assert_eq!(sent(&scene, LOGIN), 1, "the token is kept");
        }
    }))
    .await;
}

#[tokio::test]
async fn failed_websocket_upgrades_are_retried_with_the_same_token() {
    join_all(
        [Answer::Page(200), Answer::Empty(200), Answer::Empty(401), Answer::Empty(404), Answer::Empty(500)]
            .map(async |answer| {
                let mut scene = at(SOCKET, answer).await;
                scene.tells("refuses the websocket with status").await;
                scene.until("no second attempt", |scene| sent(scene, SOCKET) >= 2).await;
                scene.well();
                scene.live().await;
                assert_eq!(sent(&scene, LOGIN), 1);
            }),
    )
    .await;
}

#[tokio::test]
async fn a_redirect_is_named_and_never_followed_with_credentials() {
    let elsewhere = Simulator::start(Options::quiet(Account::new("bridge", "secret"))).await.unwrap();
    join_all(STEPS.map(async |step| {
        let to = elsewhere.url().join(&format!("/api{step}")).unwrap();
        let mut scene = at(step, Answer::Redirect(to.into())).await;
        if step == SOCKET {
            scene.tells("status 307: a redirect, which is not followed").await;
            scene.until("no second attempt", |scene| sent(scene, step) >= 2).await;
            scene.well();
            scene.live().await;
        } else {
            let says = format!(
                "/api{step} answered 307, a redirect to {}",
                elsewhere.url().as_str().trim_end_matches('/')
            );
            alarmed(&mut scene, &says).await;
        }
    }))
    .await;
    assert_eq!(elsewhere.seen(), [], "it was followed");
}

#[tokio::test]
async fn an_answer_that_is_compressed_unasked_is_named() {
    join_all([LOGIN, OTP, ME].map(async |step| {
        let mut scene = at(step, Answer::Compressed).await;
        scene.tells("it is compressed, which was not requested").await;
        let alarm = scene.notice("auth.failed").await;
        assert_eq!(alarm["failures"], 1, "{alarm}");
        scene.well();
        scene.retry.fire();
        scene.live().await;
    }))
    .await;
}

async fn completed(scene: &mut Scene) -> Value {
    loop {
        if let Body::Notice(notice) = scene.next().await.body
            && notice.name == "resync.completed"
        {
            return serde_json::from_slice(&notice.data).unwrap();
        }
    }
}

#[tokio::test]
async fn bad_snapshots_are_named_and_the_session_stays() {
    let answers = [
        (Answer::Page(200), "with a web page"),
        (Answer::Page(502), "answered 502"),
        (Answer::Limited, "429"),
        (
            Answer::Redirect("https://elsewhere.example/x".to_owned()),
            "a redirect to https://elsewhere.example",
        ),
        (Answer::Compressed, "it is compressed, which was not requested"),
    ];
    let (answers, says): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let answers = SNAPSHOTS.map(str::to_owned).into_iter().zip(answers).collect();
    let mut scene = scene_with(|knobs| knobs.answers = answers, None, &["resync=true"]).await;
    scene.live().await;
    let told = completed(&mut scene).await;
    let failed = told["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 5, "{told}");
    for (path, says) in SNAPSHOTS.iter().zip(says) {
        let one = failed.iter().find(|one| one["snapshot"] == *path).unwrap();
        assert!(one["reason"].as_str().unwrap().contains(says), "{one}");
    }
    scene.pbx.emit("still", "1");
    assert_eq!(scene.says().await, "still");
    scene.well();
    scene.resync.fire();
    let told = completed(&mut scene).await;
    assert_eq!(told["failed"], json!([]), "{told}");
    assert_eq!((sent(&scene, LOGIN), sent(&scene, SOCKET)), (1, 1));
}

#[tokio::test]
async fn error_pages_of_a_proxy_cost_only_time() {
    let mut scene = scene(None, &[]).await;
    scene.live().await;
    scene.pbx.turn(|knobs| {
        knobs.answers = [LOGIN, ME, SOCKET].map(|step| (step.to_owned(), Answer::Page(502))).to_vec();
    });
    scene.pbx.cut();
    scene.ended(EndReason::ConnectionClosed).await;
    scene.until("no attempts", |scene| sent(scene, SOCKET) >= 4).await;
    scene.well();
    scene.live_after("disconnected").await;
    assert_eq!(sent(&scene, LOGIN), 1, "the token was good all along");
}
