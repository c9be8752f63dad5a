//! Finds the events that name a telephone number, for its erasure.

use std::borrow::Cow;

use super::{
    dialling::{Dialling, E164, is_separator},
    free::number_at,
};
use crate::event::{elements, fields};

/// The deepest nesting that is searched value by value. Deeper text is searched as it is.
const DEEPEST: usize = 64;

/// Returns true if an event names a number: in a value, a key, a channel or a text, in any form that the dialling rules of its source
/// bring to the same international form. `name` is the event's Socket.IO name, `data` JSON text: the arguments, as an array or one
/// of them. A number whose end the PBX has masked names nobody.
pub fn mentions(number: &E164, dialling: &Dialling, name: &[u8], data: &[u8]) -> bool {
    let search = Search { number, dialling };
    search.text(&String::from_utf8_lossy(name)) || search.value(data.trim_ascii(), 0)
}

struct Search<'a> {
    number: &'a E164,
    dialling: &'a Dialling,
}

impl Search<'_> {
    fn value(&self, value: &[u8], depth: usize) -> bool {
        match value.first() {
            _ if depth > DEEPEST => self.text(&String::from_utf8_lossy(value)),
            Some(b'{') => fields(value).any(|(key, value)| {
                self.text(&decoded(&[b"\"", key, b"\""].concat())) || self.value(value, depth + 1)
            }),
            Some(b'[') => elements(value).any(|element| self.value(element, depth + 1)),
            Some(b'"') => self.text(&decoded(value)),
            Some(b'0'..=b'9' | b'-') => {
                let text = String::from_utf8_lossy(value);
                // A number without quotes has lost its leading zero.
                self.is_it(&text) || self.is_it(&format!("0{text}"))
            }
            _ => self.text(&String::from_utf8_lossy(value)),
        }
    }

    /// Searches every part of a text that may be a number: with separators and without.
    fn text(&self, text: &str) -> bool {
        let begins = |before: Option<char>| before.is_none_or(|c| !c.is_ascii_digit() && c != '+');
        let mut before = None;
        for (at, c) in text.char_indices() {
            if (c.is_ascii_digit() || c == '+' || c == '(') && begins(before) {
                let rest = text.get(at..).unwrap_or_default();
                let run = |is_part: &dyn Fn(char) -> bool| {
                    rest.find(|c| !is_part(c)).and_then(|end| rest.get(..end)).unwrap_or(rest)
                };
                let compact = run(&|c| c.is_ascii_digit() || c == '+');
                let separated = run(&|c| c.is_ascii_digit() || c == '+' || is_separator(c));
                if number_at(rest).is_some_and(|found| self.is_it(found))
                    || self.is_it(compact)
                    || self.has_prefix(separated)
                {
                    return true;
                }
            }
            before = Some(c);
        }
        false
    }

    /// Returns true if the first groups of digits are the number: others may follow it.
    fn has_prefix(&self, separated: &str) -> bool {
        let ends = separated.char_indices().filter(|(_, c)| is_separator(*c)).map(|(at, _)| at);
        ends.chain([separated.len()]).any(|end| separated.get(..end).is_some_and(|start| self.is_it(start)))
    }

    fn is_it(&self, text: &str) -> bool {
        self.dialling.e164(text).as_ref() == Some(self.number)
    }
}

/// Decodes a string literal; one that is not text as it is.
fn decoded(quoted: &[u8]) -> Cow<'_, str> {
    serde_json::from_slice(quoted).map_or_else(|_| String::from_utf8_lossy(quoted), Cow::Owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn italy() -> Dialling {
        Dialling { country_code: "39".to_owned(), outside_prefix: "0".to_owned(), ..Dialling::default() }
    }

    #[test]
    fn a_number_is_found_in_any_form_and_place() {
        let number = italy().e164("+390721000111").unwrap();
        for form in [
            "0721000111",
            "+390721000111",
            "00390721000111",
            "00721000111",
            "000390721000111",
            "0721 000 111",
            "+39 0721 000-111",
            "(0721) 000.111",
            "0721\\u003000111",
            "PJSIP/0721000111-0000000a",
            "Local/00721000111@from-internal-00000001;1",
            "call 0721000111!",
            "0721000111 0721000222",
            "sip:+390721000111@pbx.example.org",
            "line0721000111x",
            "0541222333, 0721000111",
            "0541222333 0721 000111",
        ] {
            for data in [
                format!(r#"{{"conversations":{{"x":{{"counterpartNum":"{form}"}}}}}}"#),
                format!(r#"{{"a":[1,{{"{form}":true}}]}}"#),
                format!(r#""{form}""#),
                format!(r#"["201","{form}"]"#),
            ] {
                assert!(mentions(&number, &italy(), b"any", data.as_bytes()), "{data}");
            }
        }
        assert!(mentions(&number, &italy(), b"call 0721000111", b"{}"));
        assert!(mentions(&number, &italy(), b"any", br#"{"n":721000111}"#));
        assert!(mentions(&number, &italy(), b"any", br#"{"n":390721000111}"#));
    }

    #[test]
    fn another_number_is_not() {
        let number = italy().e164("0721000111").unwrap();
        for data in [
            r#"{"a":"0721000112","b":"07210001110","c":"0721000xxx","d":"1795538000.20","e":17210001110,"f":"201"}"#,
            r#"{"a":"721000111111","b":["0721","000111"],"c":"0541222333"}"#,
            "",
            "[",
            "{\"a\":",
        ] {
            assert!(!mentions(&number, &italy(), b"extenUpdate", data.as_bytes()), "{data}");
        }
    }
}
