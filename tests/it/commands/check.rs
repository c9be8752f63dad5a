//! `cti-bridge check` and the PBX: each stage broken once, with its sentence and its code.

use pbx_simulator::{Account, Answer, Login, Options, Profile, Simulator, SocketLogin, Upgrade};
use tempfile::tempdir;

use crate::support::{
    bridge::Bridge,
    check::{Checked, OTHER_TOTP, PASSWORD, TOTP, check, command, config, said, secret},
};
use pbx_client::{connected, start_with};

const SOURCE: &str = "source/pbx1";
const ALL: &str = "dns ok, tcp ok, api ok, login ok, otp ok, profile ok, websocket ok, session ok";

/// A PBX with the account of [`config`]; `change` breaks it.
async fn pbx(change: impl FnOnce(&mut Options)) -> Simulator {
    start_with(|options| {
        options.accounts = vec![Account::new("bridge", PASSWORD)];
        change(options);
    })
    .await
}

fn with_totp(options: &mut Options) {
    options.accounts[0].totp_secret = Some(TOTP.into());
}

/// Checks its source, with more in its table.
fn look(pbx: &Simulator, more: &str, args: &[&str]) -> Checked {
    let dir = tempdir().unwrap();
    check(dir.path(), &config(pbx.url().as_str(), more), args)
}

/// Asserts that a PBX changed by `change` fails this stage with this code and text, and that no token is left.
async fn breaks(change: impl FnOnce(&mut Options), stage: &str, code: i32, says: &[&str]) {
    let pbx = pbx(change).await;
    let checked = look(&pbx, "", &[]);
    checked.fails(SOURCE, stage, code, says);
    assert_eq!(pbx.tokens(), 0, "it logs out");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_nothing_is_left_behind() {
    let pbx = pbx(with_totp).await;
    let checked = look(&pbx, &format!("totp_secret = \"{TOTP}\""), &[]);
    assert_eq!((checked.code, checked.verdicts(SOURCE).as_str()), (0, ALL), "{:#?}", checked.steps);
    assert_eq!(checked.verdicts("bridge"), "config ok, secrets ok, journal ok");
    assert_eq!(checked.verdicts("sink/out"), "connect ok");
    let details = &checked.step(SOURCE, "profile")["details"];
    assert_eq!(
        (&details["user"], &details["privacy"], &details["twoFactor"]),
        (&"bridge".into(), &false.into(), &true.into())
    );
    assert!(
        checked.step(SOURCE, "otp")["messages"][0]
            .as_str()
            .unwrap()
            .contains("the clocks of the PBX and of this machine agree")
    );
    assert_eq!(pbx.tokens(), 0, "it logs out");
    connected(&pbx, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_prints_one_line_per_step() {
    let pbx = pbx(|_| {}).await;
    let dir = tempdir().unwrap();
    let (code, out, err) = said(command(dir.path(), &config(pbx.url().as_str(), ""), &[]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("ok    config                    "), "{out}");
    assert!(out.contains("ok    source/pbx1 session       the session is accepted (authe_ok)"), "{out}");
    assert!(out.ends_with("all checks passed: 12 steps\n"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");

    let (code, out, _) = said(command(dir.path(), &config("http://127.0.0.1:1", ""), &[]));
    assert_eq!(code, 69);
    assert!(out.contains("FAIL  source/pbx1 tcp           127.0.0.1:1 can't be reached"), "{out}");
    assert!(out.contains("skip  source/pbx1 login         needs tcp"), "{out}");
    assert!(out.ends_with("1 step failed, the first: source/pbx1 tcp (exit code 69)\n"), "{out}");
}

#[tokio::test]
async fn offline_asks_nobody_and_a_choice_leaves_out_the_rest() {
    let pbx = pbx(|_| {}).await;
    let checked = look(&pbx, "", &["--offline"]);
    assert_eq!(checked.code, 0);
    assert_eq!(checked.steps.len(), 3, "{:#?}", checked.steps);
    let checked = look(&pbx, "", &["--sink", "out"]);
    assert_eq!(
        (checked.verdicts(SOURCE).as_str(), checked.verdicts("sink/out").as_str()),
        ("", "connect ok")
    );
    assert!(pbx.seen().is_empty());

    let dir = tempdir().unwrap();
    let text = config(pbx.url().as_str(), "");
    let (code, _, err) = said(command(dir.path(), &text, &["--source", "pbx2"]));
    assert_eq!(code, 64);
    assert!(err.contains("there is no source \"pbx2\": did you mean pbx1?"), "{err}");
    let (code, ..) = said(command(dir.path(), &text, &["--offline", "--source", "pbx1"]));
    assert_eq!(code, 64);
}

#[test]
fn bad_configuration_and_missing_secret_differ() {
    let dir = tempdir().unwrap();
    let wrong = check(dir.path(), &config("http://127.0.0.1:1", "usernam = \"x\""), &[]);
    wrong.fails("bridge", "config", 78, &["sources.pbx1.usernam", "username"]);
    assert_eq!(wrong.verdicts("bridge"), "config failed, secrets skipped");

    std::fs::create_dir(dir.path().join("directory")).unwrap();
    for (file, why) in [("missing", "No such file"), ("directory", "it is not a regular file")] {
        let more = format!("totp_secret_file = {:?}", dir.path().join(file));
        let unread = check(dir.path(), &config("http://127.0.0.1:1", &more), &[]);
        unread.fails("bridge", "secrets", 66, &["sources.pbx1.totp_secret_file", why]);
        assert_eq!(unread.verdicts("bridge"), "config ok, secrets failed");
    }
}

#[test]
fn network_problems_to_the_pbx_have_a_remedy() {
    let dir = tempdir().unwrap();
    let unknown = check(dir.path(), &config("https://pbx.invalid", ""), &[]);
    unknown.fails(SOURCE, "dns", 68, &["pbx.invalid", "does not resolve", "DNS"]);
    assert!(unknown.verdicts(SOURCE).starts_with("dns failed, tcp skipped, tls skipped, api skipped"));
    // Bound and not listening: nobody else takes it, and it refuses.
    let port = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    port.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let at = format!("http://127.0.0.1:{}", port.local_addr().unwrap().as_socket().unwrap().port());
    check(dir.path(), &config(&at, ""), &[]).fails(
        SOURCE,
        "tcp",
        69,
        &["can't be reached", "check that it is running"],
    );
    let proxied = check(dir.path(), &config("https://pbx.example.org", &format!("proxy = {at:?}")), &[]);
    proxied.fails(SOURCE, "tcp", 69, &[&at[7..], "can't be reached"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_none_and_one_that_is_overrun() {
    // Another program's web page.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let pages = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A connection that only tries the way asks for nothing.
                if stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
                    let _ = stream.write_all(page.as_bytes()).await;
                }
            });
        }
    });
    let dir = tempdir().unwrap();
    let checked = check(dir.path(), &config(&at, ""), &["--source", "pbx1"]);
    let api = checked.step(SOURCE, "api");
    assert_eq!((checked.code, &api["exit"]), (76, &76.into()), "{:#?}", checked.steps);
    assert!(api["messages"][0].as_str().unwrap().contains("not the CTI API, check `url`"), "{api}");
    pages.abort();
    let pbx = pbx(|options| options.knobs.too_many_requests = true).await;
    let checked = look(&pbx, "", &[]);
    let api = checked.step(SOURCE, "api");
    assert_eq!(checked.code, 76, "{:#?}", checked.steps);
    assert!(api["messages"][0].as_str().unwrap().contains("429, too many requests"), "{api}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_or_gets_no_answer_of_use() {
    let refused = ["either user name or password is wrong, or the PBX is still starting", "check `username`"];
    breaks(|options| options.accounts[0].password = "another".into(), "login", 77, &refused).await;
    breaks(|options| options.knobs.login = Login::Refused, "login", 77, &refused).await;
    breaks(|options| options.knobs.login = Login::Crash, "login", 69, &["/api/login answered 500"]).await;
    breaks(|options| options.knobs.login = Login::Dead, "profile", 67, &["created a dead session"]).await;
}

/// One path is answered against the rule.
async fn odd(path: &str, answer: Answer, stage: &str, code: i32, says: &str) {
    breaks(|options| options.knobs.answers = vec![(path.to_owned(), answer)], stage, code, &[says]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_server_is_reported_at_its_step() {
    let page = "with a web page: this is not the CTI API";
    odd("/user/me", Answer::Page(200), "api", 76, page).await;
    odd("/login", Answer::Page(200), "login", 69, page).await;
    odd("/login", Answer::Page(502), "login", 69, "/api/login answered 502").await;
    let elsewhere = Answer::Redirect("https://elsewhere.example/x".to_owned());
    odd("/login", elsewhere.clone(), "login", 69, "a redirect to https://elsewhere.example").await;
    odd("/ws/", Answer::Page(502), "websocket", 81, "the reverse proxy reports that the PBX is down").await;
    odd("/ws/", Answer::Limited, "websocket", 81, "too many requests from this address").await;
    odd("/ws/", elsewhere, "websocket", 81, "a redirect, which is not followed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_passwords() {
    let needs = ["needs a one-time password", "set it, or switch two-factor authentication off"];
    let pbx = pbx(with_totp).await;
    let missing = look(&pbx, "", &[]);
    missing.fails(SOURCE, "otp", 79, &needs);
    assert!(
        missing
            .verdicts(SOURCE)
            .contains("login ok, otp failed, profile skipped, websocket ok, session skipped")
    );
    // It waits for the next code before it believes it.
    look(&pbx, &format!("totp_secret = \"{OTHER_TOTP}\""), &[]).fails(
        SOURCE,
        "otp",
        79,
        &["refused two one-time passwords", "check `totp_secret`, and the clocks"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_differences_are_reported_and_harmless() {
    let pbx = pbx(|options| {
        with_totp(options);
        options.knobs.clock_ahead = -600;
    })
    .await;
    let checked = look(&pbx, &format!("totp_secret = \"{TOTP}\""), &[]);
    checked.warns(SOURCE, "api", "behind this machine's: synchronize both with NTP");
    let ahead = checked.step(SOURCE, "api")["details"]["clockAheadSeconds"].as_i64().unwrap();
    assert!((-602..=-598).contains(&ahead), "{ahead}");
    assert_eq!(checked.step(SOURCE, "otp")["verdict"], "ok", "one-time passwords follow the PBX's clock");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_reported_by_name() {
    let pbx =
        pbx(|options| options.accounts[0].profile = Profile { queue_agent: false, ..Profile::default() })
            .await;
    let checked = look(&pbx, "", &[]);
    checked.warns(SOURCE, "profile", "queues and their members are not visible: give the account's profile");
    assert_eq!(checked.step(SOURCE, "profile")["messages"].as_array().unwrap().len(), 2);

    let pbx = self::pbx(|options| options.accounts[0].profile = Profile::blind()).await;
    let checked = look(&pbx, "", &[]);
    for says in ["trunk events are not visible", "parked calls are not visible", "switch off `privacy`"] {
        checked.warns(SOURCE, "profile", says);
    }
    assert_eq!(checked.step(SOURCE, "profile")["details"]["privacy"], true);
    assert_eq!(checked.summary["summary"], "warning");
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_and_session() {
    let starting = ["accepted the websocket and closed it: the PBX is starting"];
    breaks(|options| options.knobs.upgrade = Upgrade::Eof, "websocket", 81, &starting).await;
    let silent = ["does not answer the session's login within 1s", "a new login fixes that"];
    breaks(|options| options.knobs.socket_login = SocketLogin::Dropped, "session", 82, &silent).await;
    let refused = ["refuses the session's token", "check that `username` is spelled as in the PBX"];
    breaks(|options| options.knobs.socket_login = SocketLogin::Refused, "session", 82, &refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pbx_that_is_starting_fails_in_each_of_its_parts() {
    let pbx = pbx(|options| options.knobs.backend_down = true).await;
    let checked = look(&pbx, "", &[]);
    assert_eq!((checked.code, &checked.summary["failed"]), (69, &2.into()), "{:#?}", checked.steps);
    assert_eq!(
        checked.verdicts(SOURCE),
        "dns ok, tcp ok, api ok, login failed, otp skipped, profile skipped, websocket failed, session skipped"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_waited_for() {
    let pbx = pbx(|_| {}).await;
    look(&pbx, "", &["--wait", "1s"]).fails(
        SOURCE,
        "event",
        83,
        &["no event was received within 1s", "`queue_agent`"],
    );
    let dir = tempdir().unwrap();
    let mut waiting =
        Bridge::spawn(command(dir.path(), &config(pbx.url().as_str(), ""), &["--json", "--wait", "60s"]));
    connected(&pbx, 1).await;
    pbx.emit("strange name", "{}");
    assert_eq!(waiting.exit().await, Some(0), "{}", waiting.output());
    waiting.says(r#""event":"strange=20name""#).await;
    assert_eq!(pbx.tokens(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_check_says_so_and_logs_out() {
    let pbx = pbx(|_| {}).await;
    let dir = tempdir().unwrap();
    let mut waiting = Bridge::spawn(command(dir.path(), &config(pbx.url().as_str(), ""), &["--wait", "60s"]));
    connected(&pbx, 1).await;
    waiting.says("source/pbx1 session").await;
    waiting.signal("-INT");
    assert_eq!(waiting.exit().await, Some(75), "{}", waiting.output());
    waiting.says("interrupted: the check is incomplete").await;
    secret(&waiting.output());
    assert_eq!(pbx.tokens(), 0, "it logs out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cti_server_that_is_down_is_not_taken_for_a_wrong_password() {
    let pbx = pbx(|options| options.knobs.backend_down = true).await;
    let checked = look(&pbx, "", &[]);
    let login = checked.step(SOURCE, "login").to_string();
    assert_eq!((checked.code, checked.summary["first"]["stage"].as_str()), (69, Some("login")), "{login}");
    assert!(login.contains("CTI server is down or starting") && login.contains("every password"), "{login}");
    breaks(|options| options.knobs.login = Login::Refused, "login", 77, &["check `username`"]).await;
}
