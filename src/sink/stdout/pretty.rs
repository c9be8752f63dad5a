//! An event as one line for people. Nothing from the PBX reaches the terminal unescaped.

use std::io::{IsTerminal as _, Write as _};

use jiff::{Timestamp, fmt::strtime};

use crate::event::CloudEvent;

/// Longer data is cut: a line is for looking at, not for reading with a program.
const SHOWN: usize = 160;

/// Appends the event, without a line break: time, source, what, whom, data.
pub(super) fn line(event: &CloudEvent<'_>, out: &mut Vec<u8>) {
    let colours = std::io::stdout().is_terminal();
    let paint = |code: &'static str| if colours { code } else { "" };
    let (dim, bold, reset) = (paint("\u{1b}[2m"), paint("\u{1b}[1m"), paint("\u{1b}[0m"));
    let tint = paint(if event.ty.starts_with("cti.bridge.") { "\u{1b}[33m" } else { "\u{1b}[36m" });
    let source = event.source.rsplit('/').next().unwrap_or_default();
    let what = event.ty.strip_prefix("cti.").and_then(|ty| ty.strip_suffix(".v1")).unwrap_or(event.ty);
    let what = what.strip_prefix("event.").unwrap_or(what);
    // Writing to a Vec can't fail.
    let _ = write!(
        out,
        "{dim}{}{reset} {source:<8} {tint}{bold}{what:<24}{reset} {:<22} {dim}{}{reset}",
        clock(event.time),
        printable(event.subject.unwrap_or("-").as_bytes()),
        printable(&event.data),
    );
}

fn clock(time: Timestamp) -> String {
    strtime::format("%H:%M:%S%.3f", time).unwrap_or_else(|_| time.to_string())
}

/// At most [`SHOWN`] characters, with every control character escaped.
fn printable(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut shown = String::with_capacity(SHOWN + 4);
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        // Bidirectional overrides would reorder the line, as control characters would act on the terminal.
        let hidden = character.is_control()
            || matches!(character, '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if hidden { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let shown = printable("a\u{1b}[31m\u{7}\u{9b}b\u{202e}".as_bytes());
        assert_eq!(shown, "a\\u{1b}[31m\\u{7}\\u{9b}b\\u{202e}");
        assert_eq!(printable(b"\xff\n"), "\u{fffd}\\n");
    }

    #[test]
    fn long_data_is_cut() {
        assert_eq!(printable("è".repeat(500).as_bytes()).chars().count(), SHOWN + 1);
    }
}
