//! Formats an event as one line of text. Nothing from the PBX reaches the terminal unescaped.

mod phrase;

use std::io::Write as _;

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

use self::phrase::Phrase;
use crate::{
    event::{CloudEvent, Origin},
    terminal::Style,
    text::is_hidden,
};

/// The width of an event's text without a terminal, in characters.
const SHOWN: usize = 160;
/// The smallest width of an event's text, however narrow the terminal.
const LEAST: usize = 24;
/// The widths of the columns source and name; a longer value shifts the rest.
const SOURCE: usize = 8;
const NAME: usize = 22;

/// Formats lines.
#[derive(Debug, Clone)]
pub(super) struct Printer {
    style: Style,
    zone: TimeZone,
}

/// The importance of an event.
#[derive(Clone, Copy)]
enum Weight {
    Event,
    Call,
    Bridge,
    Loss,
}

impl Printer {
    /// Returns a printer for standard output.
    pub(super) fn for_stdout() -> Self {
        Self { style: Style::of_stdout(), zone: TimeZone::system() }
    }

    /// Appends the event, without a line break: local time, mark, source, name, entity, and what happened.
    /// The marks are `*` for bridge events, `!` for possible losses, `#` for calls, and `=` for states that were requested.
    pub(super) fn line(&self, event: &CloudEvent<'_>, out: &mut Vec<u8>) {
        let what = event.ty.strip_prefix("cti.").and_then(|ty| ty.strip_suffix(".v1")).unwrap_or(event.ty);
        let class = what.split_once('.');
        let (what, weight) = match class {
            Some(("event", slug)) => (event.event.unwrap_or(slug), Weight::Event),
            Some(("bridge", what @ ("gap" | "lost" | "deadlettered"))) => (what, Weight::Loss),
            Some(("bridge", what)) => (what, Weight::Bridge),
            Some(("call", _)) => (what, Weight::Call),
            _ => (what, Weight::Event),
        };
        let phrase = match (class, weight) {
            (Some((_, step)), Weight::Call) => Phrase::of_call(step, &event.data),
            _ => Phrase::of(what, matches!(weight, Weight::Event), &event.data, &self.zone),
        };
        let Phrase { whom, text } = phrase.unwrap_or_else(|| Phrase {
            whom: event.subject.unwrap_or("-").to_owned(),
            text: String::from_utf8_lossy(&event.data).into_owned(),
        });
        let source = printable(event.source.rsplit('/').next().unwrap_or_default(), SHOWN);
        let what = printable(what, SHOWN);
        // Time, mark, source and name, with the spaces between them.
        let before = 12 + 3 + source.chars().count().max(SOURCE) + 1 + what.chars().count().max(NAME) + 1;
        let room = self.style.columns.map_or(SHOWN, |columns| columns.saturating_sub(before).max(LEAST));
        let whom = printable(&format!("{whom:<14}"), room);
        // Losses are shown in full, in as many lines as needed.
        let text = match weight {
            Weight::Loss => self.style.wrap(&printable(&text, usize::MAX), before + whom.chars().count() + 1),
            Weight::Event | Weight::Call | Weight::Bridge => {
                printable(&text, room.saturating_sub(whom.chars().count() + 1))
            }
        };
        let [source, what, whom, text] = [source, what, whom, text].map(|text| self.style.shown(&text));
        let paint = |code: &'static str| if self.style.has_colours { code } else { "" };
        let (dim, bold, reset) = (paint("\u{1b}[2m"), paint("\u{1b}[1m"), paint("\u{1b}[0m"));
        let (mark, tint) = match weight {
            Weight::Event if event.origin == Origin::Live => (' ', paint("\u{1b}[36m")),
            Weight::Event => ('=', paint("\u{1b}[36m")),
            Weight::Call => ('#', paint("\u{1b}[32m")),
            Weight::Bridge => ('*', paint("\u{1b}[33m")),
            Weight::Loss => ('!', paint("\u{1b}[31m")),
        };
        // Writing to a Vec can't fail.
        let _ = write!(
            out,
            "{dim}{}{reset} {tint}{mark}{reset} {dim}{source:<SOURCE$}{reset} {tint}{what:<NAME$}{reset} {bold}{whom}{reset} {text}",
            clock(event.time, &self.zone),
        );
        while out.last() == Some(&b' ') {
            out.pop();
        }
    }
}

/// Returns the local time of day.
fn clock(time: Timestamp, zone: &TimeZone) -> String {
    strtime::format("%H:%M:%S%.3f", &time.to_zoned_datetime(zone.clone()))
        .unwrap_or_else(|_| time.to_string())
}

/// Returns at most `most` characters, with every control character escaped.
fn printable(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most.saturating_mul(4)));
    let mut count = 0;
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_default());
            count += character.escape_default().count();
        } else {
            shown.push(character);
            count += 1;
        }
        if count > most {
            return shown.chars().take(most.saturating_sub(1)).chain(['…']).collect();
        }
    }
    shown
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::event::{JournalId, Mark, Seq};

    fn line(ty: &str, subject: Option<&str>, data: &str) -> String {
        painted(false, ty, subject, data)
    }

    fn painted(colours: bool, ty: &str, subject: Option<&str>, data: &str) -> String {
        let style = Style { has_colours: colours, columns: Some(107), is_ascii: false };
        shown_in(style, ty, subject, data)
    }

    fn shown_in(style: Style, ty: &str, subject: Option<&str>, data: &str) -> String {
        let printer = Printer { style, zone: TimeZone::UTC };
        let event = CloudEvent {
            journal: JournalId::draw(),
            mark: Mark::Numbered { seq: Seq(2), prev: Seq(1) },
            sink: None,
            gap: Seq(1),
            source: "/cti/pbx1",
            ty,
            subject,
            event: None,
            time: "2026-11-24T10:00:00.5Z".parse().unwrap(),
            args: 1,
            origin: Origin::Live,
            binary: false,
            redacted: None,
            cause: None,
            schema: None,
            data: bytes::Bytes::copy_from_slice(data.as_bytes()),
        };
        let mut out = Vec::new();
        printer.line(&event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_call_reads_at_a_glance() {
        let call = concat!(
            r#"{"exten":"201","name":"Ada Neri","status":"busy","dnd":false,"cf":"","conversations":{"a":{"direction":"out","#,
            r#""connected":true,"throughQueue":true,"queueId":"401","recording":"true","counterpartNum":"0721000xxx","counterpartName":"xxx"}}}"#
        );
        assert_eq!(
            line("cti.event.extenUpdate.v1", Some("extension/201"), call),
            "10:00:00.500   pbx1     extenUpdate            201 Ada Neri   busy  → 0721000xxx xxx, talking, queue 401, …"
        );
    }

    #[test]
    fn the_steps_of_a_call_read_as_a_story() {
        let data = |rest: &str| {
            format!(
                r#"{{"call":"17","direction":"inbound","from":{{"number":"0721000xxx"}},"to":{{"number":"201","name":"Ada"}},"originalFrom":{{}},"certain":true,"waitSeconds":6.54,"talkSeconds":33.5,{rest}}}"#
            )
        };
        for (step, rest, expected) in [
            (
                "ringing",
                r#""state":"ringing","queue":"401""#,
                "#17            0721000xxx → 201 Ada, inbound, queue 401",
            ),
            (
                "answered",
                r#""state":"connected""#,
                "#17            0721000xxx → 201 Ada, inbound, waited 7 s",
            ),
            (
                "transferred",
                r#""transfer":{"by":{"number":"201"},"from":{"number":"201"},"to":{"number":"202"},"kind":"blind"}"#,
                "#17            0721000xxx → 201 Ada, inbound, 202 for 201, …",
            ),
            (
                "ended",
                r#""outcome":"answered","answeredAt":"""#,
                "#17            0721000xxx → 201 Ada, inbound, answered, tal…",
            ),
        ] {
            assert_eq!(
                line(&format!("cti.call.{step}.v1"), Some("call/17"), &data(rest)),
                format!("10:00:00.500 # pbx1     {:<22} {expected}", format!("call.{step}"))
            );
        }
    }

    #[test]
    fn an_unknown_event_is_its_json_and_a_loss_is_marked() {
        assert_eq!(
            line("cti.event.newThing.v1", None, r#"{"a":1}"#),
            "10:00:00.500   pbx1     newThing               -              {\"a\":1}"
        );
        let gap = r#"{"reason":"disconnected","from":"2026-11-24T09:59:00Z","to":"2026-11-24T10:00:00Z","certain":false}"#;
        assert_eq!(
            line("cti.bridge.gap.v1", None, gap),
            "10:00:00.500 ! pbx1     gap                    -              may have missed events from 09:59:00.000 to
                                                              10:00:00.000: disconnected"
        );
    }

    #[test]
    fn a_locale_without_utf_8_gets_ascii_alone() {
        let call = r#"{"exten":"201","name":"Zoë","status":"busy","conversations":{"a":{"direction":"out","counterpartNum":"0721"}}}"#;
        let style = Style { is_ascii: true, ..Style::default() };
        let shown = shown_in(style, "cti.event.extenUpdate.v1", Some("extension/201"), call);
        assert!(shown.is_ascii() && shown.contains("Zo\\u{eb}") && shown.contains("-> 0721"), "{shown}");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let shown = printable("a\u{1b}[31m\u{7}\u{9b}b\u{202e}\n", 100);
        assert_eq!(shown, "a\\u{1b}[31m\\u{7}\\u{9b}b\\u{202e}\\n");
        let hostile = r#"{"exten":"2\u001b[31m01","name":"\u009b\r\n","status":"\u0007"}"#;
        let shown = line("cti.event.extenUpdate.v1", None, hostile);
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }

    #[test]
    fn colours_are_the_only_control_sequences() {
        let hostile = r#"{"exten":"201","name":"\u001b[31mAda","status":"busy\u001b]0;x\u0007"}"#;
        let ty = "cti.event.extenUpdate.v1";
        let mut shown = painted(true, ty, None, hostile);
        assert!(shown.contains("\u{1b}[36m"), "{shown:?}");
        for code in ["0", "1", "2", "36"] {
            shown = shown.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(shown, line(ty, None, hostile));
    }

    #[test]
    fn long_data_is_cut() {
        assert_eq!(printable(&"è".repeat(500), SHOWN).chars().count(), SHOWN);
    }
}
