//! `cti-bridge status`: how the bridge that runs does, on a terminal.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use bytesize::ByteSize;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::ask;
use crate::{
    cli,
    config::Flags,
    exit::Exit,
    terminal::{Style, Tint},
    text,
};

/// Show how the bridge that runs does: PBXs, sinks, lag, ledger, what is wrong and what to do
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge status
  cti-bridge status --watch=5s
  cti-bridge status --json --at http://10.0.0.7:9464/")]
pub struct Args {
    /// Print what /status answers, for programs
    #[arg(long)]
    json: bool,
    /// Show it again every so often, until Ctrl-C
    #[arg(long, short, value_name = "TIME", value_parser = humantime::parse_duration, num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    watch: Option<Duration>,
    /// Where to ask, in place of the configuration's [admin] listen
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command. Exit code 0 if every component works, 69 if one does not, or if nobody answers.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let place = match ask::place(args.at.as_ref(), &args.flags) {
        Ok(place) => place,
        Err(reason) => {
            writeln!(err, "{reason}")?;
            return Ok(Exit::Unavailable);
        }
    };
    match args.watch {
        None => cli::block_on(show(args, &place, out, err)).unwrap_or(Ok(Exit::Internal)),
        Some(interval) => {
            cli::block_on(watch(args, &place, interval, (out, err))).unwrap_or(Ok(Exit::Internal))
        }
    }
}

/// Shows it again and again, until a signal.
async fn watch(
    args: &Args,
    place: &Url,
    interval: Duration,
    (out, err): (&mut impl Write, &mut impl Write),
) -> io::Result<Exit> {
    let mut signals = match super::signals() {
        Ok(signals) => signals,
        Err(ended) => {
            writeln!(err, "{ended}")?;
            return Ok(ended.exit);
        }
    };
    let is_terminal = io::stdout().is_terminal();
    loop {
        if is_terminal {
            // Home, and clear what is below: less flicker than to clear the screen first.
            write!(out, "\u{1b}[H\u{1b}[J")?;
        }
        let exit = show(args, place, out, err).await?;
        if !is_terminal && !args.json {
            writeln!(out)?;
        }
        out.flush()?;
        tokio::select! {
            _ = signals.next() => return Ok(exit),
            () = tokio::time::sleep(interval) => {}
        }
    }
}

async fn show(args: &Args, place: &Url, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let body = match ask::get(place, "status").await {
        Ok(ask::Answer { good: true, body }) => body,
        Ok(ask::Answer { body: reason, .. }) | Err(reason) => {
            writeln!(err, "{}", reason.trim_end())?;
            return Ok(Exit::Unavailable);
        }
    };
    let Ok(status) = serde_json::from_str::<Value>(&body) else {
        writeln!(err, "what answers there is not a cti-bridge")?;
        return Ok(Exit::Unavailable);
    };
    if args.json {
        // Nothing in it acts on a terminal.
        writeln!(out, "{}", text::escaped_as_json(&body, |_| false))?;
    } else {
        write!(out, "{}", summary(&status, Style::of_stdout()))?;
    }
    Ok(if status["ready"] == true { Exit::Clean } else { Exit::Unavailable })
}

fn summary(status: &Value, style: Style) -> String {
    let now = time(&status["now"]).unwrap_or_default();
    let word = |value: &Value| text::sentence(value.as_str().unwrap_or("?"));
    let mut lines = vec![format!(
        "{}: {}; cti-bridge {} ({}), up {}, journal {}",
        word(&status["instance"]),
        if status["ready"] == true {
            style.paint(Tint::Good, "all parts work")
        } else {
            style.paint(Tint::Bad, "not ready")
        },
        word(&status["version"]),
        word(&status["commit"]),
        since(now, &status["started"]),
        word(&status["journal"]["id"]),
    )];
    for source in list(&status["sources"]) {
        let facts = format!(
            "{} events, seen {}, token ends {}",
            number(&source["events"]),
            ago(now, &source["lastSeen"]),
            time(&source["account"]["tokenExpires"])
                .map_or("–".to_owned(), |at| format!("in {}", span(now, at))),
        );
        part(&mut lines, style, now, &format!("source {}", word(&source["name"])), source, &facts);
    }
    for sink in list(&status["sinks"]) {
        let lag = match sink["lagEvents"].as_u64() {
            Some(1..) => format!(
                "lag {} events, {:.0} s",
                number(&sink["lagEvents"]),
                sink["lagSeconds"].as_f64().unwrap_or(0.0)
            ),
            _ => "no lag".to_owned(),
        };
        let facts = format!("{lag}, heartbeat {}", ago(now, &sink["heartbeat"]));
        part(&mut lines, style, now, &format!("sink {}", word(&sink["name"])), sink, &facts);
    }
    let journal = &status["journal"];
    let size = |value: &Value| ByteSize(value.as_u64().unwrap_or_default()).to_string();
    let place = match journal["place"].as_str() {
        Some("disk_refuses") => "on disk, which refuses writes: new events are in memory",
        Some("disk") => "on disk",
        _ => "in memory alone",
    };
    let facts = format!("{} of {}, {place}", size(&journal["bytes"]), size(&journal["maxBytes"]));
    part(&mut lines, style, now, "journal", journal, &facts);
    lines.push(style.paint(
        Tint::Strong,
        &format!(
            "{:<16} {:<12} {:>10} {:>10} {:>9} {:>6} {:>6} {:>8}",
            "ledger of", "source", "received", "published", "filtered", "dead", "lost", "pending"
        ),
    ));
    for sink in list(&status["sinks"]) {
        for (source, ledger) in sink["ledger"].as_object().into_iter().flatten() {
            let lost = ledger["lost"].as_object().into_iter().flatten();
            let lost: u64 = lost.filter_map(|(_, count)| count.as_u64()).sum();
            let lost = match lost {
                0 => format!("{lost:>6}"),
                _ => style.paint(Tint::Bad, &format!("{lost:>6}")),
            };
            lines.push(format!(
                "{:<16} {:<12} {:>10} {:>10} {:>9} {:>6} {lost} {:>8}",
                word(&sink["name"]),
                text::sentence(source),
                number(&ledger["received"]),
                number(&ledger["published"]),
                number(&ledger["filtered"]),
                number(&ledger["deadLettered"]),
                number(&ledger["pending"]),
            ));
        }
    }
    style.shown(&(lines.join("\n") + "\n"))
}

/// A part's line, and below it what is wrong.
fn part(lines: &mut Vec<String>, style: Style, now: Timestamp, name: &str, part: &Value, facts: &str) {
    let state = part["state"].as_str().unwrap_or("active");
    let since =
        if part["since"].is_null() { String::new() } else { format!(" {}", since(now, &part["since"])) };
    let tint = match state {
        "active" => Tint::Good,
        "failing" => Tint::Bad,
        _ => Tint::Attention,
    };
    let state = style.paint(tint, &format!("{:<16}", format!("{state}{since}")));
    lines.push(format!("{name:<16} {state} {}", style.wrap(facts, 34)));
    let warnings = part["warnings"].as_object().into_iter().flatten().map(|(_, warning)| warning);
    let warnings = warnings.map(|warning| (Tint::Attention, warning));
    for (tint, said) in std::iter::once((Tint::Bad, &part["reason"])).chain(warnings) {
        let Some(said) = said.as_str() else { continue };
        lines.push(format!("    {}", style.paint(tint, &style.wrap(&text::sentence(said), 4))));
    }
    if state == "failing" && part["neverActive"] == true {
        lines.push("    it has not been active since the start".to_owned());
    }
    let rights: Vec<&str> = list(&part["missingRights"]).iter().filter_map(Value::as_str).collect();
    if !rights.is_empty() {
        let lacks = format!("the account lacks: {}", text::sentence(&rights.join(", ")));
        lines.push(format!("    {}", style.wrap(&lacks, 4)));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn since(now: Timestamp, value: &Value) -> String {
    time(value).map_or("?".to_owned(), |at| span(at, now))
}

fn ago(now: Timestamp, value: &Value) -> String {
    time(value).map_or("never".to_owned(), |at| format!("{} ago", span(at, now)))
}

/// The time between two moments, in the one unit that tells.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_stands_below_its_part() {
        let status = json!({
            "instance": "i", "ready": false, "version": "1", "commit": "c",
            "started": "2026-11-24T10:00:00Z", "now": "2026-11-24T10:03:00Z",
            "journal": { "id": "abcdefghij", "durable": true, "place": "disk", "bytes": 1024, "maxBytes": 2048, "state": "active",
                "since": "2026-11-24T10:00:00Z" },
            "sources": [{ "name": "pbx1", "state": "failing", "reason": "refused;\u{1b}[2J\nsink x check it", "neverActive": true, "since": "2026-11-24T10:02:30Z",
                "warnings": { "certificate": "ends soon" }, "events": 7, "lastSeen": null, "account": null }],
            "sinks": [{ "name": "bus", "state": "active", "lagEvents": 3, "lagSeconds": 2.4,
                "ledger": { "pbx1": { "received": 9, "published": 5, "pending": 3, "lost": { "quota": 1 } } } }],
        });
        let text = summary(&status, Style::default());
        let expected = "i: not ready; cti-bridge 1 (c), up 3 min, journal abcdefghij
source pbx1      failing 30 s     7 events, seen never, token ends –
    refused;\\u{1b}[2J\\nsink x check it
    ends soon
sink bus         active           lag 3 events, 2 s, heartbeat never
journal          active 3 min     1.0 KiB of 2.0 KiB, on disk
ledger of        source         received  published  filtered   dead   lost  pending
bus              pbx1                  9          5         0      0      1        3
";
        assert_eq!(text, expected);
        let narrow = Style { has_colours: true, columns: Some(28), is_ascii: true };
        let text = summary(&status, narrow);
        assert!(text.contains("\u{1b}[31mfailing 30 s") && text.contains("\u{1b}[32mactive"), "{text:?}");
        assert!(text.contains("refused;\\u{1b}[2J\\nsink\n    x check it\u{1b}[0m"), "{text:?}");
        assert!(text.is_ascii(), "{text}");
        let mut status = status;
        for (durable, place, said) in [
            (false, "memory", "in memory alone"),
            (false, "disk_refuses", "on disk, which refuses writes: new events are in memory"),
            (true, "disk", "on disk"),
        ] {
            (status["journal"]["durable"], status["journal"]["place"]) = (durable.into(), place.into());
            assert!(
                summary(&status, Style::default()).contains(&format!("1.0 KiB of 2.0 KiB, {said}\n")),
                "{place}"
            );
        }
    }
}
