//! Our client in a process that is stopped for longer than any of its deadlines.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cti_bridge::{
    api,
    socket::{Incoming, Limits, Socket, Target},
    tls::Trust,
};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::process;

/// A simulated PBX in a process that goes on meanwhile.
struct Pbx {
    process: Child,
    port: u16,
}

impl Pbx {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let listen = format!("127.0.0.1:{port}");
        let process = Command::new(env!("CARGO_BIN_EXE_cti-bridge"))
            .args(["simulate", "--listen", &listen, "--rate", "8", "--fault", "ping-interval=1s"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port }
    }

    /// A token, as soon as it is up.
    async fn login(&self) -> String {
        let url = format!("http://127.0.0.1:{}/api", self.port).parse().unwrap();
        let client = api::Client::new(api::Config::at(url)).unwrap();
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            match client.login("bridge", &"bridge".into()).await {
                Ok(login) => return login.token.expose_secret().to_owned(),
                Err(error) => assert!(Instant::now() < limit, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stops this process for so long.
fn stop_for(seconds: u32) {
    let own = std::process::id();
    let script = format!("kill -STOP {own}; sleep {seconds}; kill -CONT {own}");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_received_during_a_pause_is_read_first() {
    if !process::is_own(module_path!(), "data_received_during_a_pause_is_read_first") {
        return;
    }
    let pbx = Pbx::start();
    let token = pbx.login().await;
    let url = format!("ws://127.0.0.1:{}/api/ws/", pbx.port).parse().unwrap();
    // Silence is 2 s.
    let mut limits = Limits::default();
    limits.socket.margin = Duration::from_secs(1);
    let target = Target { url, trust: Trust::default(), proxy: None };
    // As a task: it runs on the thread that waits for timers and sockets, as the bridge's sessions do.
    let reading = tokio::spawn(async move {
        let mut socket = Socket::connect(&target, &limits).await.unwrap();
        let login = json!({ "accessKeyId": "bridge", "token": token }).to_string();
        socket.emit("login", Some(&login)).await.unwrap();
        let mut stopping = None;
        for event in 0..40 {
            if event == 8 {
                stopping = Some(tokio::task::spawn_blocking(|| stop_for(4)));
            }
            match socket.next().await {
                Ok(Incoming::Event(_)) => {}
                other => panic!("event {event}: {other:?}"),
            }
        }
        stopping.unwrap().await.unwrap();
    });
    reading.await.unwrap();
}
