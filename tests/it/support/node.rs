//! A real Socket.IO server, on Node.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::Value;

/// A server of one version; killed with the value.
pub(crate) struct Node {
    child: Child,
    told: Receiver<Value>,
    pub(crate) port: u16,
}

fn modules() -> PathBuf {
    let dir = std::env::var_os("INTEROP_DIR").map(PathBuf::from);
    dir.expect("INTEROP_DIR names no Socket.IO servers: run tests/run, or set it to what tests/interop/install prints")
        .join("node_modules")
}

impl Node {
    /// `3` is the PBX's own version, `4` the newest.
    pub(crate) fn start(version: &str, tls: Option<(&Path, &Path)>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/server.js");
        let mut command = Command::new("node");
        command.arg(script).arg(version).env("NODE_PATH", modules());
        if let Some((certificate, key)) = tls {
            command.arg(certificate).arg(key);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node can't be started");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut node = Self { child, told, port: 0 };
        node.port = u16::try_from(node.tells("port").as_u64().unwrap()).unwrap();
        node
    }

    /// Gives an order.
    pub(crate) fn order(&mut self, order: &str, args: &Value) {
        let line = serde_json::json!({ order: args });
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it tells of this; the value.
    pub(crate) fn tells(&self, what: &str) -> Value {
        loop {
            let told = self.told.recv_timeout(Duration::from_secs(20));
            let mut told = told.unwrap_or_else(|_| panic!("the server did not tell of {what:?}"));
            if let Some(value) = told.get_mut(what) {
                return value.take();
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
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
