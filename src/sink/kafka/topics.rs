//! The topics: there, or created.

use std::time::{Duration, Instant};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::Client,
    error::RDKafkaErrorCode,
};

use tokio::runtime::Handle;

use super::{
    cause::Cause,
    client::{Context, settings},
    config::{Config, Create, PartitionBy, Sasl},
};
use crate::{health::Trouble, sink::SinkError};

/// For one question; the driver gives up at ten seconds.
pub(super) const ASK: Duration = Duration::from_secs(3);
/// For a topic that was created to be known everywhere.
const SETTLE: Duration = Duration::from_secs(4);
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// How many partitions the topic of events has, or that of replays. Creates what is missing if it may.
pub(super) fn prepare(
    client: &Client<Context>,
    admin: &Admin,
    cause: &Cause,
    (config, replays): (&Config, bool),
) -> Result<i32, SinkError> {
    let topics = &config.topics;
    let live = [&topics.events, &topics.status, &topics.dead_letters];
    let beside = [&topics.replay];
    let all = if replays { &beside[..] } else { &live[..] };
    let first = all[0];
    let mut missing = Vec::new();
    for topic in all {
        if partitions(client, cause, config, topic)?.is_none() {
            missing.push(topic.as_str());
        }
    }
    if !missing.is_empty() {
        let (Some(create), Admin(Some(admin))) = (config.create, admin) else {
            return Err(self::missing(&missing, config));
        };
        make(admin, cause, &missing, create, config)?;
    }
    let deadline = Instant::now() + SETTLE;
    loop {
        match partitions(client, cause, config, first)? {
            Some(Partitions { count, led: true }) => return Ok(count),
            _ if Instant::now() < deadline => {}
            Some(_) => {
                return Err(cause.error(&format!("{first} has partitions without a leader"), config));
            }
            None => {
                return Err(SinkError::again(
                    Trouble::Setup,
                    format!("the new topic {first} is not there yet"),
                ));
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// There are no such topics, and none may be made.
pub(super) fn missing(topics: &[&str], config: &Config) -> SinkError {
    let (brokers, topics) = (config.brokers.join(", "), topics.join(", "));
    SinkError::operator(
        Trouble::Setup,
        match config.sasl {
            Some(Sasl::Token(_)) => {
                format!("{brokers} lacks topics: create {topics}; with OAUTHBEARER the sink can't")
            }
            _ => format!("{brokers} lacks topics: create {topics}, or set `create_topics = true`"),
        },
    )
}

/// What is unwise about the topic of events.
pub(super) fn findings(
    admin: &Admin,
    cause: &Cause,
    config: &Config,
    partitions: i32,
) -> Result<Vec<String>, SinkError> {
    let topic = &config.topics.events;
    let mut findings = Vec::new();
    if config.partition_by == PartitionBy::Entity && partitions == 1 {
        findings.push(format!(
            "`partition_by = \"entity\"` spreads nothing, as {topic} has one partition: add partitions; entities may move to them at the next start"
        ));
    }
    if admin.0.is_none() {
        let text = format!(
            "with OAUTHBEARER the settings of {topic} can't be read: see that its `max.message.bytes` is no less than \
             `max_message` ({}) nor than 1 MiB, and its `cleanup.policy` is delete",
            config.max_message
        );
        findings.push(text);
        return Ok(findings);
    }
    match largest(admin, cause, config)? {
        None => findings.push(format!(
            "the account may not read the settings of {topic}, so nobody knows how large a batch it takes: allow it DESCRIBE_CONFIGS"
        )),
        Some(largest) if largest < config.max_message => findings.push(format!(
            "{topic} accepts messages of {largest} bytes, and `max_message` is {}: larger events become dead letters; raise \
             `max.message.bytes` of the topic, or lower `max_message`",
            config.max_message
        )),
        Some(_) => {}
    }
    if setting(admin, cause, config, "cleanup.policy")?.is_some_and(|policy| policy.contains("compact")) {
        findings.push(format!(
            "{topic} is compacted, which drops all but the newest event of each key: set `cleanup.policy=delete`"
        ));
    }
    Ok(findings)
}

/// The largest batch that the topic of events takes, in bytes; none if we may not know.
pub(super) fn largest(admin: &Admin, cause: &Cause, config: &Config) -> Result<Option<usize>, SinkError> {
    Ok(setting(admin, cause, config, "max.message.bytes")?.and_then(|text| text.parse().ok()))
}

/// A setting of the topic of events. An account that may not read it is told nothing.
fn setting(admin: &Admin, cause: &Cause, config: &Config, name: &str) -> Result<Option<String>, SinkError> {
    let topic = &config.topics.events;
    let Admin(Some(admin)) = admin else { return Ok(None) };
    let options = AdminOptions::new().request_timeout(Some(ASK));
    let asked = [ResourceSpecifier::Topic(topic)];
    let described = Handle::current().block_on(admin.describe_configs(&asked, &options));
    let described = described.map_err(|error| {
        let what = format!("the settings of {topic} can't be read");
        let unknown = || SinkError::again(Trouble::Silent, format!("{what}: {error}"));
        cause.known(&what, config).unwrap_or_else(unknown)
    })?;
    let resource = described.into_iter().next().and_then(Result::ok);
    Ok(resource.and_then(|resource| resource.get(name)?.value.clone()))
}

/// The client of all questions. With OAUTHBEARER there is none: rdkafka's serves no queue that a token could come by.
pub(super) struct Admin(Option<AdminClient<Context>>);

/// One that connects when it is asked.
pub(super) fn admin(cause: &Cause, config: &Config) -> Result<Admin, SinkError> {
    if let Some(Sasl::Token(_)) = config.sasl {
        return Ok(Admin(None));
    }
    let context = Context::of_admin(cause, config);
    let client = settings(config, []).create_with_context(context);
    client.map(|client| Admin(Some(client))).map_err(|error| super::unusable(&error))
}

/// Of a topic that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partitions {
    pub(super) count: i32,
    /// Whether each has a leader, so that it can be read and written.
    pub(super) led: bool,
}

/// None if there is no such topic.
pub(super) fn partitions(
    client: &Client<Context>,
    cause: &Cause,
    config: &Config,
    topic: &str,
) -> Result<Option<Partitions>, SinkError> {
    let metadata =
        client.fetch_metadata(Some(topic), ASK).map_err(|_| cause.error("cannot read the topics", config))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.map(|found| (found.error(), found.partitions())) {
        Some((None, all @ [_, ..])) => {
            let led = all.iter().all(|partition| partition.leader() >= 0);
            Ok(Some(Partitions { count: i32::try_from(all.len()).unwrap_or(i32::MAX), led }))
        }
        Some((Some(error), _))
            if RDKafkaErrorCode::from(error) == RDKafkaErrorCode::TopicAuthorizationFailed =>
        {
            Err(SinkError::operator(
                Trouble::Permission,
                format!(
                    "{} does not let us see the topic {topic}: allow the account WRITE and DESCRIBE on the topics of the sink, and READ on that of events",
                    config.brokers.join(", ")
                ),
            ))
        }
        _ => Ok(None),
    }
}

/// Fails if a topic is missing that a start needs and may not create.
pub(super) fn all_there(client: &Client<Context>, cause: &Cause, config: &Config) -> Result<(), SinkError> {
    if config.create.is_some() {
        return Ok(());
    }
    let topics = &config.topics;
    let mut absent = Vec::new();
    for topic in [&topics.events, &topics.status, &topics.dead_letters] {
        if partitions(client, cause, config, topic)?.is_none() {
            absent.push(topic.as_str());
        }
    }
    if absent.is_empty() { Ok(()) } else { Err(missing(&absent, config)) }
}

fn make(
    admin: &AdminClient<Context>,
    cause: &Cause,
    topics: &[&str],
    create: Create,
    config: &Config,
) -> Result<(), SinkError> {
    let what = format!("can't create the topics {}", topics.join(", "));
    let failed = |reason: String| {
        let brokers = config.brokers.join(", ");
        let text = format!("{what} at {brokers}: {reason}; create them, or allow the account CREATE");
        SinkError::operator(Trouble::Setup, text)
    };
    // Without an answer it is not about the topics.
    let unanswered = |reason: String| cause.known(&what, config).unwrap_or_else(|| failed(reason));
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            // Order between sources is asked for nowhere else.
            let partitions = if *topic == config.topics.events { create.partitions } else { 1 };
            NewTopic::new(topic, partitions, TopicReplication::Fixed(create.replication))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(ASK)).request_timeout(Some(ASK));
    let results = Handle::current()
        .block_on(admin.create_topics(&new, &options))
        .map_err(|error| unanswered(error.to_string()))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            // A broker's own answer; the client's codes are negative.
            Err((_, code)) if code as i32 > 0 => return Err(failed(code.to_string())),
            Err((_, code)) => return Err(unanswered(code.to_string())),
        }
    }
    Ok(())
}
