//! Recorded traffic: one JSON object per line, `{"at": RFC 3339, "event": name, "args": […]}`.
//!
//! The text of name and arguments is sent byte for byte. The complete file is held in memory.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::frame;

/// A recording, checked line by line.
#[derive(Debug, Clone)]
pub struct Replay {
    entries: Vec<Entry>,
    speed: f64,
    repeat: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Real time since the beginning of the recording.
    pub(super) after: Duration,
    pub(super) frame: Bytes,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    args: &'a RawValue,
}

/// The reason why a recording can't be played. Each names file and line.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ReplayError {
    #[error("can't read the recording {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{}:{line}: {reason}; each line must be {{\"at\": RFC 3339 time, \"event\": name, \"args\": […]}}",
        path.display()
    )]
    Line { path: PathBuf, line: usize, reason: BadLine },
    #[error("the recording {} holds no events", path.display())]
    Empty { path: PathBuf },
}

/// The reason why a line of a recording is invalid.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BadLine {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("`at` is not a time: {0}")]
    At(#[from] jiff::Error),
    #[error("`event` isn't a string")]
    Event,
    #[error("`args` isn't an array")]
    Args,
}

impl Replay {
    /// Reads a recording. It plays at its own pace times `speed`, over and over if `repeat`.
    pub fn read(path: &Path, speed: f64, repeat: bool) -> Result<Self, ReplayError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ReplayError::Read { path: path.to_owned(), source })?;
        let mut began = None;
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let (at, frame) = read_line(line).map_err(|reason| ReplayError::Line {
                path: path.to_owned(),
                line: number,
                reason,
            })?;
            let began = *began.get_or_insert(at);
            // A clock that went back doesn't reorder the recording.
            let after = Duration::try_from(at.duration_since(began)).unwrap_or_default();
            let after = after.max(entries.last().map_or(Duration::ZERO, |entry| entry.after));
            entries.push(Entry { after, frame });
        }
        if entries.is_empty() {
            return Err(ReplayError::Empty { path: path.to_owned() });
        }
        Ok(Self { entries, speed, repeat })
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn repeats(&self) -> bool {
        self.repeat
    }

    /// The due time of an entry, in real time since the start of the replay.
    pub(super) fn due(&self, entry: &Entry) -> Duration {
        Duration::try_from_secs_f64(entry.after.as_secs_f64() / self.speed).unwrap_or(Duration::MAX)
    }
}

fn read_line(line: &str) -> Result<(Timestamp, Bytes), BadLine> {
    let Line { at, event, args } = serde_json::from_str(line)?;
    let at = at.parse()?;
    Ok((at, frame(event, args)?))
}

/// Returns the frame of an event; `args` is the array of its arguments.
pub(super) fn frame(event: &RawValue, args: &RawValue) -> Result<Bytes, BadLine> {
    let name = event.get();
    if !name.starts_with('"') {
        return Err(BadLine::Event);
    }
    let args = args.get().strip_prefix('[').and_then(|args| args.strip_suffix(']'));
    let args = args.ok_or(BadLine::Args)?;
    let comma = if args.trim().is_empty() { "" } else { "," };
    Ok(frame::text(format!("42[{name}{comma}{args}]").as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Replay, ReplayError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("traffic.jsonl");
        std::fs::write(&path, text).unwrap();
        Replay::read(&path, 2.0, false)
    }

    #[test]
    fn the_text_of_names_and_arguments_is_unchanged() {
        let replay = read(concat!(
            r#"{"at":"2026-11-24T10:00:00Z","event":"x\u002fy","args":[ {"n":1e999,"s":"\ud800", "s":1} , 2]}"#,
            "\n\n",
            r#"{"at":"2026-11-24T10:00:03Z","event":"takeOver","args":[]}"#,
        ))
        .unwrap();
        let [first, second] = replay.entries() else { unreachable!("two lines, two events") };
        assert_eq!(&first.frame[2..], br#"42["x\u002fy", {"n":1e999,"s":"\ud800", "s":1} , 2]"#);
        assert_eq!(&second.frame[2..], br#"42["takeOver"]"#);
        assert_eq!(replay.due(second), Duration::from_millis(1_500));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("{\"at\":\"2026-11-24T10:00:00Z\",\"event\":\"a\",\"args\":[]}\n{\"event\":1}\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("traffic.jsonl:2: missing field `at`"), "{error}");
        assert!(read("\n").unwrap_err().to_string().ends_with("holds no events"));
    }
}
