//! The JSON Schema of the file, generated from the structs of the tables. It is the one description that the
//! check, the defaults and `config show` use.

use std::sync::OnceLock;

use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value};

/// The schema of a configuration file, JSON Schema 2020-12.
pub(crate) fn schema_of<T: JsonSchema>(title: &str) -> Schema {
    // Inlined, so that a walk needs no references; no table contains itself.
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(AsToml);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema
}

/// Adds what serde knows and the derive can't express: TOML has no null, and no table accepts unknown keys.
#[derive(Debug, Clone)]
struct AsToml;

impl Transform for AsToml {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.retain(|word| !word.is_null());
        }
        if let Some([one, null]) = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
            && null.get("type").is_some_and(|name| name == "null")
            && let Some(inner) = one.as_object().cloned()
        {
            schema.remove("anyOf");
            for (key, value) in inner {
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        transform_subschemas(self, schema);
    }
}

/// One place in the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a>(&'a Map<String, Value>);

static EMPTY: OnceLock<Map<String, Value>> = OnceLock::new();

impl<'a> Node<'a> {
    /// The root table of a file.
    pub(crate) fn root(schema: &'static Schema) -> Node<'static> {
        Node(schema.as_object().unwrap_or(EMPTY.get_or_init(Map::new)))
    }

    fn child(value: &'a Value) -> Option<Self> {
        value.as_object().map(Node)
    }

    fn text(self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// `string`, `boolean`, `integer`, `number`, `array` or `object`; `mixed` with [`alternatives`](Self::alternatives).
    pub(super) fn kind(self) -> &'a str {
        if self.alternatives().next().is_some() {
            return "mixed";
        }
        // An enum whose words carry descriptions states its type only there.
        self.text("type").unwrap_or(if self.variants().is_some() || self.words().is_empty() {
            "object"
        } else {
            "string"
        })
    }

    /// The format of a string, if it has one.
    pub(super) fn format(self) -> Option<&'a str> {
        self.text("format")
    }

    /// An example of a value.
    pub(super) fn example(self) -> Option<&'a str> {
        self.0.get("examples").and_then(|examples| examples.get(0)).and_then(Value::as_str)
    }

    /// Returns true if the value must never be shown.
    pub(super) fn is_secret(self) -> bool {
        self.0.get("writeOnly").is_some_and(|flag| flag == true)
    }

    /// The default.
    pub(super) fn default(self) -> Option<&'a Value> {
        self.0.get("default")
    }

    /// The words that a string is limited to; empty for any text.
    pub(super) fn words(self) -> Vec<&'a str> {
        let list = |key| self.0.get(key).and_then(Value::as_array).into_iter().flatten();
        let plain = list("enum").filter_map(Value::as_str);
        let described = list("oneOf")
            .flat_map(|word| {
                word.get("const")
                    .into_iter()
                    .chain(word.get("enum").and_then(Value::as_array).into_iter().flatten())
            })
            .filter_map(Value::as_str);
        plain.chain(described).chain(self.text("const")).collect()
    }

    /// The schema of the elements of an array.
    pub(super) fn items(self) -> Option<Node<'a>> {
        self.0.get("items").and_then(Self::child)
    }

    /// The schemas of a value that may have several types. Empty for a value of one type.
    pub(super) fn alternatives(self) -> impl Iterator<Item = Node<'a>> {
        self.0.get("anyOf").and_then(Value::as_array).into_iter().flatten().filter_map(Self::child)
    }

    /// Returns true for a list of tables, written as `[[path]]`.
    pub(super) fn is_list_of_tables(self) -> bool {
        self.kind() == "array" && self.items().is_some_and(|inner| inner.kind() == "object")
    }

    /// The schema of the tables whose names the operator chooses.
    pub(super) fn named(self) -> Option<Node<'a>> {
        self.0.get("additionalProperties").and_then(Self::child)
    }

    /// The shapes of a table that its key `type` selects: word and shape.
    pub(super) fn variants(self) -> Option<Vec<(&'a str, Node<'a>)>> {
        let shapes = self.0.get("oneOf").and_then(Value::as_array)?;
        let shapes = shapes.iter().filter_map(Self::child);
        let told = shapes.map(|shape| Some((shape.key("type")?.text("const")?, shape)));
        told.collect::<Option<Vec<_>>>().filter(|told| !told.is_empty())
    }

    /// The keys of a table.
    pub(super) fn keys(self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        let properties = self.0.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), Self::child(value)?)))
    }

    /// The schema of one key of a table.
    pub(super) fn key(self, key: &str) -> Option<Node<'a>> {
        self.0.get("properties").and_then(|properties| properties.get(key)).and_then(Self::child)
    }

    /// The keys a table must have.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.0.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}
