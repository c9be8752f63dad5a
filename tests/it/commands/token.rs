//! `cti-bridge token create` and `2fa enroll` where the secret can't be stored.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use pbx_simulator::Simulator;

use crate::support::bridge::program;
use pbx_client::{get, persistent, start};

/// A PBX that has made a token, which is in use.
struct Place {
    pbx: Simulator,
    used: String,
    dir: tempfile::TempDir,
}

impl Place {
    async fn start() -> Self {
        let pbx = start().await;
        let used = persistent(&pbx).await;
        Self { pbx, used, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let config = self.path("config.toml");
        let text = format!(
            "[log]\nlevel = \"trace\"\n[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"secret\"\n\
             [sinks.out]\ntype = \"stdout\"\n",
            self.pbx.url()
        );
        fs::write(&config, text).unwrap();
        let mut command = program();
        command.args(args).arg("--config").arg(config).stdin(Stdio::null());
        command
    }

    fn create(&self, file: &Path) -> Command {
        self.command(&["token", "create", "--force", "--write", file.to_str().unwrap()])
    }

    async fn still_works(&self) {
        assert_eq!(get(&self.pbx, "/api/user/me", &self.used).await.0, 200, "the token in use has ended");
    }

    async fn has_one(&self) -> bool {
        let login = pbx_client::token(&self.pbx).await;
        get(&self.pbx, "/api/tokens/persistent/nethlink", &login).await.1 == r#"{"exists":true}"#
    }

    /// Waits for the next request.
    fn asked(&self, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.pbx.seen().len() == before {
            assert!(Instant::now() < deadline, "it never asks");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_token_file_fails_before_the_prompt() {
    let place = Place::start().await;
    fs::write(place.path("file"), "").unwrap();
    let before = place.pbx.seen().len();
    for path in [place.path("missing/tok"), place.path("file/tok"), "/proc/tok".into()] {
        let output = place.create(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(73), "{}", said(&output));
        assert!(said(&output).contains("can't write"), "{}", said(&output));
        let path = path.to_str().unwrap();
        let output = place.command(&["2fa", "enroll", "--write", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(73), "{}", said(&output));
    }
    // A disk without room, and standard output that is one.
    let create = place.create(&place.path("tok"));
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]).arg(create.get_program());
    let output = limited.args(create.get_args()).env("CTI_BRIDGE_ADMIN__LISTEN", "off").output().unwrap();
    assert_eq!(output.status.code(), Some(73), "{}", said(&output));
    let mut print = place.command(&["token", "create"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(print.stdout(full).status().unwrap().code(), Some(73));
    assert_eq!(place.pbx.seen().len(), before, "the PBX was asked: {:?}", place.pbx.seen());
    let left: Vec<_> =
        fs::read_dir(place.dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left behind: {left:?}");
    place.still_works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_left_by_a_crash_do_not_matter() {
    let place = Place::start().await;
    let file = place.path("tok");
    fs::write(&file, "old").unwrap();
    fs::write(place.path("tok.new"), "left behind").unwrap();
    let output = place.create(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(get(&place.pbx, "/api/user/me", &token).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_stored_is_revoked_and_reported() {
    let place = Place::start().await;
    place.pbx.turn(|knobs| knobs.answer_delay = Duration::from_millis(500));
    let dir = place.path("dir");
    fs::create_dir(&dir).unwrap();
    let (before, mut create) = (place.pbx.seen().len(), place.create(&dir.join("tok")));
    let child = create.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    place.asked(before);
    fs::remove_dir_all(&dir).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(73), "{text}");
    assert!(
        text.contains("has ended it again") && text.contains("`cti-bridge token create` again"),
        "{text}"
    );
    assert!(!text.contains("eyJ"), "{text}");
    assert!(!place.has_one().await, "nobody has it, and it is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_reader_has_gone_is_ended_too() {
    let place = Place::start().await;
    place.pbx.turn(|knobs| knobs.answer_delay = Duration::from_millis(500));
    let mut create = place.command(&["token", "create"]);
    let mut child = create.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("an earlier one ends"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(73), "{}", said(&output));
    assert!(said(&output).contains("has ended it again"), "{}", said(&output));
    assert!(!place.has_one().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_ask_for_the_status_leaves_no_token_behind() {
    let place = Place::start().await;
    let before = place.pbx.tokens();
    // A login within the same second gives the same token.
    place.pbx.turn(|knobs| knobs.clock_ahead = 60);
    for _ in 0..3 {
        let output = place.command(&["token", "status"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("there is a persistent token"), "{}", said(&output));
    }
    assert_eq!(place.pbx.tokens(), before);
    place.still_works().await;
}
