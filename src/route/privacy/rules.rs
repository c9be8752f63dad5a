//! The rules that decide which values are personal, by their place.

use std::net::{IpAddr, SocketAddr};

use super::MASK;
use crate::event::{Node, Personal, event_schema};

/// The kind of data at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// An id that relates events to each other.
    Id,
    /// Free text; may contain numbers.
    Free,
    /// A telephone number.
    Number,
    /// The name of an outside party.
    Name,
    /// Masked completely, at any depth.
    Hidden,
}

impl Rule {
    /// The rule for a value that the catalogue describes.
    fn declared(node: &Node) -> Self {
        match node.personal {
            Some(Personal::Number) => Self::Number,
            Some(Personal::Name) if !node.is_own => Self::Name,
            Some(Personal::Address | Personal::Media | Personal::Speech | Personal::Text) => Self::Hidden,
            Some(Personal::None) => Self::Id,
            Some(Personal::Name) | None => Self::Free,
        }
    }

    /// The rule for a value that the catalogue does not describe, by its key. Any name may be an outside party's.
    fn guessed(key: &str) -> Self {
        match key.to_ascii_lowercase().as_str() {
            "uniqueid" | "linkedid" => Self::Id,
            "pbcontact" | "callernotes" | "transcription" | "summary" | "image" | "avatar" | "ip" | "mac"
            | "note" | "notes" | "text" | "email" | "attachments" => Self::Hidden,
            "num1" | "num2" | "to" | "cf" | "cfb" | "cfu" | "numcalled" | "channelexten" => Self::Number,
            // The names of the PBX's own users.
            "username" | "profilename" => Self::Free,
            key if key.ends_with("num") || key.ends_with("number") || key.ends_with("phone") => Self::Number,
            key if key.ends_with("name") => Self::Name,
            _ => Self::Free,
        }
    }
}

/// The current place of the walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    rule: Rule,
    /// The catalogue's schema of the value; `None` where it has none.
    node: Option<&'static Node>,
}

impl Place {
    /// The place of an event's arguments.
    pub(super) fn of(event: &[u8]) -> Self {
        let node = event_schema(event).map(|schema| &schema.data);
        Self { rule: node.map_or(Rule::Free, Rule::declared), node }
    }

    /// The place of the value of `key`; `None` is a key that can't be decoded.
    pub(super) fn under(self, key: Option<&str>) -> Self {
        if self.rule == Rule::Hidden {
            return self;
        }
        let Some(key) = key else { return Self { rule: Rule::Hidden, node: None } };
        let node = self.node.and_then(|node| node.field(key.as_bytes()));
        Self { rule: node.map_or_else(|| Rule::guessed(key), Rule::declared), node }
    }

    /// The place of an element of an array.
    pub(super) fn element(self) -> Self {
        match self.node.and_then(|node| node.items.as_deref()) {
            Some(node) if self.rule != Rule::Hidden => Self { rule: Rule::declared(node), node: Some(node) },
            _ => self,
        }
    }

    /// The replacement for a text; `None` if it stays. Text that can't be decoded is masked.
    pub(super) fn text(self, text: Option<&str>) -> Option<String> {
        let Some(text) = text else { return (self.rule != Rule::Id).then(|| MASK.to_owned()) };
        if text.is_empty() || text == MASK {
            return None;
        }
        match self.rule {
            Rule::Id => None,
            Rule::Number => number(text),
            Rule::Name | Rule::Hidden => Some(MASK.to_owned()),
            Rule::Free => free(text),
        }
    }

    /// The replacement for an unquoted number.
    pub(super) fn number(self, text: &str) -> Option<String> {
        match self.rule {
            Rule::Number => number(text),
            Rule::Hidden => Some(MASK.to_owned()),
            _ => None,
        }
    }
}

/// The replacement for a key: channel names contain numbers.
pub(super) fn key(key: Option<&str>) -> Option<String> {
    key.map_or_else(|| Some(MASK.to_owned()), free)
}

/// The longest number of an extension, in digits.
const OWN: usize = 5;

fn number(text: &str) -> Option<String> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    // Already masked by the PBX.
    let plain = text.strip_suffix(MASK).unwrap_or(text);
    if !plain.chars().all(|c| c.is_ascii_digit() || " ()-./+*#".contains(c)) {
        let word = matches!(text, "anonymous" | "unknown" | "private" | "restricted" | "s" | "h");
        return (!word).then(|| MASK.to_owned());
    }
    if digits <= OWN || plain.len() < text.len() {
        return None;
    }
    Some(without_last_three(text))
}

fn without_last_three(text: &str) -> String {
    let mut left = 3;
    let masked = text.chars().rev().map(|c| {
        if left > 0 && c.is_ascii_digit() {
            left -= 1;
            'x'
        } else {
            c
        }
    });
    masked.collect::<Vec<_>>().into_iter().rev().collect()
}

/// Masks numbers and addresses in free text.
pub(super) fn free(text: &str) -> Option<String> {
    if text.starts_with("data:") {
        return Some(MASK.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let length =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !".:".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            out.push(first);
            before = first;
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (word, after) = rest.split_at(length);
        if is_address(word.trim_matches(|c: char| ".:".contains(c))) {
            out.push_str(MASK);
        } else if before == '-' && is_channel_count(word, after) {
            out.push_str(word);
        } else {
            runs(word, &mut out);
        }
        before = ' ';
        rest = after;
    }
    (out != text).then_some(out)
}

/// Returns true for an IP address, with or without a port, or a MAC address.
fn is_address(word: &str) -> bool {
    let hex: String = word.chars().filter(|c| *c != ':').collect();
    // Twelve digits without separators are a number.
    let mac = hex.len() == 12
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (hex.len() < word.len() || hex.bytes().any(|byte| byte.is_ascii_alphabetic()));
    mac || word.parse::<SocketAddr>().is_ok()
        || word.parse::<IpAddr>().is_ok_and(|_| word.contains('.') || word.matches(':').count() > 1)
}

/// Returns true for the eight hexadecimal digits at the end of a channel's name. They count calls, so they start with zeros.
fn is_channel_count(word: &str, after: &str) -> bool {
    word.len() == 8
        && word.starts_with("000")
        && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && (after.is_empty() || after.starts_with(['>', ';', '<']))
}

/// Masks the last three of six or more consecutive digits.
fn runs(word: &str, out: &mut String) {
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(digits);
        // Already masked text stays unchanged.
        if digits > OWN && !after.starts_with(MASK) {
            out.push_str(&without_last_three(run));
        } else {
            out.push_str(run);
        }
        let others = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (word, after) = after.split_at(others);
        out.push_str(word);
        rest = after;
    }
}
