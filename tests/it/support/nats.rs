//! A real nats-server for one test.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

/// A server on loopback; stopped on drop.
pub(crate) struct Nats {
    child: Option<Child>,
    port: u16,
    config: PathBuf,
    dir: TempDir,
    /// The maximum size of its files, in blocks of the shell, to simulate a full disk.
    largest: Option<u32>,
}

fn program() -> PathBuf {
    let path = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    path.expect("NATS_SERVER names no nats-server: run tests/run, which fetches one")
}

impl Nats {
    /// Starts a server with additional configuration, in which `$DIR` is its own directory, which survives [`Nats::kill`].
    pub(crate) async fn start(extra: &str) -> Self {
        Self::start_with(extra, None).await
    }

    /// Starts a server whose files cannot grow beyond this many blocks, to simulate a full disk.
    pub(crate) async fn start_with(extra: &str, largest: Option<u32>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("nats.conf");
        let extra = extra.replace("$DIR", dir.path().to_str().unwrap());
        let mut nats = Self { child: None, port: 0, config, dir, largest };
        for attempt in 1.. {
            nats.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let port = nats.port;
            std::fs::write(&nats.config, format!("listen: \"127.0.0.1:{port}\"\n{extra}\n")).unwrap();
            if nats.listens().await {
                return nats;
            }
            // Another process took the port.
            assert!(attempt < 5, "nats-server does not start");
            nats.kill();
        }
        nats
    }

    /// Restarts it on the same port.
    pub(crate) async fn up(&mut self) {
        assert!(self.listens().await, "nats-server does not start");
    }

    /// Starts the process. Returns whether it answers on its port, and not another process.
    async fn listens(&mut self) -> bool {
        let mut command = match self.largest {
            None => Command::new(program()),
            Some(blocks) => {
                // With the signal ignored, a write beyond the limit fails like one on a full disk.
                let mut shell = Command::new("sh");
                let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                shell.args(["-c", &limit]).arg(program());
                shell
            }
        };
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while std::time::Instant::now() < deadline {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await {
                let mut greeting = [0; 4];
                let greeted = stream.read_exact(&mut greeting);
                // A server with `handshake_first` sends nothing before TLS.
                match tokio::time::timeout(Duration::from_secs(1), greeted).await {
                    Ok(Ok(_)) => return &greeting == b"INFO",
                    Ok(Err(_)) => {}
                    Err(_) => return self.child.as_mut().unwrap().try_wait().unwrap().is_none(),
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lifts the limit of [`Nats::start_with`], from the next restart on.
    pub(crate) fn free(&mut self) {
        self.largest = None;
    }

    /// Sends it a signal: `STOP`, `CONT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Its own directory.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// `nats://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
