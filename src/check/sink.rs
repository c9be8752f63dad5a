//! A sink: reached, its stream looked at, a status message published.

use std::io::Write;

use super::{
    report::Report,
    step::{Fault, Found, Part, Stage},
};
use crate::{
    config::Config,
    event::JournalId,
    sink::{self, Looked, Probe, SinkError},
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
    journal: Option<JournalId>,
) -> Option<()> {
    let settings = config.sinks.get(name)?;
    let sources: Vec<String> = config.sources.keys().cloned().collect();
    let began = report.begin(part, Stage::Connect);
    let reached = Probe::connect(settings, &sources, &config.instance).await.map_err(Fault::from);
    let reached = reached.map(|(probe, looked)| (probe, found(looked)));
    let probe = report.end((part, Stage::Connect), began, reached)?;
    match probe {
        #[cfg(feature = "nats")]
        Probe::Nats(probe) => {
            if probe.has_stream() {
                let began = report.begin(part, Stage::Stream);
                let looked = probe.look(journal, settings.adopt).await;
                report.end((part, Stage::Stream), began, result(looked));
            }
            let began = report.begin(part, Stage::Publish);
            let published = probe.publish().await;
            report.end((part, Stage::Publish), began, result(published));
        }
        #[cfg(feature = "kafka")]
        Probe::Kafka(probe) => {
            let began = report.begin(part, Stage::Stream);
            let looked = probe.look(journal, settings.adopt).await;
            report.end((part, Stage::Stream), began, result(looked));
            let began = report.begin(part, Stage::Publish);
            let published = probe.publish().await;
            report.end((part, Stage::Publish), began, result(published));
        }
        Probe::Stdout => {
            let _ = journal;
        }
    }
    Some(())
}

fn found(Looked { message, warnings }: Looked) -> Found {
    Found::well(message).warn(warnings)
}

#[cfg_attr(not(any(feature = "nats", feature = "kafka")), allow(dead_code, reason = "stdout has one stage"))]
fn result(looked: Result<Looked, SinkError>) -> Result<((), Found), Fault> {
    looked.map(|looked| ((), found(looked))).map_err(Fault::from)
}
