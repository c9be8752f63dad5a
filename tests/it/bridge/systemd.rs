//! The notifications of the real binary to systemd, and the agreement of the unit with the program. On a booted systemd it is tried by
//! `tests/systemd/run`.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use cti_bridge::exit::Exit;
use pbx_simulator::{Account, Options, Simulator};

use crate::support::bridge::{Bridge, program};

/// The other end of `$NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    /// Waits until it is told this.
    fn hears(&mut self, line: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.told.iter().any(|told| told.contains(line)) {
            assert!(Instant::now() < deadline, "not told {line:?}, but {:?}", self.told);
            self.listen();
        }
    }

    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        if let Ok(length) = self.socket.recv(&mut bytes) {
            self.told.extend(String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned));
        }
    }

    /// How often it was fed in this time.
    fn fed(&mut self, time: Duration) -> usize {
        let deadline = Instant::now() + time;
        self.told.clear();
        while Instant::now() < deadline {
            self.listen();
        }
        self.told.iter().filter(|told| *told == "WATCHDOG=1").count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_notified_and_the_watchdog_is_fed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut manager = Manager { socket, told: Vec::new() };

    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let config = dir.path().join("config.toml");
    let text = format!(
        "[sources.a]\nurl = \"{}\"\nusername = \"bridge\"\npassword = \"p\"\n[sinks.out]\ntype = \"stdout\"\n",
        pbx.url()
    );
    std::fs::write(&config, &text).unwrap();
    // Of the shell's own number, which the program takes over.
    let mut command = std::process::Command::new("sh");
    let exec = "WATCHDOG_PID=$$ WATCHDOG_USEC=1000000 exec \"$0\" run --config \"$1\"";
    command.args(["-c", exec]).arg(program().get_program()).arg(&config);
    command.env("NOTIFY_SOCKET", &path).env("CTI_BRIDGE_ADMIN__LISTEN", "off");
    let mut bridge = Bridge::spawn(command);
    manager.hears("READY=1");
    manager.hears("STATUS=active: sink/out, source/a");
    assert!(manager.fed(Duration::from_secs(2)) >= 4);
    bridge.signal("-STOP");
    manager.fed(Duration::from_millis(500));
    assert_eq!(manager.fed(Duration::from_secs(2)), 0, "a stalled process still fed the watchdog");
    bridge.signal("-CONT");

    std::fs::write(&config, format!("{text}[log]\nlevel = \"debug\"\n")).unwrap();
    assert!(!bridge.output().contains("\"level\":\"DEBUG\""));
    bridge.signal("-HUP");
    manager.hears("RELOADING=1");
    manager.told.clear();
    manager.hears("READY=1");
    pbx.turn(|knobs| knobs.backend_down = true);
    pbx.cut();
    bridge.says("\"level\":\"DEBUG\"").await;
    assert!(!bridge.output().contains("takes effect with the next restart"), "{}", bridge.output());
    manager.hears("STATUS=source/a: ");
    bridge.signal("-TERM");
    manager.hears("STOPPING=1");
    assert_eq!(bridge.exit().await, Some(0));
}

#[test]
fn the_unit_knows_the_exit_codes_and_leaves_time_for_the_stop() {
    let unit = include_str!("../../../systemd/cti-bridge.service");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("the unit has no {key}"))
    };
    assert_eq!(value("RestartPreventExitStatus"), format!("{} {}", Exit::Usage as u8, Exit::Config as u8));
    assert_eq!(value("SuccessExitStatus"), (Exit::Undelivered as u8).to_string());
    assert_eq!(value("LimitCORE"), "0", "its memory holds secrets");
    assert!(!unit.contains("ExecStartPre"), "its failure restarts for ever");
    let seconds = |key| value(key).strip_suffix('s').unwrap().parse::<u64>().unwrap();
    assert!(seconds("TimeoutStopSec") >= 5 + 10 + 5, "logout, drain_timeout, and some");
    assert!(seconds("WatchdogSec") >= 60);
}
