//! Renewal: the new token is proven before the old one is logged out, and a failure costs nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cti_bridge::request::Trigger;
use jiff::SignedDuration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{
    clock::Manual,
    jwt::FORTNIGHT,
    middleware::{Pbx, Scene, eventually, scene, start, text},
};

fn renew(scene: &Scene) -> (CancellationToken, JoinHandle<()>) {
    renew_at(scene, &Trigger::default())
}

/// [`renew`], which tries again when called.
fn renew_at(scene: &Scene, retry: &Trigger) -> (CancellationToken, JoinHandle<()>) {
    let (account, stop, retry) = (scene.account.clone(), CancellationToken::new(), retry.subscribe());
    let asked = stop.clone();
    (stop, tokio::spawn(async move { account.renew(asked, retry).await }))
}

#[tokio::test]
async fn a_renewal_proves_the_new_token_before_it_logs_out_the_old() {
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let old = scene.account.grant().await.unwrap();
    let (stop, renewing) = renew(&scene);
    scene.pbx.clock.slept(1).await;
    let before = scene.pbx.clock.sleeps().len();
    scene.pbx.clock.advance(FORTNIGHT.mul_f64(0.69));
    scene.pbx.clock.slept(before + 1).await;
    assert_eq!(scene.count("/api/login"), 1, "renewed before 70 % of the lifetime");
    scene.pbx.clock.advance(FORTNIGHT.mul_f64(0.12));
    eventually("a logout", || scene.count("/api/logout") == 1).await;
    assert_eq!(
        scene.server.paths(),
        ["/api/login", "/api/user/me", "/api/login", "/api/user/me", "/api/logout"]
    );
    let new = scene.account.grant().await.unwrap();
    assert!(!new.token.is_same(&old.token));
    let seen = scene.server.seen();
    assert_eq!(seen[3].header("authorization"), Some(format!("Bearer {}", text(&new)).as_str()));
    assert_eq!(seen[4].header("authorization"), Some(format!("Bearer {}", text(&old)).as_str()));
    stop.cancel();
    renewing.await.unwrap();
}

#[tokio::test]
async fn the_same_text_is_never_logged_out_as_the_old_token() {
    // The clock is stopped: each login returns the same token.
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let first = scene.account.grant().await.unwrap();
    scene.account.discard(&first.token);
    let second = scene.account.grant().await.unwrap();
    assert!(first.token.is_same(&second.token));
    let (stop, renewing) = renew(&scene);
    // Sweeping comes before the wait for the next renewal.
    scene.pbx.clock.slept(1).await;
    assert_eq!((scene.count("/api/logout"), scene.listed()), (0, 1));
    stop.cancel();
    renewing.await.unwrap();
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_token_and_tries_again() {
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let old = scene.account.grant().await.unwrap();
    scene.pbx.broken.store(1, Ordering::SeqCst);
    let (stop, renewing) = renew(&scene);
    scene.pbx.clock.slept(1).await;
    let before = scene.pbx.clock.sleeps().len();
    scene.pbx.clock.advance(FORTNIGHT.mul_f64(0.81));
    let delay = scene.pbx.clock.slept(before + 1).await;
    assert!((15..=30).contains(&delay.as_secs()), "{delay:?}");
    assert!(scene.account.grant().await.unwrap().token.is_same(&old.token));
    assert_eq!(scene.count("/api/logout"), 0);
    scene.pbx.clock.advance(delay);
    eventually("a logout", || scene.count("/api/logout") == 1).await;
    assert!(!scene.account.grant().await.unwrap().token.is_same(&old.token));
    stop.cancel();
    renewing.await.unwrap();
}

#[tokio::test]
async fn a_call_ends_the_wait_after_a_failed_renewal_and_only_that() {
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let old = scene.account.grant().await.unwrap();
    scene.pbx.broken.store(2, Ordering::SeqCst);
    let (clock, retry) = (&scene.pbx.clock, Trigger::default());
    let (stop, renewing) = renew_at(&scene, &retry);
    clock.slept(1).await;
    let before = clock.sleeps().len();
    retry.fire();
    clock.advance(FORTNIGHT.mul_f64(0.81));
    clock.slept(before + 1).await;
    // Made before the attempt, the call is settled by it.
    let another = tokio::time::timeout(Duration::from_millis(300), clock.slept(before + 2)).await;
    assert!(another.is_err(), "it did not wait");
    retry.fire();
    clock.slept(before + 2).await;
    assert_eq!(scene.count("/api/logout"), 0);
    retry.fire();
    eventually("a logout", || scene.count("/api/logout") == 1).await;
    assert!(!scene.account.grant().await.unwrap().token.is_same(&old.token));
    stop.cancel();
    renewing.await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_neither_hastens_nor_delays_a_renewal() {
    for jump in [SignedDuration::from_hours(24 * 365), -SignedDuration::from_hours(24 * 365)] {
        let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
        let clock = &scene.pbx.clock;
        scene.account.grant().await.unwrap();
        let (stop, renewing) = renew(&scene);
        clock.slept(1).await;
        clock.jump(jump);
        let before = clock.sleeps().len();
        clock.advance(FORTNIGHT.mul_f64(0.69));
        clock.slept(before + 1).await;
        assert_eq!(scene.count("/api/login"), 1, "renewed before 70 % of the lifetime");
        clock.advance(FORTNIGHT.mul_f64(0.12));
        eventually("a renewal", || scene.count("/api/login") == 2).await;
        stop.cancel();
        renewing.await.unwrap();
    }
}

#[tokio::test]
async fn expired_tokens_are_renewed_at_most_every_ten_seconds() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.lifetime = Duration::ZERO;
    let scene = scene(pbx).await;
    let clock = &scene.pbx.clock;
    scene.account.grant().await.unwrap();
    let (stop, renewing) = renew(&scene);
    for round in 1..=5 {
        clock.slept(round).await;
        for _ in 0..10 {
            scene.account.grant().await.unwrap();
        }
        assert_eq!(scene.count("/api/login"), round);
        clock.advance(Duration::from_secs(10));
        eventually("a renewal", || scene.count("/api/logout") == round).await;
    }
    stop.cancel();
    renewing.await.unwrap();
}
