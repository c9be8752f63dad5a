//! `[sinks.NAME]`: what all sinks have in common.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use figment::value::{Dict, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use url::Url;

use super::{
    SinkConfig,
    kind::{Kind, RouteSubject},
    registry,
};
use crate::{
    config::{Interval, Section},
    event::{Fingerprints, JournalId},
    route::{self, Plan, Privacy, Routes, Rules, privacy},
};

/// One sink, in the form that its driver needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The time between two heartbeats. `None` disables them.
    pub heartbeat: Option<Duration>,
    /// The other journal, or messages, after which this one may continue.
    pub adopt: Option<JournalId>,
    /// The URI that the file name of an event's schema is appended to. `None` announces no schemas.
    pub dataschema: Option<String>,
    /// The rules that select events, and that change their destination.
    pub routes: Routes,
    /// The personal data that is hidden.
    pub privacy: Privacy,
    /// The settings of the sink itself.
    pub kind: Kind,
}

/// The keys that every sink has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Common {
    /// The URI of the schemas, for the attribute `dataschema`: the file name of the event's schema is appended.
    dataschema: Option<String>,
    /// The time between two heartbeats, or "off".
    heartbeat: Interval,
    /// Rules that drop events or change their subject. The first that matches an event applies.
    routes: Vec<route::table::Table>,
    /// The personal data that is hidden from this sink.
    privacy: privacy::config::Table,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            dataschema: None,
            heartbeat: Interval::seconds(10),
            routes: Vec::new(),
            privacy: privacy::config::Table::default(),
        }
    }
}

impl Common {
    /// Adds these settings to those of the sink's own keys.
    fn apply(self, config: Option<Config>, section: &mut Section<'_>) -> Option<Config> {
        let dataschema = dataschema(self.dataschema.as_deref(), section);
        // Without a value the configuration is not used, as there is a problem.
        let privacy = self.privacy.validate(&mut section.table("privacy")).unwrap_or_default();
        let routes = route::table::validate(self.routes, section);
        // All are checked, also after a problem with the sink's own keys.
        let (config, routes) = (config?, routes?);
        let kind = with_routes(config.kind, &routes, section)?;
        Some(Config { heartbeat: self.heartbeat.0, dataschema, routes, privacy, kind, ..config })
    }
}

impl Config {
    /// Creates a sink configuration that publishes every event unchanged, without heartbeats.
    pub fn new(adopt: Option<JournalId>, kind: impl SinkConfig) -> Self {
        Self {
            heartbeat: None,
            adopt,
            dataschema: None,
            routes: Routes::default(),
            privacy: Privacy::default(),
            kind: Arc::new(kind),
        }
    }

    /// Returns the plan for the records of a journal with these sources.
    pub fn plan(&self, journal: JournalId, sources: Arc<[String]>) -> Plan {
        let rules = Rules {
            template: self.kind.destination(),
            routes: self.routes.clone(),
            privacy: self.privacy.clone(),
            schemas: self.dataschema.clone(),
        };
        Plan::new(journal, sources, rules)
    }

    /// The settings in the sink's own type; `None` for another sink's.
    pub fn of<T: SinkConfig>(&self) -> Option<&T> {
        self.kind.downcast_ref()
    }

    /// A fingerprint that changes when a secret or the content of a certificate file does. Reads the files.
    pub(crate) fn secrets(&self, fingerprints: &Fingerprints) -> u128 {
        fingerprints.of(&Secrets(&*self.kind))
    }
}

/// The secrets of a sink, and the content of its certificate files: hashed, never copied.
struct Secrets<'a>(&'a dyn SinkConfig);

impl Hash for Secrets<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash_secrets(state);
        if let Some(trust) = self.0.trust() {
            trust.hash_files(state);
        }
    }
}

/// The value of the key `adopt`: a journal, or single messages (`#…`) that are ignored.
#[derive(Debug)]
pub struct Adopted<P> {
    /// The journal to continue after.
    pub journal: Option<JournalId>,
    /// The positions of the messages.
    pub ignored: Vec<P>,
}

/// Parses the key `adopt`.
pub fn adopt<P: FromStr>(text: Option<&str>, section: &mut Section<'_>) -> Adopted<P> {
    let (mut journal, mut ignored) = (None, Vec::new());
    for word in text.into_iter().flat_map(|text| text.split(',')).map(str::trim) {
        match (word.strip_prefix('#').map(str::parse), word.parse()) {
            (Some(Ok(place)), _) => ignored.push(place),
            (None, Ok(id)) => journal = Some(id),
            _ => section.problem(
                "adopt",
                "is not a journal's id: write the 10 characters of a-z 2-7, or the `#…`, that the refusal names, or remove it",
            ),
        }
    }
    Adopted { journal, ignored }
}

/// Adds the subjects of the routes to the settings of a sink. Returns `None` if it has reported a problem.
fn with_routes(kind: Kind, routes: &Routes, section: &mut Section<'_>) -> Option<Kind> {
    let subjects: Vec<_> = routes
        .iter()
        .zip(0..)
        .filter_map(|(route, index)| Some(RouteSubject { index, template: route.subject()?.clone() }))
        .collect();
    if subjects.is_empty() {
        return Some(kind);
    }
    let with_subjects = kind.with_route_subjects(&subjects);
    if with_subjects.is_none() {
        for RouteSubject { index, .. } in &subjects {
            let name = kind.type_name();
            section.problem(
                &format!("routes[{index}].subject"),
                format!(
                    "is for sinks of type \"nats\", and this one is of type \"{name}\": for another topic or file, add another sink whose \
                     routes drop all other events"
                ),
            );
        }
    }
    with_subjects
}

/// Parses the key `dataschema`. Returns `None` if it is absent, or if it has reported a problem.
fn dataschema(text: Option<&str>, section: &mut Section<'_>) -> Option<String> {
    let text = text?;
    let is_absolute = Url::parse(text).is_ok_and(|url| url.has_host() && url.query().is_none());
    if is_absolute && text.ends_with('/') {
        return Some(text.to_owned());
    }
    section.problem(
        "dataschema",
        "is not an absolute URI that ends with /: write the place of the schemas, as in \"https://schemas.example.org/cti-bridge/v1/\"",
    );
    None
}

/// The mode of a `CloudEvent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContentMode {
    /// Attributes in headers, only the data in the body.
    Binary,
    /// One JSON object with everything.
    Structured,
}

/// `[sinks.NAME]` as it appears in the file: the key `type` selects the other keys.
pub struct Table(Common, registry::Checks);

impl Table {
    /// Checks what the schema can't, and reads the secrets. Returns `None` if it has reported a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Config> {
        let Self(common, checks) = self;
        let config = checks(section);
        common.apply(config, section)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Dict::deserialize(deserializer)?;
        let name = table.remove("type").and_then(Value::into_string).unwrap_or_default();
        // The schema has checked the keys: both structs ignore those of the other.
        let common = Value::from(table.clone()).deserialize().map_err(D::Error::custom)?;
        let checks = registry::table(&name, table).ok_or_else(|| D::Error::custom("unknown type of sink"))?;
        checks.map(|checks| Self(common, checks)).map_err(D::Error::custom)
    }
}

impl JsonSchema for Table {
    fn schema_name() -> Cow<'static, str> {
        "Sink".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Where events go.", "oneOf": registry::schemas(generator) })
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}
