//! Conditions on the data of an event: `where` of a route.

use std::fmt;

use crate::event::{Pointer, scalar_text};

/// A condition on one value of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The place of the value.
    pub path: Pointer,
    /// The requirement on it.
    pub test: Test,
}

/// A requirement on a value. Scalars are compared by their text; an object or array equals nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is one of these texts. An absent value is not.
    In(Texts),
    /// It is none of these texts. An absent value is not either.
    NotIn(Texts),
    /// It is there, or it is not.
    Exists(bool),
}

/// A set of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts(Box<[Box<str>]>);

impl FromIterator<String> for Texts {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        let mut texts: Vec<Box<str>> = texts.into_iter().map(String::into_boxed_str).collect();
        texts.sort_unstable();
        texts.dedup();
        Self(texts.into())
    }
}

impl Texts {
    fn has(&self, text: &[u8]) -> bool {
        self.0.binary_search_by(|known| known.as_bytes().cmp(text)).is_ok()
    }

    /// Returns true for the empty set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|text| other.has(text.as_bytes()))
    }

    fn is_apart_from(&self, other: &Self) -> bool {
        !self.0.iter().any(|text| other.has(text.as_bytes()))
    }
}

impl Condition {
    /// Returns true if the data meets the condition.
    pub fn holds(&self, data: &[u8]) -> bool {
        let value = self.path.find(data);
        let is_in = |texts: &Texts| {
            let text = value.and_then(scalar_text);
            text.is_some_and(|text| texts.has(&text))
        };
        match &self.test {
            Test::In(texts) => is_in(texts),
            Test::NotIn(texts) => !is_in(texts),
            Test::Exists(expected) => value.is_some() == *expected,
        }
    }

    /// Returns true if this condition holds for all data that meets `other`. It may not recognise that.
    pub fn follows_from(&self, other: &Self) -> bool {
        self.path == other.path
            && match (&self.test, &other.test) {
                (Test::In(ours), Test::In(theirs)) => theirs.is_within(ours),
                (Test::NotIn(ours), Test::In(theirs)) => theirs.is_apart_from(ours),
                (Test::NotIn(ours), Test::NotIn(theirs)) => ours.is_within(theirs),
                (Test::NotIn(_), Test::Exists(false)) | (Test::Exists(true), Test::In(_)) => true,
                (Test::Exists(ours), Test::Exists(theirs)) => ours == theirs,
                _ => false,
            }
    }

    /// Returns true if it holds for all data.
    pub fn always_holds(&self) -> bool {
        matches!(&self.test, Test::NotIn(texts) if texts.is_empty())
    }

    /// Returns true if it holds for no data.
    pub fn never_holds(&self) -> bool {
        matches!(&self.test, Test::In(texts) if texts.is_empty())
    }
}

/// The condition as in the sentence "… is not met".
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string();
        match &self.test {
            Test::In(texts) => write!(f, "{path:?} in {texts}"),
            Test::NotIn(texts) => write!(f, "{path:?} not in {texts}"),
            Test::Exists(true) => write!(f, "{path:?} exists"),
            Test::Exists(false) => write!(f, "{path:?} does not exist"),
        }
    }
}

impl fmt::Display for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condition(path: &str, test: Test) -> Condition {
        Condition { path: path.parse().unwrap(), test }
    }

    fn texts(list: &[&str]) -> Texts {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_are_compared_by_their_text() {
        let holds = |test: Test, data: &str| condition("/a", test).holds(data.as_bytes());
        for data in [r#"{"a":401}"#, r#"{"a":"401"}"#, r#"{"a":"4\u00301"}"#, r#"{"\u0061":"401"}"#] {
            assert!(holds(Test::In(texts(&["402", "401"])), data), "{data}");
            assert!(!holds(Test::NotIn(texts(&["401"])), data), "{data}");
        }
        assert!(holds(Test::In(texts(&["true"])), r#"{"a":true}"#));
        assert!(holds(Test::In(texts(&["true"])), r#"{"a":"true"}"#));
        for data in [r#"{"a":["401"]}"#, r#"{"a":{"a":"401"}}"#, r#"{"b":"401"}"#, "[]", "\"401\"", ""] {
            assert!(!holds(Test::In(texts(&["401"])), data), "{data}");
            assert!(holds(Test::NotIn(texts(&["401"])), data), "{data}");
        }
        assert!(holds(Test::Exists(true), r#"{"a":null}"#));
        assert!(holds(Test::Exists(false), r#"{"b":1}"#));
    }

    /// Conditions on few places and values, so that they often meet.
    pub(crate) fn any_condition() -> impl Strategy<Value = Condition> {
        let values = || {
            let value = prop::sample::select(&["1", "2", "true"][..]).prop_map(str::to_owned);
            prop::collection::vec(value, 0..3).prop_map(Texts::from_iter)
        };
        let test = prop_oneof![
            values().prop_map(Test::In),
            values().prop_map(Test::NotIn),
            any::<bool>().prop_map(Test::Exists)
        ];
        (prop::sample::select(&["/a", "/b"][..]), test).prop_map(|(path, test)| condition(path, test))
    }

    /// Data that such conditions tell apart.
    pub(crate) fn any_data() -> impl Strategy<Value = String> {
        let value = || prop::sample::select(&["", "1", "\"2\"", "true", "3", "[1]"][..]);
        (value(), value()).prop_map(|(a, b)| {
            let fields = [("a", a), ("b", b)];
            let fields = fields.iter().filter(|(_, value)| !value.is_empty());
            let fields: Vec<String> = fields.map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    }

    proptest! {
        #[test]
        fn a_consequence_holds_wherever_its_cause_does(
            cause in any_condition(), consequence in any_condition(), data in any_data(),
        ) {
            if consequence.follows_from(&cause) && cause.holds(data.as_bytes()) {
                prop_assert!(consequence.holds(data.as_bytes()), "{} {} {}", cause, consequence, data);
            }
            prop_assert!(!consequence.always_holds() || consequence.holds(data.as_bytes()));
            prop_assert!(!consequence.never_holds() || !consequence.holds(data.as_bytes()));
        }
    }
}
