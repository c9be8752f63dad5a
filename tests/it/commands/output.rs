//! Commands whose output can't be written, or has no reader any more.

use std::{
    fs::OpenOptions,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cti_bridge::exit::Exit;
use pbx_simulator::{Account, Options, Simulator};

use crate::support::bridge::{Bridge, program};

struct Place {
    pbx: Simulator,
    bridge: Bridge,
    config: PathBuf,
    dir: tempfile::TempDir,
}

impl Place {
    /// A bridge with events in its journal.
    async fn start() -> Self {
        let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\n[sinks.out]\ntype = \"stdout\"\n\
             [journal]\ndir = {:?}\n[admin]\nlisten = \"127.0.0.1:{port}\"\n",
            pbx.url(),
            dir.path().join("journal").display()
        );
        let config = dir.path().join("config.toml");
        std::fs::write(&config, text).unwrap();
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut run = program();
        run.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(["run", "--config"]).arg(&config);
        let bridge = Bridge::spawn(run);
        bridge.says("cti.bridge.resync.completed.v1").await;
        pbx.burst_numbered(500, 200);
        pbx.emit("written", "1");
        bridge.says("cti.event.written.v1").await;
        Self { pbx, bridge, config, dir }
    }

    /// Commands run, and the PBX sends an event now and then.
    async fn while_emitting(&self, commands: impl FnOnce() + Send + 'static) {
        let mut commands = tokio::task::spawn_blocking(commands);
        loop {
            tokio::select! {
                ended = &mut commands => return ended.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(100)) => self.pbx.emit("one", "1"),
            }
        }
    }

    fn command(&self, args: &str) -> Command {
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(args.split(' ')).stdin(Stdio::null());
        if !args.starts_with("generate") && !args.starts_with('-') {
            command.arg("--config").arg(&self.config);
        }
        command
    }
}

/// Every command that prints and ends by itself.
const COMMANDS: [&str; 17] = [
    "--help",
    "--version",
    "run --help",
    "config check",
    "config show",
    "config schema",
    "check --offline",
    "check",
    "check --json",
    "status",
    "status --json",
    "health",
    "journal ls",
    "journal inspect",
    "journal verify",
    "journal export",
    "generate completions bash",
];

/// Those that ask the PBX.
const PBX: [&str; 3] = ["tail", "2fa status", "token status"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_by_every_command_that_prints() {
    let place = Place::start().await;
    let commands: Vec<Command> = COMMANDS
        .into_iter()
        .chain(PBX)
        .map(|args| {
            let mut command = place.command(args);
            command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
            command
        })
        .collect();
    place
        .while_emitting(move || {
            for mut command in commands {
                let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
                let output = command.stderr(Stdio::piped()).output().unwrap();
                let said = text(&output.stderr);
                assert_eq!(output.status.code(), Some(i32::from(Exit::OUTPUT as u8)), "{args:?}: {said}");
                let sentence = "can't write to standard output: No space left on device";
                assert_eq!(said.matches(sentence).count(), 1, "{args:?}: {said}");
            }
        })
        .await;
}

/// The command with standard output in a file, of at most so many blocks.
fn limited(command: &Command, blocks: usize, into: &Path) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; into=$2; shift 2; exec \"$@\" > \"$into\"", "sh"]);
    limited.arg(blocks.to_string()).arg(into).arg(command.get_program()).args(command.get_args());
    limited.env_remove("CTI_BRIDGE_ADMIN__LISTEN");
    limited
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_export_is_a_failure() {
    let mut place = Place::start().await;
    assert_eq!(place.bridge.stop().await, Some(0));
    let file = place.dir.path().join("export");
    let output = limited(&place.command("journal export"), 16, &file).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(Exit::OUTPUT as u8)), "{said}");
    assert!(said.contains("can't write to standard output: File too large"), "{said}");
    let all = limited(&place.command("journal export"), 1 << 20, &file).output().unwrap();
    assert_eq!(all.status.code(), Some(0), "{}", text(&all.stderr));
    assert!(std::fs::read_to_string(&file).unwrap().lines().count() > 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_is_a_clean_end() {
    let place = Place::start().await;
    for args in ["journal export", "journal inspect", "config schema", "config show"] {
        let mut command = place.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{args}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_keeps_nobody_from_ending() {
    let place = Place::start().await;
    let mut tail = place.command("tail");
    // Standard output stays open, and is not read.
    let mut child = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    place.pbx.burst_numbered(2_000, 1_000);
    place.pbx.emit("stalled", "1");
    place.bridge.says("cti.event.stalled.v1").await;
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(15);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it waits for the reader");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_standard_error_changes_no_exit_code() {
    let place = Place::start().await;
    for (args, code) in [
        ("config check --set sources.a.nonsense=1", Exit::Config),
        ("check --source nobody", Exit::Usage),
        ("journal ls --dir /nowhere", Exit::Journal),
        ("status --at http://127.0.0.1:1/", Exit::Unavailable),
        ("run --set sources.a.nonsense=1", Exit::Config),
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = place.command(args).stdout(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(i32::from(code as u8)), "{args}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_commands_write_are_checked_too() {
    let place = Place::start().await;
    let file = place.dir.path().join("recording");
    let mut record = limited(
        &place.command(&format!("record --events 1 --for 30s {}", file.display())),
        0,
        "/dev/null".as_ref(),
    );
    let pipe = place.dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut into_pipe = place.command(&format!("record --events 1 --for 30s --force {}", pipe.display()));
    let recorded = move || {
        let output = record.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(Exit::OUTPUT as u8)), "{said}");
        assert!(said.contains(&format!("can't write to {}: File too large", file.display())), "{said}");
        let output = into_pipe.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(pipe.metadata().unwrap().file_type().is_fifo(), "it was replaced by a file");
    };
    place.while_emitting(recorded).await;
    let manual = program().args(["generate", "man", "/proc"]).output().unwrap();
    let said = text(&manual.stderr);
    assert_eq!(manual.status.code(), Some(i32::from(Exit::OUTPUT as u8)), "{said}");
    assert!(said.contains("can't write to /proc"), "{said}");
}
