//! The fields of a log line. Whatever they quote, it stays one line, without control characters or secrets: each value
//! passes [`text::sentence`], in every format.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};

use crate::text;

/// The field that holds an event's message.
const MESSAGE: &str = "message";

/// The message of a line, and its fields in order.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields {
    message: Option<Shown>,
    named: Vec<(&'static str, Shown)>,
}

/// A logged value.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// A string; quoted in the text format.
    Text(String),
    /// The `Display` or `Debug` output of a value.
    Formatted(String),
    /// A number or `bool`.
    Plain(Value),
}

impl Fields {
    /// Adds the fields of another that this one lacks.
    pub(super) fn add_missing(&mut self, other: &Self) {
        for (name, value) in &other.named {
            if self.named.iter().all(|(known, _)| known != name) {
                self.named.push((name, value.clone()));
            }
        }
    }

    /// The sanitised message.
    pub(super) fn message(&self) -> Option<String> {
        self.message.as_ref().map(Shown::plain)
    }

    /// The other fields.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &Shown)> {
        self.named.iter().map(|(name, value)| (*name, value))
    }

    fn insert(&mut self, name: &'static str, value: Shown) {
        if name == MESSAGE {
            self.message = Some(value);
        } else {
            self.named.push((name, value));
        }
    }
}

impl Shown {
    /// Without quotes.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Text(text) | Self::Formatted(text) => text::sentence(text),
            Self::Plain(value) => value.to_string(),
        }
    }

    /// For people: strings are quoted, so that their end is visible.
    pub(super) fn quoted(&self) -> String {
        match self {
            Self::Text(text) => text::sentence(&format!("{text:?}")),
            other => other.plain(),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Formatted(text) => text::sentence(text).into(),
            Self::Plain(value) => value.clone(),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field.name(), Shown::Text(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field.name(), Shown::Formatted(format!("{value:?}")));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field.name(), Shown::Plain(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field.name(), Shown::Plain(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field.name(), Shown::Plain(value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field.name(), Shown::Plain(value.into()));
    }
}
