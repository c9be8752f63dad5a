//! Secrets in the memory of the real binary stay there, whatever ends it.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PASSWORD: &str = "a-password-in-memory";

/// Starts a program that would dump core into `dir` if it might, and waits for its first line.
fn start(dir: &Path, program: &str) -> Child {
    let mut command = Command::new("sh");
    // A shell ignores SIGQUIT in what it runs in the background, and whatever that starts ignores it as well.
    let script = format!("ulimit -c unlimited 2>/dev/null; exec env --default-signal=QUIT {program}");
    command.args(["-c", &script]).current_dir(dir);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "it does not start");
    child
}

/// Sends the signal until it ends; whether it dumped core.
fn dumps(mut child: Child, signal: &str) -> bool {
    let (pid, deadline) = (child.id().to_string(), Instant::now() + Duration::from_secs(20));
    loop {
        // The first SIGSEGV, if no address is at fault, only ends Rust's own handler.
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(50));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.signal().is_some(), "it was not the signal: {status}");
            return status.core_dumped();
        }
        assert!(Instant::now() < deadline, "{signal} does not end it");
    }
}

#[test]
fn no_signal_makes_it_write_its_secrets_to_a_core_file() {
    let dir = tempfile::tempdir().unwrap();
    let bridge = format!(
        "{} simulate --listen 127.0.0.1:0 --rate 0 --password {PASSWORD}",
        env!("CARGO_BIN_EXE_cti-bridge")
    );
    for signal in ["-ABRT", "-QUIT", "-SEGV", "-BUS", "-SYS"] {
        let child = start(dir.path(), &bridge);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
        assert!(!dumps(child, signal), "{signal} dumps core");
    }
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.is_empty(), "{files:?}");
}

/// The flag, which a handler in `core_pattern` obeys too, unlike the limit.
#[test]
fn nobody_of_the_same_user_reads_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    // As another user than root, if the test is root: root may read everything.
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let user = if is_root { "setpriv --reuid 65534 --regid 65534 --clear-groups " } else { "" };
    let binary = dir.path().join("cti-bridge");
    // Where that user may read it.
    std::fs::copy(env!("CARGO_BIN_EXE_cti-bridge"), &binary).unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let arguments = format!("{} simulate --listen 127.0.0.1:0 --rate 0", binary.display());
    let mut child = start(dir.path(), &format!("{user}{arguments}"));
    let read = Command::new("sh").args(["-c", &format!("{user}cat /proc/{}/environ", child.id())]).output();
    assert!(!read.unwrap().status.success(), "another process reads its environment");
    child.kill().unwrap();
    child.wait().unwrap();
}
