//! The bridge's process: starts, kills and samples it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use url::Url;

use super::account::{PASSWORD, TOTP, USER};

/// A bridge, its journal and its log; killed on drop.
pub(crate) struct Bridge {
    dir: TempDir,
    child: Mutex<Option<Child>>,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cti-bridge"));
    // The caller's environment must not configure it.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CTI_BRIDGE_"))
    {
        command.env_remove(name);
    }
    command
}

impl Bridge {
    /// Starts it with short timeouts, so that more fails in the same time.
    pub(crate) fn start(pbx: &Url, nats: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal");
        let text = format!(
            "[sources.pbx1]\nurl = \"{pbx}\"\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\ntotp_secret = \"{TOTP}\"\n\
             connect_timeout = \"2s\"\nlogin_timeout = \"3s\"\nresync_interval = \"20s\"\n\
             [sinks.bus]\ntype = \"nats\"\nmode = \"jetstream\"\nservers = [\"{nats}\"]\n\
             [journal]\ndir = \"{}\"\n",
            journal.display()
        );
        fs::write(dir.path().join("config.toml"), text).unwrap();
        let bridge = Self { dir, child: Mutex::new(None) };
        bridge.up();
        bridge
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    pub(crate) fn up(&self) {
        let log = self.dir.path().join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = program();
        command.args(["run", "--config"]).arg(self.config());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        *self.child.lock().unwrap() = Some(child);
    }

    /// Kill -9.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn pid(&self) -> Option<u32> {
        self.child.lock().unwrap().as_ref().map(Child::id)
    }

    /// Sends SIGTERM. Returns the exit code; `None` if it does not exit within 30 s.
    pub(crate) async fn stop(&self) -> Option<i32> {
        let pid = self.pid()?.to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.child.lock().unwrap().as_mut()?.try_wait().unwrap() {
                return status.code();
            }
            sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Runs `cti-bridge verify` over a reliable connection. Returns whether it succeeded, and its output.
    pub(crate) fn verify(&self, nats: &str) -> (bool, String) {
        let set = format!("sinks.bus.servers=[\"{nats}\"]");
        let mut command = program();
        command.args(["verify", "--sink", "bus", "--set", &set, "--config"]).arg(self.config());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.success(), text.concat())
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("log")).unwrap()).into_owned()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Resources of a process at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) pid: u32,
    /// Resident memory, in KiB.
    pub(crate) memory: u64,
    /// Open file descriptors.
    pub(crate) files: usize,
}

/// Samples the process every second.
pub(crate) struct Watch {
    task: JoinHandle<Vec<Sample>>,
    stop: oneshot::Sender<()>,
}

impl Watch {
    pub(crate) fn start(bridge: Arc<Bridge>) -> Self {
        let (stop, mut ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut samples = Vec::new();
            loop {
                tokio::select! {
                    _ = &mut ended => return samples,
                    () = sleep(Duration::from_secs(1)) => samples.extend(bridge.pid().and_then(sample)),
                }
            }
        });
        Self { task, stop }
    }

    pub(crate) async fn end(self) -> Vec<Sample> {
        let _ = self.stop.send(());
        self.task.await.unwrap()
    }
}

fn sample(pid: u32) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let memory = memory.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Sample { pid, memory, files: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() })
}
