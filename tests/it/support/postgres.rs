//! A real PostgreSQL server for one test.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::kafka::free_port;

/// The user `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65534;

/// A server on loopback. It stops when the value is dropped, or when this process ends.
pub(crate) struct Postgres {
    /// A shell that stops the server at the end of its input.
    child: Child,
    port: u16,
    dir: TempDir,
}

/// What `tests/postgres/install` fetched.
pub(crate) fn installed() -> PathBuf {
    let path = std::env::var_os("POSTGRES_DIR").map(PathBuf::from);
    path.expect("POSTGRES_DIR has no server: run tests/run, or set it to what tests/postgres/install prints")
}

impl Postgres {
    /// Starts a server with an empty database.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The directory is ours.
        let is_root = fs::metadata(dir.path()).unwrap().uid() == 0;
        let mut programs = installed().join("server");
        if is_root {
            // What is in root's home is out of reach for others.
            let copy = dir.path().join("server");
            assert!(Command::new("cp").arg("-rH").args([&programs, &copy]).status().unwrap().success());
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            programs = copy;
        }
        let command = |program: &str| {
            let mut command = Command::new(program);
            command.current_dir(dir.path()).env("LC_ALL", "C").stdin(Stdio::null());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let mut init = command(programs.join("bin/initdb").to_str().unwrap());
        init.args(["--pgdata=data", "--username=cti", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        let output = init.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = free_port();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut server = command("sh");
        server.args(["-c", "\"$@\" </dev/null & cat >/dev/null; kill -QUIT $!; wait", "sh"]);
        server.arg(programs.join("bin/postgres")).args(["-D", "data", "-p", &port.to_string()]);
        server.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
        ]);
        server.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let postgres = Self { child: server.spawn().unwrap(), port, dir };
        postgres.is_ready().await;
        postgres
    }

    async fn is_ready(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        while !log().contains("ready to accept connections") {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The URL of its database.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://cti@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
