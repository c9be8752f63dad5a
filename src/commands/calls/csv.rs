//! Formats an ended call as comma-separated values (RFC 4180).

use std::borrow::Cow;

use serde::Serialize;

use super::list::Row;

/// The names of the columns.
pub(super) const HEADER: &str = "source,call,linkedId,direction,startedAt,answeredAt,endedAt,waitSeconds,talkSeconds,fromNumber,fromName,\
                                 toNumber,toName,toExtension,originalFromNumber,queue,transfers,outcome,into,certain";

/// Returns the record of a call, without a line break.
pub(super) fn record(source: &str, row: &Row) -> String {
    let call = &row.event;
    let time = |at: Option<jiff::Timestamp>| at.map(|at| format!("{at:.3}")).unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let fields = [
        source.to_owned(),
        call.call.to_string(),
        call.linked_ids.first().cloned().unwrap_or_default(),
        word(&call.direction),
        time(Some(call.started_at)),
        time(call.answered_at),
        time(call.ended_at),
        format!("{:.3}", call.wait_seconds),
        format!("{:.3}", call.talk_seconds),
        text(&call.from.number),
        text(&call.from.name),
        text(&call.to.number),
        text(&call.to.name),
        text(&call.to.extension),
        text(&call.original_from.number),
        text(&call.queue),
        row.transfers.to_string(),
        call.outcome.as_ref().map(word).unwrap_or_default(),
        call.into.map(|into| into.to_string()).unwrap_or_default(),
        call.certain.to_string(),
    ];
    fields.iter().map(|field| escaped(field)).collect::<Vec<_>>().join(",")
}

/// Returns the name of an enum's variant in JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Quotes a field that needs it. A caller chooses the name that is shown, and a spreadsheet would run one that is a formula.
fn escaped(field: &str) -> Cow<'_, str> {
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || " +()-./".contains(c));
    let is_formula = field.starts_with(['=', '+', '-', '@']) && !is_number(field);
    let field = if is_formula { Cow::Owned(format!("'{field}")) } else { Cow::Borrowed(field) };
    if !field.contains([',', '"', '\n', '\r']) {
        return field;
    }
    Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
}
