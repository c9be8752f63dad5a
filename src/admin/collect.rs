//! The metrics, made of a [`Status`] at each scrape.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, text::encode},
    metrics::gauge::ConstGauge,
    registry::{Registry, Unit},
};

use super::status::{SinkStatus, SourceStatus, Status, View};
use crate::{
    event::word,
    health::{Health, State},
    sink::{BUCKETS, Counted},
    telemetry::{
        self,
        metrics::{PREFIX, TABLE, metric},
    },
};

/// Values of a metric, with their labels.
type Series = Vec<(Vec<(&'static str, String)>, Value)>;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Count(u64),
    Gauge(f64),
    Latency(Box<Counted>),
}

/// Everything at one moment, by the names of the table.
#[derive(Debug, Default)]
struct Scrape(BTreeMap<&'static str, Series>);

impl Scrape {
    fn add(&mut self, name: &'static str, labels: &[&str], value: Value) {
        debug_assert!(metric(name).is_some_and(|metric| metric.labels.len() == labels.len()), "{name}");
        let Some(metric) = metric(name) else { return };
        let labels =
            metric.labels.iter().copied().zip(labels.iter().map(|&label| label.to_owned())).collect();
        self.0.entry(metric.name).or_default().push((labels, value));
    }

    fn count(&mut self, name: &'static str, labels: &[&str], count: u64) {
        self.add(name, labels, Value::Count(count));
    }

    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float, and nothing here nears 2^53")]
    fn gauge(&mut self, name: &'static str, labels: &[&str], value: u64) {
        self.add(name, labels, Value::Gauge(value as f64));
    }

    fn time(&mut self, name: &'static str, labels: &[&str], at: Option<Timestamp>) {
        if let Some(at) = at {
            self.add(name, labels, Value::Gauge(at.as_duration().as_secs_f64()));
        }
    }

    fn of(
        status: &Status,
        parts: &BTreeMap<String, Health>,
        certificates: &BTreeMap<String, Timestamp>,
    ) -> Self {
        let mut scrape = Self::default();
        scrape.gauge("build_info", &[status.version, status.commit], 1);
        scrape.time("start_time_seconds", &[], Some(status.started));
        scrape.count("log_lines_dropped", &[], telemetry::dropped_lines());
        for (part, health) in parts {
            scrape.gauge("component_up", &[part], u64::from(health.state == State::Active));
            scrape.gauge("component_warnings", &[part], health.warnings.len() as u64);
        }
        status.sources.iter().for_each(|source| scrape.source(source));
        status.sinks.iter().for_each(|sink| scrape.sink(sink));
        for (part, ends) in certificates {
            scrape.time("client_certificate_expiry_time_seconds", &[part], Some(*ends));
        }
        let journal = &status.journal;
        scrape.gauge("journal_bytes", &[], journal.bytes);
        scrape.gauge("journal_max_bytes", &[], journal.max_bytes);
        scrape.gauge("journal_segments", &[], journal.segments as u64);
        scrape.gauge("journal_memory_bytes", &[], journal.memory_bytes as u64);
        scrape
    }

    fn source(&mut self, source: &SourceStatus) {
        let name = &*source.name;
        let is_live = source.sessions > source.session_ends.values().sum();
        self.gauge("session_live", &[name], u64::from(is_live));
        self.count("sessions", &[name], source.sessions);
        for (reason, count) in &source.session_ends {
            self.count("session_ends", &[name, &word(reason)], *count);
        }
        self.time("last_seen_time_seconds", &[name], source.last_seen);
        for counted in &source.by_name {
            for (origin, count) in [("live", counted.live), ("snapshot", counted.snapshot)] {
                if count > 0 {
                    self.count("events", &[name, &counted.slug, origin], count);
                }
            }
        }
        self.count("received_bytes", &[name], source.bytes);
        self.count("bad_frames", &[name], source.bad_frames);
        if let Some(account) = &source.account {
            self.count("logins", &[name, "succeeded"], account.logins_succeeded);
            self.count("logins", &[name, "refused"], account.logins_refused);
            self.count("logins", &[name, "unanswered"], account.logins_unanswered);
            self.time("token_expiry_time_seconds", &[name], account.token_expires);
            self.add("clock_skew_seconds", &[name], Value::Gauge(account.clock_ahead));
        }
    }

    fn sink(&mut self, sink: &SinkStatus) {
        let name = &*sink.name;
        for (source, settled) in sink.ledger.keys().zip(&sink.counted.settled) {
            for (outcome, count) in ["published", "filtered", "dead_lettered"].iter().zip(settled) {
                self.count("sink_events", &[name, source, outcome], *count);
            }
        }
        for (source, ledger) in &sink.ledger {
            for (reason, count) in &ledger.ledger.lost {
                self.count("sink_lost", &[name, source, &word(reason)], *count);
            }
        }
        self.gauge("sink_lag_events", &[name], sink.lag_events);
        self.add("sink_lag_seconds", &[name], Value::Gauge(sink.lag_seconds));
        self.add("sink_latency_seconds", &[name], Value::Latency(Box::new(sink.counted.clone())));
        self.count("sink_connections", &[name], sink.connections);
        self.count("sink_failures", &[name], sink.failures);
        self.count("sink_dead_letters_refused", &[name], sink.letters_refused);
        self.time("sink_heartbeat_time_seconds", &[name], sink.heartbeat);
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in TABLE {
            let Some(series) = self.0.get(metric.name) else { continue };
            let (unit, name) = metric.unit();
            let unit = unit.map(|unit| Unit::Other(unit.to_owned()));
            let mut family =
                encoder.encode_descriptor(name, metric.help, unit.as_ref(), metric.kind.into())?;
            for (labels, value) in series {
                let mut encoder = family.encode_family(labels)?;
                match value {
                    Value::Count(count) => {
                        encoder.encode_counter::<[(&str, &str); 0], _, u64>(count, None)?;
                    }
                    Value::Gauge(value) => ConstGauge::new(*value).encode(encoder)?,
                    Value::Latency(counted) => {
                        let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
                        let buckets: Vec<(f64, u64)> = bounds.zip(counted.latency).collect();
                        let count = counted.latency.iter().sum();
                        encoder.encode_histogram::<[(&str, &str); 0]>(
                            counted.time.as_secs_f64(),
                            count,
                            &buckets,
                            None,
                        )?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a scrape gets: `OpenMetrics` 1.0, as text.
pub(super) fn metrics(view: &View) -> String {
    let scrape = Scrape::of(&view.status(), &view.parts(), &view.certificates.get());
    let mut registry = Registry::with_prefix(PREFIX.trim_end_matches('_'));
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        // Writing to a String can't fail; a half text would be taken for a whole one.
        text.clear();
        let _ = writeln!(text, "# EOF");
    }
    text
}
