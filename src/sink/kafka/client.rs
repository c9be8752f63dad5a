//! The client's settings, and what librdkafka says of its connections.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
};
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    config::{Config, Mechanism, Sasl},
    oauth::Tokens,
};
use crate::{health::Trouble, sink::SinkError, text::PeerText};

/// The settings of one client: what all share, its `own`, and over them what the operator wants.
pub(super) fn settings<const N: usize>(config: &Config, own: [(&str, String); N]) -> ClientConfig {
    let mut settings = shared(config);
    for (name, value) in own {
        settings.set(name, value);
    }
    for (name, value) in &config.properties {
        settings.set(name, value);
    }
    settings
}

fn shared(config: &Config) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", config.brokers.join(","))
        .set("client.id", "cti-bridge")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        // A connection that answers no request for so long is given up; its requests go out again.
        .set("socket.timeout.ms", "20000")
        // librdkafka tries a name's addresses one by one: one that swallows packets must not take the 30 s of its default.
        .set("socket.connection.setup.timeout.ms", "10000")
        // The driver has a back-off of its own, and a broker that is back is wanted back.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // A topic that is created meanwhile is seen soon.
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set(
            "security.protocol",
            match (&config.tls, &config.sasl) {
                (None, None) => "plaintext",
                (Some(_), None) => "ssl",
                (None, Some(_)) => "sasl_plaintext",
                (Some(_), Some(_)) => "sasl_ssl",
            },
        );
    if let Some(trust) = &config.tls {
        match &trust.ca_file {
            Some(path) => settings.set("ssl.ca.location", path.display().to_string()),
            // Where the system keeps its authorities is not known to an OpenSSL that is built in.
            None => settings.set("ssl.ca.location", "probe"),
        };
        if let Some((certificate, key)) = &trust.identity {
            settings
                .set("ssl.certificate.location", certificate.display().to_string())
                .set("ssl.key.location", key.display().to_string());
        }
        if trust.insecure_skip_verify {
            settings.set("enable.ssl.certificate.verification", "false");
        }
    }
    match &config.sasl {
        None => {}
        Some(Sasl::Password { mechanism, username, password }) => {
            settings
                .set("sasl.mechanisms", mechanism.word())
                .set("sasl.username", username)
                .set("sasl.password", password.expose_secret());
        }
        Some(Sasl::Token(_)) => {
            settings.set("sasl.mechanisms", Mechanism::OAuthBearer.word());
        }
    }
    settings
}

/// The most that librdkafka puts into a batch by itself, in bytes.
pub(super) const BATCH: usize = 1_000_000;

/// A producer by itself: one message in each batch, so that a refusal is this message's, and others go on.
pub(super) fn single(config: &Config) -> ClientConfig {
    let mut settings = producing(config);
    settings.set("batch.num.messages", "1");
    settings
}

/// The producer of all events, with batches of this many bytes. A batch that is refused ends it for good: otherwise it
/// would number what comes behind again, and store it there.
pub(super) fn pipelined(config: &Config, batch: usize) -> ClientConfig {
    let mut settings = producing(config);
    settings.set("batch.size", batch.to_string()).set("enable.gapless.guarantee", "true");
    settings
}

/// What the guarantee rests on.
fn producing(config: &Config) -> ClientConfig {
    let own = [
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "5".to_owned()),
        // A message that timed out while later ones pass would reorder: the driver gives the whole link up instead.
        ("message.timeout.ms", "0".to_owned()),
        ("message.max.bytes", config.max_message.to_string()),
        ("compression.type", config.compression.word().to_owned()),
        ("linger.ms", "1".to_owned()),
        // The driver's window and the link's own keep it small.
        ("queue.buffering.max.messages", "100000".to_owned()),
        ("queue.buffering.max.kbytes", "1048576".to_owned()),
    ];
    settings(config, own)
}

/// The last thing that librdkafka said of its connections: a delivery report never tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause(Arc<Mutex<Option<Said>>>);

#[derive(Debug, Clone)]
struct Said {
    code: RDKafkaErrorCode,
    reason: PeerText,
    /// When the first was said of those since something was delivered.
    since: Instant,
}

/// A connection that is lost and found again is nothing to speak of.
const STANDS: Duration = Duration::from_secs(3);

impl Cause {
    fn set(&self, code: RDKafkaErrorCode, reason: &str) {
        // Whoever reads names a group, but joins none: leave for that is not needed. To have read all is no error.
        if matches!(code, RDKafkaErrorCode::GroupAuthorizationFailed | RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down follows from what was said before, and tells nothing.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            let since = last.as_ref().map_or_else(Instant::now, |said| said.since);
            *last = Some(Said { code, reason: PeerText::new(reason), since });
        }
    }

    /// Whether something was said a while ago, and nothing delivered since.
    pub(super) fn stands(&self) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|said| said.since.elapsed() >= STANDS)
    }

    /// Whether the connections were refused or closed. One that only timed out may hold what a broker still reads.
    pub(super) fn is_disconnected(&self) -> bool {
        use RDKafkaErrorCode as C;
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_slow = |code| matches!(code, C::OperationTimedOut | C::RequestTimedOut | C::MessageTimedOut);
        last.as_ref().is_some_and(|said| !is_slow(said.code))
    }

    /// What was said is mended.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// With the remedy; `what` failed at `brokers`.
    pub(super) fn error(&self, what: &str, config: &Config) -> SinkError {
        let no_answer = || {
            let brokers = config.brokers.join(", ");
            SinkError::again(Trouble::Silent, format!("{what} at {brokers}: no answer; is the cluster up?"))
        };
        self.known(what, config).unwrap_or_else(no_answer)
    }

    /// The same, if anything was said of the connections.
    pub(super) fn known(&self, what: &str, config: &Config) -> Option<SinkError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Said { code, reason, .. } = last?;
        let reason = short(reason.as_str());
        let Remedy { sentence, is_operators, trouble } = remedy(code, reason, config);
        let text = format!("{what} at {}: {reason}; {sentence}", config.brokers.join(", "));
        Some(if is_operators { SinkError::operator(trouble, text) } else { SinkError::again(trouble, text) })
    }
}

/// What repairs it.
struct Remedy {
    sentence: Cow<'static, str>,
    /// Whether somebody must do it.
    is_operators: bool,
    trouble: Trouble,
}

impl Remedy {
    fn again(trouble: Trouble, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { sentence: sentence.into(), is_operators: false, trouble }
    }

    fn operator(trouble: Trouble, sentence: &'static str) -> Self {
        Self { sentence: sentence.into(), is_operators: true, trouble }
    }
}

fn remedy(code: RDKafkaErrorCode, reason: &str, config: &Config) -> Remedy {
    use RDKafkaErrorCode as C;
    use Trouble::{Credentials, Tls, Unreachable};
    let has = |text: &str| reason.to_ascii_lowercase().contains(text);
    let tls = config.tls.is_some();
    match code {
        C::Authentication if has("can't be reached") => {
            Remedy::again(Unreachable, "check `token_url` and the network")
        }
        C::Authentication if has("oauthbearer token") => {
            Remedy::operator(Credentials, "check `token_url`, `username`, `password` and `scope`")
        }
        C::Authentication | C::SaslAuthenticationFailed if has("invalid_token") => Remedy::operator(
            Credentials,
            "the cluster does not take tokens of `token_url`: check `scope`, and what the cluster expects",
        ),
        C::Authentication | C::SaslAuthenticationFailed => {
            Remedy::operator(Credentials, "check `username`, `password` and `sasl_mechanism`")
        }
        _ if has("certificate verify failed") || has("self-signed") || has("self signed") => {
            Remedy::operator(Tls, "set `ca_file` if its certificate is from a CA of your own")
        }
        _ if has("alert bad certificate") || has("certificate required") => {
            Remedy::operator(Tls, "the broker wants a certificate of ours: set `cert_file` and `key_file`")
        }
        C::SSL => Remedy::operator(Tls, "check `tls`, `ca_file`, `cert_file` and `key_file`"),
        C::Resolve => match advertised(reason, config) {
            Some(broker) => Remedy::again(
                Unreachable,
                format!(
                    "the cluster names its broker {broker}, which does not resolve here: fix `advertised.listeners` of that \
                     broker, or the DNS of this machine"
                ),
            ),
            None => Remedy::again(Unreachable, "its name does not resolve: check `brokers`"),
        },
        _ if tls && has("ssl connection closed") => {
            Remedy::operator(Tls, "does that port speak TLS? check `tls` and `brokers`")
        }
        C::AllBrokersDown if !tls => Remedy::again(
            Unreachable,
            "is the cluster up? a port that speaks TLS looks the same: then set `tls = true`",
        ),
        _ => match advertised(reason, config) {
            Some(broker) => Remedy::again(
                Unreachable,
                format!(
                    "the cluster names its broker {broker}: is it up, and is that address (`advertised.listeners`) reachable \
                     from here?"
                ),
            ),
            None => Remedy::again(Unreachable, "check `brokers`, the network and whether the cluster is up"),
        },
    }
}

/// The broker that a reason begins with, if it is known from the cluster alone: `host:port/id: …`.
fn advertised<'a>(reason: &'a str, config: &Config) -> Option<&'a str> {
    let (broker, rest) =
        reason.split_once('/').filter(|(scheme, _)| !scheme.ends_with(':')).or_else(|| {
            let (_, rest) = reason.split_once("://")?;
            rest.split_once('/')
        })?;
    let (id, _) = rest.split_once(':')?;
    let is_named = id.parse::<u32>().is_ok() && broker.contains(':');
    (is_named && !config.brokers.iter().any(|known| known == broker)).then_some(broker)
}

/// Without what librdkafka puts before and behind it: the client's name, and for how long.
fn short(reason: &str) -> &str {
    let reason = reason.find("]: ").map_or(reason, |at| &reason[at + 3..]);
    reason.find(" (after ").map_or(reason, |at| &reason[..at]).trim()
}

/// A delivery report: the number that was handed in, and the offset, negative where the broker did not tell it.
pub(super) type Report = (usize, Result<i64, RDKafkaErrorCode>);

/// What librdkafka calls back. Nothing here waits.
#[derive(Clone)]
pub(super) struct Context {
    cause: Cause,
    /// None for a client that does not produce.
    reports: Option<UnboundedSender<Report>>,
    tokens: Option<Tokens>,
    /// Learns the cause from the log: of a client that hands nobody its errors.
    reads_log: bool,
}

impl Context {
    pub(super) fn new(cause: &Cause, reports: Option<UnboundedSender<Report>>, config: &Config) -> Self {
        let tokens = match &config.sasl {
            Some(Sasl::Token(issuer)) => Some(Tokens::new(Arc::clone(issuer))),
            _ => None,
        };
        Self { cause: cause.clone(), reports, tokens, reads_log: false }
    }

    /// The context of an administrator's client: it hands nobody its errors, but writes them to its log.
    pub(super) fn of_admin(cause: &Cause, config: &Config) -> Self {
        Self { reads_log: true, ..Self::new(cause, None, config) }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let tokens = self.tokens.as_ref().ok_or("no token is due")?;
        Ok(tokens.token()?)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What is wrong reaches the operator as a cause, once.
        tracing::debug!(severity = ?level, facility, message, "librdkafka");
        if self.reads_log && facility == "FAIL" {
            self.cause.set(logged(message), message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.cause.set(code, reason);
            if code == RDKafkaErrorCode::Fatal
                && let Some(reports) = &self.reports
            {
                let _ = reports.send((0, Err(code)));
            }
        }
    }
}

/// The code of a failure that is only known by its log line.
fn logged(message: &str) -> RDKafkaErrorCode {
    let has = |text: &str| message.contains(text);
    if has("Failed to resolve") {
        RDKafkaErrorCode::Resolve
    } else if has("SSL handshake failed") {
        RDKafkaErrorCode::SSL
    } else if has("SASL authentication") {
        RDKafkaErrorCode::Authentication
    } else {
        RDKafkaErrorCode::BrokerTransportFailure
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        if let Some(reports) = &self.reports {
            // A link that is gone wants none.
            let _ = reports.send((number, outcome));
        }
    }
}

impl rdkafka::consumer::ConsumerContext for Context {}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("cause", &self.cause).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Assignment, Flags, load_with},
        sink::config::Kind,
    };

    fn config() -> Config {
        let source =
            ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
        let sink = ["sinks.s.type=kafka", "journal.dir=unused"].map(str::to_owned);
        let set = source.into_iter().chain(sink).filter_map(|set| set.parse::<Assignment>().ok()).collect();
        let loaded = load_with(&Flags { set, ..Flags::default() }, []);
        match loaded.ok().and_then(|mut loaded| loaded.config.sinks.remove("s")).map(|sink| sink.kind) {
            Some(Kind::Kafka(config)) => *config,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_producer_of_events_ends_with_the_first_refusal_and_the_one_beside_sends_single_messages() {
        let config = config();
        let (events, beside) = (pipelined(&config, 20_000), single(&config));
        let get = |settings: &ClientConfig, name: &str| settings.get(name).map(str::to_owned);
        let both = |name: &str| [get(&events, name), get(&beside, name)];
        assert_eq!(both("enable.gapless.guarantee"), [Some("true".to_owned()), None]);
        assert_eq!(both("batch.num.messages"), [None, Some("1".to_owned())]);
        assert_eq!(both("enable.idempotence"), [Some("true".to_owned()), Some("true".to_owned())]);
    }

    #[test]
    fn what_says_nothing_of_the_connections_is_no_cause() {
        let cause = Cause::default();
        cause.set(RDKafkaErrorCode::PartitionEOF, "Fetch from broker 1 reached end of partition");
        cause.set(RDKafkaErrorCode::GroupAuthorizationFailed, "not allowed");
        assert!(cause.0.lock().unwrap_or_else(PoisonError::into_inner).is_none());
        cause.set(RDKafkaErrorCode::BrokerTransportFailure, "Connection refused");
        assert!(cause.0.lock().unwrap_or_else(PoisonError::into_inner).is_some());
    }

    #[test]
    fn a_broker_that_only_the_cluster_names_is_named_with_its_remedy() {
        let mut config = config();
        let said = |config: &Config, code, reason: &str| {
            let cause = Cause::default();
            cause.set(code, reason);
            let error = cause.error("t takes nothing", config);
            (error.to_string(), error.cause().clone())
        };
        let reason = "[thrd:k0.invalid:9092/1]: k0.invalid:9092/1: Failed to resolve 'k0.invalid:9092': Name or service not known (after 3ms in state CONNECT)";
        let (text, first) = said(&config, logged(reason), reason);
        assert!(
            text.contains("names its broker k0.invalid:9092, which") && text.contains("advertised.listeners"),
            "{text}"
        );
        let refused = "sasl_ssl://k0.invalid:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms)";
        let (text, second) = said(&config, RDKafkaErrorCode::BrokerTransportFailure, refused);
        assert!(text.contains("names its broker k0.invalid:9092:"), "{text}");
        assert_eq!(first, second, "the same outage, in other words");
        config.brokers = vec!["k0.invalid:9092".to_owned()];
        for reason in [reason, refused, "127.0.0.1:9092/bootstrap: Connection refused"] {
            let (text, _) = said(&config, logged(reason), reason);
            assert!(text.contains("check `brokers`"), "{text}");
        }
    }
}
