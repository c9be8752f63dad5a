//! The table of all metrics. The reference and the endpoint are generated from it; dashboard and alerts are checked against it.

use prometheus_client::metrics::MetricType;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only increases, until the process ends; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// The prefix of its name: [`PREFIX`] or [`PROCESS`].
    pub prefix: &'static str,
    /// The name without prefix and `_total`, but with the unit, which `OpenMetrics` requires at the end.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The labels of its series.
    pub labels: &'static [&'static str],
    /// The help text, a sentence without its full stop.
    pub help: &'static str,
}

/// The prefix of our own metrics.
pub const PREFIX: &str = "cti_bridge_";
/// The prefix of the standard process metrics.
pub const PROCESS: &str = "process_";

/// Units that names end in (`OpenMetrics` 1.0).
pub const UNITS: [&str; 2] = ["seconds", "bytes"];

impl Metric {
    /// The name as scraped; for a histogram, without `_bucket`, `_sum` and `_count`.
    pub fn full_name(&self) -> String {
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{}{total}", self.prefix, self.name)
    }

    /// The unit at the end of its name, and the name without it.
    pub fn unit(&self) -> (Option<&'static str>, &'static str) {
        let ending =
            |unit: &&'static str| Some((Some(*unit), self.name.strip_suffix(*unit)?.strip_suffix('_')?));
        UNITS.iter().find_map(ending).unwrap_or((None, self.name))
    }
}

/// The metric of this name, without its prefix.
pub fn metric(prefix: &str, name: &str) -> Option<&'static Metric> {
    TABLE.iter().find(|metric| metric.prefix == prefix && metric.name == name)
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { prefix: PREFIX, name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { prefix: PREFIX, name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { prefix: PREFIX, name, kind: Kind::Histogram, labels, help }
}

const fn process(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric { prefix: PROCESS, name, kind, labels: &[], help }
}

/// All metrics, in the order of the output.
pub const TABLE: &[Metric] = &[
    gauge(
        "build_info",
        &["version", "commit"],
        "Always 1; the labels are version and commit of the running program",
    ),
    gauge("start_time_seconds", &[], "Start time of the process, in Unix time"),
    counter(
        "log_lines_dropped",
        &[],
        "Log lines dropped because standard error or journald did not accept them in time",
    ),
    gauge(
        "config_last_reload_successful",
        &[],
        "1 if the last reload of the configuration found it valid, otherwise 0: the bridge continues with the one it has",
    ),
    gauge(
        "config_last_reload_success_timestamp_seconds",
        &[],
        "Time of the last reload with a valid configuration, or of the start, in Unix time",
    ),
    gauge(
        "component_up",
        &["component"],
        "1 if the component works, otherwise 0: `source/…`, `sink/…`, `journal`",
    ),
    gauge(
        "component_warnings",
        &["component"],
        "Non-fatal warnings that need attention; `/status` has the sentences",
    ),
    gauge("session_live", &["source"], "1 if a session with the PBX is live, otherwise 0"),
    counter("sessions", &["source"], "Sessions that became live"),
    counter("session_ends", &["source", "reason"], "Sessions that ended, by the reason in `disconnected`"),
    counter("gaps", &["source", "reason"], "Gaps, by the reason in `gap`"),
    counter(
        "gap_seconds",
        &["source", "reason"],
        "Duration of gaps: from the last moment that was certainly seen to the end of the gap; the first start counts nothing",
    ),
    gauge(
        "last_seen_time_seconds",
        &["source"],
        "Time of the last event or answered ping, when the session was certainly intact, in Unix time",
    ),
    counter(
        "events",
        &["source", "event", "origin"],
        "Events of the PBX, by slug; names beyond the known ones and 32 others count as `=other`",
    ),
    counter(
        "schema_drift",
        &["source", "event", "kind"],
        "Differences from the event catalogue in sampled events, by the event's name in the catalogue (or `unknown`) and the kind in `drift`",
    ),
    gauge("calls", &["source"], "Calls that go on; only where calls are derived, as are the next five"),
    counter("calls_started", &["source"], "Calls that began"),
    counter(
        "calls_ended",
        &["source", "outcome", "direction"],
        "Calls that ended, by the outcome in `ended` and their direction",
    ),
    histogram("call_answer_seconds", &["source"], "Time from the start of a call to its answer"),
    counter("call_events", &["source"], "Events of calls"),
    counter("call_events_uncertain", &["source"], "Events of calls with `certain: false`"),
    counter("received_bytes", &["source"], "Size of the events of the PBX"),
    counter("bad_frames", &["source"], "Malformed frames that were discarded"),
    counter("logins", &["source", "result"], "Logins by result: `succeeded`, `refused` or `unanswered`"),
    gauge("token_expiry_time_seconds", &["source"], "Expiry of the account's token, in Unix time"),
    gauge(
        "clock_skew_seconds",
        &["source"],
        "How far the PBX's clock is ahead of this machine's, as of the last login",
    ),
    gauge(
        "client_certificate_expiry_time_seconds",
        &["component"],
        "Expiry of a client certificate of the bridge, in Unix time",
    ),
    gauge(
        "server_certificate_expiry_time_seconds",
        &["server"],
        "Expiry of the certificate of a PBX, NATS server or token endpoint, or of its authority, in Unix time; as of the last TLS handshake",
    ),
    counter(
        "sink_events",
        &["sink", "source", "outcome"],
        "Records that a sink has settled: `published`, `filtered` or `dead_lettered`",
    ),
    counter("sink_filtered", &["sink", "route"], "Records that a route has filtered"),
    counter(
        "sink_lost",
        &["sink", "source", "reason"],
        "Records that a sink will never get, since the journal was created; each is announced as `lost`",
    ),
    gauge("sink_lag_events", &["sink"], "Records that a sink has not settled yet"),
    gauge(
        "sink_lag_seconds",
        &["sink"],
        "Age of the oldest record that a sink has not settled; an estimate while that record is only on disk",
    ),
    histogram(
        "sink_latency_seconds",
        &["sink"],
        "Time from the PBX's socket to the broker's acknowledgement, per event",
    ),
    counter("sink_connections", &["sink"], "Connections opened to the broker"),
    counter("sink_failures", &["sink"], "Failed connection attempts, and connections that failed"),
    counter("sink_dead_letters_refused", &["sink"], "Dead letters that the broker refused as well"),
    gauge(
        "sink_heartbeat_time_seconds",
        &["sink"],
        "Time at which the last heartbeat was sent to the broker, in Unix time",
    ),
    gauge(
        "sink_generation",
        &["sink"],
        "Number of a sink's rules in force: 1 at the start, one more for each reload that changes them",
    ),
    gauge("journal_bytes", &[], "Size of the journal on disk; in memory if it has no directory"),
    gauge("journal_max_bytes", &[], "Maximum size of the journal"),
    gauge("journal_segments", &[], "Segments of the journal"),
    gauge("journal_memory_bytes", &[], "Size of the newest records, which are also in memory"),
    process("cpu_seconds", Kind::Counter, "User and system CPU time"),
    process("open_fds", Kind::Gauge, "Open file descriptors"),
    process("max_fds", Kind::Gauge, "Limit of open file descriptors"),
    process("resident_memory_bytes", Kind::Gauge, "Resident memory"),
    process("virtual_memory_bytes", Kind::Gauge, "Virtual memory"),
    process("start_time_seconds", Kind::Gauge, "Start time of the process, in Unix time"),
    process("threads", Kind::Gauge, "Threads of the operating system"),
];

/// Returns the table of the reference, in Markdown.
pub fn markdown() -> String {
    let row = |metric: &Metric| {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {} | {} |\n", metric.full_name(), labels.join(" "), metric.help)
    };
    let rows: String = TABLE.iter().map(row).collect();
    format!("| metric | kind | labels | what |\n|---|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_prometheus_conventions() {
        for metric in TABLE {
            let name = metric.full_name();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(!metric.help.ends_with('.'), "{name}");
            assert_eq!(
                TABLE.iter().filter(|other| other.full_name() == name).count(),
                1,
                "{name} is listed twice"
            );
        }
        let latency = metric(PREFIX, "sink_latency_seconds").map(Metric::unit);
        assert_eq!(latency, Some((Some("seconds"), "sink_latency")));
        assert_eq!(metric(PREFIX, "sink_lag_events").map(Metric::unit), Some((None, "sink_lag_events")));
    }
}
