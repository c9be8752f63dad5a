//! Types of values: those of the schema, and the conversion of text to them.

use figment::value::{Num, Value};

use super::schema::Node;

/// Returns true if a value has the type that the schema names.
pub(super) fn is_of_kind(kind: &str, value: &Value) -> bool {
    match value {
        Value::String(..) => kind == "string",
        Value::Bool(..) => kind == "boolean",
        Value::Num(_, Num::F32(_) | Num::F64(_)) => kind == "number",
        Value::Num(..) => kind == "number" || kind == "integer",
        Value::Array(..) => kind == "array",
        Value::Dict(..) => kind == "object",
        _ => false,
    }
}

/// Converts the `text` of a variable or flag to the type that the schema expects, unless that is a string.
pub(super) fn coerced(text: &str, node: Node<'_>) -> Option<Value> {
    match node.kind() {
        "boolean" => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true.into()),
            "false" | "0" | "no" | "off" => Some(false.into()),
            _ => None,
        },
        "integer" => text.parse::<u64>().ok().map(Value::from),
        // `[a,b]` as figment parses it, or just a,b.
        "array" if text.trim_start().starts_with('[') => text.parse().ok(),
        "array" => Some(text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>().into()),
        _ => None,
    }
}
