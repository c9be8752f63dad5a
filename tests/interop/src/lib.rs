//! The official Socket.IO servers, on Node.js, for tests. They are driven by orders on their standard input; see `server.js`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::Value;

/// A server of one version; killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    reports: Receiver<Value>,
    /// The port it listens on, at 127.0.0.1.
    pub port: u16,
}

fn modules() -> PathBuf {
    let dir = std::env::var_os("INTEROP_DIR").map(PathBuf::from);
    dir.expect("INTEROP_DIR names no Socket.IO servers: run tests/run, or set it to what tests/interop/install prints")
        .join("node_modules")
}

impl Node {
    /// Starts a server of this version: `3` is the PBX's own, `4` the newest.
    pub fn start(version: &str, tls: Option<(&Path, &Path)>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("server.js");
        let mut command = Command::new("node");
        command.arg(script).arg(version).env("NODE_PATH", modules());
        if let Some((certificate, key)) = tls {
            command.arg(certificate).arg(key);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node can't be started");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (report, reports) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = report.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut node = Self { child, reports, port: 0 };
        node.port = u16::try_from(node.reports("port").as_u64().unwrap()).unwrap();
        node
    }

    /// Sends an order.
    pub fn order(&mut self, order: &str, args: &Value) {
        let line = serde_json::json!({ order: args });
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it reports this, for 20 s at most. Returns the value.
    pub fn reports(&self, what: &str) -> Value {
        loop {
            let report = self.reports.recv_timeout(Duration::from_secs(20));
            let mut report = report.unwrap_or_else(|_| panic!("the server did not report {what:?}"));
            if let Some(value) = report.get_mut(what) {
                return value.take();
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
