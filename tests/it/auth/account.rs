//! The guarantees of an account: one login for all who wait, a code once per step, and nothing lost when a
//! caller goes away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cti_bridge::{
    api,
    auth::{Account, AuthError, Clock, Consequence, Totp},
};
use tokio::sync::Semaphore;
use url::Url;

use crate::support::{
    clock::Manual,
    http::{Server, json},
    jwt,
    jwt::FORTNIGHT,
    middleware,
    middleware::{Pbx, eventually, scene, start, text},
};

#[tokio::test]
async fn a_grant_is_proven_kept_and_used_again() {
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let first = scene.account.grant().await.unwrap();
    let second = scene.account.grant().await.unwrap();
    assert!(first.token.is_same(&second.token));
    assert_eq!(first.me.username.as_deref(), Some("bridge"));
    assert_eq!(first.token.lifetime(), Some(FORTNIGHT));
    assert_eq!(scene.server.paths(), ["/api/login", "/api/user/me"]);
    let login = &scene.server.seen()[0];
    assert_eq!(login.header("content-type"), Some("application/json"));
    assert_eq!(login.body, br#"{"password":"secret","username":"bridge"}"#);

    scene.pbx.clock.advance(FORTNIGHT);
    let third = scene.account.grant().await.unwrap();
    assert!(!third.token.is_same(&first.token), "an expired token was handed out");
}

#[tokio::test]
async fn many_callers_share_one_login() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.gate = Semaphore::new(0);
    let scene = scene(pbx).await;
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let account = scene.account.clone();
            tokio::spawn(async move { account.grant().await })
        })
        .collect();
    eventually("a login", || scene.count("/api/login") == 1).await;
    scene.pbx.gate.add_permits(20);
    let mut tokens = Vec::new();
    for caller in callers {
        tokens.push(text(&caller.await.unwrap().unwrap()));
    }
    tokens.dedup();
    assert_eq!((tokens.len(), scene.count("/api/login")), (1, 1));
}

#[tokio::test]
async fn many_callers_share_one_failure_and_the_next_tries_again() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.gate = Semaphore::new(0);
    pbx.broken = AtomicUsize::new(1);
    let scene = scene(pbx).await;
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let account = scene.account.clone();
            tokio::spawn(async move { account.grant().await })
        })
        .collect();
    eventually("a login", || scene.count("/api/login") == 1).await;
    scene.pbx.gate.add_permits(20);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap_err().consequence(), Consequence::Soon);
    }
    assert_eq!(scene.server.paths(), ["/api/login", "/api/user/me"]);
    // The proof had no answer, so only the proof is repeated.
    scene.account.grant().await.unwrap();
    assert_eq!(scene.server.paths(), ["/api/login", "/api/user/me", "/api/user/me"]);
}

#[tokio::test]
async fn a_cancelled_login_is_continued_by_the_next_caller() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.gate = Semaphore::new(0);
    let scene = scene(pbx).await;
    let account = scene.account.clone();
    let caller = tokio::spawn(async move { account.grant().await });
    eventually("a login", || scene.count("/api/login") == 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let account = scene.account.clone();
    let next = tokio::spawn(async move { account.grant().await });
    scene.pbx.gate.add_permits(20);
    next.await.unwrap().unwrap();
    assert_eq!(scene.server.paths(), ["/api/login", "/api/user/me"]);
}

#[tokio::test]
async fn a_one_time_password_follows_the_claims() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    let scene = scene(pbx).await;
    let grant = scene.account.grant().await.unwrap();
    assert!(!grant.token.claims().unwrap().otp_due());
    assert_eq!(scene.server.paths(), ["/api/login", "/api/2fa/verify-otp", "/api/user/me"]);
    assert!(scene.pbx.clock.sleeps().is_empty(), "the first code needs no wait");
}

#[tokio::test]
async fn a_code_is_never_sent_twice_within_its_step() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    let scene = scene(pbx).await;
    for _ in 0..5 {
        let grant = scene.account.grant().await.unwrap();
        scene.account.discard(&grant.token);
    }
    let codes = scene.codes();
    let mut distinct = codes.clone();
    distinct.dedup();
    assert_eq!((codes.len(), distinct.len()), (5, 5), "{codes:?}");
    let thirty = Duration::from_secs(30);
    assert_eq!(scene.pbx.clock.sleeps(), [Duration::from_secs(20), thirty, thirty, thirty]);
}

#[tokio::test]
async fn a_rejected_code_is_retried_once_in_the_next_step() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    pbx.refusals = AtomicUsize::new(1);
    let once = scene(pbx).await;
    once.account.grant().await.unwrap();
    assert_eq!(once.pbx.clock.sleeps(), [Duration::from_secs(20)]);
    assert_eq!((once.codes().len(), once.count("/api/login")), (2, 1));

    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    pbx.refusals = AtomicUsize::new(100);
    let never = scene(pbx).await;
    let error = never.account.grant().await.unwrap_err();
    assert_eq!(error.consequence(), Consequence::Slowly);
    let codes = never.codes();
    assert_eq!((codes.len(), never.count("/api/login")), (2, 1));
    assert_ne!(codes[0], codes[1]);
}

#[tokio::test]
async fn a_token_whose_code_was_refused_is_used_again() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    pbx.refusals = AtomicUsize::new(4);
    let scene = scene(pbx).await;
    for _ in 0..2 {
        let error = scene.account.grant().await.unwrap_err();
        assert!(matches!(error, AuthError::OtpRefused { .. }), "{error}");
    }
    scene.account.grant().await.unwrap();
    assert_eq!((scene.codes().len(), scene.count("/api/login"), scene.listed()), (5, 1, 1));
}

#[tokio::test]
async fn a_typed_code_costs_one_token_however_often_it_is_mistyped() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    let scene = scene(pbx).await;
    let account = Account::with_clock(
        middleware::with_password(None),
        scene.account.client().clone(),
        Arc::clone(&scene.pbx.clock) as Arc<dyn Clock>,
    )
    .unwrap();
    assert!(matches!(account.grant().await.unwrap_err(), AuthError::OtpMissing { .. }));
    let error = account.grant_with("000000".into()).await.unwrap_err();
    assert!(error.to_string().contains("refused the code that was typed"), "{error}");
    let code = Totp::new(&middleware::TOTP.into()).unwrap().code(scene.pbx.clock.now());
    account.grant_with(code).await.unwrap();
    assert_eq!((scene.codes().len(), scene.count("/api/login"), scene.listed()), (2, 1, 1));
}

#[tokio::test]
async fn a_pending_token_that_was_withdrawn_is_replaced() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    pbx.refusals = AtomicUsize::new(2);
    let scene = scene(pbx).await;
    scene.account.grant().await.unwrap_err();
    scene.pbx.tokens.lock().unwrap().clear();
    scene.account.grant().await.unwrap();
    assert_eq!((scene.count("/api/login"), scene.listed()), (2, 1));
}

#[tokio::test]
async fn codes_follow_our_clock_where_a_proxy_writes_the_date() {
    for ahead in [600, 45, 31] {
        let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
        pbx.two_fa = true;
        pbx.date_ahead = Duration::from_secs(ahead);
        let scene = scene(pbx).await;
        let grant = scene.account.grant().await.unwrap();
        assert_eq!(scene.codes().len(), 2, "{ahead} s");
        assert!(scene.pbx.clock.sleeps().is_empty(), "{:?}", scene.pbx.clock.sleeps());
        // The next login knows it.
        scene.pbx.clock.advance(Duration::from_mins(30));
        scene.account.discard(&grant.token);
        scene.account.grant().await.unwrap();
        assert_eq!(scene.codes().len(), 3, "{ahead} s");
    }
}

#[tokio::test]
async fn codes_follow_the_clock_of_the_pbx() {
    let mut pbx = Pbx::new(Arc::new(Manual::leaping(start())));
    pbx.two_fa = true;
    pbx.ahead = Duration::from_mins(10);
    let scene = scene(pbx).await;
    scene.account.grant().await.unwrap();
    assert_eq!(scene.codes().len(), 1, "the first code was right already");
}

#[tokio::test]
async fn an_opaque_token_is_tried_with_a_one_time_password() {
    let verified = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        let answer = match request.path.as_str() {
            "/api/login" => json(200, &jwt::login("opaque-1")),
            "/api/2fa/verify-otp" => {
                verified.fetch_add(1, Ordering::SeqCst);
                json(200, &jwt::verified("opaque-2"))
            }
            _ if verified.load(Ordering::SeqCst) == 0 => json(
                403,
                r#"{"code":403,"data":null,"message":"you don't have permission to access this resource"}"#,
            ),
            _ => json(200, jwt::ME),
        };
        std::future::ready(answer)
    })
    .await
    .unwrap();
    let url = Url::parse(&format!("http://127.0.0.1:{}/api", server.port)).unwrap();
    let client = api::Client::new(api::Config::at(url)).unwrap();
    let config = middleware::with_password(Some(middleware::TOTP));
    let clock = Arc::new(Manual::at("2026-11-30T00:53:20Z".parse().unwrap()));
    let grant = Account::with_clock(config, client, clock).unwrap().grant().await.unwrap();
    assert_eq!(server.paths(), ["/api/login", "/api/user/me", "/api/2fa/verify-otp", "/api/user/me"]);
    assert!(grant.token.claims().is_none());
    // From the answer's `expire`, 2026-12-14T00:53:20.123456789Z.
    assert_eq!(grant.token.lifetime(), Some(FORTNIGHT + Duration::from_nanos(123_456_789)));
}

#[tokio::test]
async fn without_a_secret_a_due_password_is_the_operators() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.two_fa = true;
    let scene = scene(pbx).await;
    let url = Url::parse(&format!("http://127.0.0.1:{}/api", scene.server.port)).unwrap();
    let client = api::Client::new(api::Config::at(url)).unwrap();
    let config = middleware::with_password(None);
    let error = Account::new(config, client.clone()).unwrap().grant().await.unwrap_err();
    assert_eq!(error.consequence(), Consequence::Operator);
    assert!(error.to_string().contains("set it, or switch two-factor authentication off"), "{error}");

    let config = middleware::with_password(Some("hidden-1"));
    let error = Account::new(config, client).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    assert_eq!(error.consequence(), Consequence::Operator);
}

#[tokio::test]
async fn a_dead_session_means_one_new_login_and_then_patience() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.broken = AtomicUsize::new(3);
    pbx.broken_status = 401;
    let scene = scene(pbx).await;
    let mut consequences = Vec::new();
    for _ in 0..3 {
        consequences.push(scene.account.grant().await.unwrap_err().consequence());
        scene.pbx.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(consequences, [Consequence::NewLogin, Consequence::Slowly, Consequence::Slowly]);
    scene.account.grant().await.unwrap();
    assert_eq!((scene.count("/api/login"), scene.count("/api/user/me")), (4, 4));
}

#[tokio::test]
async fn a_discarded_token_is_replaced_but_only_once() {
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let old = scene.account.grant().await.unwrap();
    scene.pbx.clock.advance(Duration::from_secs(1));
    scene.account.discard(&old.token);
    let new = scene.account.grant().await.unwrap();
    assert!(!new.token.is_same(&old.token));
    scene.account.discard(&old.token);
    assert!(
        scene.account.grant().await.unwrap().token.is_same(&new.token),
        "a late report ended the successor"
    );
    assert_eq!(scene.count("/api/login"), 2);
}

#[tokio::test]
async fn a_clean_stop_logs_out_every_token() {
    let scene = scene(Pbx::new(Arc::new(Manual::at(start())))).await;
    let old = scene.account.grant().await.unwrap();
    scene.pbx.clock.advance(Duration::from_secs(1));
    scene.account.discard(&old.token);
    scene.account.grant().await.unwrap();
    // Once more within the same second: the same text, so nothing more to log out.
    let new = scene.account.grant().await.unwrap();
    scene.account.discard(&new.token);
    assert!(scene.account.grant().await.unwrap().token.is_same(&new.token));
    assert_eq!(scene.listed(), 2);
    scene.account.logout(Duration::from_secs(10)).await;
    assert_eq!((scene.listed(), scene.count("/api/logout")), (0, 2));
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_limit() {
    let mut pbx = Pbx::new(Arc::new(Manual::at(start())));
    pbx.gate = Semaphore::new(0);
    let scene = scene(pbx).await;
    let account = scene.account.clone();
    let caller = tokio::spawn(async move { account.grant().await });
    eventually("a login", || scene.count("/api/login") == 1).await;
    let stopped = scene.account.logout(Duration::from_millis(50));
    tokio::time::timeout(Duration::from_secs(10), stopped).await.expect("the stop hangs on a login");
    caller.abort();
}
