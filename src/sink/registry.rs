//! The types of sink that a configuration can name.

use std::sync::OnceLock;

use figment::value::{Dict, Value};
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::config::{Common, Config};
use crate::config::Section;

/// The table `[sinks.NAME]` of one type of sink, without the keys that every sink has.
pub trait SinkTable: DeserializeOwned + JsonSchema + Send + 'static {
    /// Checks what the schema can't, and reads the secrets. Returns `None` if it has reported a problem.
    fn validate(self, section: &mut Section<'_>) -> Option<Config>;
}

/// A type of sink: the value of `type`, and its table.
#[derive(Debug, Clone, Copy)]
pub struct SinkType {
    name: &'static str,
    /// `None` in a build without its feature.
    table: Option<TableType>,
}

#[derive(Debug, Clone, Copy)]
struct TableType {
    schema: fn(&mut SchemaGenerator) -> Schema,
    read: fn(Dict) -> Result<Checks, Box<figment::Error>>,
}

/// The remaining checks of a table: [`SinkTable::validate`].
pub(super) type Checks = Box<dyn FnOnce(&mut Section<'_>) -> Option<Config> + Send>;

impl SinkType {
    /// Returns a type of sink with the table `T`.
    pub const fn new<T: SinkTable>(name: &'static str) -> Self {
        Self { name, table: Some(TableType { schema: T::json_schema, read: read::<T> }) }
    }

    /// Returns a type of sink that this build lacks, as the feature of the same name is off.
    #[allow(dead_code, reason = "unused in a build with all features")]
    pub(super) const fn absent(name: &'static str) -> Self {
        Self { name, table: None }
    }

    /// Returns the table's schema, with the keys that every sink has. `None` for a type that this build lacks.
    fn schema(&self, generator: &mut SchemaGenerator) -> Option<Schema> {
        let mut schema = (self.table?.schema)(generator);
        let table = schema.ensure_object();
        let properties = table.entry("properties").or_insert_with(|| serde_json::json!({}));
        if let Some(properties) = properties.as_object_mut() {
            let word = serde_json::json!({ "type": "string", "const": self.name });
            properties.insert("type".to_owned(), word);
            let common = Common::json_schema(generator);
            let common = common.get("properties").and_then(|properties| properties.as_object()).cloned();
            properties.extend(common.unwrap_or_default());
        }
        let required = table.entry("required").or_insert_with(|| serde_json::json!([]));
        if let Some(required) = required.as_array_mut() {
            required.insert(0, "type".into());
        }
        Some(schema)
    }
}

fn read<T: SinkTable>(table: Dict) -> Result<Checks, Box<figment::Error>> {
    let table = Value::from(table).deserialize::<T>()?;
    Ok(Box::new(move |section| table.validate(section)))
}

/// Types that were registered before the first configuration was read.
static REGISTERED: Mutex<Vec<SinkType>> = Mutex::new(Vec::new());

/// All types, once a configuration has been read.
static KNOWN: OnceLock<Vec<SinkType>> = OnceLock::new();

/// A type was registered after the first configuration had been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a type of sink must be registered before the first configuration is read")]
pub struct TooLate;

/// Adds a type of sink. Must be called before a configuration is read, as the schema is built once.
pub fn register(sink: SinkType) -> Result<(), TooLate> {
    let mut registered = REGISTERED.lock();
    if KNOWN.get().is_some() {
        return Err(TooLate);
    }
    registered.push(sink);
    Ok(())
}

fn known() -> &'static [SinkType] {
    KNOWN.get_or_init(|| {
        let registered = REGISTERED.lock();
        super::TYPES.iter().chain(&*registered).copied().collect()
    })
}

/// Returns the schemas of all tables.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
    known().iter().filter_map(|sink| sink.schema(generator)).collect()
}

/// Reads the table of the type `name`. `None` for a name that this build does not know.
pub(super) fn table(name: &str, table: Dict) -> Option<Result<Checks, Box<figment::Error>>> {
    let sink = known().iter().find(|sink| sink.name == name)?;
    Some((sink.table?.read)(table))
}

/// Returns the error for a type that this build lacks. `None` for any other name.
pub(crate) fn absent(name: &str) -> Option<String> {
    let sink = known().iter().find(|sink| sink.name == name && sink.table.is_none())?;
    let feature = sink.name;
    Some(format!(
        "this cti-bridge was built without the feature `{feature}`: use a build that has it (cargo build --features {feature})"
    ))
}
