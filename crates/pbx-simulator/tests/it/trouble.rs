//! What an administrator does to the simulated PBX while it runs, and answers against the rule.

use std::time::{Duration, Instant};

use pbx_simulator::{Answer, Simulator};

use pbx_client::{Raw, UNAUTHORIZED, client, connected, get, login, post, start, token};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const LOGIN: &str = r#"{"username":"bridge","password":"secret"}"#;

#[tokio::test]
async fn a_changed_password_counts_from_the_next_login_on() {
    let pbx = start().await;
    let before = token(&pbx).await;
    let mut open = Raw::login(&pbx, &before).await;
    pbx.change_password("bridge", "another");
    assert_eq!(post(&pbx, "/api/login", None, LOGIN).await.0, 401);
    assert_eq!(post(&pbx, "/api/login", None, &LOGIN.replace("secret", "another")).await.0, 200);
    assert_eq!(get(&pbx, "/api/user/me", &before).await.0, 200, "a token is not asked for the password");
    pbx.emit("still", "");
    assert_eq!(open.text().await, r#"42["still"]"#);
    Raw::login(&pbx, &before).await;
}

#[tokio::test]
async fn enabling_2fa_ends_tokens_but_not_sockets() {
    let pbx = start().await;
    let before = token(&pbx).await;
    let mut open = Raw::login(&pbx, &before).await;
    pbx.two_factor("bridge", Some(SEED));
    pbx.emit("still", "");
    assert_eq!(open.text().await, r#"42["still"]"#);
    assert_eq!((get(&pbx, "/api/user/me", &before).await.0, pbx.tokens()), (403, 0));
    // The middleware knows the user and not the token.
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login(&before, "")).await;
    raw.is_silent().await;
    let pending = token(&pbx).await;
    assert_eq!(get(&pbx, "/api/user/me", &pending).await.0, 403, "a one-time password is due");
}

#[tokio::test]
async fn a_restart_revives_tokens_that_enabling_2fa_ended() {
    let pbx = start().await;
    let before = token(&pbx).await;
    pbx.two_factor("bridge", Some(SEED));
    pbx.restart();
    assert_eq!(get(&pbx, "/api/user/me", &before).await.0, 200);
    pbx.two_factor("bridge", Some(SEED));
    let _pending = token(&pbx).await;
    pbx.restart();
    assert_eq!(get(&pbx, "/api/user/me", &before).await.0, 403);
}

#[tokio::test]
async fn disabling_2fa_ends_tokens_but_not_sockets() {
    let pbx = start().await;
    pbx.two_factor("bridge", None);
    let before = token(&pbx).await;
    pbx.two_factor("bridge", None);
    assert_eq!(get(&pbx, "/api/user/me", &before).await.0, 200, "it was off");
    pbx.two_factor("bridge", Some(SEED));
    pbx.restart();
    let mut open = Raw::login(&pbx, &before).await;
    pbx.two_factor("bridge", None);
    pbx.restart();
    connected(&pbx, 0).await;
    open.is_cut().await;
    assert_eq!(get(&pbx, "/api/user/me", &before).await.0, 403, "this change is on disk");
    // The middleware does not know the user at all, so the backend gets to see a foreign token.
    let mut raw = Raw::join(&pbx).await;
    raw.send(&login(&before, "")).await;
    assert_eq!([raw.text().await, raw.text().await], [UNAUTHORIZED, "41"]);
    let after = token(&pbx).await;
    assert_eq!(get(&pbx, "/api/user/me", &after).await.0, 200, "no one-time password is asked for");
}

#[tokio::test]
async fn a_request_is_dealt_with_although_its_client_has_gone() {
    let pbx = start().await;
    pbx.turn(|knobs| knobs.answers = vec![("/login".to_owned(), Answer::Late(Duration::from_secs(3)))]);
    let impatient = tokio::time::timeout(Duration::from_secs(1), post(&pbx, "/api/login", None, LOGIN));
    impatient.await.unwrap_err();
    let deadline = Instant::now() + pbx_client::DEADLINE;
    while pbx.tokens() == 0 {
        assert!(Instant::now() < deadline, "the login was left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_logout_ends_both_logins_of_one_second() {
    let pbx = start().await;
    pbx.turn(|knobs| knobs.set("clock-stands=2026-11-24T10:00:00Z").unwrap());
    let (first, second) = (token(&pbx).await, token(&pbx).await);
    assert_eq!((&first, pbx.tokens()), (&second, 2));
    assert_eq!(post(&pbx, "/api/logout", Some(&first), "").await.0, 200);
    assert_eq!((get(&pbx, "/api/user/me", &second).await.0, pbx.tokens()), (403, 0));
}

/// Status, the header, and the body's bytes.
async fn me(pbx: &Simulator, token: &str, header: &str) -> (u16, String, Vec<u8>) {
    let url = pbx.url().join("/api/user/me").unwrap();
    let answer = client().get(url).bearer_auth(token).send().await.unwrap();
    let value = answer.headers().get(header).map_or("", |value| value.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), value, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_path_is_answered_against_the_rule_and_no_other_is() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let (_, _, plain) = me(&pbx, &token, "date").await;
    let turn = |answer: Answer| pbx.turn(|knobs| knobs.answers = vec![("/user/me".to_owned(), answer)]);
    turn(Answer::Empty(500));
    assert_eq!(me(&pbx, &token, "content-type").await, (500, String::new(), Vec::new()));
    assert_eq!(post(&pbx, "/api/login", None, LOGIN).await.0, 200);
    turn(Answer::Page(502));
    let (status, kind, body) = me(&pbx, &token, "content-type").await;
    assert_eq!((status, kind.as_str()), (502, "text/html; charset=utf-8"));
    assert!(body.starts_with(b"<!DOCTYPE html>"));
    turn(Answer::Limited);
    assert_eq!(me(&pbx, &token, "retry-after").await.0, 429);
    turn(Answer::Compressed);
    let (status, coding, body) = me(&pbx, &token, "content-encoding").await;
    assert_eq!((status, coding.as_str()), (200, "gzip"));
    assert_eq!(gunzip(&body), plain);
    turn(Answer::Late(Duration::from_millis(200)));
    let began = Instant::now();
    assert_eq!(me(&pbx, &token, "date").await.2, plain);
    assert!(began.elapsed() >= Duration::from_millis(200));
    turn(Answer::Redirect("http://127.0.0.1:1/x".to_owned()));
    let url = pbx.url().join("/api/user/me").unwrap();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
        (307, "http://127.0.0.1:1/x")
    );
}

/// By a program of others.
fn gunzip(data: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let input = std::fs::File::open(file.path()).unwrap();
    let output = std::process::Command::new("gzip").arg("-dc").stdin(input).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
