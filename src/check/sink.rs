//! A sink: reached, its stream looked at, a status message published.

use std::{io::Write, path::PathBuf};

use super::{
    report::Report,
    step::{Fault, Found, Part, Stage},
};
use crate::{
    app::config::Config,
    event::JournalId,
    sink::{self, Bridge, Claim, ProbeReport, ProbeStep},
};

/// The stages of a sink once it is connected.
pub(super) fn stages(config: &sink::config::Config) -> impl Iterator<Item = Stage> {
    config.kind.probe_steps().iter().map(|step| match step {
        ProbeStep::Inspect => Stage::Stream,
        ProbeStep::Publish => Stage::Publish,
    })
}

/// Walks them. Yields none when one failed that others need.
pub(super) async fn walk<W: Write>(
    report: &mut Report<W>,
    part: &Part,
    (name, config): (&str, &Config),
    journal: Option<(JournalId, PathBuf, bool)>,
) -> Option<()> {
    let settings = config.sinks.get(name)?;
    let sources: Vec<String> = config.sources.keys().cloned().collect();
    let claim =
        Claim { journal, sink: name.to_owned(), adopt: settings.adopt, heartbeat: settings.heartbeat };
    let began = report.begin(part, Stage::Connect);
    let bridge = Bridge { instance: &config.instance, sources: &sources };
    let reached = settings.kind.probe(bridge).await.map_err(Fault::from);
    let reached = reached.map(|(probe, report)| (probe, found(report)));
    let mut probe = report.end((part, Stage::Connect), began, reached)?;
    for stage in stages(settings) {
        let began = report.begin(part, stage);
        let probed = match stage {
            Stage::Stream => probe.inspect(&claim).await,
            _ => probe.publish().await,
        };
        report.end((part, stage), began, probed.map(|probed| ((), found(probed))).map_err(Fault::from));
    }
    Some(())
}

fn found(ProbeReport { message, warnings }: ProbeReport) -> Found {
    Found::well(message).warn(warnings)
}
