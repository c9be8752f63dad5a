//! Formats a call as one line of text. Nothing from the PBX reaches the terminal unescaped.

use calls::{CallState, Direction, Outcome, Party};
use jiff::{Timestamp, tz::TimeZone};

use super::list::Row;
use crate::{
    terminal::{Style, Tint},
    text::PeerText,
};

/// The widths of the columns; a longer value is cut off or shifts the rest.
const SOURCE: usize = 8;
const STATE: usize = 11;
const SECONDS: usize = 7;
/// The width of each of the two parties: less in a narrow terminal, but enough for a number.
const PARTY: usize = 22;
const NARROW_PARTY: usize = 12;
/// The width of a line without source, parties and details.
const REST: usize = 8 + 2 + 3 + 3 + 1 + STATE + 1 + SECONDS + 1 + SECONDS;

/// Formats lines.
#[derive(Debug)]
pub(super) struct Printer {
    style: Style,
    zone: TimeZone,
    /// Lines name the source.
    names_source: bool,
    /// The width of a party.
    party: usize,
}

impl Printer {
    pub(super) fn new(style: Style, zone: TimeZone, names_source: bool) -> Self {
        let rest = REST + if names_source { SOURCE + 1 } else { 0 };
        let room = style.columns.map_or(PARTY, |columns| columns.saturating_sub(rest) / 2);
        Self { style, zone, names_source, party: room.clamp(NARROW_PARTY, PARTY) }
    }

    /// Returns the names of the columns.
    pub(super) fn header(&self) -> String {
        let source = if self.names_source { format!("{:<SOURCE$} ", "source") } else { String::new() };
        let party = self.party;
        let line = format!(
            "{:<8}  {source}   {:<party$}   {:<party$} {:<STATE$} {:>SECONDS$} {:>SECONDS$}",
            "start", "from", "to", "state", "wait", "talk"
        );
        self.style.paint(Tint::Faint, &line)
    }

    /// Returns the line of a call, without a line break.
    pub(super) fn line(&self, source: &str, row: &Row, now: Timestamp) -> String {
        let call = &row.event;
        let source = if self.names_source {
            format!("{:<SOURCE$} ", PeerText::new(source).as_str())
        } else {
            String::new()
        };
        let until = call.ended_at.unwrap_or(now);
        let wait = between(call.started_at, call.answered_at.unwrap_or(until));
        let talk = call.answered_at.map_or_else(|| "-".to_owned(), |answered| between(answered, until));
        let (state, tint) = state(row);
        let state = if call.certain { state.to_owned() } else { format!("{state}?") };
        let width = self.party;
        let line = format!(
            "{}  {source}{:<2} {:<width$} → {:<width$} {} {wait:>SECONDS$} {talk:>SECONDS$}  {}",
            self.style.paint(Tint::Faint, &self.moment(call.started_at, now)),
            arrow(call.direction),
            party(&call.from, width),
            party(&call.to, width),
            self.style.paint(tint, &format!("{state:<STATE$}")),
            details(row),
        );
        self.style.shown(line.trim_end())
    }

    /// Returns the local time of day; with the date unless it is today.
    pub(super) fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        let (at, now) = (at.to_zoned_datetime(self.zone.clone()), now.to_zoned_datetime(self.zone.clone()));
        let is_today = at.date() == now.date();
        at.strftime(if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "←",
        Direction::Outbound => "→",
        Direction::Internal => "↔",
        Direction::Unknown => "?",
    }
}

/// Returns the outcome of an ended call, the state of any other, and its colour.
fn state(row: &Row) -> (&'static str, Tint) {
    match (row.event.outcome, row.event.state) {
        (Some(Outcome::Answered), _) => ("answered", Tint::Faint),
        (Some(Outcome::Missed), _) => ("missed", Tint::Bad),
        (Some(Outcome::Abandoned), _) => ("abandoned", Tint::Bad),
        (Some(Outcome::Merged), _) => ("merged", Tint::Faint),
        (Some(Outcome::Unknown), _) | (None, CallState::Ended) => ("unknown", Tint::Faint),
        (None, CallState::Initiated) => ("connecting", Tint::Attention),
        (None, CallState::Ringing) => ("ringing", Tint::Attention),
        (None, CallState::Queued) => ("queued", Tint::Attention),
        (None, CallState::Connected) => ("talking", Tint::Good),
        (None, CallState::Held) => ("on hold", Tint::Good),
        (None, CallState::Parked) => ("parked", Tint::Attention),
    }
}

fn party(party: &Party, width: usize) -> String {
    let parts = [&party.number, &party.name].into_iter().flatten();
    let text = parts.filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    let text = PeerText::new(&text).to_string();
    match text.char_indices().nth(width) {
        _ if text.is_empty() => "unknown".to_owned(),
        None => text,
        Some(_) => text.chars().take(width - 1).chain(['…']).collect(),
    }
}

fn details(row: &Row) -> String {
    let call = &row.event;
    let text = |what: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{what} {}", PeerText::within(value, PARTY)))
    };
    let details = [
        text("queue", &call.queue),
        text("slot", &call.parking),
        match row.transfers {
            0 => None,
            1 => Some("transferred".to_owned()),
            times => Some(format!("transferred {times} times")),
        },
        call.into.map(|into| format!("into {into}")),
        call.recording.then(|| "recorded".to_owned()),
    ];
    details.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns the time between two moments, as `1h02m`, `1m05s` or `5s`.
fn between(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest:02}s"),
        _ => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::list::tests::row, *};

    const NOW: &str = "2026-11-24T10:10:00Z";

    fn shown(style: Style, names_source: bool, more: &str) -> String {
        let printer = Printer::new(style, TimeZone::UTC, names_source);
        printer.line("pbx1", &row(more), NOW.parse().unwrap())
    }

    fn line(more: &str) -> String {
        shown(Style::default(), false, more)
    }

    #[test]
    fn a_call_is_one_line() {
        let ended = r#""state":"ended","outcome":"answered","answeredAt":"2026-11-24T10:00:06Z","endedAt":"2026-11-24T10:01:11Z","queue":"401""#;
        assert_eq!(
            line(ended),
            "10:00:00  ←  0721000111             → 201 Ada Neri           answered         6s   1m05s  queue 401"
        );
        assert_eq!(
            line(r#""state":"ringing""#),
            "10:00:00  ←  0721000111             → 201 Ada Neri           ringing      10m00s       -"
        );
        let merged = r#""state":"ended","outcome":"merged","into":"99","endedAt":"2026-11-24T10:00:02Z""#;
        assert!(line(merged).ends_with(" merged           2s       -  into 99"), "{}", line(merged));
    }

    #[test]
    fn what_was_inferred_has_a_question_mark() {
        let line = line(r#""state":"connected","answeredAt":"2026-11-24T10:00:06Z","certain":false"#);
        assert!(line.ends_with(" talking?         6s   9m54s"), "{line}");
    }

    #[test]
    fn text_of_the_pbx_is_escaped_and_cut_off() {
        let line =
            line(r#""state":"ringing","from":{"number":"0721000111","name":"\u001b[2J and a long name"}"#);
        assert!(line.contains("0721000111 \\u{1b}[2J … → 201"), "{line}");
    }

    #[test]
    fn a_line_fits_80_columns_and_keeps_the_numbers() {
        let style = Style { columns: Some(80), ..Style::default() };
        let more = r#""state":"connected","answeredAt":"2026-11-24T10:00:06Z","from":{"number":"00390721000111","name":"Libreria del Corso"}"#;
        let line = shown(style, false, more);
        assert_eq!(line.chars().count(), 80, "{line}");
        assert!(line.contains(" 00390721000111 Li… → 201 Ada Neri"), "{line}");
    }

    #[test]
    fn columns_fit_their_names_and_colours_change_nothing_else() {
        let more = r#""state":"ringing""#;
        let plain = shown(Style::default(), true, more);
        let header = Printer::new(Style::default(), TimeZone::UTC, true).header();
        let column = |text: &str, part: &str| text.split(part).next().unwrap().chars().count();
        assert_eq!(column(&header, "state"), column(&plain, "ringing"), "{header}");
        assert_eq!(column(&header, "from"), column(&plain, "0721000111"), "{header}");
        let style = Style { has_colours: true, ..Style::default() };
        let coloured = shown(style, true, more);
        assert_eq!(
            coloured.replace("\u{1b}[2m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", ""),
            plain
        );
    }
}
