//! Routes and privacy, which change every two seconds.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use pbx_simulator::Simulator;
use tokio::{task::JoinHandle, time};

/// The time between two reloads.
const INTERVAL: Duration = Duration::from_secs(2);

/// Changes the rules of the sink every two seconds, and has the bridge reload them.
pub(crate) struct Reloader {
    task: JoinHandle<u32>,
    enough: Arc<AtomicBool>,
}

/// The configuration file with the rules.
pub(crate) fn file(dir: &Path) -> PathBuf {
    for key in 0..2 {
        let path = key_file(dir, key);
        fs::write(&path, format!("{key:064x}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let path = dir.join("rules.toml");
    write(&path, 0);
    path
}

fn key_file(dir: &Path, key: u32) -> PathBuf {
    dir.join(format!("key-{key}"))
}

/// Ten routes, none of which drops what is counted, and strict privacy with one of two keys.
fn write(path: &Path, round: u32) {
    let key = key_file(path.parent().unwrap(), round % 2);
    let mut text = format!("[sinks.bus.privacy]\nprofile = \"strict\"\nkey_file = {:?}\n", key.display());
    for route in 0..8 {
        let event = format!("other{}*", route + round % 3);
        writeln!(text, "[[sinks.bus.routes]]\nmatch = {{ event = {event:?} }}\ndrop = true").unwrap();
    }
    text += "[[sinks.bus.routes]]\nmatch = { event = \"extenUpdate\", where = [{ path = \"/n\", exists = false }] }\ndrop = true\n";
    text += "[[sinks.bus.routes]]\nmatch = { event = \"extenUpdate\" }\non_change = true\n";
    fs::write(path, text).unwrap();
}

impl Reloader {
    /// `process` is the id of the bridge. It gets no signal while it has no session, as it may not listen yet.
    pub(crate) fn start(path: PathBuf, process: Arc<AtomicU32>, pbx: Arc<Simulator>) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&enough);
        let task = tokio::spawn(async move {
            let live = pbx.live();
            let mut reloads = 0;
            let mut pace = time::interval(INTERVAL);
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                if *live.borrow() == 1 {
                    reloads += 1;
                    write(&path, reloads);
                    let process = process.load(Ordering::Relaxed).to_string();
                    let _ = Command::new("kill").args(["-HUP", &process]).status();
                }
            }
            reloads
        });
        Self { task, enough }
    }

    /// Returns the number of reloads.
    pub(crate) async fn end(self) -> u32 {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}
