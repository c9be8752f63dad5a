//! Recognises texts that name nobody.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
};

use super::{MASK, key::is_pseudonym};
use crate::event::{Node, schemas};

/// Words that stand for a number or a name that is not known.
pub(super) fn is_placeholder(text: &str) -> bool {
    matches!(text, "anonymous" | "unknown" | "private" | "restricted" | "s" | "h")
}

/// Every text that the catalogue lists as a value.
static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    fn collect(node: &'static Node, found: &mut HashSet<&'static str>) {
        found.extend(node.known.iter().map(String::as_str));
        let parts = node.properties.iter().map(|(_, node)| node);
        for part in parts.chain(node.additional.as_deref()).chain(node.items.as_deref()) {
            collect(part, found);
        }
    }
    let mut found = HashSet::new();
    for schema in schemas() {
        collect(&schema.data, &mut found);
    }
    found.extend(["yes", "no", "on", "off", "null", "none", "N/A", "<unknown>"]);
    found
});

/// Returns true for a text that is evidently not personal: nothing, hidden already, an id, a moment, a word that the catalogue
/// knows.
pub(super) fn is_harmless(text: &str) -> bool {
    text.is_empty()
        || is_hidden(text)
        || is_unique_id(text)
        || is_moment(text)
        || is_placeholder(text)
        || KNOWN.contains(text)
}

/// Returns true for a text that was hidden before, by the PBX or by a bridge.
pub(super) fn is_hidden(text: &str) -> bool {
    text == MASK || is_pseudonym(text) || is_masked_number(text)
}

/// Returns true for a number whose end the PBX has masked.
pub(super) fn is_masked_number(text: &str) -> bool {
    text.strip_suffix(MASK).is_some_and(is_plain)
}

/// Returns true if a text consists of the characters of numbers.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || " ()-./+*#\u{a0}".contains(c))
}

/// Returns true for an id of Asterisk, such as `1795538000.20`: Unix seconds and a counter.
pub(super) fn is_unique_id(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, count)| {
        seconds.len() == 10
            && seconds.starts_with(['1', '2'])
            && is_digits(seconds)
            && is_digits(count)
            && count.len() <= 9
    })
}

/// Returns true for a date, a time, or both.
pub(super) fn is_moment(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None if text.contains(':') => ("", text),
        None => (text, ""),
    };
    (!date.is_empty() || !time.is_empty())
        && (date.is_empty() || is_date(date))
        && (time.is_empty() || is_time(time))
}

/// Returns true for `2026-11-24` and `2026/11/24`.
pub(super) fn is_date(text: &str) -> bool {
    let shape = |byte| if u8::is_ascii_digit(&byte) { b'0' } else { byte };
    text.len() == 10
        && text.starts_with(['1', '2'])
        && matches!(&*text.bytes().map(shape).collect::<Vec<_>>(), b"0000-00-00" | b"0000/00/00")
}

/// Returns true for `10:20`, `10:20:30.5Z` and `10:20:30+01:00`.
fn is_time(text: &str) -> bool {
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_clock = |text: &str| {
        text.contains(':') && text.split(':').count() <= 3 && text.split(':').all(|part| is_number(part, 2))
    };
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (time, zone) = text.split_once(['+', '-']).unwrap_or((text, "00:00"));
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    is_clock(clock) && is_number(fraction, 9) && (is_clock(zone) || is_number(zone, 4))
}

/// Returns true for an integer that is a Unix time between 2014 and 2039, in seconds, milliseconds or microseconds.
pub(super) fn is_unix_time(text: &str) -> bool {
    let integer = text.split('.').next().unwrap_or_default();
    matches!(integer.len(), 10 | 13 | 16)
        && integer.bytes().all(|byte| byte.is_ascii_digit())
        && integer.get(..3).is_some_and(|start| ("140".."220").contains(&start))
}

/// Returns true for an IP address, with or without a port, or a MAC address.
pub(super) fn is_address(word: &str) -> bool {
    if word.len() < 3 {
        return false;
    }
    let mac = || {
        let hex = || word.bytes().filter(|byte| *byte != b':');
        let count = hex().count();
        // Twelve digits without separators are a number.
        count == 12
            && hex().all(|byte| byte.is_ascii_hexdigit())
            && (count < word.len() || hex().any(|byte| byte.is_ascii_alphabetic()))
    };
    let ip = || {
        word.contains(['.', ':'])
            && (word.parse::<SocketAddr>().is_ok()
                || word.parse::<IpAddr>().is_ok_and(|_| word.contains('.') || word.matches(':').count() > 1))
    };
    ip() || mac()
}

/// Returns true for the eight hexadecimal digits at the end of a channel's name. They count calls, so they start with zeros.
pub(super) fn is_channel_count(word: &str, after: &str) -> bool {
    word.len() == 8
        && word.starts_with("000")
        && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && (after.is_empty() || after.starts_with(['>', ';', '<']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_nobody_is_harmless() {
        for text in [
            "",
            "xxx",
            "1795538000.20",
            "2026-11-24",
            "2026-11-24T10:00:00.500000Z",
            "2026-11-24 10:00",
            "10:20:30",
            "busy",
            "false",
            "0721000xxx",
            "anonymous",
        ] {
            assert!(is_harmless(text), "{text}");
        }
        for text in [
            "Ada",
            "0721000111",
            "07210001.11",
            "721000111.2",
            "2026-11-2x",
            "10.1.2.9",
            "1795538000.0721000111",
            "xxx0721000111",
        ] {
            assert!(!is_harmless(text), "{text}");
        }
        assert!(is_unix_time("1795538000") && is_unix_time("1795538000000") && is_unix_time("1795538000.5"));
        assert!(!is_unix_time("3331234567") && !is_unix_time("721000111"));
    }
}
