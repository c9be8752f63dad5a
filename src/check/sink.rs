//! A sink: reached, its stream looked at, a status message published.

use std::{io::Write, path::PathBuf};

use super::{
    report::Report,
    step::{Component, Found, Stage},
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

/// Runs the stages. Returns `None` if the connection failed, which all others need.
pub(super) async fn walk<W: Write>(
    report: &mut Report<W>,
    component: &Component,
    (name, config): (&str, &Config),
    journal: Option<(JournalId, PathBuf, bool)>,
) -> Option<()> {
    let settings = config.sinks.get(name)?;
    let sources: Vec<String> = config.sources.keys().cloned().collect();
    let claim =
        Claim { journal, sink: name.to_owned(), adopt: settings.adopt, heartbeat: settings.heartbeat };
    let bridge = Bridge { instance: &config.instance, sources: &sources };
    let connected = async {
        let (probe, connected) = settings.kind.probe(bridge).await?;
        Ok((probe, found(connected)))
    };
    let mut probe = report.step(component, Stage::Connect, connected).await?;
    for stage in stages(settings) {
        let probed = async {
            let probed = match stage {
                Stage::Stream => probe.inspect(&claim).await,
                _ => probe.publish().await,
            };
            Ok(((), found(probed?)))
        };
        report.step(component, stage, probed).await;
    }
    Some(())
}

fn found(ProbeReport { message, warnings }: ProbeReport) -> Found {
    Found::well(message).warn(warnings)
}
