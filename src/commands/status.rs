//! `cti-bridge status`: the status of the running bridge, on a terminal.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use bytesize::ByteSize;
use jiff::Timestamp;
use url::Url;

use super::admin_client::{self, Answer};
use crate::{
    admin::served::{ServedHealth, ServedSink, ServedStatus},
    config::Flags,
    exit::Exit,
    runtime,
    terminal::{Style, Tint},
    text,
};

/// Show the status of the running bridge: PBXs, sinks, lag, ledger, problems and remedies
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge status
  cti-bridge status --watch=5s
  cti-bridge status --json --at http://10.0.0.7:9464/")]
pub struct Args {
    /// Print the answer of /status, for programs
    #[arg(long)]
    json: bool,
    /// Refresh at this interval, until Ctrl-C
    #[arg(long, short, value_name = "TIME", value_parser = super::duration, num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    watch: Option<Duration>,
    /// The admin endpoint, instead of the configuration's [admin] listen
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command. Exit code 0 if every component works, 69 if one does not, or if no bridge answers.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let place = match admin_client::endpoint(args.at.as_ref(), &args.flags) {
        Ok(place) => place,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(Exit::Unavailable);
        }
    };
    match args.watch {
        None => runtime::block_on(show(args, &place, out, err)).unwrap_or(Ok(Exit::Internal)),
        Some(interval) => {
            runtime::block_on(watch(args, &place, interval, (out, err))).unwrap_or(Ok(Exit::Internal))
        }
    }
}

/// Shows the status periodically, until a signal.
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

/// Gets the status of the bridge at `place`, as text and parsed. `None` if there is none; the reason is written to `err`.
pub(super) async fn fetch(place: &Url, err: &mut impl Write) -> io::Result<Option<(String, ServedStatus)>> {
    let body = match admin_client::get(place, "status").await {
        Ok(Answer { is_success: true, body }) => body,
        Ok(Answer { body: reason, .. }) => {
            writeln!(err, "{}", reason.trim_end())?;
            return Ok(None);
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(None);
        }
    };
    let Ok(status) = serde_json::from_str(&body) else {
        writeln!(err, "the server there is not a cti-bridge")?;
        return Ok(None);
    };
    Ok(Some((body, status)))
}

async fn show(args: &Args, place: &Url, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some((body, status)) = fetch(place, err).await? else { return Ok(Exit::Unavailable) };
    if args.json {
        // Nothing in it acts on a terminal.
        writeln!(out, "{}", text::escaped_as_json(&body, |_| false))?;
    } else {
        write!(out, "{}", summary(&status, Style::of_stdout()))?;
    }
    Ok(if status.ready { Exit::Clean } else { Exit::Unavailable })
}

fn summary(status: &ServedStatus, style: Style) -> String {
    let now = status.now.unwrap_or_default();
    let ready = if status.ready {
        style.paint(Tint::Good, "all components work")
    } else {
        style.paint(Tint::Bad, "not ready")
    };
    let mut lines = vec![format!(
        "{}: {ready}; cti-bridge {} ({}), up {}, journal {}",
        text::sentence(&status.instance),
        text::sentence(&status.version),
        text::sentence(&status.commit),
        status.started.map_or("?".to_owned(), |at| span(at, now)),
        text::sentence(&status.journal.id),
    )];
    if let Some(reload) = status.reload.as_ref().filter(|reload| !reload.successful) {
        let text = format!(
            "the last reload found an invalid configuration, which changed nothing: the one in force was read {}",
            ago(now, reload.last_success)
        );
        lines.push(format!("    {}", style.paint(Tint::Attention, &style.wrap(&text, 4))));
    }
    for source in &status.sources {
        let expires = source.account.as_ref().and_then(|account| account.token_expires);
        let calls =
            source.calls.as_ref().map(|calls| format!("{} calls, ", calls.going_on)).unwrap_or_default();
        let facts = format!(
            "{} events, {calls}seen {}, token ends {}",
            source.events,
            ago(now, source.last_seen),
            expires.map_or("–".to_owned(), |at| format!("in {}", span(now, at))),
        );
        component(&mut lines, style, now, &format!("source {}", source.name), &source.health, &facts);
        if !source.drift.is_empty() {
            let hint =
                "events differ from the catalogue: `cti-bridge catalogue --drift` lists the differences";
            lines.push(format!("    {}", style.paint(Tint::Attention, &style.wrap(hint, 4))));
        }
    }
    for sink in &status.sinks {
        let lag = match sink.lag_events {
            0 => "no lag".to_owned(),
            events => format!("lag {events} events, {:.0} s", sink.lag_seconds),
        };
        let facts = format!("{lag}, heartbeat {}, generation {}", ago(now, sink.heartbeat), sink.generation);
        component(&mut lines, style, now, &format!("sink {}", sink.name), &sink.health, &facts);
        if let Some(rules) = &sink.new_rules {
            let since = rules.since.map_or("?".to_owned(), |at| span(at, now));
            let text =
                format!("reloaded rules wait for {} pending events since {since}", rules.waits_for_events);
            lines.push(format!("    {}", style.paint(Tint::Attention, &style.wrap(&text, 4))));
        }
    }
    let journal = &status.journal;
    let place = match journal.place.as_str() {
        "disk_refuses" => "on disk, which refuses writes: new events are in memory",
        "disk" => "on disk",
        _ => "in memory alone",
    };
    let facts = format!("{} of {}, {place}", ByteSize(journal.bytes), ByteSize(journal.max_bytes));
    component(&mut lines, style, now, "journal", &journal.health, &facts);
    ledgers(&mut lines, style, &status.sinks);
    filtered(&mut lines, style, &status.sinks);
    style.shown(&(lines.join("\n") + "\n"))
}

/// A component's line, and below it what is wrong.
fn component(
    lines: &mut Vec<String>,
    style: Style,
    now: Timestamp,
    name: &str,
    health: &ServedHealth,
    facts: &str,
) {
    let state = health.state.as_deref().unwrap_or("active");
    let since = health.since.map(|at| format!(" {}", span(at, now))).unwrap_or_default();
    let tint = match state {
        "active" => Tint::Good,
        "failing" => Tint::Bad,
        _ => Tint::Attention,
    };
    let name = text::sentence(name);
    let painted = style.paint(tint, &format!("{:<16}", text::sentence(&format!("{state}{since}"))));
    lines.push(format!("{name:<16} {painted} {}", style.wrap(facts, 34)));
    let warnings = health.warnings.values().map(|warning| (Tint::Attention, warning));
    for (tint, said) in health.reason.iter().map(|reason| (Tint::Bad, reason)).chain(warnings) {
        lines.push(format!("    {}", style.paint(tint, &style.wrap(&text::sentence(said), 4))));
    }
    if state == "failing" && health.never_active {
        lines.push("    not active since the start".to_owned());
    }
    if !health.missing_rights.is_empty() {
        let lacks = format!("the account lacks: {}", text::sentence(&health.missing_rights.join(", ")));
        lines.push(format!("    {}", style.wrap(&lacks, 4)));
    }
}

/// The table of what became of each source's records at each sink.
fn ledgers(lines: &mut Vec<String>, style: Style, sinks: &[ServedSink]) {
    lines.push(style.paint(
        Tint::Strong,
        &format!(
            "{:<16} {:<12} {:>10} {:>10} {:>9} {:>6} {:>6} {:>8}",
            "ledger of", "source", "received", "published", "filtered", "dead", "lost", "pending"
        ),
    ));
    for sink in sinks {
        for (source, ledger) in &sink.ledger {
            let lost = match ledger.lost.values().sum::<u64>() {
                0 => format!("{:>6}", 0),
                lost => style.paint(Tint::Bad, &format!("{lost:>6}")),
            };
            lines.push(format!(
                "{:<16} {:<12} {:>10} {:>10} {:>9} {:>6} {lost} {:>8}",
                text::sentence(&sink.name),
                text::sentence(source),
                ledger.received,
                ledger.published,
                ledger.filtered,
                ledger.dead_lettered,
                ledger.pending,
            ));
        }
    }
}

/// The table of the records that each route has filtered since the start. Nothing if there are none.
fn filtered(lines: &mut Vec<String>, style: Style, sinks: &[ServedSink]) {
    let routes =
        sinks.iter().flat_map(|sink| sink.filtered.iter().map(|(route, count)| (&sink.name, route, *count)));
    let routes: Vec<_> = routes.filter(|(.., count)| *count > 0).collect();
    if routes.is_empty() {
        return;
    }
    lines
        .push(style.paint(Tint::Strong, &format!("{:<16} {:<12} {:>10}", "filtered by", "route", "records")));
    for (sink, route, count) in routes {
        lines.push(format!("{:<16} {:<12} {count:>10}", text::sentence(sink), text::sentence(route)));
    }
}

pub(super) fn ago(now: Timestamp, at: Option<Timestamp>) -> String {
    at.map_or("never".to_owned(), |at| format!("{} ago", span(at, now)))
}

/// The time between two moments, in one suitable unit.
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
    use serde_json::{Value, json};

    use super::*;

    fn shown(status: &Value, style: Style) -> String {
        summary(&serde_json::from_value(status.clone()).unwrap_or_default(), style)
    }

    #[test]
    fn problems_are_shown_below_their_component() {
        let mut status = json!({
            "a field of a newer bridge": [1],
            "instance": "i", "ready": false, "version": "1", "commit": "c",
            "reload": { "successful": false, "lastSuccess": "2026-11-24T10:01:00Z" },
            "started": "2026-11-24T10:00:00Z", "now": "2026-11-24T10:03:00Z",
            "journal": { "id": "abcdefghij", "durable": true, "place": "disk", "bytes": 1024, "maxBytes": 2048, "state": "active",
                "since": "2026-11-24T10:00:00Z" },
            "sources": [{ "name": "pbx1", "state": "failing", "reason": "refused;\u{1b}[2J\nsink x check it", "neverActive": true, "since": "2026-11-24T10:02:30Z",
                "warnings": { "certificate": "ends soon" }, "events": 7, "drift": [{ "event": "e" }], "lastSeen": null, "account": null }],
            "sinks": [{ "name": "bus", "state": "active", "lagEvents": 3, "lagSeconds": 2.4,
                "filtered": { "pictures": 4, "unused": 0 },
                "ledger": { "pbx1": { "received": 9, "published": 5, "pending": 3, "lost": { "quota": 1 } } } }],
        });
        status["sinks"][0]["generation"] = 2.into();
        status["sinks"][0]["newRules"] = json!({ "since": "2026-11-24T10:02:50Z", "waitsForEvents": 3 });
        let text = shown(&status, Style::default());
        let expected = "i: not ready; cti-bridge 1 (c), up 3 min, journal abcdefghij
    the last reload found an invalid configuration, which changed nothing: the one in force was read 2 min ago
source pbx1      failing 30 s     7 events, seen never, token ends –
    refused;\\u{1b}[2J\\nsink x check it
    ends soon
    not active since the start
    events differ from the catalogue: `cti-bridge catalogue --drift` lists the differences
sink bus         active           lag 3 events, 2 s, heartbeat never, generation 2
    reloaded rules wait for 3 pending events since 10 s
journal          active 3 min     1.0 KiB of 2.0 KiB, on disk
ledger of        source         received  published  filtered   dead   lost  pending
bus              pbx1                  9          5         0      0      1        3
filtered by      route           records
bus              pictures              4
";
        assert_eq!(text, expected);
        let narrow = Style { has_colours: true, columns: Some(28), is_ascii: true };
        let text = shown(&status, narrow);
        assert!(text.contains("\u{1b}[31mfailing 30 s") && text.contains("\u{1b}[32mactive"), "{text:?}");
        assert!(text.contains("refused;\\u{1b}[2J\\nsink\n    x check it\u{1b}[0m"), "{text:?}");
        assert!(text.is_ascii(), "{text}");
        for (durable, place, said) in [
            (false, "memory", "in memory alone"),
            (false, "disk_refuses", "on disk, which refuses writes: new events are in memory"),
            (true, "disk", "on disk"),
        ] {
            (status["journal"]["durable"], status["journal"]["place"]) = (durable.into(), place.into());
            assert!(
                shown(&status, Style::default()).contains(&format!("1.0 KiB of 2.0 KiB, {said}\n")),
                "{place}"
            );
        }
    }
}
