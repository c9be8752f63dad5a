//! Measures the bridge's memory while a peer sends excessive data. Each row has a new bridge.
//! See benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for people"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../tests/it/support/nats.rs"]
#[allow(dead_code, reason = "the program uses a part of it")]
mod nats;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use pbx_simulator::{Account, Options, Simulator, frame};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    time::{sleep, timeout},
};

const ROWS: [(&str, &str); 11] = [
    ("idle", "nothing"),
    ("entities", "600 events with entity ids of 300 KB"),
    ("names", "12 event names of 20 MB"),
    ("login", "120 frames of 4 MB before authe_ok"),
    ("frames", "3 events of 60 MB, journal in memory"),
    ("disk", "3 events of 60 MB, journal on disk"),
    ("memory", "3,000 events of 1 MB, journal in memory"),
    ("stream", "3,000 events of 1 MB to JetStream, journal on disk"),
    ("msg", "a NATS server's message of 2^40 bytes"),
    ("err", "a NATS server's -ERR without an end"),
    ("info", "a NATS server's INFO without an end"),
];

#[tokio::main]
async fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    println!("{:<52} {:>9} {:>9}", "", "VmHWM MB", "VmRSS MB");
    for (row, what) in ROWS.iter().filter(|(row, _)| only.is_empty() || only.iter().any(|it| it == row)) {
        let [peak, after] = run(row).await;
        println!("{what:<52} {peak:>9.0} {after:>9.0}");
    }
}

/// The peak and the final memory, in MB.
async fn run(row: &str) -> [f64; 2] {
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let mut server = None;
    let url = match row {
        "msg" => hostile(true, "MSG _INBOX.x 1 1099511627776\r\n").await,
        "err" => hostile(true, "-ERR '").await,
        "info" => hostile(false, "INFO {\"x\":\"").await,
        _ => {
            let extra = "max_payload: 8MB\nmax_pending: 256MB\njetstream: { store_dir: \"$DIR/js\" }";
            server.insert(nats::Nats::start(extra).await).url()
        }
    };
    if row == "login" {
        let text = format!("42[\"e\",\"{}\"]", "x".repeat(4_000_000));
        pbx.turn(|knobs| knobs.before_login = vec![text; 120]);
    }
    let dir = tempfile::tempdir().unwrap();
    let on_disk = || Some(format!("journal.dir={}/journal", dir.path().display()));
    let (mode, journal) = match row {
        "stream" => ("jetstream", on_disk()),
        "disk" => ("core", on_disk()),
        _ => ("core", None),
    };
    let mut command = common::program();
    command.args(["run", "--config", "/dev/null"]);
    let set = [
        format!("sources.pbx1.url={}", pbx.url()),
        "sources.pbx1.username=bridge".to_owned(),
        "sources.pbx1.password=p".to_owned(),
        "sources.pbx1.resync=false".to_owned(),
        "sinks.bus.type=nats".to_owned(),
        format!("sinks.bus.mode={mode}"),
        format!("sinks.bus.servers=[\"{url}\"]"),
    ];
    for set in set.into_iter().chain(journal) {
        command.args(["--set", &set]);
    }
    let mut bridge = Bridge::start(command);
    let mut live = pbx.live();
    let logged_in = timeout(Duration::from_secs(20), live.wait_for(|live| *live > 0)).await.is_ok();
    assert!(logged_in || matches!(row, "login" | "msg" | "err" | "info"), "no login within 20 s");
    send(row, &pbx);
    bridge.settle().await;
    let figures = [bridge.figure("VmHWM:"), bridge.figure("VmRSS:")];
    drop(bridge);
    drop(server);
    figures
}

fn send(row: &str, pbx: &Simulator) {
    match row {
        "entities" => {
            for number in 0..600 {
                pbx.emit("extenUpdate", &format!("{{\"exten\":\"{number}{}\"}}", "x".repeat(300_000)));
            }
        }
        "names" => (0..12).for_each(|number| pbx.emit(&format!("{number}{}", "x".repeat(20_000_000)), "1")),
        "frames" | "disk" => {
            (0..3).for_each(|_| pbx.emit("extenUpdate", &format!("\"{}\"", "x".repeat(60_000_000))));
        }
        "memory" | "stream" => {
            let text = format!("42[\"e\",\"{}\"]", "x".repeat(1_000_000));
            let bytes = frame::text(text.as_bytes());
            (0..3_000).for_each(|_| pbx.send_bytes(bytes.clone()));
        }
        _ => {}
    }
}

/// A server that greets the client if requested, then sends `text` repeatedly without end.
async fn hostile(greets: bool, text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                if greets {
                    write.write_all(b"INFO {\"headers\":true,\"max_payload\":1048576}\r\n").await?;
                    while lines.next_line().await?.is_some_and(|line| line != "PING") {}
                    write.write_all(b"PONG\r\n").await?;
                }
                write.write_all(text.as_bytes()).await?;
                let filler = vec![b'x'; 1 << 20];
                // 2 GB are enough to show a leak.
                for _ in 0..2_000 {
                    write.write_all(&filler).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    url
}

struct Bridge(Child);

impl Bridge {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// A line of `/proc/<pid>/status`, in MB.
    fn figure(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).expect("the bridge has ended");
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    /// The CPU time so far, in ticks.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Waits until it has been nearly idle for three seconds; for 40 seconds at most.
    async fn settle(&mut self) {
        let start = Instant::now();
        let (mut last, mut since) = (self.ticks(), Instant::now());
        while since.elapsed() < Duration::from_secs(3) && start.elapsed() < Duration::from_secs(40) {
            sleep(Duration::from_millis(500)).await;
            let now = self.ticks();
            if now > last + 5 {
                since = Instant::now();
            }
            last = now;
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
