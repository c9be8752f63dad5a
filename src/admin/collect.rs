//! Builds the metrics from a [`Status`] at each scrape.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use calls::{Direction, Outcome};
use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeMetric as _,
        text::{encode_eof, encode_registry},
    },
    metrics::gauge::ConstGauge,
    registry::{Registry, Unit},
};

use super::status::{SinkStatus, SourceStatus, Status, View};
use crate::{
    derive::{self, CallCounts},
    event::{EndReason, GapReason, LossReason, word},
    health::{Health, State},
    sink::BUCKETS,
    telemetry::{
        self,
        metrics::{Kind, PREFIX, PROCESS, TABLE, metric},
        process,
    },
    tls,
};

/// The values of a metric, with their labels.
type Series = Vec<(Vec<(&'static str, String)>, Value)>;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Count(u64),
    Total(f64),
    Gauge(f64),
    /// Upper bounds, counts that are not cumulative (one more, for what is longer), and the sum of what was observed.
    Histogram(&'static [f64], Vec<u64>, f64),
}

/// The values of all metrics with one prefix at one moment, by their names in the table.
#[derive(Debug)]
struct Scrape {
    prefix: &'static str,
    series: BTreeMap<&'static str, Series>,
}

impl Scrape {
    fn new(prefix: &'static str) -> Self {
        Self { prefix, series: BTreeMap::new() }
    }

    fn of_process(started: Timestamp) -> Self {
        let mut scrape = Self::new(PROCESS);
        scrape.time("start_time_seconds", &[], Some(started));
        let Some(usage) = process::usage() else { return scrape };
        scrape.add("cpu_seconds", &[], Value::Total(usage.cpu));
        scrape.gauge("open_fds", &[], usage.open_files);
        if let Some(most) = usage.max_files {
            scrape.gauge("max_fds", &[], most);
        }
        scrape.gauge("resident_memory_bytes", &[], usage.resident);
        scrape.gauge("virtual_memory_bytes", &[], usage.virtual_size);
        scrape.gauge("threads", &[], usage.threads);
        scrape
    }

    fn add(&mut self, name: &'static str, labels: &[&str], value: Value) {
        let known = metric(self.prefix, name);
        debug_assert!(known.is_some_and(|metric| metric.labels.len() == labels.len()), "{name}");
        let Some(metric) = known else { return };
        let labels =
            metric.labels.iter().copied().zip(labels.iter().map(|&label| label.to_owned())).collect();
        self.series.entry(metric.name).or_default().push((labels, value));
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
        let mut scrape = Self::new(PREFIX);
        scrape.gauge("build_info", &[status.version, status.commit], 1);
        scrape.time("start_time_seconds", &[], Some(status.started));
        scrape.count("log_lines_dropped", &[], telemetry::dropped_lines());
        if let Some(reload) = &status.reload {
            scrape.gauge("config_last_reload_successful", &[], u64::from(reload.successful));
            scrape.time("config_last_reload_success_timestamp_seconds", &[], Some(reload.last_success));
        }
        for (part, health) in parts {
            scrape.gauge("component_up", &[part], u64::from(health.state == State::Active));
            scrape.gauge("component_warnings", &[part], health.warnings.len() as u64);
        }
        status.sources.iter().for_each(|source| scrape.source(source));
        status.sinks.iter().for_each(|sink| scrape.sink(sink));
        for (part, ends) in certificates {
            scrape.time("client_certificate_expiry_time_seconds", &[part], Some(*ends));
        }
        for (server, ends) in tls::server_ends() {
            scrape.time("server_certificate_expiry_time_seconds", &[&server], Some(ends));
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
        // An increase is visible only after a first sample: so each series exists before it counts anything.
        for reason in EndReason::ALL {
            let count = source.session_ends.get(&reason).copied().unwrap_or_default();
            self.count("session_ends", &[name, &word(&reason)], count);
        }
        for reason in GapReason::ALL {
            let gaps = source.gaps.get(&reason).copied().unwrap_or_default();
            self.count("gaps", &[name, &word(&reason)], gaps.count);
            self.add("gap_seconds", &[name, &word(&reason)], Value::Total(gaps.seconds));
        }
        self.time("last_seen_time_seconds", &[name], source.last_seen);
        for counted in &source.by_name {
            for (origin, count) in [("live", counted.live), ("snapshot", counted.snapshot)] {
                if count > 0 {
                    self.count("events", &[name, &counted.slug, origin], count);
                }
            }
        }
        for ((event, kind), count) in &source.drift_counts {
            self.count("schema_drift", &[name, event, &word(kind)], *count);
        }
        if let Some(calls) = &source.calls {
            self.calls(name, &calls.counts);
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

    fn calls(&mut self, source: &str, counts: &CallCounts) {
        self.gauge("calls", &[source], counts.going_on);
        self.count("calls_started", &[source], counts.started);
        for outcome in Outcome::ALL {
            for direction in Direction::ALL {
                let count = counts.ended.get(&(outcome, direction)).copied().unwrap_or_default();
                self.count("calls_ended", &[source, &word(&outcome), &word(&direction)], count);
            }
        }
        let answers = Value::Histogram(&derive::BUCKETS, counts.answers.to_vec(), counts.waited);
        self.add("call_answer_seconds", &[source], answers);
        self.count("call_events", &[source], counts.events);
        self.count("call_events_uncertain", &[source], counts.uncertain);
    }

    fn sink(&mut self, sink: &SinkStatus) {
        let name = &*sink.name;
        for (source, ledger) in &sink.ledger {
            for (outcome, count) in ["published", "filtered", "dead_lettered"].iter().zip(ledger.settled) {
                self.count("sink_events", &[name, source, outcome], count);
            }
            for reason in LossReason::ALL {
                let count = ledger.ledger.lost.get(&reason).copied().unwrap_or_default();
                self.count("sink_lost", &[name, source, &word(&reason)], count);
            }
        }
        for (route, count) in &sink.filtered {
            self.count("sink_filtered", &[name, route], *count);
        }
        self.gauge("sink_lag_events", &[name], sink.lag_events);
        self.add("sink_lag_seconds", &[name], Value::Gauge(sink.lag_seconds));
        let counted = &sink.counted;
        let latency = Value::Histogram(&BUCKETS, counted.latency.to_vec(), counted.time.as_secs_f64());
        self.add("sink_latency_seconds", &[name], latency);
        self.count("sink_connections", &[name], sink.connections);
        self.count("sink_failures", &[name], sink.failures);
        self.count("sink_dead_letters_refused", &[name], sink.letters_refused);
        self.time("sink_heartbeat_time_seconds", &[name], sink.heartbeat);
        self.gauge("sink_generation", &[name], sink.generation);
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in TABLE.iter().filter(|metric| metric.prefix == self.prefix) {
            let Some(series) = self.series.get(metric.name) else { continue };
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
                    Value::Total(total) => {
                        encoder.encode_counter::<[(&str, &str); 0], _, u64>(total, None)?;
                    }
                    Value::Gauge(value) => ConstGauge::new(*value).encode(encoder)?,
                    Value::Histogram(bounds, counts, sum) => {
                        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
                        let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
                        let count = counts.iter().sum();
                        encoder.encode_histogram::<[(&str, &str); 0]>(*sum, count, &buckets, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The exposition formats of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The text format 0.0.4.
    Text,
}

impl Form {
    /// The format that a header `Accept` prefers; by default the text format, as most tools know only that.
    pub(super) fn preferred(accept: &str) -> Self {
        let weight = |names: &[&str]| {
            let of = |range: &str| {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next()?.to_ascii_lowercase();
                let weight = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse().ok());
                names.contains(&&*name).then(|| weight.unwrap_or(1.0_f32))
            };
            accept.split(',').filter_map(of).fold(0.0, f32::max)
        };
        let open = weight(&["application/openmetrics-text"]);
        if open > 0.0 && open >= weight(&["text/plain", "text/*"]) { Self::OpenMetrics } else { Self::Text }
    }

    /// The media type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The response to a scrape.
pub(super) fn metrics(view: &View, form: Form) -> String {
    let status = view.status();
    let ours = Scrape::of(&status, &view.parts(), &view.certificates.get());
    let mut text = String::new();
    let encoded = [ours, Scrape::of_process(status.started)].into_iter().try_for_each(|scrape| {
        let mut registry = Registry::with_prefix(scrape.prefix.trim_end_matches('_'));
        registry.register_collector(Box::new(scrape));
        encode_registry(&mut text, &registry)
    });
    if encoded.and_then(|()| encode_eof(&mut text)).is_err() {
        // Writing to a String can't fail; a partial text would be mistaken for a complete one.
        text.clear();
        let _ = writeln!(text, "# EOF");
    }
    match form {
        Form::OpenMetrics => text,
        Form::Text => as_text(&text),
    }
}

/// Converts `OpenMetrics` to the text format, which has no units and no EOF, and names a counter's family like its samples.
fn as_text(metrics: &str) -> String {
    let is_counter = |family: &str| {
        TABLE.iter().any(|metric| {
            metric.kind == Kind::Counter && metric.full_name().strip_suffix("_total") == Some(family)
        })
    };
    let mut text = String::with_capacity(metrics.len());
    for line in metrics.lines() {
        let word = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match word {
            None if line == "# EOF" => {}
            Some(("UNIT", _)) => {}
            Some((word @ ("HELP" | "TYPE"), rest)) => {
                let (family, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let total = if is_counter(family) { "_total" } else { "" };
                let _ = writeln!(text, "# {word} {family}{total} {rest}");
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requested_format_is_used() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, form) in [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("text/plain", Form::Text),
            ("text/plain;version=0.0.4;q=0.9, application/openmetrics-text; q=0.5", Form::Text),
            ("application/openmetrics-text;q=0", Form::Text),
            ("application/openmetrics-text", Form::OpenMetrics),
            (prometheus, Form::OpenMetrics),
        ] {
            assert_eq!(Form::preferred(accept), form, "{accept}");
        }
    }
}
