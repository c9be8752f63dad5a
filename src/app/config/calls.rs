//! What `calls` needs to know of the configuration.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::unchecked;
use crate::{
    config::{Flags, Problems},
    route::privacy::Dialling,
};

/// The settings of a source that concern its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceCalls {
    /// Its calls are derived.
    pub is_derived: bool,
    /// How its numbers are dialled.
    pub dialling: Dialling,
}

/// Reads only what concerns calls, by source: problems elsewhere do not matter, and no secret is read.
pub fn load_calls(flags: &Flags) -> Result<BTreeMap<String, SourceCalls>, Problems> {
    let (tree, _) = unchecked(flags)?;
    let bool = |value: &Value| match value {
        Value::Bool(_, value) => Some(*value),
        _ => None,
    };
    let table = |value: &Value, key: &str| value.as_dict().and_then(|dict| dict.get(key).cloned());
    let derives = tree.get("derive").and_then(|derive| table(derive, "calls")).as_ref().and_then(bool);
    let source = |settings: &Value| {
        let text = |key| {
            table(settings, key).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        SourceCalls {
            is_derived: table(settings, "derive_calls")
                .as_ref()
                .and_then(bool)
                .or(derives)
                .unwrap_or_default(),
            dialling: Dialling {
                country_code: text("country_code"),
                outside_prefix: text("outside_prefix"),
                trunk_prefix: text("trunk_prefix"),
            },
        }
    };
    let sources = tree.get("sources").and_then(Value::as_dict).into_iter().flat_map(Dict::iter);
    Ok(sources.map(|(name, settings)| (name.clone(), source(settings))).collect())
}
