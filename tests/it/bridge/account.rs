//! The account's secrets in the real binary: the persistent token and its command, the token cache, and secrets that change.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use pbx_simulator::Simulator;

use crate::support::bridge::{Bridge, program};
use pbx_client::{connected, get, start, start_with};

const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A configuration whose source has these lines beside address and user.
fn config(pbx: &Simulator, lines: &str) -> String {
    format!(
        "[log]\nlevel = \"debug\"\n[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\n{lines}\n[sinks.out]\ntype = \"stdout\"\n",
        pbx.url()
    )
}

/// Exit code, standard output and standard error of a command.
fn said(dir: &Path, config: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let path = dir.join("config.toml");
    fs::write(&path, config).unwrap();
    let mut command: Command = program();
    let output = command.args(args).arg("--config").arg(path).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn count(pbx: &Simulator, path: &str) -> usize {
    pbx.seen().iter().filter(|seen| seen.path == path).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_checked_used_and_ended_and_no_password_stays() {
    let pbx = start_with(|options| options.accounts[0].totp_secret = Some(TOTP.into())).await;
    let dir = tempfile::tempdir().unwrap();
    let with_password = config(&pbx, &format!("password = \"secret\"\ntotp_secret = \"{TOTP}\""));
    let (code, out, _) = said(dir.path(), &with_password, &["token", "status"]);
    assert_eq!((code, out.as_str()), (Some(0), "there is no persistent token of `bridge` for nethlink\n"));

    let file = dir.path().join("a.token");
    let create = ["token", "create", "--write", file.to_str().unwrap()];
    let (code, out, err) = said(dir.path(), &with_password, &create);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains(&format!("auth = \"token\"\n  token_file = {:?}", file.canonicalize().unwrap())),
        "{out}"
    );
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!out.contains(&token) && !err.contains(&token), "{out}{err}");
    let (code, _, err) = said(dir.path(), &with_password, &create);
    assert_eq!(code, Some(64));
    assert!(err.contains("--force"), "{err}");
    let (_, out, _) = said(dir.path(), &with_password, &["token", "status"]);
    assert_eq!(out, "there is a persistent token of `bridge` for nethlink\n");

    // From here on there is neither password nor one-time password.
    let with_token = config(&pbx, "auth = \"token\"\ntoken_file = \"a.token\"");
    let (code, out, err) = said(dir.path(), &with_token, &["check", "--source", "a"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("not needed: a persistent token is configured"), "{out}");
    let logins = count(&pbx, "/api/login");
    let mut bridge = Bridge::start(dir.path(), &with_token);
    bridge.says("cti.bridge.connected.v1").await;
    pbx.emit("still", "1");
    bridge.says("cti.event.still.v1").await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    assert!(!bridge.output().contains(&token));
    assert_eq!(count(&pbx, "/api/login"), logins);
    assert_eq!(get(&pbx, "/api/user/me", &token).await.0, 200, "it is good for the next start");
    let (code, _, err) = said(dir.path(), &with_token, &["token", "create"]);
    assert_eq!(code, Some(64));
    assert!(err.contains("--set sources.a.auth=jwt"), "{err}");

    let (code, out, err) = said(dir.path(), &with_password, &["token", "end"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(get(&pbx, "/api/user/me", &token).await.0, 403);
    let (code, out, _) = said(dir.path(), &with_token, &["check", "--source", "a"]);
    assert_eq!(code, Some(77), "{out}");
    assert!(out.contains("make a new one with `cti-bridge token create`"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_the_token_is_printed_once() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let create = ["token", "create", "--audience", "mobile-app"];
    let (code, out, err) = said(dir.path(), &config(&pbx, "password = \"secret\""), &create);
    assert_eq!(code, Some(0), "{err}");
    let token = out.lines().find(|line| line.starts_with("eyJ")).unwrap();
    assert_eq!(get(&pbx, "/api/user/me", token).await.0, 200);
    assert_eq!(get(&pbx, "/api/tokens/persistent/mobile-app", token).await.1, r#"{"exists":true}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_pbx_is_checked_and_bridged_until_it_is_upgraded() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let legacy = config(&pbx, "auth = \"legacy\"\npassword = \"secret\"");
    let (code, out, err) = said(dir.path(), &legacy, &["check", "--source", "a"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let mut bridge = Bridge::start(dir.path(), &legacy);
    bridge.says("switch this interface off after 1 June 2026").await;
    bridge.says("cti.bridge.connected.v1").await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    assert_eq!(count(&pbx, "/webrest/authentication/logout"), 2, "of the check and of the bridge");
    assert!(pbx.seen().iter().all(|seen| !seen.path.starts_with("/api")));
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_with_a_token_cache_make_one_login() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let cached = config(&pbx, "password = \"secret\"\ntoken_cache = \"a.cache\"");
    for round in 0..3 {
        let mut bridge = Bridge::start(dir.path(), &cached);
        connected(&pbx, 1).await;
        if round == 1 {
            bridge.signal("-KILL");
            bridge.exit().await;
        } else {
            assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
        }
        connected(&pbx, 0).await;
    }
    assert_eq!((count(&pbx, "/api/login"), count(&pbx, "/api/logout"), pbx.tokens()), (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_secrets_and_names_keys_for_a_restart() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "outdated").unwrap();
    let filed = config(&pbx, "password_file = \"password\"");
    let mut bridge = Bridge::start(dir.path(), &filed);
    bridge.says("refused the login of `bridge`").await;
    fs::write(&password, "").unwrap();
    bridge.signal("-HUP");
    bridge.says("invalid configuration: nothing was changed").await;
    fs::write(&password, "secret").unwrap();
    fs::write(
        dir.path().join("config.toml"),
        filed.replace("\"bridge\"\n", "\"bridge\"\nua_type = \"desktop\"\n"),
    )
    .unwrap();
    bridge.signal("-HUP");
    bridge.says("cti.bridge.connected.v1").await;
    bridge.says("takes effect with the next restart").await;
    assert!(bridge.output().contains("sources.a.ua_type"), "{}", bridge.output());
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    assert!(!bridge.output().contains("outdated"));
}

/// As where a secret is mounted, and nobody sends a signal.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_secret_is_found_without_a_signal() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "outdated").unwrap();
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, "password_file = \"password\""));
    // By now minutes lie between its attempts.
    bridge.says("attempts are minutes apart").await;
    fs::write(&password, "secret").unwrap();
    bridge.says("cti.bridge.connected.v1").await;
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}

/// The old password would count in the directory as a wrong one.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_made_with_the_secret_that_is_mounted_by_then() {
    let pbx = start_with(|options| options.knobs.token_lifetime = Duration::from_secs(25)).await;
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "secret").unwrap();
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, "password_file = \"password\""));
    connected(&pbx, 1).await;
    pbx.change_password("bridge", "planted-other");
    fs::write(&password, "planted-other").unwrap();
    bridge.says("token renewed").await;
    assert_eq!(count(&pbx, "/api/login"), 2, "{}", bridge.output());
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_credential_files_and_sighup_repair_a_live_session() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let (password, totp) = (dir.path().join("password"), dir.path().join("totp"));
    fs::write(&password, "secret").unwrap();
    let lines = "password_file = \"password\"\nlogin_timeout = \"1s\"";
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, lines));
    connected(&pbx, 1).await;
    pbx.change_password("bridge", "planted-other");
    pbx.two_factor("bridge", Some(TOTP));
    pbx.emit("still", "1");
    bridge.says("still").await;
    pbx.cut();
    bridge.says("refused the login of `bridge`").await;
    fs::write(&password, "planted-other").unwrap();
    bridge.signal("-HUP");
    bridge.says("`bridge` needs a one-time password, and no `totp_secret` is configured").await;
    fs::write(&totp, TOTP).unwrap();
    let lines = format!("{lines}\ntotp_secret_file = \"totp\"");
    fs::write(dir.path().join("config.toml"), config(&pbx, &lines)).unwrap();
    bridge.signal("-HUP");
    connected(&pbx, 1).await;
    assert_eq!(count(&pbx, "/api/2fa/verify-otp"), 1);
    assert_eq!(bridge.stop().await, Some(0), "{}", bridge.output());
    for secret in ["planted-other", TOTP] {
        assert!(!bridge.output().contains(secret), "{}", bridge.output());
    }
}
