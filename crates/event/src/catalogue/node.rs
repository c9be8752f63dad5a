//! A value that a schema describes, and its parts.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::vocabulary::{Personal, Types};

/// A value: the data, or a part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Meaning, format and unit.
    #[serde(default)]
    pub description: String,
    /// JSON types.
    #[serde(rename = "type")]
    pub types: Types,
    /// Values of a text that are known today; others may follow.
    #[serde(rename = "x-cti-known", default)]
    pub known: Vec<String>,
    /// Class of personal data; `None` leaves the value to the heuristics.
    #[serde(rename = "x-cti-personal")]
    pub personal: Option<Personal>,
    /// True if the value belongs to the PBX's own user or entity, not to an outside party.
    #[serde(rename = "x-cti-own", default)]
    pub is_own: bool,
    /// True if the value changes without a change of state.
    #[serde(rename = "x-cti-volatile", default)]
    pub is_volatile: bool,
    /// True if the value or a part of it is volatile. Filled in when the catalogue is compiled.
    #[serde(skip)]
    pub(super) has_volatile: bool,
    /// Meaning of the keys, if the object is a map.
    #[serde(rename = "x-cti-key")]
    pub key: Option<String>,
    /// Class of the keys, if the object is a map.
    #[serde(rename = "x-cti-key-personal")]
    pub key_personal: Option<Personal>,
    /// Fields that are always present.
    #[serde(default)]
    pub required: Vec<String>,
    /// Fields of an object, in the file's order.
    #[serde(default)]
    pub properties: Properties,
    /// Values of a map.
    #[serde(rename = "additionalProperties")]
    pub additional: Option<Box<Self>>,
    /// Elements of an array.
    pub items: Option<Box<Self>>,
    /// Minimum number of elements.
    #[serde(rename = "minItems", default)]
    pub min_items: usize,
    /// Maximum number of elements.
    #[serde(rename = "maxItems", default = "unlimited")]
    pub max_items: usize,
}

pub(super) fn unlimited() -> usize {
    usize::MAX
}

/// Fields in the file's order.
#[derive(Debug, Default)]
pub struct Properties(Vec<(String, Node)>);

impl std::ops::Deref for Properties {
    type Target = [(String, Node)];

    fn deref(&self) -> &[(String, Node)] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of schemas")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, Node>()? {
                    fields.push(field);
                }
                Ok(Properties(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Node {
    /// Returns the schema of a field: declared, or as a value of the map. `None` if there is none.
    pub fn field(&self, key: &[u8]) -> Option<&Self> {
        let declared = self.properties.iter().find(|(name, _)| name.as_bytes() == key);
        declared.map(|(_, node)| node).or(self.additional.as_deref())
    }

    /// Returns the description of a part that the comparison with events can't handle.
    pub(super) fn flawed(&self) -> Option<&str> {
        let is_declared = |name: &String| self.properties.iter().any(|(declared, _)| declared == name);
        if self.properties.len() > 64 || !self.required.iter().all(is_declared) {
            return Some(&self.description);
        }
        let parts = self.properties.iter().map(|(_, node)| node);
        parts.chain(self.additional.as_deref()).chain(self.items.as_deref()).find_map(Self::flawed)
    }

    /// Fills in [`Node::has_volatile`], and returns it.
    pub(super) fn find_volatile(&mut self) -> bool {
        self.has_volatile = self.is_volatile;
        let fields = self.properties.0.iter_mut().map(|(_, node)| node);
        for part in fields.chain(self.additional.as_deref_mut()).chain(self.items.as_deref_mut()) {
            self.has_volatile |= part.find_volatile();
        }
        self.has_volatile
    }

    /// Returns whether the schema says anything about the fields of an object. If it does not, any may occur.
    pub fn describes_fields(&self) -> bool {
        !self.properties.is_empty() || self.additional.is_some()
    }
}
