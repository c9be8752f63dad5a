//! Client settings, and the callbacks of librdkafka.

use std::{fmt, sync::Arc};

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
    cause::Cause,
    config::{Config, Mechanism, Sasl},
    oauth::Tokens,
    reason::logged,
};

/// Returns the settings of one client: the shared ones, its `own`, and over them the operator's `properties`.
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
        // A connection that answers no request within this time is closed; its requests are sent again.
        .set("socket.timeout.ms", "20000")
        // librdkafka tries a name's addresses one by one: an address whose packets are dropped must not take the default of 30 s.
        .set("socket.connection.setup.timeout.ms", "10000")
        // The driver has its own backoff, and a recovered broker is to be used at once.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // So that a new topic is found soon.
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
            // A bundled OpenSSL does not know where the system stores its CA certificates.
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

/// librdkafka's default batch size, in bytes.
pub(super) const BATCH: usize = 1_000_000;

/// Returns the settings of the single-message producer: with one message per batch, a refusal concerns that message alone.
pub(super) fn single(config: &Config) -> ClientConfig {
    let mut settings = producing(config);
    settings.set("batch.num.messages", "1");
    settings
}

/// Returns the settings of the producer of all events, with batches of this many bytes. A refused batch ends it for good:
/// otherwise it would renumber the messages after the batch, and store them.
pub(super) fn pipelined(config: &Config, batch: usize) -> ClientConfig {
    let mut settings = producing(config);
    settings.set("batch.size", batch.to_string()).set("enable.gapless.guarantee", "true");
    settings
}

/// Returns the settings that the delivery guarantee needs.
fn producing(config: &Config) -> ClientConfig {
    let own = [
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "5".to_owned()),
        // A message that times out while later ones pass would be reordered: the driver closes the link instead.
        ("message.timeout.ms", "0".to_owned()),
        ("message.max.bytes", config.max_message.to_string()),
        ("compression.type", config.compression.word().to_owned()),
        ("linger.ms", "1".to_owned()),
        // The windows of the driver and the link keep the queue small.
        ("queue.buffering.max.messages", "100000".to_owned()),
        ("queue.buffering.max.kbytes", "1048576".to_owned()),
    ];
    settings(config, own)
}

/// A delivery report: the number of the message, and its offset. A negative offset is unknown.
pub(super) type Report = (usize, Result<i64, RDKafkaErrorCode>);

/// The callbacks of librdkafka. None of them blocks, except for a token.
#[derive(Clone)]
pub(super) struct Context {
    cause: Cause,
    /// `None` for a client that does not produce.
    reports: Option<UnboundedSender<Report>>,
    tokens: Option<Tokens>,
    /// Reads the cause from the log, for a client without an error callback.
    reads_log: bool,
    /// The span of the sink: librdkafka logs from its own threads.
    span: tracing::Span,
}

impl Context {
    pub(super) fn new(cause: &Cause, reports: Option<UnboundedSender<Report>>, config: &Config) -> Self {
        let tokens = match &config.sasl {
            Some(Sasl::Token(issuer)) => Some(Tokens::new(Arc::clone(issuer))),
            _ => None,
        };
        Self { cause: cause.clone(), reports, tokens, reads_log: false, span: tracing::Span::current() }
    }

    /// Returns the context of an admin client, which has no error callback and only logs its errors.
    pub(super) fn of_admin(cause: &Cause, config: &Config) -> Self {
        Self { reads_log: true, ..Self::new(cause, None, config) }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let tokens = self.tokens.as_ref().ok_or("this sink uses no tokens")?;
        let token = tokens.token();
        self.cause.token(token.as_ref().map(drop));
        Ok(token?)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // At debug level, as the operator sees the cause once, in the component's health.
        self.span.in_scope(|| tracing::debug!(severity = ?level, facility, message, "librdkafka"));
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

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        if let Some(reports) = &self.reports {
            // The link may be closed.
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
pub(super) mod tests {
    use super::*;
    use crate::app::config::load_with;
    use crate::config::{Assignment, Flags};

    pub(in crate::sink::kafka) fn config() -> Config {
        let source =
            ["url=http://127.0.0.1:1", "username=u", "password=p"].map(|set| format!("sources.a.{set}"));
        let sink = ["sinks.s.type=kafka", "journal.dir=unused"].map(str::to_owned);
        let set = source.into_iter().chain(sink).filter_map(|set| set.parse::<Assignment>().ok()).collect();
        let loaded = load_with(&Flags { set, ..Flags::default() }, []);
        let sink = loaded.ok().and_then(|mut loaded| loaded.config.sinks.remove("s"));
        sink.as_ref()
            .and_then(|sink| sink.of::<Config>())
            .cloned()
            .unwrap_or_else(|| unreachable!("{sink:?}"))
    }

    #[test]
    fn the_event_producer_ends_with_its_first_refusal() {
        let config = config();
        let (events, beside) = (pipelined(&config, 20_000), single(&config));
        let get = |settings: &ClientConfig, name: &str| settings.get(name).map(str::to_owned);
        let both = |name: &str| [get(&events, name), get(&beside, name)];
        assert_eq!(both("enable.gapless.guarantee"), [Some("true".to_owned()), None]);
        assert_eq!(both("batch.num.messages"), [None, Some("1".to_owned())]);
        assert_eq!(both("enable.idempotence"), [Some("true".to_owned()), Some("true".to_owned())]);
    }
}
