//! A real nats-server of the test's own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

/// A server on loopback; it ends with the value.
pub(crate) struct Nats {
    child: Option<Child>,
    port: u16,
    config: PathBuf,
    dir: TempDir,
    /// The largest file it can write, in the shell's blocks: as a full disk is to it.
    largest: Option<u32>,
}

fn program() -> PathBuf {
    let path = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    path.expect("NATS_SERVER names no nats-server: run tests/run, which fetches one")
}

impl Nats {
    /// Starts one, with further lines of configuration, where `$DIR` is a directory of its own that outlives [`Nats::kill`].
    pub(crate) async fn start(extra: &str) -> Self {
        Self::start_with(extra, None).await
    }

    /// Starts one whose files can't grow beyond so many blocks: the disk is full for it.
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
            // Another took the port meanwhile.
            assert!(attempt < 5, "nats-server does not start");
            nats.kill();
        }
        nats
    }

    /// Starts it again, on the same port.
    pub(crate) async fn up(&mut self) {
        assert!(self.listens().await, "nats-server does not start");
    }

    /// Starts it; whether it, and nobody else, answers on its port.
    async fn listens(&mut self) -> bool {
        let mut command = match self.largest {
            None => Command::new(program()),
            Some(blocks) => {
                // Ignored, the signal of a write beyond the limit becomes the error a full disk gives.
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
                // A server that wants TLS first says nothing.
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

    /// Frees the disk of [`Nats::start_with`]; it needs a restart to notice.
    pub(crate) fn free(&mut self) {
        self.largest = None;
    }

    /// Sends it a signal: `STOP`, `CONT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// The directory of its own.
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
