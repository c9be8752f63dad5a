//! An account's other ways in, the token cache, and credentials that change.

use std::{path::Path, time::Duration};

use cti_bridge::{
    api,
    auth::{Account, Config, Consequence, Credentials},
};
use pbx_simulator::Simulator;
use secrecy::ExposeSecret as _;

use pbx_client::{get, persistent, start};

const LOGOUT: Duration = Duration::from_secs(5);

fn account(pbx: &Simulator, path: &str, credentials: Credentials, token_cache: Option<&Path>) -> Account {
    let client = api::Client::new(api::Config::at(pbx.url().join(path).unwrap())).unwrap();
    let token_cache = token_cache.map(Path::to_owned);
    Account::new(Config { username: "bridge".into(), credentials, token_cache }, client).unwrap()
}

fn password(text: &str) -> Credentials {
    Credentials::Password { password: text.into(), totp_secret: None }
}

fn count(pbx: &Simulator, path: &str) -> usize {
    pbx.seen().iter().filter(|seen| seen.path == path).count()
}

#[tokio::test]
async fn a_legacy_token_is_logged_out_and_a_persistent_one_never() {
    let pbx = start().await;
    let legacy = account(&pbx, "webrest/", Credentials::Legacy { password: "secret".into() }, None);
    let grant = legacy.grant().await.unwrap();
    assert_eq!((grant.token.lifetime(), grant.token.claims()), (None, None));
    legacy.logout(LOGOUT).await;
    assert_eq!(count(&pbx, "/webrest/authentication/logout"), 1);
    assert_eq!(legacy.client().me(grant.token.authorization()).await.unwrap_err().status(), Some(401));

    let token = persistent(&pbx).await;
    let account = account(&pbx, "api/", Credentials::Token(token.as_str().into()), None);
    let grant = account.grant().await.unwrap();
    account.discard(&grant.token);
    account.grant().await.unwrap();
    account.logout(LOGOUT).await;
    assert_eq!(count(&pbx, "/api/logout"), 0);
    assert_eq!(get(&pbx, "/api/user/me", &token).await.0, 200);
}

#[tokio::test]
async fn a_wrong_password_and_a_starting_legacy_pbx_differ() {
    let pbx = start().await;
    let wrong = account(&pbx, "webrest/", Credentials::Legacy { password: "wrong".into() }, None);
    let error = wrong.grant().await.unwrap_err();
    assert_eq!(error.consequence(), Consequence::Slowly);
    assert!(error.to_string().contains("refused the login of `bridge`"), "{error}");
    pbx.turn(|knobs| knobs.backend_down = true);
    let error = wrong.grant().await.unwrap_err();
    assert_eq!(error.consequence(), Consequence::Soon, "{error}");
    // The interface of the other kind is not there.
    let error = account(&pbx, "nowhere/", password("secret"), None).grant().await.unwrap_err();
    assert!(error.to_string().contains("`auth` (\"legacy\" for a PBX that was not upgraded"), "{error}");
}

#[tokio::test]
async fn a_cached_token_outlives_the_process_and_a_stop() {
    let pbx = start().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("pbx1.token");
    let first = account(&pbx, "api/", password("secret"), Some(&cache));
    let token = first.grant().await.unwrap().token;
    first.logout(LOGOUT).await;
    drop(first);
    for _ in 0..5 {
        let next = account(&pbx, "api/", password("secret"), Some(&cache));
        assert!(next.grant().await.unwrap().token.is_same(&token));
        next.logout(LOGOUT).await;
    }
    assert_eq!((count(&pbx, "/api/login"), count(&pbx, "/api/logout"), pbx.tokens()), (1, 0, 1));

    // One that is dead costs one request, and the file holds its successor.
    pbx.revoke("bridge");
    let next = account(&pbx, "api/", password("secret"), Some(&cache));
    let fresh = next.grant().await.unwrap().token;
    assert_eq!(count(&pbx, "/api/login"), 2);
    let text = std::fs::read_to_string(&cache).unwrap();
    assert!(text.contains(fresh.secret().expose_secret()));
}

/// As in a restart loop while the backend boots: one login, and its token waits in the file.
#[tokio::test]
async fn a_token_that_could_not_be_proven_is_cached_too() {
    let pbx = start().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("pbx1.token");
    pbx.turn(|knobs| knobs.failing = vec!["/user/me".to_owned()]);
    for _ in 0..5 {
        let account = account(&pbx, "api/", password("secret"), Some(&cache));
        assert_eq!(account.grant().await.unwrap_err().consequence(), Consequence::Soon);
        account.logout(LOGOUT).await;
    }
    pbx.turn(|knobs| knobs.failing.clear());
    account(&pbx, "api/", password("secret"), Some(&cache)).grant().await.unwrap();
    assert_eq!((count(&pbx, "/api/login"), pbx.tokens()), (1, 1));
}

#[tokio::test]
async fn new_credentials_are_used_from_the_next_login_on() {
    let pbx = start().await;
    let account = account(&pbx, "api/", password("outdated"), None);
    account.grant().await.unwrap_err();
    account.renew_credentials(password("secret")).unwrap();
    let grant = account.grant().await.unwrap();
    // In use, whatever comes next.
    account.renew_credentials(password("too early")).unwrap();
    assert!(account.grant().await.unwrap().token.is_same(&grant.token));
    let unusable = Credentials::Password { password: "x".into(), totp_secret: Some("hidden-1".into()) };
    let error = account.renew_credentials(unusable).unwrap_err();
    assert!(!format!("{error:?}").contains("hidden"));
}
