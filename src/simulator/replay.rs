//! Recorded traffic: a file of JSON lines.
//!
//! One event a line: `{"at":"2026-11-24T10:00:00Z","event":"extenUpdate","args":[…]}`. The arguments' text is
//! sent as it stands in the file.

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Simulator;

/// One line.
#[derive(Debug, Deserialize)]
struct Line {
    at: Timestamp,
    event: String,
    args: Vec<Box<RawValue>>,
}

/// Recorded events, in order.
#[derive(Debug)]
pub struct Recording(Vec<Line>);

impl Recording {
    /// Reads a file; an error names the line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("can't read {}: {error}", path.display()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let lines = lines.map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                format!(
                    "{}:{}: {error}: write {{\"at\":…,\"event\":…,\"args\":[…]}}",
                    path.display(),
                    number + 1
                )
            })
        });
        lines.collect::<Result<_, _>>().map(Self)
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends all events once, `speed` times as fast as they were recorded.
    pub async fn play(&self, simulator: &Simulator, speed: f64) {
        let mut before: Option<Timestamp> = None;
        for line in &self.0 {
            let gap = before.map_or(Duration::ZERO, |before| {
                Duration::try_from(line.at.duration_since(before)).unwrap_or_default()
            });
            before = Some(line.at);
            tokio::time::sleep(gap.div_f64(speed.max(0.001))).await;
            let args: Vec<&str> = line.args.iter().map(|arg| arg.get()).collect();
            simulator.emit(&line.event, &args.join(","));
        }
    }
}
