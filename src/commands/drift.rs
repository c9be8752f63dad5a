//! `cti-bridge catalogue --drift`: what the running bridge has found in the PBX's events that the catalogue does not describe.

use std::io::{self, Write};

use serde_json::json;
use url::Url;

use super::{admin_client, status};
use crate::{
    admin::served::{ServedFinding, ServedStatus},
    config::Flags,
    exit::Exit,
    runtime,
    terminal::{Style, Tint},
    text,
};

/// Prints the findings of all sources, one per line or as a JSON array. Exit code 69 if no bridge answers.
pub(super) fn print(
    at: Option<&Url>,
    flags: &Flags,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let place = match admin_client::endpoint(at, flags) {
        Ok(place) => place,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(Exit::Unavailable);
        }
    };
    let served = runtime::block_on(status::fetch(&place, err)).unwrap_or(Ok(None))?;
    let Some((_, served)) = served else { return Ok(Exit::Unavailable) };
    if json {
        writeln!(out, "{}", text::escaped_as_json(&as_json(&served), |ch| ch == '\n'))?;
    } else {
        write!(out, "{}", table(&served, Style::of_stdout()))?;
    }
    Ok(Exit::Clean)
}

fn findings(status: &ServedStatus) -> impl Iterator<Item = (&str, &ServedFinding)> {
    let sources = status.sources.iter();
    sources.flat_map(|source| source.drift.iter().map(|finding| (source.name.as_str(), finding)))
}

fn as_json(status: &ServedStatus) -> String {
    let finding = |(source, finding): (&str, &ServedFinding)| {
        json!({
            "source": source, "event": finding.event, "path": finding.path, "kind": finding.kind, "count": finding.count,
            "firstSeen": finding.first_seen, "lastSeen": finding.last_seen,
        })
    };
    format!("{:#}", findings(status).map(finding).collect::<serde_json::Value>())
}

fn table(status: &ServedStatus, style: Style) -> String {
    let now = status.now.unwrap_or_default();
    let mut lines = Vec::new();
    for (source, finding) in findings(status) {
        if lines.is_empty() {
            let [source, kind, seen, last] = ["source", "kind", "seen", "last"];
            let head = format!("{source:<16} {kind:<14} {seen:>8} {last:>10}  event and path");
            lines.push(style.paint(Tint::Strong, &head));
        }
        lines.push(format!(
            "{:<16} {:<14} {:>8} {:>10}  {}",
            text::sentence(source),
            text::sentence(&finding.kind.replace('_', " ")),
            finding.count,
            status::ago(now, finding.last_seen),
            text::sentence(format!("{} {}", finding.event, finding.path).trim_end()),
        ));
    }
    if lines.is_empty() {
        lines.push("the sampled events match the catalogue".to_owned());
    } else {
        lines.push(
            "Check that consumers can handle these, and report them to the project: they hold names only, no values."
                .to_owned(),
        );
    }
    style.shown(&(lines.join("\n") + "\n"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_by_source() {
        let status = json!({
            "now": "2026-11-24T10:03:00Z",
            "sources": [
                { "name": "pbx1", "drift": [
                    { "event": "extenUpdate", "path": "/a/\u{1b}[2J", "kind": "unknown_field", "count": 12,
                        "firstSeen": "2026-11-24T09:00:00Z", "lastSeen": "2026-11-24T10:02:30Z" },
                    { "event": "phoneLightOn", "path": "", "kind": "unknown_event", "count": 1 },
                ] },
                { "name": "of an older bridge" },
            ],
        });
        let served: ServedStatus = serde_json::from_value(status).unwrap();
        let expected = "\
source           kind               seen       last  event and path
pbx1             unknown field        12   30 s ago  extenUpdate /a/\\u{1b}[2J
pbx1             unknown event         1      never  phoneLightOn
Check that consumers can handle these, and report them to the project: they hold names only, no values.
";
        assert_eq!(table(&served, Style::default()), expected);
        let printed: serde_json::Value = serde_json::from_str(&as_json(&served)).unwrap();
        assert_eq!((printed.as_array().unwrap().len(), &printed[0]["source"]), (2, &json!("pbx1")));
        let none = table(&ServedStatus::default(), Style::default());
        assert_eq!(none, "the sampled events match the catalogue\n");
    }
}
