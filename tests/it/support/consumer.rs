//! The programs of `examples/consumers`, and what they must have done.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cti_bridge::event::is_state_event;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A program of the examples, or a changed copy of it, with a directory of its own.
pub(crate) struct Consumer {
    program: PathBuf,
    /// Of the consumer, and of its files.
    name: String,
    settings: [(&'static str, String); 2],
    dir: TempDir,
}

/// What `tests/consumers/install` fetched.
pub(crate) fn installed() -> PathBuf {
    let path = std::env::var_os("CONSUMERS_DIR").map(PathBuf::from);
    path.expect(
        "CONSUMERS_DIR has no packages: run tests/run, or set it to what tests/consumers/install prints",
    )
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/consumers")
}

impl Consumer {
    /// One that reads from this broker, which is the value of a setting.
    pub(crate) fn new(program: &str, setting: &'static str, broker: &str) -> Self {
        Self::changed(program, setting, broker, &[])
    }

    /// A copy in which texts are replaced. Each occurs once.
    pub(crate) fn changed(
        program: &str,
        setting: &'static str,
        broker: &str,
        changes: &[(&str, &str)],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = fs::read_to_string(examples().join(program)).unwrap();
        for (from, to) in changes {
            assert_eq!(text.matches(from).count(), 1, "{from:?} in {program}");
            text = text.replace(from, to);
        }
        let copy = dir.path().join(program);
        fs::write(&copy, text).unwrap();
        fs::copy(examples().join("package.json"), dir.path().join("package.json")).unwrap();
        fs::copy(examples().join("tsconfig.json"), dir.path().join("tsconfig.json")).unwrap();
        std::os::unix::fs::symlink(installed().join("node_modules"), dir.path().join("node_modules"))
            .unwrap();
        let name = format!("example-{:x}", fastrand::u64(..));
        Self {
            program: copy,
            settings: [(setting, broker.to_owned()), ("CTI_CONSUMER", name.clone())],
            name,
            dir,
        }
    }

    /// The command that runs it.
    pub(crate) fn command(&self) -> Command {
        let is_python = self.program.extension().is_some_and(|extension| extension == "py");
        let mut command = Command::new(if is_python { "python3" } else { "node" });
        if !is_python {
            command.args(["--import", "tsx"]);
        }
        command.arg(&self.program).current_dir(self.dir.path()).env("PYTHONPATH", installed().join("python"));
        command.envs(self.settings.clone()).stdin(Stdio::null());
        command
    }

    /// Starts it. It is killed with the value. A changed copy may want to be slow: `DELAY` is a time in seconds.
    fn start(&self, delay: &str) -> Running {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("output")).unwrap();
        let child =
            self.command().env("DELAY", delay).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Running(child)
    }

    /// Everything that its processes have written.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.dir.path().join("output")).unwrap_or_default()
    }

    /// The events that it says it has handled: source, sequence and type.
    pub(crate) fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join(format!("{}.log", self.name))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The views that it has folded: per PBX, or per PBX and partition.
    fn views(&self) -> BTreeMap<String, Value> {
        let text = fs::read(self.dir.path().join(format!("{}.json", self.name))).unwrap_or_default();
        let saved: Value = serde_json::from_slice(&text).unwrap_or_default();
        serde_json::from_value(saved["views"].clone()).unwrap_or_default()
    }

    /// The compiler of TypeScript accepts it, and these beside it.
    pub(crate) fn type_checks(&self, others: &[&str]) {
        for other in others {
            fs::copy(examples().join(other), self.dir.path().join(other)).unwrap();
        }
        let compiler = installed().join("node_modules/.bin/tsc");
        let output = Command::new(compiler).current_dir(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Whether it says that it may have missed something since the last resync.
    fn is_stale(&self) -> bool {
        let is_stale =
            |view: &Value| view.get("is_stale").or_else(|| view.get("isStale")).and_then(Value::as_bool);
        self.views().values().any(|view| is_stale(view).unwrap())
    }

    /// What it prints when it runs to its end.
    pub(crate) fn prints(&self, args: &[&str]) -> String {
        let output = self.command().args(args).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{stdout}{stderr}");
        stdout
    }

    /// `kill -9` several times, each after some more events were handled.
    pub(crate) async fn suffer(&self, kills: usize) {
        for _ in 0..kills {
            let enough = self.record().len() + fastrand::usize(5..60);
            let running = self.start("0.05");
            self.handled(enough).await;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..20))).await;
            drop(running);
        }
    }

    /// Lets it read so many events; returns them as it records them, sorted.
    pub(crate) async fn reads(&self, count: usize) -> Vec<String> {
        let _running = self.start("0");
        self.handled(count).await;
        let mut record = self.record();
        record.sort_unstable();
        record
    }

    async fn handled(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.record().len() < count {
            let (record, output) = (self.record().len(), self.output());
            assert!(Instant::now() < deadline, "{record} of {count} handled; it said:\n{output}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets it read until it has handled this event, and stops it.
    pub(crate) async fn finish(&self, last: &Value) {
        let mut running = self.start("0");
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.record().last() != Some(&line(last)) {
            let last = self.record().pop();
            assert!(Instant::now() < deadline, "ends with {last:?}; it said:\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let program = self.program.display();
        assert_eq!(running.stop().await, Some(0), "{program} said:\n{}", self.output());
    }

    /// Compares what it did with the events of a stream, or of a topic with one partition.
    pub(crate) fn verdict(&self, events: &[Value]) -> Result<(), String> {
        let (record, expected) = (self.record(), events.iter().map(line).collect::<Vec<_>>());
        if let Some(twice) = (1..record.len()).find(|at| record[..*at].contains(&record[*at])) {
            return Err(format!("handled twice: {}", record[twice]));
        }
        if let Some(skipped) = expected.iter().find(|line| !record.contains(line)) {
            return Err(format!("skipped: {skipped}"));
        }
        if record != expected {
            return Err("handled out of order".to_owned());
        }
        let views: Vec<Value> = self.views().into_values().collect();
        let [view] = &views[..] else { return Err(format!("{} views", views.len())) };
        if view["entities"] != json!(fold(events)) {
            return Err(format!("folded {}, not {}", view["entities"], json!(fold(events))));
        }
        if self.is_stale() { Err("the state is stale".to_owned()) } else { Ok(()) }
    }
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

/// Events as the examples record them, sorted.
pub(crate) fn lines(events: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = events.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

/// An event as the examples record it.
fn line(event: &Value) -> String {
    format!("{} {} {}", text(event, "source"), text(event, "sequence"), text(event, "type"))
}

/// The state that events amount to, by event name and subject.
pub(crate) fn fold(events: &[Value]) -> BTreeMap<String, &Value> {
    let mut state = BTreeMap::new();
    for event in events {
        let data = &event["data"];
        if text(event, "type") == "cti.bridge.vanished.v1" {
            state.remove(&format!("{} {}", text(data, "event"), text(data, "subject")));
        } else if let Some(slug) = text(event, "type").strip_prefix("cti.event.") {
            let name = slug.trim_end_matches(".v1");
            if is_state_event(name.as_bytes()) {
                state.insert(format!("{name} {}", text(event, "subject")), data);
            }
        }
    }
    state
}

/// A process of a [`Consumer`].
pub(crate) struct Running(Child);

impl Running {
    /// SIGTERM; the exit code, `None` if it goes on.
    async fn stop(&mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
