//! A sink: reached, its stream looked at, a status message published.

use std::{io::Write, path::PathBuf};

use super::{
    report::Report,
    step::{Fault, Found, Part, Stage},
};
use crate::{
    config::Config,
    event::JournalId,
    sink::{self, Claim, Looked, Probe},
};

/// The stages of a sink.
pub(super) fn stages(config: &sink::config::Config) -> &'static [Stage] {
    match &config.kind {
        #[cfg(feature = "nats")]
        sink::config::Kind::Nats(nats) if nats.mode == sink::nats::config::Mode::JetStream => {
            &[Stage::Connect, Stage::Stream, Stage::Publish]
        }
        #[cfg(feature = "nats")]
        sink::config::Kind::Nats(_) => &[Stage::Connect, Stage::Publish],
        #[cfg(feature = "kafka")]
        sink::config::Kind::Kafka(_) => &[Stage::Connect, Stage::Stream, Stage::Publish],
        sink::config::Kind::Stdout(_) => &[Stage::Connect],
    }
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
    let reached = Probe::connect(settings, &sources, &config.instance).await.map_err(Fault::from);
    let reached = reached.map(|(probe, looked)| (probe, found(looked)));
    let mut probe = report.end((part, Stage::Connect), began, reached)?;
    for stage in stages(settings).iter().copied().filter(|stage| *stage != Stage::Connect) {
        let began = report.begin(part, stage);
        let looked = match stage {
            Stage::Stream => probe.look(&claim).await,
            _ => probe.publish().await,
        };
        report.end((part, stage), began, looked.map(|looked| ((), found(looked))).map_err(Fault::from));
    }
    Some(())
}

fn found(Looked { message, warnings }: Looked) -> Found {
    Found::well(message).warn(warnings)
}
