//! A configuration in the form in which it is compared. It holds no secret except credentials of accounts.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret as _;
use url::Url;

use super::{
    difference::{Difference, Differences},
    part::{CREDENTIALS, DIALLING, Part, RULES, table_key},
};
use crate::{
    app::config::Loaded,
    auth::Credentials,
    config::{Origin, Setting},
    event::Fingerprints,
    route::privacy::Dialling,
    session,
};

/// A configuration in the form in which it is compared.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// By key: the value without secrets, and its origin.
    settings: BTreeMap<String, (String, Origin)>,
    sources: BTreeMap<String, Known>,
    sinks: BTreeMap<String, Sink>,
    /// By key: the fingerprint of a secret that can't be compared by its setting, and needs a restart.
    hidden: BTreeMap<String, u128>,
    fingerprints: Fingerprints,
}

/// The account of a source, its credentials, and how its numbers are dialled.
#[derive(Debug, Clone)]
struct Known {
    base: Url,
    username: String,
    credentials: Credentials,
    dialling: Dialling,
}

/// A sink: its type, and the fingerprints of what a reload changes. Its rules are those without the dialling rules of sources.
#[derive(Debug, Clone, Copy)]
struct Sink {
    type_name: &'static str,
    /// The keys of its secrets and certificates.
    keys: &'static [&'static str],
    secrets: u128,
    rules: u128,
}

impl Known {
    /// Returns true for the same account, with the same kind of credentials.
    fn is_same_account(&self, other: &Self) -> bool {
        (&self.base, &self.username) == (&other.base, &other.username)
            && self.credentials.is_same_method(&other.credentials)
    }
}

impl Snapshot {
    /// Reads certificate files.
    pub(super) fn new(loaded: &Loaded, fingerprints: &Fingerprints) -> Self {
        let settings = loaded
            .settings
            .iter()
            .map(|Setting { key, value, origin }| (key.clone(), (value.clone(), origin.clone())));
        let settings: BTreeMap<_, _> = settings.collect();
        let config = &loaded.config;
        let sinks = config.sinks.iter().map(|(name, sink)| {
            let rules: Vec<_> = settings
                .iter()
                .filter(|(key, _)| matches!(table_key(key, "sinks"), Some((sink, key)) if sink == name && RULES.contains(&key)))
                .map(|(key, (value, _))| (key, value))
                .collect();
            // The debug form of a key is its id.
            let privacy = format!("{:?}", sink.privacy.dialling(BTreeMap::new()));
            let rules = fingerprints.of(&(rules, privacy));
            let (type_name, keys) = (sink.kind.type_name(), sink.kind.reloadable());
            (name.clone(), Sink { type_name, keys, secrets: sink.secrets(fingerprints), rules })
        });
        let known = |source: &session::config::Config| {
            let session::config::Config { base, username, credentials, dialling, .. } = source.clone();
            Known { base, username, credentials, dialling }
        };
        Self {
            sources: config.sources.iter().map(|(name, source)| (name.clone(), known(source))).collect(),
            sinks: sinks.collect(),
            hidden: hidden(loaded, fingerprints),
            fingerprints: fingerprints.clone(),
            settings,
        }
    }

    /// Returns the differences of another configuration from this one, which is in force.
    pub(super) fn compare(&self, other: &Self) -> Differences {
        let mut differences = Differences::default();
        for key in self.differing(other) {
            let value = |of: &Self| of.settings.get(key).map(|(value, _)| value.clone());
            let origin = other.settings.get(key).map(|(_, origin)| origin);
            let difference = Difference {
                key: key.to_owned(),
                from: value(self),
                to: value(other),
                secret: None,
                origin: origin.filter(|origin| **origin != Origin::Default).map(ToString::to_string),
            };
            let is_applied = self.part(key, other).is_some();
            if is_applied { &mut differences.reload } else { &mut differences.restart }.push(difference);
        }
        let accounts = self.credentials(other).map(|(name, _)| (format!("sources.{name}"), "credentials"));
        let sinks = self.secrets(other).map(|name| (format!("sinks.{name}"), "secrets or certificates"));
        // Rules without a setting that differs.
        let is_set = |name| {
            let mut parts = self.differing(other).filter_map(|key| self.part(key, other));
            parts.any(|part| part == Part::Rules(name) || part == Part::Dialling)
        };
        let keys = self.rules(other).filter(|(name, _)| !is_set(*name));
        let keys = keys.map(|(name, _)| (format!("sinks.{name}.privacy"), "key"));
        differences.reload.extend(accounts.chain(sinks).chain(keys).map(Difference::secret));
        let is_other =
            |(key, secret): &(&String, &u128)| other.hidden.get(*key).is_some_and(|other| other != *secret);
        let hidden = self.hidden.iter().filter(is_other).map(|(key, _)| (key.clone(), "secret"));
        differences.restart.extend(hidden.map(Difference::secret));
        differences
    }

    /// The sources that have other credentials, for the same account.
    pub(super) fn credentials<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a str, &'a Credentials)> {
        self.sources.iter().filter_map(|(name, known)| {
            let found = other.sources.get(name)?;
            let is_other = known.is_same_account(found) && !known.credentials.is_same(&found.credentials);
            is_other.then_some((name.as_str(), &found.credentials))
        })
    }

    /// The sinks that have other secrets or certificates.
    pub(super) fn secrets<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        self.sinks.iter().filter_map(|(name, known)| {
            (known.secrets != self.same_sink(name, other)?.secrets).then_some(name.as_str())
        })
    }

    /// The sinks that have other rules, with the fingerprint of those.
    pub(super) fn rules<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a str, u128)> {
        // A source that is new or gone changes no rule until the restart.
        let dialling = |of: &Self| {
            let running = self.sources.iter().map(|(name, known)| of.sources.get(name).unwrap_or(known));
            self.fingerprints.of(&running.map(|source| &source.dialling).collect::<Vec<_>>())
        };
        let dialling = [dialling(self), dialling(other)];
        self.sinks.iter().filter_map(move |(name, known)| {
            let found = self.same_sink(name, other)?;
            let [old, new] = [(known.rules, dialling[0]), (found.rules, dialling[1])];
            (old != new).then(|| (name.as_str(), self.fingerprints.of(&new)))
        })
    }

    /// Takes over the settings of the parts that `is_applied` accepts.
    pub(super) fn advance(&mut self, other: &Self, is_applied: impl Fn(Part<'_>) -> bool) {
        let keys: Vec<String> = self
            .differing(other)
            .filter(|key| self.part(key, other).is_some_and(&is_applied))
            .map(str::to_owned)
            .collect();
        let accounts: Vec<String> = self.credentials(other).map(|(name, _)| name.to_owned()).collect();
        for key in keys {
            match other.settings.get(&key) {
                Some(found) => drop(self.settings.insert(key, found.clone())),
                None => drop(self.settings.remove(&key)),
            }
        }
        for name in accounts.iter().filter(|name| is_applied(Part::Credentials(name))) {
            if let (Some(known), Some(found)) = (self.sources.get_mut(name), other.sources.get(name)) {
                known.credentials.clone_from(&found.credentials);
            }
        }
        if is_applied(Part::Dialling) {
            for (name, known) in &mut self.sources {
                if let Some(found) = other.sources.get(name) {
                    known.dialling.clone_from(&found.dialling);
                }
            }
        }
        for (name, known) in &mut self.sinks {
            let Some(found) = other.sinks.get(name).filter(|found| found.type_name == known.type_name) else {
                continue;
            };
            if is_applied(Part::Secrets(name)) {
                known.secrets = found.secrets;
            }
            if is_applied(Part::Rules(name)) {
                known.rules = found.rules;
            }
        }
    }

    /// The keys whose values differ, or that only one of the two has, in order. Secrets compare equal, as they are masked.
    fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let keys: BTreeSet<&String> = self.settings.keys().chain(other.settings.keys()).collect();
        let value = |of: &'a Self, key: &String| of.settings.get(key).map(|(value, _)| value);
        keys.into_iter().filter(move |key| value(self, key) != value(other, key)).map(String::as_str)
    }

    /// The part that a reload changes for this key. `None` if it needs a restart.
    fn part<'a>(&self, key: &'a str, other: &Self) -> Option<Part<'a>> {
        if key == "log.level" {
            return Some(Part::Log);
        }
        if let Some((name, key)) = table_key(key, "sources") {
            let (known, found) = (self.sources.get(name)?, other.sources.get(name)?);
            if DIALLING.contains(&key) {
                return Some(Part::Dialling);
            }
            return (known.is_same_account(found) && CREDENTIALS.contains(&key))
                .then_some(Part::Credentials(name));
        }
        let (name, key) = table_key(key, "sinks")?;
        let found = self.same_sink(name, other)?;
        if RULES.contains(&key) {
            return Some(Part::Rules(name));
        }
        found.keys.contains(&key).then_some(Part::Secrets(name))
    }

    /// The sink of this name in another configuration, if it has the same type.
    fn same_sink<'a>(&self, name: &str, other: &'a Self) -> Option<&'a Sink> {
        let found = other.sinks.get(name)?;
        (self.sinks.get(name)?.type_name == found.type_name).then_some(found)
    }
}

/// The fingerprints of secrets that need a restart: the settings show them all masked.
fn hidden(loaded: &Loaded, fingerprints: &Fingerprints) -> BTreeMap<String, u128> {
    let token = loaded.config.admin.as_ref().and_then(|admin| admin.token.as_ref());
    let token = token.map(|token| ("admin.token".to_owned(), fingerprints.of(&token.expose_secret())));
    let proxies = loaded.config.sources.iter().filter_map(|(name, source)| {
        let proxy = source.proxy.as_ref().filter(|proxy| proxy.user_info().is_some())?;
        Some((format!("sources.{name}.proxy"), fingerprints.of(proxy.with_user_info())))
    });
    proxies.chain(token).collect()
}
