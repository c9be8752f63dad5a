//! The events in the file.

use std::path::Path;

use cti_bridge::sink::{SinkError, Stored, stored_event, verify::Held};

use super::unusable;

fn lines(path: &Path) -> Result<String, SinkError> {
    std::fs::read_to_string(path).map_err(|error| unusable(path, error))
}

/// The newest event, if there is one.
pub(super) fn newest(path: &Path) -> Result<Vec<Stored>, SinkError> {
    let text = lines(path)?;
    let stored = |(number, line): (usize, &str)| {
        // Only an event with a journal position tells where to resume.
        stored_event::held(|_| None, line.as_bytes()).map(|held| Stored {
            location: path.display().to_string(),
            place: format!("#{number}"),
            ..held.stored
        })
    };
    Ok(text.lines().enumerate().filter_map(stored).last().into_iter().collect())
}

/// Calls `each` with every event.
pub(super) fn all(path: &Path, each: &mut (dyn FnMut(&Held) + Send)) -> Result<(), SinkError> {
    let text = lines(path)?;
    text.lines()
        .filter_map(|line| stored_event::held(|_| None, line.as_bytes()))
        .for_each(|held| each(&held));
    Ok(())
}
