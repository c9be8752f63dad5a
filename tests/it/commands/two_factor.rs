//! `cti-bridge 2fa`: the real binary against a simulated PBX.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Output, Stdio},
};

use pbx_simulator::{Account, Answer, Simulator};

use crate::support::{bridge, bridge::program};
use pbx_client::{connected, get, start, start_with, token};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

struct RefusalReason {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `2fa …` for the one source of a configuration, with `more` in its table.
fn two_factor(pbx: &Simulator, dir: &Path, more: &str, args: &[&str], input: &str) -> RefusalReason {
    let config = format!(
        "[log]\nlevel = \"trace\"\n[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"secret\"\n{more}\n[sinks.out]\ntype = \"stdout\"\n",
        pbx.url()
    );
    let file = dir.join("config.toml");
    std::fs::write(&file, config).unwrap();
    let mut child = program()
        .arg("2fa")
        .args(args)
        .arg("--config")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let said = RefusalReason {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    };
    for secret in ["eyJ", "otp\":", "password\":"] {
        assert!(!said.err.contains(secret) && !said.out.contains(secret), "{}\n{}", said.out, said.err);
    }
    said
}

/// What stands behind `label` on a line of its own.
fn told<'a>(text: &'a str, label: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label:?} in {text}"))
}

fn codes(text: &str) -> Vec<&str> {
    let six = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    text.lines().filter_map(|line| line.strip_prefix("  ")).filter(six).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_enrolled_used_and_disabled_without_a_browser() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let other = token(&pbx).await;
    let status = two_factor(&pbx, dir.path(), "", &["status"], "");
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert_eq!(
        status.out,
        "two-factor authentication of `bridge`: off\ntotp_secret: not configured\nclocks: agree\n"
    );

    let file = dir.path().join("pbx1.totp");
    let enrolled = two_factor(
        &pbx,
        dir.path(),
        "",
        &["enroll", "--write", file.to_str().unwrap(), "--recipe", "systemd"],
        "",
    );
    assert_eq!(enrolled.code, Some(0), "{}", enrolled.err);
    let secret = told(&enrolled.out, "Secret: ");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), secret);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let address = told(&enrolled.out, "Address for an authenticator app: ");
    assert!(address.starts_with("otpauth://totp/") && address.ends_with(secret), "{address}");
    assert!(enrolled.out.contains("systemd-creds encrypt --name=pbx1.totp"), "{}", enrolled.out);
    assert_eq!(codes(&enrolled.out).len(), 5, "{}", enrolled.out);
    assert!(!enrolled.err.contains(secret), "{}", enrolled.err);
    assert_eq!(get(&pbx, "/api/user/me", &other).await.0, 403, "the first enrolment ends all other tokens");
    assert_eq!(pbx.tokens(), 0, "each command logs out");

    let code = codes(&enrolled.out)[4];
    let typed = two_factor(&pbx, dir.path(), "", &["status", "--otp"], &format!("{code}\n"));
    assert_eq!(typed.code, Some(0), "{}", typed.err);
    assert!(typed.out.contains("`bridge`: on\ntotp_secret: not configured\n"), "{}", typed.out);
    assert_eq!(pbx.tokens(), 0, "each command logs out");
    let mistyped = two_factor(&pbx, dir.path(), "", &["status", "--otp"], "000000\n");
    assert_eq!(mistyped.code, Some(77), "{}", mistyped.err);
    assert!(mistyped.err.contains("refused the code that was typed"), "{}", mistyped.err);
    assert!(!mistyped.err.contains("two one-time passwords"), "{}", mistyped.err);

    // Without the secret in the configuration nothing logs in; with it all works, and nothing rotates.
    let locked = two_factor(&pbx, dir.path(), "", &["status"], "");
    assert_eq!(locked.code, Some(77));
    assert!(locked.out.contains("`bridge`: on\ntotp_secret: not configured"), "{}", locked.out);
    let more = format!("totp_secret_file = {file:?}");
    let status = two_factor(&pbx, dir.path(), &more, &["status"], "");
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert!(status.out.contains("`bridge`: on\ntotp_secret: configured, and the PBX accepts its codes\n"));
    let again = two_factor(&pbx, dir.path(), &more, &["enroll"], "");
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.out.contains("is on already"), "{}", again.out);
    assert_eq!(told(&again.out, "Secret: "), secret);
    let left = two_factor(&pbx, dir.path(), &more, &["recovery-codes"], "");
    assert_eq!(codes(&left.out), codes(&enrolled.out)[..4]);

    // A recovery code stands in for a lost secret, once.
    let code = codes(&left.out)[0];
    let typed = two_factor(&pbx, dir.path(), "", &["recovery-codes", "--otp"], &format!("{code}\n"));
    assert_eq!(typed.code, Some(0), "{}", typed.err);
    assert_eq!(codes(&typed.out), &codes(&left.out)[1..]);
    let twice = two_factor(&pbx, dir.path(), "", &["recovery-codes", "--otp"], &format!("{code}\n"));
    assert_eq!((twice.code, codes(&twice.out).len()), (Some(77), 0), "{}", twice.err);

    let unsure = two_factor(&pbx, dir.path(), &more, &["disable"], "y\n");
    assert_eq!(unsure.code, Some(64));
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    let off = two_factor(&pbx, dir.path(), &more, &["disable", "--yes"], "");
    assert_eq!(off.code, Some(0), "{}", off.err);
    assert!(off.out.contains("All its tokens are revoked"), "{}", off.out);
    let status = two_factor(&pbx, dir.path(), "", &["status"], "");
    assert!(status.out.contains("`bridge`: off"), "{}", status.out);
    let off = two_factor(&pbx, dir.path(), "", &["disable", "--yes"], "");
    assert_eq!(off.code, Some(0));
    assert!(off.out.contains("is off already; nothing was changed"), "{}", off.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_log_in_within_one_second_all_succeed() {
    let pbx = start().await;
    // All have a login's answer before one of them asks for more.
    pbx.turn(|knobs| knobs.answer_delay = std::time::Duration::from_millis(100));
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let commands = dirs.iter().map(|dir| {
        let pbx = &pbx;
        move || two_factor(pbx, dir.path(), "", &["status"], "")
    });
    std::thread::scope(|scope| {
        let all: Vec<_> = commands.map(|command| scope.spawn(command)).collect();
        for command in all {
            let said = command.join().unwrap();
            assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        }
    });
    assert_eq!(pbx.tokens(), 0, "each command logs out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_dies_under_a_command_is_replaced() {
    let pbx = start().await;
    pbx.turn(|knobs| knobs.answers = vec![("/2fa/status".to_owned(), Answer::Empty(401))]);
    let dir = tempfile::tempdir().unwrap();
    let asked = || pbx.seen().iter().filter(|seen| seen.path == "/api/2fa/status").count();
    std::thread::scope(|scope| {
        let command = scope.spawn(|| two_factor(&pbx, dir.path(), "", &["status"], ""));
        let deadline = std::time::Instant::now() + pbx_client::DEADLINE;
        while asked() == 0 {
            assert!(std::time::Instant::now() < deadline, "it never asks");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        pbx.turn(|knobs| knobs.answers.clear());
        let said = command.join().unwrap();
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    });
    assert_eq!((asked(), pbx.tokens()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_never_logs_out_the_token_of_a_running_bridge() {
    let pbx = start().await;
    // All tokens of the account are the same text from now on.
    pbx.turn(|knobs| knobs.clock_stands = Some(jiff::Timestamp::now()));
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[sources.pbx1]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"secret\"\n[sinks.out]\ntype = \"stdout\"\n\
         [admin]\nlisten = \"127.0.0.1:{port}\"\n",
        pbx.url()
    );
    let file = dir.path().join("config.toml");
    std::fs::write(&file, config).unwrap();
    let command = |args: &[&str]| {
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(args).arg("--config").arg(&file);
        command
    };
    let _bridge = bridge::Bridge::spawn(command(&["run"]));
    connected(&pbx, 1).await;
    let shared = token(&pbx).await;
    for args in [&["2fa", "status"][..], &["token", "status"], &["check", "--source", "pbx1"]] {
        let output = command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert_eq!(get(&pbx, "/api/user/me", &shared).await.0, 200, "{args:?} ended the bridge's token");
    }
    // A token that ends at another time is not the bridge's.
    pbx.turn(|knobs| knobs.token_lifetime /= 2);
    let before = pbx.tokens();
    assert!(command(&["token", "status"]).status().unwrap().success());
    assert_eq!(pbx.tokens(), before, "each command logs out");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_file_is_replaced_only_with_force() {
    let pbx = start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pbx1.totp");
    std::fs::write(&file, "precious").unwrap();
    let path = file.to_str().unwrap();
    let refused = two_factor(&pbx, dir.path(), "", &["enroll", "--write", path], "");
    assert_eq!(refused.code, Some(64));
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert!(pbx.seen().is_empty(), "{:?}", pbx.seen());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let forced = two_factor(&pbx, dir.path(), "", &["enroll", "--force", "--write", path], "");
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), told(&forced.out, "Secret: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_refused_leaves_nothing_switched_on() {
    let pbx = start_with(|options| options.knobs.refuse_otp = true).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pbx1.totp");
    let refused = two_factor(&pbx, dir.path(), "", &["enroll", "--write", file.to_str().unwrap()], "");
    assert_eq!(refused.code, Some(77), "{}", refused.err);
    assert!(refused.out.contains("off: nothing was enabled"), "{}", refused.out);
    assert!(!file.exists());
    assert_eq!(codes(&refused.out).len(), 0);
    pbx.turn(|knobs| *knobs = pbx_simulator::Knobs::default());
    let status = two_factor(&pbx, dir.path(), "", &["status"], "");
    assert!(status.out.contains("`bridge`: off"), "{}", status.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_why_it_could_not_log_in() {
    let pbx = start_with(|options| {
        options.accounts = vec![Account::new("bridge", "another").with_totp(SECRET)];
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let wrong = two_factor(&pbx, dir.path(), "", &["status"], "");
    assert_eq!(wrong.code, Some(77), "{}", wrong.err);
    let unknown = two_factor(&pbx, dir.path(), "", &["status", "--source", "pbx2"], "");
    assert_eq!(unknown.code, Some(64));
    assert!(unknown.err.contains("the configuration has pbx1"), "{}", unknown.err);
    pbx.turn(|knobs| knobs.too_many_requests = true);
    let away = two_factor(&pbx, dir.path(), "", &["status"], "");
    assert_eq!(away.code, Some(69), "{}", away.err);
    let broken = two_factor(&pbx, dir.path(), "usernam = \"x\"", &["status"], "");
    assert_eq!(broken.code, Some(78));
}
