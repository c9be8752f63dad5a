//! A machine that runs a bridge: its configuration, journal and process.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;
use url::Url;

use super::common;

/// The time limit of a stop.
const STOP: Duration = Duration::from_secs(30);

/// A machine; its bridge is killed on drop.
pub(crate) struct Machine {
    dir: TempDir,
    pbx: Url,
    child: Option<Child>,
}

impl Machine {
    /// Creates a machine; `sink` is the sink's table in the configuration.
    pub(crate) fn new(pbx: Url, sink: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The PBX is given at the start, as a clone has its own.
        let text = format!(
            "[sources.pbx1]\nurl = \"http://127.0.0.1:1\"\nusername = \"bridge\"\npassword = \"p\"\nresync = false\n\
             [sinks.bus]\n{sink}\n[journal]\ndir = \"journal\"\nretain = \"30s\"\n"
        );
        fs::write(dir.path().join("config.toml"), text).unwrap();
        Self { dir, pbx, child: None }
    }

    /// Copies the machine in its current state.
    pub(crate) fn clone_to(&self, pbx: Url) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(self.dir.path().join("config.toml"), dir.path().join("config.toml")).unwrap();
        copy(&self.journal(), &dir.path().join("journal"));
        Self { dir, pbx, child: None }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// Copies the journal in its current state.
    pub(crate) fn snapshot(&self) -> TempDir {
        let snapshot = tempfile::tempdir().unwrap();
        copy(&self.journal(), snapshot.path());
        snapshot
    }

    /// Replaces the journal by an older one.
    pub(crate) fn restore(&self, snapshot: &Path) {
        fs::remove_dir_all(self.journal()).unwrap();
        copy(snapshot, &self.journal());
    }

    pub(crate) fn up(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = common::program();
        command.args(["run", "--config"]).arg(self.dir.path().join("config.toml"));
        command.args(["--set", &format!("sources.pbx1.url={}", self.pbx)]);
        command.env("CTI_BRIDGE_ADMIN__LISTEN", "off");
        self.child = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// Kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Whether it runs.
    pub(crate) fn is_up(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub(crate) fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            // It may have exited by itself.
            let _ = Command::new("kill").args([name, &child.id().to_string()]).status();
        }
    }

    /// Sends SIGTERM. Returns the exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.as_mut()?.try_wait().unwrap() {
                return status.code();
            }
            sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Its complete log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies a directory file by file like `cp -r`; it may be written to meanwhile.
fn copy(from: &Path, to: &Path) {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else if let Err(error) = fs::copy(entry.path(), to) {
            assert!(gone(&error), "{}: {error}", entry.path().display());
        }
    }
}
