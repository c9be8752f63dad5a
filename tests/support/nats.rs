//! A real nats-server of the test's own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// A server on loopback; it ends with the value.
pub(crate) struct Nats {
    child: Option<Child>,
    port: u16,
    config: PathBuf,
    _dir: TempDir,
}

fn program() -> PathBuf {
    let path = std::env::var_os("NATS_SERVER").map(PathBuf::from);
    path.expect("NATS_SERVER names no nats-server: run tests/run, which fetches one")
}

impl Nats {
    /// Starts one, with further lines of configuration.
    pub(crate) async fn start(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.path().join("nats.conf");
        std::fs::write(&config, format!("listen: \"127.0.0.1:{port}\"\n{extra}\n")).unwrap();
        let mut nats = Self { child: None, port, config, _dir: dir };
        nats.up().await;
        nats
    }

    /// Starts it again, on the same port.
    pub(crate) async fn up(&mut self) {
        let mut command = Command::new(program());
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "nats-server does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
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
