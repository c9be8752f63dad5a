//! Who reaches the admin endpoint of the real binary: health always, others by a name that is the bridge's.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use crate::support::bridge::{Bridge, program};

struct Admin {
    at: SocketAddr,
    _bridge: Bridge,
    _dir: tempfile::TempDir,
}

impl Admin {
    /// A bridge whose PBX does not answer; asked once it listens.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "[sources.a]\nurl = \"http://127.0.0.1:1\"\nusername = \"u\"\npassword = \"p\"\n[sinks.out]\ntype = \"stdout\"\n\
             [admin]\nlisten = \"{at}\"\nhosts = [\"Bridge.example.org\"]\n"
        );
        let path = dir.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = program();
        command.env_remove("CTI_BRIDGE_ADMIN__LISTEN").args(["run", "--config"]).arg(path);
        let admin = Self { at, _bridge: Bridge::spawn(command), _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(at).is_err() {
            assert!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        admin
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).unwrap()
    }

    /// Sends a request as it is; the answer until its end.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn get(&self, path: &str, host: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    fn health(&self) -> Command {
        let mut command = program();
        command.args(["health", "--at", &format!("http://{}/", self.at)]);
        command
    }
}

#[test]
fn health_is_answered_however_many_connect_and_send_nothing() {
    let admin = Admin::start();
    let mut held = Vec::new();
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        // Idle, slow, half a header, or a request whose answer is not read.
        for number in 0..150 {
            let mut stream = admin.connect();
            let sent: &[u8] = match number % 4 {
                0 => b"",
                1 => b"G",
                2 => b"GET /status HTTP/1.1\r\nHost: local",
                _ => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            };
            let _ = stream.write_all(sent);
            held.push(stream);
        }
        for path in ["/livez", "/readyz", "/startupz"] {
            let at = Instant::now();
            let answer = admin.get(path, "localhost");
            assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer:?}");
            assert!(at.elapsed() < Duration::from_secs(1), "{path} took {:?}", at.elapsed());
        }
        let at = Instant::now();
        let output = admin.health().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(at.elapsed() < Duration::from_secs(2), "it took {:?}", at.elapsed());
        if held.len() > 500 {
            held.drain(..200);
        }
    }
}

#[test]
fn missing_headers_close_the_connection_after_two_seconds() {
    let admin = Admin::start();
    let (mut idle, mut dripping) = (admin.connect(), admin.connect());
    let began = Instant::now();
    let closed = |stream: &mut TcpStream, drop: &[u8]| {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        while began.elapsed() < Duration::from_secs(8) {
            if stream.write_all(drop).is_err() {
                return began.elapsed();
            }
            match stream.read(&mut [0; 512]) {
                Ok(0) => return began.elapsed(),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return began.elapsed(),
                _ => {}
            }
        }
        began.elapsed()
    };
    for (stream, drop) in [(&mut dripping, &b"G"[..]), (&mut idle, b"")] {
        let took = closed(stream, drop);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn a_page_of_another_name_reads_nothing() {
    let admin = Admin::start();
    for host in ["evil.example", "evil.example:9464", "localhost.evil.example"] {
        for path in ["/status", "/config/diff", "/", "/actions/resync", "/nowhere"] {
            let answer = admin.get(path, host);
            assert!(answer.starts_with("HTTP/1.1 421 "), "{path} of {host}: {answer}");
            assert!(answer.contains("add the name to `hosts` in [admin]"), "{answer}");
            assert!(!answer.contains("sources"), "{answer}");
        }
        for path in ["/livez", "/startupz", "/metrics"] {
            assert!(admin.get(path, host).starts_with("HTTP/1.1 200 "), "{path} of {host}");
        }
        assert!(admin.get("/readyz", host).starts_with("HTTP/1.1 503 "));
    }
    for host in ["127.0.0.1", "localhost:9464", "bridge.example.org", "[::1]:9464"] {
        assert!(admin.get("/status", host).starts_with("HTTP/1.1 200 "), "{host}");
    }
    assert!(admin.ask("GET /status HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "), "no browser");
    let target = "GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(admin.ask(target).starts_with("HTTP/1.1 421 "));
}

#[test]
fn an_invalid_host_name_is_a_configuration_problem() {
    let set = [
        "sources.a.url=http://127.0.0.1:1",
        "sources.a.username=u",
        "sources.a.password=p",
        "sinks.o.type=stdout",
    ];
    let mut command = program();
    command.args(["config", "check", "--set", "admin.hosts=[\"http://bridge.example.org\"]"]);
    for set in set {
        command.args(["--set", set]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("admin.hosts") && said.contains("without scheme and port"), "{said}");
}
