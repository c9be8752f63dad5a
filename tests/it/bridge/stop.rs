//! Stopping the real binary while something hangs or refuses: the reader of its output, or the journal's disk.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator};

use crate::support::bridge::{Bridge, program};

async fn pbx() -> Simulator {
    Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap()
}

fn config(pbx: &Simulator, more: &str) -> String {
    format!(
        "drain_timeout = \"4s\"\n[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\nresync = false\ndetect_drift = false\n\
         [sinks.out]\ntype = \"stdout\"\n{more}",
        pbx.url()
    )
}

fn fifo(path: PathBuf) -> PathBuf {
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Starts the bridge with a pipe for standard output that nobody reads, and files of at most so many blocks.
fn unread(dir: &Path, config: &str, largest: &str) -> (Bridge, File) {
    let (path, pipe) = (dir.join("config.toml"), fifo(dir.join("pipe")));
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f \"$4\"; exec \"$1\" run --config \"$2\" > \"$3\"";
    command.args(["-c", script, "sh"]).arg(program().get_program()).arg(path).arg(&pipe).arg(largest);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("CTI_BRIDGE_ADMIN__LISTEN", "off").env("CTI_BRIDGE_LOG__FORMAT", "text");
    (Bridge::spawn(command), File::open(pipe).unwrap())
}

/// Waits until the file holds this.
async fn holds(path: &Path, text: &[u8]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let found = |content: Vec<u8>| content.windows(text.len()).any(|window| window == text);
    while !std::fs::read_dir(path)
        .is_ok_and(|files| files.flatten().any(|file| std::fs::read(file.path()).is_ok_and(found)))
    {
        assert!(Instant::now() < deadline, "it is not in {}", path.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_unread_pipe_is_reported_once_and_stops_no_stop() {
    let (pbx, dir) = (pbx().await, tempfile::tempdir().unwrap());
    let (mut bridge, _pipe) = unread(dir.path(), &config(&pbx, ""), "unlimited");
    bridge.says("active component=\"source/a\"").await;
    pbx.burst_numbered(500, 1_000);
    bridge.says("nobody reads standard output").await;
    let at = Instant::now();
    assert_eq!(bridge.stop().await, Some(75), "{}", bridge.output());
    assert!(at.elapsed() < Duration::from_secs(12), "{:?}", at.elapsed());
    let output = bridge.output();
    assert_eq!(output.matches("failing component=\"sink/out\"").count(), 1, "{output}");
    // In memory, it waits for as long as it may.
    assert!(output.contains("the drain deadline has passed"), "{output}");
}

#[tokio::test]
async fn events_refused_by_the_disk_are_counted_apart() {
    let (pbx, dir) = (pbx().await, tempfile::tempdir().unwrap());
    let journal = dir.path().join("journal");
    let config = config(&pbx, &format!("[journal]\ndir = {journal:?}\n"));
    let (mut bridge, _pipe) = unread(dir.path(), &config, "2048");
    bridge.says("active component=\"source/a\"").await;
    pbx.burst_numbered(500, 1_000);
    pbx.emit("safe", "1");
    holds(&journal.join("segments"), b"safe").await;
    // More than a file may have.
    pbx.emit("large", &format!("\"{}\"", "x".repeat(4 << 20)));
    bridge.says("File too large").await;
    bridge.says("nobody reads standard output").await;
    let at = Instant::now();
    assert_eq!(bridge.stop().await, Some(75), "{}", bridge.output());
    assert!(at.elapsed() >= Duration::from_secs(4), "{:?}", at.elapsed());
    let output = bridge.output();
    let line = |sentence: &str| {
        let line = output.lines().find(|line| line.contains(sentence));
        line.unwrap_or_else(|| panic!("no {sentence:?} in:\n{output}"))
    };
    // The large one, what ended the session, and the stop itself.
    let lost = line("undelivered events were lost because the journal's disk refused them: free space");
    assert!(lost.contains("count=3") && lost.contains("File too large"), "{lost}");
    line("they are in the journal and will be delivered after the next start");
}

#[tokio::test]
async fn a_second_signal_ends_it_while_the_disk_hangs() {
    let (pbx, dir) = (pbx().await, tempfile::tempdir().unwrap());
    let mut bridge = Bridge::start(dir.path(), &config(&pbx, ""));
    bridge.says("cti.bridge.connected.v1").await;
    // Opening it never returns.
    std::fs::rename(fifo(dir.path().join("fifo")), dir.path().join("config.toml")).unwrap();
    bridge.signal("-HUP");
    bridge.says("SIGHUP").await;
    bridge.signal("-TERM");
    assert_eq!(bridge.stop().await, Some(75), "{}", bridge.output());
    assert!(bridge.output().contains("the stop hangs"), "{}", bridge.output());
}
