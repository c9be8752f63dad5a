//! Hides the peer in the name of a channel: `PJSIP/0721000111-0000000a`, `Local/201@from-internal-00000001;1`, and pairs of them.

use super::{
    harmless::{is_harmless, is_plain},
    key::Kind,
    own::OwnNumbers,
    rules::{Place, Rule},
    text::Texts,
};

/// Asterisk's channel technologies.
const TECHNOLOGIES: &[&str] = &[
    "PJSIP",
    "SIP",
    "Local",
    "IAX2",
    "DAHDI",
    "Zap",
    "SCCP",
    "Skinny",
    "MGCP",
    "mISDN",
    "OOH323",
    "WebSocket",
    "Message",
    "ConfBridge",
    "CBAnn",
    "CBRec",
    "Bridge",
    "Surrogate",
    "AsyncGoto",
    "Parked",
    "Console",
    "MulticastRTP",
    "UnicastRTP",
    "Snoop",
    "Announcer",
    "Recorder",
    "Motif",
    "Dongle",
    "AudioSocket",
];

/// Returns true for the name of a channel, or of a pair of channels.
pub(super) fn is_channel(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && parts(text).all(|part| part.is_empty() || technology(part).is_some())
        && text.contains('/')
}

/// The names of a pair, separated by `>`. A channel that hangs up has `<ZOMBIE>` after its name.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let from = rest?;
        let end = from.match_indices('>').find(|(at, _)| {
            let before = from.get(..*at).unwrap_or_default();
            before.rfind('<').is_none_or(|open| before.get(open..).is_some_and(|tail| tail.contains('>')))
        });
        let (part, after) = match end {
            Some((at, _)) => (from.get(..at)?, from.get(at + 1..)),
            None => (from, None),
        };
        rest = after;
        Some(part)
    })
}

fn technology(part: &str) -> Option<(&str, &str)> {
    part.split_once('/').filter(|(technology, _)| TECHNOLOGIES.contains(technology))
}

impl Texts<'_> {
    /// A value that is the name of a channel or of a pair of channels.
    pub(super) fn channel(&self, text: &str) -> Option<String> {
        let settings = self.rules.settings;
        if !settings.is_thorough() && self.rules.own == OwnNumbers::Short {
            return self.free(text);
        }
        if is_harmless(text) {
            return None;
        }
        if !is_channel(text) {
            return self.unknown(text);
        }
        let hidden: Vec<_> = parts(text).map(|part| self.one_channel(part)).collect();
        let hidden = hidden.join(">");
        (hidden != text).then_some(hidden)
    }

    fn one_channel(&self, part: &str) -> String {
        let Some((technology, rest)) = technology(part) else { return part.to_owned() };
        if self::technology(rest).is_some() {
            return format!("{technology}/{}", self.one_channel(rest));
        }
        let (body, side) = rest.split_at(rest.find([';', '<']).unwrap_or(rest.len()));
        let counted = body.rfind('-').map(|at| body.split_at(at)).filter(|(_, count)| is_count(count));
        let (name, count) = counted.unwrap_or((body, ""));
        let (peer, context) = name.split_at(name.find('@').unwrap_or(name.len()));
        let peers: Vec<_> = peer.split('/').map(|peer| self.peer(peer)).collect();
        let (at, context) = context.split_at(context.len().min(1));
        let context = self.free(context).unwrap_or_else(|| context.to_owned());
        format!("{technology}/{}{at}{context}{count}{side}", peers.join("/"))
    }

    fn peer(&self, peer: &str) -> String {
        let replaced = if is_plain(peer) {
            let replaced = self.text(Place { rule: Rule::Number, node: None }, Some(peer));
            self.distinct(Kind::Number, peer, replaced)
        } else if is_group(peer) || !self.rules.settings.hides_names() {
            self.free(peer)
        } else {
            (!is_harmless(peer)).then(|| self.pseudonym(Kind::Name, peer))
        };
        replaced.unwrap_or_else(|| peer.to_owned())
    }
}

/// Returns true for a line or a group of lines: `i1`, `g0`.
fn is_group(peer: &str) -> bool {
    peer.len() <= 3
        && peer.starts_with(|c: char| c.is_ascii_lowercase())
        && peer.get(1..).is_some_and(is_plain)
}

/// Returns true for the hyphen and the counter of a channel: hexadecimal digits.
fn is_count(text: &str) -> bool {
    let Some(count) = text.strip_prefix('-') else { return false };
    let is_hex = count.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_long =
        count.len() == 8 && (count.starts_with('0') || count.bytes().any(|byte| byte.is_ascii_lowercase()));
    is_hex && (is_long || matches!(count.len(), 1 | 2))
}
