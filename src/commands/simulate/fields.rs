//! Sets single fields of an event's data, as its schema names and types them.

use event::{Node, Type};
use serde_json::{Map, Value};

use crate::config::nearest;

/// The reason why a field can't be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FieldError {
    /// `what` is the place of the object, `data` for the data itself.
    #[error("{what} has no field `{field}`: {hint}")]
    Unknown { what: String, field: String, hint: String },
    #[error("{what} has no fields: give all of the data with --data")]
    Plain { what: String },
    #[error("{what} is an array of {count}: write an index from 0 to {count}, not `{field}`")]
    Index { what: String, field: String, count: usize },
}

/// Sets the field at `path` to `text`, parsed as the type that the schema wants; as a string if it has another type. `path` is
/// dotted (`mainPresence.status`) or a JSON Pointer (`/conversations/a~1b/owner`, RFC 6901). Without a schema any field
/// can be set.
pub(super) fn set(data: &mut Value, schema: Option<&Node>, path: &str, text: &str) -> Result<(), FieldError> {
    let segments: Vec<String> = match path.strip_prefix('/') {
        Some(pointer) => {
            pointer.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => path.split('.').map(ToOwned::to_owned).collect(),
    };
    let (mut value, mut node) = (data, schema);
    for (depth, segment) in segments.iter().enumerate() {
        let what = || match depth {
            0 => "the data".to_owned(),
            depth => format!("`{}`", segments.get(..depth).unwrap_or_default().join(".")),
        };
        (value, node) = step(value, node, segment, what)?;
    }
    *value = parse(node, text);
    Ok(())
}

/// Goes down to a field or element, which is made if it is absent.
fn step<'a, 'n>(
    value: &'a mut Value,
    node: Option<&'n Node>,
    field: &str,
    what: impl Fn() -> String,
) -> Result<(&'a mut Value, Option<&'n Node>), FieldError> {
    let accepts = |kind| node.is_none_or(|node| node.types.contains(&kind));
    if value.is_null() && accepts(Type::Object) {
        *value = Value::Object(Map::new());
    } else if value.is_null() && accepts(Type::Array) {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Object(fields) => {
            let child = node.and_then(|node| node.field(field.as_bytes()));
            if let Some(node) = node.filter(|node| child.is_none() && node.describes_fields()) {
                return Err(FieldError::Unknown {
                    what: what(),
                    field: field.to_owned(),
                    hint: hint(node, field),
                });
            }
            Ok((fields.entry(field).or_insert(Value::Null), child))
        }
        Value::Array(items) if node.is_none_or(|node| node.max_items > 0) => {
            let count = items.len();
            let index = field.parse().ok().filter(|index: &usize| *index <= count);
            let index =
                index.ok_or_else(|| FieldError::Index { what: what(), field: field.to_owned(), count })?;
            if index == count {
                items.push(Value::Null);
            }
            let item = items.get_mut(index).ok_or_else(|| FieldError::Plain { what: what() })?;
            Ok((item, node.and_then(|node| node.items.as_deref())))
        }
        _ => Err(FieldError::Plain { what: what() }),
    }
}

/// Names the nearest field, or all of them.
fn hint(node: &Node, wrong: &str) -> String {
    let known = || node.properties.iter().map(|(name, _)| name.as_str());
    let lower: Vec<String> = known().map(str::to_ascii_lowercase).collect();
    let near = nearest(wrong, lower.iter().map(String::as_str));
    let near = near.and_then(|near| known().find(|name| name.eq_ignore_ascii_case(near)));
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
    }
}

fn parse(node: Option<&Node>, text: &str) -> Value {
    let kind = |value: &Value| match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(number) if number.is_f64() => Type::Number,
        Value::Number(_) => Type::Integer,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    };
    let is_wanted = |value: &Value| {
        let kind = kind(value);
        node.is_none_or(|node| {
            node.types.contains(&kind) || kind == Type::Integer && node.types.contains(&Type::Number)
        })
    };
    serde_json::from_str(text).ok().filter(is_wanted).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    /// The first example of an event after the settings.
    fn after(event: &str, settings: &[(&str, &str)]) -> Result<Value, FieldError> {
        let schema = event::event_schema(event.as_bytes()).unwrap();
        let mut data = serde_json::from_str(schema.examples.first().unwrap().get()).unwrap();
        for (path, text) in settings {
            set(&mut data, Some(&schema.data), path, text)?;
        }
        Ok(data)
    }

    #[test]
    fn a_value_gets_the_type_that_the_schema_wants() {
        let data = after(
            "extenRinging",
            &[
                ("callerNum", "0721000999"),
                ("numCalled", "203"),
                ("callerHasConf", "true"),
                ("callerName", "\"Bruni\""),
            ],
        );
        let data = data.unwrap();
        assert_eq!(data["callerNum"], "0721000999");
        assert_eq!(data["numCalled"], "203");
        assert_eq!(data["callerHasConf"], true);
        assert_eq!(data["callerName"], "Bruni");
        let data = after("extenRinging", &[("callerHasConf", "perhaps")]).unwrap();
        assert_eq!(data["callerHasConf"], "perhaps");
    }

    #[test]
    fn nested_fields_and_absent_ones_can_be_set() {
        let data = after("userMainPresenceUpdate", &[("mainPresence.to", "202")]).unwrap();
        assert_eq!(data["mainPresence"]["to"], "202");
        let pointer = "/conversations/PJSIP~1a>PJSIP~1b/chSource/startTime";
        let data = after("extenUpdate", &[(pointer, "7"), ("codecs.0", "opus")]).unwrap();
        assert_eq!(data["conversations"]["PJSIP/a>PJSIP/b"], json!({"chSource": {"startTime": 7}}));
        assert_eq!(data["codecs"][0], "opus");
        let data = after("actionNethLink", &[("/1", "hangup")]).unwrap();
        assert_eq!(data[1], "hangup");
    }

    #[test]
    fn a_wrong_field_is_answered_with_the_right_one() {
        let message = |event, path| after(event, &[(path, "1")]).unwrap_err().to_string();
        assert_eq!(
            message("extenRinging", "callerNumber"),
            "the data has no field `callerNumber`: did you mean `callerNum`?"
        );
        assert_eq!(
            message("userMainPresenceUpdate", "mainPresence.user"),
            "`mainPresence` has no field `user`: did you mean `username`?"
        );
        assert_eq!(
            message("qmAlarm", "zzz"),
            "the data has no field `zzz`: it has date, status, alarm, queue"
        );
        assert_eq!(message("qmAlarm", "date.year"), "`date` has no fields: give all of the data with --data");
        assert_eq!(
            message("answerWebrtc", "exten"),
            "the data has no fields: give all of the data with --data"
        );
        assert_eq!(
            message("serverReloaded", "0"),
            "the data has no fields: give all of the data with --data"
        );
        assert!(message("extenUpdate", "codecs.9").ends_with("write an index from 0 to 2, not `9`"));
    }

    #[test]
    fn without_a_schema_any_field_can_be_set() {
        let mut data = json!({});
        set(&mut data, None, "group.number", "601").unwrap();
        set(&mut data, None, "/note", "0 text").unwrap();
        assert_eq!(data, json!({"group": {"number": 601}, "note": "0 text"}));
    }
}
