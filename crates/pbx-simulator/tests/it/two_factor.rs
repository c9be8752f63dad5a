//! The simulator's two-factor authentication: the answers of the real middleware, to the byte.

use pbx_simulator::{Account, Simulator};

use pbx_client::{field, get, post, start, start_with, token};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

async fn guarded() -> Simulator {
    start_with(|options| options.accounts = vec![Account::new("bridge", "secret").with_totp(SEED)]).await
}

/// The code that is `steps` away from the one that is due.
fn code(seed: &str, steps: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(seed).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    let at = jiff::Timestamp::now().as_second() + 30 * steps;
    totp.generate(u64::try_from(at).unwrap()).to_string()
}

fn otp(code: &str) -> String {
    format!(r#"{{"username":"bridge","otp":"{code}"}}"#)
}

#[tokio::test]
async fn a_code_replaces_the_token_and_may_be_used_again() {
    let pbx = guarded().await;
    let first = token(&pbx).await;
    assert_eq!(get(&pbx, "/api/user/me", &first).await.0, 403);
    assert_eq!(get(&pbx, "/api/2fa/status", &first).await.0, 403);
    assert_eq!(post(&pbx, "/api/logout", Some(&first), "").await.0, 403);

    let code = code(SEED, 0);
    let (status, body) = post(&pbx, "/api/2fa/verify-otp", Some(&first), &otp(&code)).await;
    assert_eq!(status, 200, "{body}");
    let (second, expire) = (field(&body, &["data", "token"]), field(&body, &["data", "expire"]));
    let whole = format!(
        r#"{{"code":200,"data":{{"expire":"{expire}","token":"{second}"}},"message":"OTP verified"}}"#
    );
    assert_eq!(body, whole);
    assert!(expire.contains('.') && expire.ends_with("+01:00"), "{expire}");
    expire.parse::<jiff::Timestamp>().unwrap();

    assert_eq!(get(&pbx, "/api/user/me", &first).await.0, 403, "the first token lives");
    assert_eq!(get(&pbx, "/api/user/me", &second).await.0, 200);
    let status = get(&pbx, "/api/2fa/status", &second).await;
    assert_eq!(status, (200, r#"{"status":true}"#.to_owned()));
    let again = token(&pbx).await;
    assert_eq!(post(&pbx, "/api/2fa/verify-otp", Some(&again), &otp(&code)).await.0, 200);
}

#[tokio::test]
async fn only_adjacent_steps_are_accepted() {
    let pbx = guarded().await;
    let bearer = token(&pbx).await;
    let invalid = r#"{"code":400,"data":null,"message":"invalid_otp"}"#;
    for steps in [-5, 5] {
        let answer = post(&pbx, "/api/2fa/verify-otp", Some(&bearer), &otp(&code(SEED, steps))).await;
        assert_eq!(answer, (400, invalid.to_owned()), "{steps} steps");
    }
    let (status, body) =
        post(&pbx, "/api/2fa/verify-otp", Some(&bearer), r#"{"username":"bridge","otp":123456}"#).await;
    assert_eq!((status, field(&body, &["message"])), (400, "request fields malformed".to_owned()));
    assert!(!field(&body, &["data"]).is_empty());
    let stranger = r#"{"username":"Bridge","otp":"123456"}"#;
    let unknown = r#"{"code":404,"data":"","message":"user secret not found"}"#;
    let answer = post(&pbx, "/api/2fa/verify-otp", Some(&bearer), stranger).await;
    assert_eq!(answer, (404, unknown.to_owned()));
    for steps in [-1, 1] {
        // The server is told to be half a step off, so that no boundary falls into the test.
        let second = jiff::Timestamp::now().as_second().rem_euclid(30);
        pbx.turn(|knobs| knobs.clock_ahead = 15 - second);
        let bearer = token(&pbx).await;
        let answer = post(&pbx, "/api/2fa/verify-otp", Some(&bearer), &otp(&code(SEED, steps))).await;
        assert_eq!(answer.0, 200, "{steps} steps: {}", answer.1);
    }
}

#[tokio::test]
async fn a_restart_forgets_the_verified_token_and_revives_the_first() {
    let pbx = guarded().await;
    let first = token(&pbx).await;
    let (_, body) = post(&pbx, "/api/2fa/verify-otp", Some(&first), &otp(&code(SEED, 0))).await;
    let second = field(&body, &["data", "token"]);
    pbx.restart();
    assert_eq!(get(&pbx, "/api/user/me", &second).await.0, 403);
    let (status, _) = post(&pbx, "/api/2fa/verify-otp", Some(&first), &otp(&code(SEED, 0))).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn enabling_and_disabling_end_the_other_tokens() {
    let pbx = start().await;
    let bearer = token(&pbx).await;
    let status = get(&pbx, "/api/2fa/status", &bearer).await;
    assert_eq!(status, (200, r#"{"status":false}"#.to_owned()));
    let none = post(&pbx, "/api/2fa/recovery-codes", Some(&bearer), "{}").await;
    assert_eq!(none, (200, r#"{"codes":[]}"#.to_owned()));

    let (status, body) = get(&pbx, "/api/2fa/qr-code", &bearer).await;
    let key = field(&body, &["data", "key"]);
    assert_eq!((status, key.len()), (200, 32));
    assert_eq!(
        body,
        format!(
            r#"{{"code":200,"data":{{"key":"{key}","url":"otpauth://totp/NethVoice:bridge?algorithm=SHA1\u0026digits=6\u0026period=30\u0026secret={key}"}},"message":"QR code string"}}"#
        )
    );
    let (status, body) = post(&pbx, "/api/2fa/verify-otp", Some(&bearer), &otp(&code(&key, 0))).await;
    let verified = field(&body, &["data", "token"]);
    assert_eq!((status, pbx.tokens()), (200, 1));

    let (_, codes) = post(&pbx, "/api/2fa/recovery-codes", Some(&verified), "{}").await;
    let codes: serde_json::Value = serde_json::from_str(&codes).unwrap();
    assert_eq!(codes["codes"].as_array().unwrap().len(), 5);
    let bearer = token(&pbx).await;
    let recovery = otp(codes["codes"][0].as_str().unwrap());
    assert_eq!(post(&pbx, "/api/2fa/verify-otp", Some(&bearer), &recovery).await.0, 200);

    let disable = |body| post(&pbx, "/api/2fa/disable", Some(&verified), body);
    let needed = r#"{"code":400,"data":null,"message":"password is required to disable 2FA"}"#;
    assert_eq!(disable("{}").await, (400, needed.to_owned()));
    let wrong = r#"{"code":401,"data":"","message":"invalid password"}"#;
    assert_eq!(disable(r#"{"password":"x"}"#).await, (401, wrong.to_owned()));
    let done = r#"{"code":200,"data":{"must_relogin":true},"message":"2FA revocate successfully - all sessions invalidated, please login again"}"#;
    assert_eq!(disable(r#"{"password":"secret"}"#).await, (200, done.to_owned()));
    assert_eq!(pbx.tokens(), 0);
    let bearer = token(&pbx).await;
    let absent = r#"{"code":403,"data":null,"message":"error in revocate 2FA for user"}"#;
    let again = post(&pbx, "/api/2fa/disable", Some(&bearer), r#"{"password":"secret"}"#).await;
    assert_eq!(again, (400, absent.to_owned()));
}
