//! A sink for tests, made as the documentation of `cti_bridge::sink` describes: this directory, and one line that registers
//! its type. It appends events to a file, and resumes from the file's content.

pub(crate) mod config;
mod link;
mod probe;
mod read_back;

use std::{fs::OpenOptions, path::PathBuf};

use cti_bridge::{
    health::Trouble,
    sink::{Sink, SinkError, SinkType, Tail},
};

use self::link::Lines;

/// `type = "file"`.
pub(crate) const TYPE: SinkType = SinkType::new::<config::Table>("file");

/// A file of events, one per line.
pub(crate) struct File {
    path: PathBuf,
}

impl File {
    pub(crate) fn new(config: &config::Config) -> Self {
        Self { path: config.path.clone() }
    }
}

impl Sink for File {
    type Link = Lines;

    async fn open(&self) -> Result<(Lines, Tail), SinkError> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path);
        let file = file.map_err(|error| unusable(&self.path, error))?;
        let newest = read_back::newest(&self.path)?;
        Ok((Lines::new(self.path.clone(), file), Tail::Partitions(vec![newest])))
    }
}

fn unusable(path: &std::path::Path, error: std::io::Error) -> SinkError {
    SinkError::operator(Trouble::Local, format!("can't use {}", path.display()))
        .because(error)
        .remedy("check `path`")
}
