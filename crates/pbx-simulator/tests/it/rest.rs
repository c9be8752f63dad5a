//! The simulator's REST interface: statuses and bodies of the real middleware, to the byte.

use pbx_simulator::{Account, Login, Profile, settled};
use reqwest::Method;

use pbx_client::{call, field, get, post, start, start_with, token};

const FORBIDDEN: &str =
    r#"{"code":403,"data":null,"message":"you don't have permission to access this resource"}"#;
const CHALLENGE: Option<&str> = Some("Bearer realm=\"nethcti\"");

#[tokio::test]
async fn a_login_answers_token_and_local_expiry_and_the_token_works() {
    let pbx = start().await;
    let (status, body) = post(&pbx, "/api/login", None, r#"{"username":"bridge","password":"secret"}"#).await;
    assert_eq!(status, 200);
    let (token, expire) = (field(&body, &["token"]), field(&body, &["expire"]));
    assert_eq!(body, format!(r#"{{"code":200,"expire":"{expire}","token":"{token}"}}"#));
    assert!(expire.ends_with("+01:00") && expire.len() == 25, "{expire}");
    let expire: jiff::Timestamp = expire.parse().unwrap();
    let lifetime = expire.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((14 * 24 - 1..=14 * 24).contains(&lifetime), "{lifetime} h");
    let (status, me) = get(&pbx, "/api/user/me", &token).await;
    assert_eq!((status, field(&me, &["username"])), (200, "bridge".to_owned()));
    assert_eq!(
        field(&me, &["profile", "macro_permissions", "presence_panel", "permissions", "trunks", "name"]),
        "trunks"
    );
    let paths: Vec<String> = pbx.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/api/login", "/api/user/me"]);
}

#[tokio::test]
async fn a_login_that_fails_says_401_whatever_the_reason() {
    let pbx = start().await;
    let login = |body| call(&pbx, Method::POST, "/api/login", None, Some(body));
    let wrong = r#"{"code":401,"data":null,"message":"incorrect Username or Password"}"#;
    let missing = r#"{"code":401,"data":null,"message":"missing Username or Password"}"#;
    for (body, message) in [
        (r#"{"username":"bridge","password":"x"}"#, wrong),
        (r#"{"username":"nobody","password":"secret"}"#, wrong),
        (r#"{"username":"Bridge","password":"secret"}"#, wrong),
        (r#"{"username":"bridge"}"#, missing),
        ("{", missing),
    ] {
        let (status, answer, challenge) = login(body).await;
        assert_eq!((status, answer.as_str(), challenge.as_deref()), (401, message, CHALLENGE), "{body}");
    }
    let good = r#"{"username":"bridge","password":"secret"}"#;
    pbx.turn(|knobs| knobs.backend_down = true);
    assert_eq!(post(&pbx, "/api/login", None, good).await, (401, wrong.to_owned()));
    pbx.turn(|knobs| (knobs.backend_down, knobs.login) = (false, Login::Glued));
    let glued = format!(r#"{{"message":"failed to parse server v1 response"}}{wrong}"#);
    assert_eq!(post(&pbx, "/api/login", None, good).await, (500, glued));
    pbx.turn(|knobs| knobs.login = Login::Crash);
    assert_eq!(post(&pbx, "/api/login", None, good).await, (500, String::new()));
    pbx.turn(|knobs| knobs.too_many_requests = true);
    let limited = r#"{"code":429,"data":null,"message":"too many requests"}"#;
    assert_eq!(post(&pbx, "/api/login", None, good).await, (429, limited.to_owned()));
}

#[tokio::test]
async fn a_dead_session_has_a_good_login_and_empty_401s() {
    let pbx = start_with(|options| options.knobs.login = Login::Dead).await;
    let token = token(&pbx).await;
    assert_eq!(get(&pbx, "/api/user/me", &token).await, (401, String::new()));
    pbx.turn(|knobs| knobs.login = Login::Normal);
    let token = pbx_client::token(&pbx).await;
    assert_eq!(get(&pbx, "/api/user/me", &token).await.0, 200);
    pbx.kill_sessions();
    assert_eq!(get(&pbx, "/api/user/me", &token).await, (401, String::new()));
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_in_its_own_words() {
    let pbx = start().await;
    let good = token(&pbx).await;
    let me = |token| call(&pbx, Method::GET, "/api/user/me", token, None);
    let (status, body, challenge) = me(None).await;
    assert_eq!(
        (status, body.as_str(), challenge.as_deref()),
        (401, r#"{"code":401,"data":null,"message":"query token is empty"}"#, CHALLENGE)
    );
    let (status, body, _) = me(Some("garbage")).await;
    assert_eq!(status, 401);
    assert!(field(&body, &["message"]).starts_with("token is malformed"), "{body}");
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let (status, body, _) = me(Some(&forged)).await;
    let message = "token signature is invalid: signature is invalid";
    assert_eq!((status, field(&body, &["message"])), (401, message.to_owned()));
    let (status, body, _) = call(&pbx, Method::GET, &format!("/api/user/me?jwt={good}"), None, None).await;
    assert_eq!((status, body.as_str()), (403, FORBIDDEN));
    pbx.turn(|knobs| knobs.clock_ahead = 15 * 24 * 3600);
    let (status, body, _) = me(Some(&good)).await;
    assert_eq!((status, field(&body, &["message"])), (401, "token is expired".to_owned()));
    pbx.turn(|knobs| knobs.clock_ahead = 0);
    assert_eq!(post(&pbx, "/api/logout", Some(&good), "{}").await, (200, r#"{"code":200}"#.to_owned()));
    assert_eq!(get(&pbx, "/api/user/me", &good).await, (403, FORBIDDEN.to_owned()));
}

#[tokio::test]
async fn a_logout_ends_its_own_token_only() {
    let pbx = start().await;
    let first = token(&pbx).await;
    // Two logins in one second give the same token, on the real server too.
    pbx.turn(|knobs| knobs.clock_ahead = 1);
    let second = token(&pbx).await;
    pbx.turn(|knobs| knobs.clock_ahead = 2);
    assert_ne!(first, second);
    assert_eq!(post(&pbx, "/api/logout", Some(&first), "").await.0, 200);
    assert_eq!(pbx.tokens(), 1);
    assert_eq!(get(&pbx, "/api/user/me", &second).await.0, 200);
    assert_eq!(get(&pbx, "/api/user/me", &first).await.0, 403);
    pbx.revoke("bridge");
    assert_eq!(get(&pbx, "/api/user/me", &second).await, (403, FORBIDDEN.to_owned()));
}

#[tokio::test]
async fn an_unknown_route_is_truncated_and_a_down_backend_is_502() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let url = pbx.url().join("/api/no/such/route/that/is/long/enough").unwrap();
    let answer = pbx_client::client().get(url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.content_length() > Some(50), "{:?}", answer.content_length());
    assert!(answer.bytes().await.is_err(), "the body was whole");
    pbx.turn(|knobs| knobs.forbidden = vec!["/astproxy/queues".to_owned()]);
    assert_eq!(get(&pbx, "/api/astproxy/queues", &token).await, (403, String::new()));
    pbx.turn(|knobs| knobs.backend_down = true);
    let down = r#"{"code":502,"message":"Failed to reach V1 API"}"#;
    assert_eq!(get(&pbx, "/api/user/me", &token).await, (502, down.to_owned()));
    // The path needs its slash: without it, it is just another route.
    let (status, body, _) = call(&pbx, Method::GET, "/api/ws?EIO=4&transport=websocket", None, None).await;
    assert_eq!((status, field(&body, &["message"])), (401, "query token is empty".to_owned()));
    assert_eq!(call(&pbx, Method::GET, "/api/ws/?EIO=4&transport=polling", None, None).await.0, 400);
}

#[tokio::test]
async fn snapshots_follow_the_profile() {
    let pbx = start().await;
    let token = token(&pbx).await;
    for (path, key) in [
        ("extensions", "201"),
        ("queues", "401"),
        ("trunks", "fascio1"),
        ("parkings", "71"),
        ("opgroups", "Everybody"),
    ] {
        let (status, body) = get(&pbx, &format!("/api/astproxy/{path}"), &token).await;
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(status == 200 && value[key].is_object(), "{path}: {body}");
    }
    let (status, body) = get(&pbx, "/api/astproxy/extension/201", &token).await;
    assert_eq!((status, field(&body, &["exten"])), (200, "201".to_owned()));
    let (_, body) = get(&pbx, "/api/user/endpoints/all", &token).await;
    assert_eq!(field(&body, &["ada", "mainPresence"]), "online");
    assert_eq!(field(&body, &["bridge", "username"]), "bridge");

    let blind = |options: &mut pbx_simulator::Options| {
        let account = Account::new("bridge", "secret");
        options.accounts = vec![Account { profile: Profile::blind(), ..account }];
    };
    let pbx = start_with(blind).await;
    let token = pbx_client::token(&pbx).await;
    for path in ["queues", "trunks", "parkings", "opdata", "qmanager_queues", "qalarms"] {
        let answer = get(&pbx, &format!("/api/astproxy/{path}"), &token).await;
        assert_eq!(answer, (403, String::new()), "{path}");
    }
    assert_eq!(get(&pbx, "/api/astproxy/extensions", &token).await.0, 200);
}

#[tokio::test]
async fn the_date_header_shows_the_servers_clock() {
    let pbx = start_with(|options| options.knobs.clock_ahead = 3_600).await;
    let answer = pbx_client::client().get(pbx.url()).send().await.unwrap();
    let date = answer.headers()["date"].to_str().unwrap().to_owned();
    let date =
        jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.replace("GMT", "+0000")).unwrap();
    let ahead = date.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((3_590..=3_600).contains(&ahead), "{ahead} s ahead");
}

#[tokio::test]
async fn snapshots_fail_in_every_requested_way() {
    let pbx = start().await;
    let token = token(&pbx).await;
    pbx.turn(|knobs| {
        knobs.set("failing=/astproxy/queues").unwrap();
        knobs.set("empty=/astproxy/trunks").unwrap();
        knobs.set("cut-short=/astproxy/extensions").unwrap();
        knobs.set("snapshot-delay=2s").unwrap();
    });
    let began = std::time::Instant::now();
    assert_eq!(get(&pbx, "/api/user/me", &token).await.0, 200);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "a login is no slower");
    assert_eq!(get(&pbx, "/api/astproxy/queues", &token).await.0, 502);
    assert!(began.elapsed() >= std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    pbx.turn(|knobs| knobs.snapshot_delay = std::time::Duration::ZERO);
    assert_eq!(get(&pbx, "/api/astproxy/trunks", &token).await, (200, "{}".to_owned()));
    let url = pbx.url().join("/api/astproxy/extensions").unwrap();
    let answer = pbx_client::client().get(url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "the body was whole");
}

#[tokio::test]
async fn the_state_follows_the_profile_and_ignores_clocks() {
    let pbx = start().await;
    let token = token(&pbx).await;
    let state = pbx.state("bridge");
    let (_, body) = get(&pbx, "/api/astproxy/parkings", &token).await;
    let parkings: serde_json::Value = serde_json::from_str(&body).unwrap();
    let state_of = |name: &str, entity: &str| state[&(name.to_owned(), entity.to_owned())].as_str();
    assert_eq!(state_of("parkingUpdate", "71"), settled(&parkings["71"].to_string()));
    let presence = r#"{"presence_onbusy":{"status":"online","username":"ada"}}"#;
    assert_eq!(state_of("userPresenceUpdate", "ada=2Fpresence_onbusy"), presence);
    let main = r#"{"mainPresence":{"status":"online","username":"bridge"}}"#;
    assert_eq!(state_of("userMainPresenceUpdate", "bridge"), main);
    assert_eq!(settled(r#"{"b":[{"waiting":3,"x":1}],"duration":2,"a":""}"#), r#"{"a":"","b":[{"x":1}]}"#);

    let blind = start_with(|options| options.accounts[0].profile = Profile::blind()).await;
    let names: std::collections::BTreeSet<String> =
        blind.state("bridge").into_keys().map(|(name, _)| name).collect();
    assert_eq!(
        names.iter().map(String::as_str).collect::<Vec<_>>(),
        ["extenUpdate", "userMainPresenceUpdate", "userPresenceUpdate"]
    );
}
