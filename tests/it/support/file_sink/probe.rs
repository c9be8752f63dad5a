//! For `check`.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

use cti_bridge::{
    event::JournalId,
    route::{Plan, Rules},
    sink::{self, Bridge, Claim, Link as _, ProbeReport, SinkError, heartbeat::checks},
};
use futures_util::future::BoxFuture;

use super::{link::Lines, read_back, unusable};

pub(super) struct Probe {
    path: PathBuf,
    file: File,
    sources: Vec<String>,
}

impl Probe {
    pub(super) fn connect(path: &Path, bridge: Bridge<'_>) -> Result<(Self, ProbeReport), SinkError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| unusable(path, error))?;
        let probe = Self { path: path.to_owned(), file, sources: bridge.sources.to_vec() };
        Ok((probe, ProbeReport::new(format!("{} can be written to", path.display()))))
    }
}

impl sink::Probe for Probe {
    fn inspect<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<ProbeReport, SinkError>> {
        Box::pin(async move {
            let newest = read_back::newest(&self.path)?;
            let Some(stored) = newest.first() else { return Ok(ProbeReport::new("the file has no events")) };
            let warnings = claim.check(stored, async |_, _| Ok(None)).await?.into_iter().collect();
            Ok(ProbeReport { message: "the file ends with an event of this bridge".to_owned(), warnings })
        })
    }

    fn publish(&mut self) -> BoxFuture<'_, Result<ProbeReport, SinkError>> {
        Box::pin(async {
            let mut plan = Plan::new(JournalId::draw(), self.sources.clone().into(), Rules::default());
            let messages = checks(&mut plan, self.sources.len());
            let batch: Vec<_> = messages.iter().map(|message| message.outgoing(&plan)).collect();
            let file = self.file.try_clone().map_err(|error| unusable(&self.path, error))?;
            Lines::new(self.path.clone(), file).send(&batch).await?;
            Ok(ProbeReport::new(format!("{} status messages written", batch.len())))
        })
    }
}
