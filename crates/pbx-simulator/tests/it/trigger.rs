//! `POST /trigger`: sends one event to the sessions that may receive it. Requires the credentials of the simulator.

use pbx_simulator::{Account, Profile, Simulator};
use reqwest::{Method, RequestBuilder};

use pbx_client::{Raw, client, connected, post, start, start_with, token};

const QUEUE: &str = r#"{"event":"queueUpdate","args":[ {"queue":"401","n":1e999} ]}"#;

fn request(pbx: &Simulator, method: Method) -> RequestBuilder {
    client().request(method, pbx.url().join("/trigger").unwrap()).basic_auth("bridge", Some("secret"))
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn an_event_goes_to_the_sessions_with_the_right_as_it_is() {
    let blind = Account { profile: Profile::blind(), ..Account::new("blind", "secret") };
    let pbx = start_with(|options| options.accounts.push(blind)).await;
    let mut seeing = Raw::login(&pbx, &token(&pbx).await).await;
    let blind = post(&pbx, "/api/login", None, r#"{"username":"blind","password":"secret"}"#).await.1;
    let blind = pbx_client::field(&blind, &["token"]);
    let mut unseeing = Raw::join(&pbx).await;
    unseeing.send(&format!(r#"42["login",{{"accessKeyId":"blind","token":"{blind}"}}]"#)).await;
    connected(&pbx, 2).await;
    assert_eq!(unseeing.text().await, pbx_client::AUTHE_OK);
    let send = |body| answer(request(&pbx, Method::POST).body(body));
    assert_eq!(send(QUEUE).await, (200, r#"{"sessions":1}"#.to_owned()));
    assert_eq!(seeing.text().await, r#"42["queueUpdate", {"queue":"401","n":1e999} ]"#);
    for event in ["serverReloaded", "extenHangup", "nobodyKnows"] {
        let body = format!(r#"{{"event":"{event}","args":[]}}"#);
        assert_eq!(answer(request(&pbx, Method::POST).body(body)).await.1, r#"{"sessions":2}"#);
        assert_eq!(seeing.text().await, format!(r#"42["{event}"]"#));
        assert_eq!(unseeing.text().await, format!(r#"42["{event}"]"#));
    }
}

#[tokio::test]
async fn strangers_and_web_pages_are_refused() {
    let pbx = start().await;
    let ask = || request(&pbx, Method::POST).body(QUEUE);
    let plain = || client().post(pbx.url().join("/trigger").unwrap()).body(QUEUE);
    for (request, status) in [
        (ask(), 200),
        (ask().header("host", "LocalHost:8080"), 200),
        (ask().header("host", "[::1]:8080"), 200),
        (ask().header("host", "evil.example"), 421),
        (ask().header("host", "127.0.0.1.evil.example:8080"), 421),
        (ask().header("host", "127.0.0.1").header("host", "evil.example"), 421),
        (ask().header("origin", pbx.url().as_str()), 403),
        (ask().header("origin", "null"), 403),
        (request(&pbx, Method::GET), 405),
        (plain(), 401),
        (plain().basic_auth("bridge", Some("wrong")), 401),
        (plain().basic_auth("nobody", Some("secret")), 401),
        (plain().bearer_auth(token(&pbx).await), 401),
        (request(&pbx, Method::POST).body(r#"{"event":"a"}"#), 400),
        (request(&pbx, Method::POST).body(r#"{"event":1,"args":[]}"#), 400),
        (request(&pbx, Method::POST).body(r#"{"event":"a","args":{}}"#), 400),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(answer(request).await.0, status, "{shown}");
    }
}
