//! The open file.

use std::{collections::VecDeque, fs::File, io::Write as _, path::PathBuf};

use cti_bridge::{
    event::{Position, structured},
    sink::{Acked, Link, Outgoing, SinkError},
};

use super::unusable;

pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    written: VecDeque<Position>,
}

impl Lines {
    pub(super) fn new(path: PathBuf, file: File) -> Self {
        Self { path, file, written: VecDeque::new() }
    }
}

impl Link for Lines {
    async fn send(&mut self, batch: &[Outgoing<'_>]) -> Result<(), SinkError> {
        let (mut text, mut scratch) = (Vec::new(), String::new());
        for outgoing in batch {
            let start = text.len();
            structured(&outgoing.event, &mut scratch, &mut text);
            // JSON allows line breaks between its tokens.
            text[start..]
                .iter_mut()
                .filter(|byte| matches!(byte, b'\n' | b'\r'))
                .for_each(|byte| *byte = b' ');
            text.push(b'\n');
        }
        self.file.write_all(&text).map_err(|error| unusable(&self.path, error))?;
        self.written.extend(batch.iter().filter_map(|outgoing| outgoing.position));
        Ok(())
    }

    async fn acked(&mut self) -> Result<Acked, SinkError> {
        match self.written.drain(..).next_back() {
            Some(through) => Ok(Acked { through, refused: None }),
            None => std::future::pending().await,
        }
    }

    async fn close(self) {}
}
