//! Compares the data of events without the values that change without a change of state.

use std::hash::{BuildHasher, Hasher};

use super::{event_schema, node::Node};
use crate::{RawEvent, json};

/// Returns a keyed hash of an event's data: arguments and attachments, without the values that the catalogue marks as
/// volatile. For two events of one name it differs if anything else differs, white space included.
///
/// Keys of objects are compared without unescaping, so a volatile value whose key is escaped counts.
pub fn data_fingerprint(event: &RawEvent, keys: &impl BuildHasher) -> u64 {
    let (args, mut hasher) = (event.args(), keys.build_hasher());
    let schema = event_schema(&event.name());
    let schema = schema.filter(|schema| schema.data.has_volatile && schema.args == event.argc);
    let mut data = Data { text: &args, hashed: 0, hasher: &mut hasher };
    match schema {
        Some(schema) if schema.args == 1 => data.value(&schema.data, args.trim_ascii()),
        Some(schema) => data.elements(&schema.data, json::arguments(&args)),
        None => {}
    }
    data.hash_to(args.len());
    for attachment in &event.attachments {
        hasher.write_usize(attachment.len());
        hasher.write(attachment);
    }
    hasher.finish()
}

/// Data that is hashed from its start on.
struct Data<'a, H> {
    text: &'a [u8],
    /// Number of bytes before the rest.
    hashed: usize,
    hasher: &'a mut H,
}

impl<H: Hasher> Data<'_, H> {
    fn hash_to(&mut self, end: usize) {
        let piece = self.text.get(self.hashed..end).unwrap_or_default();
        // The length separates the pieces.
        self.hasher.write_usize(piece.len());
        self.hasher.write(piece);
    }

    /// Leaves out a value, which is a part of the text.
    fn leave_out(&mut self, value: &[u8]) {
        let start = value.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        self.hash_to(start);
        self.hashed = start + value.len();
    }

    fn value(&mut self, node: &Node, value: &[u8]) {
        if node.is_volatile {
            return self.leave_out(value);
        }
        if !node.has_volatile {
            return;
        }
        match value.first() {
            Some(b'{') => {
                for (key, value) in json::fields(value) {
                    if let Some(field) = node.field(key) {
                        self.value(field, value);
                    }
                }
            }
            Some(b'[') => self.elements(node, json::elements(value)),
            _ => {}
        }
    }

    fn elements<'b>(&mut self, node: &Node, elements: impl Iterator<Item = &'b [u8]>) {
        if let Some(item) = node.items.as_deref().filter(|item| item.has_volatile) {
            elements.for_each(|element| self.value(item, element));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{hash::RandomState, sync::LazyLock};

    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;

    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

    fn event(name: &str, argc: u16, args: &str) -> RawEvent {
        let text = format!(r#"42["{name}",{args}]"#);
        let name_end = 4 + u32::try_from(name.len()).unwrap();
        let end = u32::try_from(text.len()).unwrap() - 1;
        let (at, bytes) = (Timestamp::UNIX_EPOCH, text.into());
        RawEvent { at, bytes, name: 4..name_end, args: name_end + 2..end, argc, attachments: Box::default() }
    }

    fn is_equal(name: &str, one: &str, other: &str) -> bool {
        let of = |args| data_fingerprint(&event(name, 1, args), &*KEYS);
        of(one) == of(other)
    }

    fn exten(durations: [u32; 2], rest: &str) -> String {
        let [first, second] = durations;
        format!(
            r#"{{"exten":"201","conversations":{{"a":{{"id":"a","duration":{first} ,"startTime":1}},"b":{{"duration":{second}}}}}{rest}}}"#
        )
    }

    #[test]
    fn volatile_values_are_left_out_at_any_depth() {
        let before = exten([1, 2], "");
        assert!(is_equal("extenUpdate", &before, &exten([17, 200_000], "")));
        assert!(!is_equal("extenUpdate", &before, &before.replace("startTime\":1", "startTime\":2")));
        assert!(!is_equal("extenUpdate", &before, &before.replace("\"a\":{", "\"c\":{")), "a key");
        assert!(
            !is_equal("extenUpdate", &before, &exten([1, 2], ",\"duration\":3")),
            "a key of that name elsewhere"
        );
        assert!(!is_equal("extenUpdate", &before, &exten([1, 2], " ")), "white space");
        assert!(!is_equal("extenConvConnected", &before, &exten([3, 2], "")), "another event");
        assert!(
            !is_equal("unknown", &before, &exten([3, 2], "")),
            "an event that the catalogue does not have"
        );
    }

    #[test]
    fn volatile_values_of_every_schema_are_left_out() {
        let volatile = super::super::schemas().iter().filter(|schema| schema.data.has_volatile);
        let mut count = 0;
        for schema in volatile {
            for example in &schema.examples {
                let args = example.get();
                let other = args.replace(':', ": ");
                assert!(is_equal(&schema.name, args, args) && !is_equal(&schema.name, args, &other));
            }
            count += 1;
        }
        assert!(count >= 4, "{count}");
    }

    #[test]
    fn bytes_can_move_between_no_two_pieces() {
        let of = |first: &'static str, second: &'static str| {
            let attachments = [first, second].map(|text| Bytes::from_static(text.as_bytes()));
            let event = RawEvent { attachments: attachments.into(), ..event("e", 1, "1") };
            data_fingerprint(&event, &*KEYS)
        };
        assert_eq!(of("ab", "c"), of("ab", "c"));
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_ne!(of("ab", "c"), of("ab", "d"));
        assert_ne!(
            data_fingerprint(&event("e", 1, "1"), &*KEYS),
            data_fingerprint(&event("e", 2, "1,1"), &*KEYS)
        );
    }

    #[test]
    fn an_event_of_another_shape_counts_completely() {
        let of = |argc, args| data_fingerprint(&event("extenUpdate", argc, args), &*KEYS);
        assert_ne!(
            of(2, r#"{"conversations":{"a":{"duration":1}}},1"#),
            of(2, r#"{"conversations":{"a":{"duration":2}}},1"#)
        );
        for odd in ["", "1", "{", r#"{"conversations":"#, r#"{"conversations":[{"duration":1}]}"#] {
            assert_eq!(of(1, odd), of(1, odd), "{odd}");
        }
        assert_ne!(
            of(1, r#"{"conversations":[{"duration":1}]}"#),
            of(1, r#"{"conversations":[{"duration":2}]}"#)
        );
    }
}
