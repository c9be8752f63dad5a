//! Formats an ended call as comma-separated values (RFC 4180).

use std::borrow::Cow;

use super::list::Row;
use crate::event::word;

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

/// Quotes a field that needs it. A caller chooses the name that is shown, and a spreadsheet would run one that is a formula.
fn escaped(field: &str) -> Cow<'_, str> {
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || " +()-./".contains(c));
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(field);
    let field = if is_formula { Cow::Owned(format!("'{field}")) } else { Cow::Borrowed(field) };
    if !field.contains([',', '"', '\n', '\r']) {
        return field;
    }
    Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::{super::list::tests::row, *};

    #[test]
    fn an_ended_call_is_a_record_with_every_column() {
        let call = row(
            r#""state":"ended","outcome":"answered","answeredAt":"2026-11-24T10:00:06Z","endedAt":"2026-11-24T10:01:11Z","from":{"number":"+390721000111","name":"=1+1, \"x\""}"#,
        );
        let record = record("pbx1", &call);
        assert_eq!(
            record,
            "pbx1,17,1795538000.20,inbound,2026-11-24T10:00:00.000Z,2026-11-24T10:00:06.000Z,2026-11-24T10:01:11.000Z,6.000,65.000,\
             +390721000111,\"'=1+1, \"\"x\"\"\",201,Ada Neri,201,0721000111,,0,answered,,true"
        );
        let columns = record.replace("=1+1, ", "").split(',').count();
        assert_eq!(HEADER.split(',').count(), columns);
    }
}
