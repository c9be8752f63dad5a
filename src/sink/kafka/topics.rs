//! The sink's topics: finds them, creates them, checks their settings.

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

/// The time limit of one request. The driver's limit for opening a link is 10 s.
pub(super) const REQUEST: Duration = Duration::from_secs(3);
/// The time limit for a new topic to be known to every broker.
const SETTLE: Duration = Duration::from_secs(4);
/// The pause between polls.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Creates missing topics if it may. Returns the number of partitions of the events topic, or of the replay topic.
pub(super) fn prepare(
    client: &Client<Context>,
    admin: &Admin,
    cause: &Cause,
    (config, is_replay): (&Config, bool),
) -> Result<i32, SinkError> {
    let topics = &config.topics;
    let live = [&topics.events, &topics.status, &topics.dead_letters];
    let replay = [&topics.replay];
    let all = if is_replay { &replay[..] } else { &live[..] };
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
        create_topics(admin, cause, &missing, create, config)?;
    }
    let deadline = Instant::now() + SETTLE;
    loop {
        match partitions(client, cause, config, first)? {
            Some(Partitions { count, have_leaders: true }) => return Ok(count),
            _ if Instant::now() < deadline => {}
            Some(_) => {
                return Err(cause.error(&format!("{first} has partitions without a leader"), config));
            }
            None => {
                return Err(SinkError::again(
                    Trouble::Setup,
                    format!("the new topic {first} does not exist yet: waiting for the brokers"),
                ));
            }
        }
        std::thread::sleep(POLL);
    }
}

/// The error of missing topics that the sink may not create.
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

/// Returns warnings about the settings of the events topic.
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
            "`partition_by = \"entity\"` has no effect, as {topic} has one partition: add partitions, to which entities may move at the next start"
        ));
    }
    if admin.0.is_none() {
        let text = format!(
            "with OAUTHBEARER the settings of {topic} can't be read: make sure that its `max.message.bytes` is at least \
             `max_message` ({}) and 1 MiB, and its `cleanup.policy` is delete",
            config.max_message
        );
        findings.push(text);
        return Ok(findings);
    }
    match largest(admin, cause, config)? {
        None => findings.push(format!(
            "the account may not read the settings of {topic}, so the largest accepted batch is unknown: allow it DESCRIBE_CONFIGS"
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

/// Returns the largest batch that the events topic accepts, in bytes. `None` if the account may not read it.
pub(super) fn largest(admin: &Admin, cause: &Cause, config: &Config) -> Result<Option<usize>, SinkError> {
    Ok(setting(admin, cause, config, "max.message.bytes")?.and_then(|text| text.parse().ok()))
}

/// Returns a setting of the events topic. `None` if the account may not read it.
fn setting(admin: &Admin, cause: &Cause, config: &Config, name: &str) -> Result<Option<String>, SinkError> {
    let topic = &config.topics.events;
    let Admin(Some(admin)) = admin else { return Ok(None) };
    let options = AdminOptions::new().request_timeout(Some(REQUEST));
    let asked = [ResourceSpecifier::Topic(topic)];
    let described = Handle::current().block_on(admin.describe_configs(&asked, &options));
    let described = described.map_err(|error| {
        let what = format!("can't read the settings of {topic}");
        cause
            .known(&what, config)
            .unwrap_or_else(|| SinkError::again(Trouble::Silent, what.clone()).because(error))
    })?;
    let resource = described.into_iter().next().and_then(Result::ok);
    Ok(resource.and_then(|resource| resource.get(name)?.value.clone()))
}

/// The admin client. `None` with OAUTHBEARER: rdkafka's admin client does not serve the queue through which tokens arrive.
pub(super) struct Admin(Option<AdminClient<Context>>);

/// Creates an admin client, which connects on its first request.
pub(super) fn admin(cause: &Cause, config: &Config) -> Result<Admin, SinkError> {
    if let Some(Sasl::Token(_)) = config.sasl {
        return Ok(Admin(None));
    }
    let context = Context::of_admin(cause, config);
    let client = settings(config, []).create_with_context(context);
    client.map(|client| Admin(Some(client))).map_err(super::unusable)
}

/// The partitions of an existing topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partitions {
    pub(super) count: i32,
    /// Each has a leader, so that it can be read and written.
    pub(super) have_leaders: bool,
}

/// Returns the partitions of a topic. `None` if it does not exist.
pub(super) fn partitions(
    client: &Client<Context>,
    cause: &Cause,
    config: &Config,
    topic: &str,
) -> Result<Option<Partitions>, SinkError> {
    let metadata = client
        .fetch_metadata(Some(topic), REQUEST)
        .map_err(|error| cause.failed("can't read the topics", error, config))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.map(|found| (found.error(), found.partitions())) {
        Some((None, all @ [_, ..])) => {
            let have_leaders = all.iter().all(|partition| partition.leader() >= 0);
            Ok(Some(Partitions { count: i32::try_from(all.len()).unwrap_or(i32::MAX), have_leaders }))
        }
        Some((Some(error), _))
            if RDKafkaErrorCode::from(error) == RDKafkaErrorCode::TopicAuthorizationFailed =>
        {
            Err(SinkError::operator(
                Trouble::Permission,
                format!(
                    "{} does not let us see the topic {topic}: allow the account WRITE and DESCRIBE on the sink's topics, and READ on the events topic",
                    config.brokers.join(", ")
                ),
            ))
        }
        _ => Ok(None),
    }
}

/// Fails if a topic is missing that the sink may not create.
pub(super) fn require(client: &Client<Context>, cause: &Cause, config: &Config) -> Result<(), SinkError> {
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

fn create_topics(
    admin: &AdminClient<Context>,
    cause: &Cause,
    topics: &[&str],
    create: Create,
    config: &Config,
) -> Result<(), SinkError> {
    let what = format!("can't create the topics {}", topics.join(", "));
    let failed = || {
        SinkError::operator(Trouble::Setup, format!("{what} at {}", config.brokers.join(", ")))
            .remedy("create them, or allow the account CREATE")
    };
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            // The other topics need no order across sources.
            let partitions = if *topic == config.topics.events { create.partitions } else { 1 };
            NewTopic::new(topic, partitions, TopicReplication::Fixed(create.replication))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(REQUEST)).request_timeout(Some(REQUEST));
    let results = Handle::current()
        .block_on(admin.create_topics(&new, &options))
        .map_err(|error| cause.known(&what, config).unwrap_or_else(|| failed().because(error)))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            // The broker's own answer: the client's codes are negative, and without an answer the connection is the cause.
            Err((_, code)) if code as i32 > 0 => return Err(failed().because(code)),
            Err((_, code)) => {
                return Err(cause.known(&what, config).unwrap_or_else(|| failed().because(code)));
            }
        }
    }
    Ok(())
}
