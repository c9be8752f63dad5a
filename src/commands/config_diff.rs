//! `cti-bridge config diff`: the configuration against the one that the running bridge uses.

use std::io::{self, Write};

use url::Url;

use super::admin_client::{self, Answer};
use crate::{
    config::Flags,
    exit::Exit,
    reload::{Difference, Differences},
    runtime,
    terminal::{Style, Tint},
    text,
};

/// Options of the comparison.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Print the answer of /config/diff, for programs
    #[arg(long)]
    json: bool,
    /// The admin endpoint, instead of the configuration's [admin] listen
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
}

/// Runs the command. The bridge reads the files that it was started with, whichever `flags` name: those say only where it is.
pub(super) fn run(
    args: &Args,
    flags: &Flags,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let answer = match admin_client::endpoint(args.at.as_ref(), flags) {
        Ok(place) => runtime::block_on(admin_client::get(&place, "config/diff")),
        Err(error) => Some(Err(error)),
    };
    let body = match answer {
        Some(Ok(Answer { is_success: true, body })) => body,
        Some(Ok(Answer { body: reason, .. })) => {
            writeln!(err, "{}", reason.trim_end())?;
            return Ok(Exit::Unavailable);
        }
        Some(Err(error)) => {
            writeln!(err, "{error}")?;
            return Ok(Exit::Unavailable);
        }
        None => return Ok(Exit::Internal),
    };
    let Ok(differences) = serde_json::from_str::<Differences>(&body) else {
        writeln!(err, "the server there is not a cti-bridge")?;
        return Ok(Exit::Unavailable);
    };
    if args.json {
        // Nothing in it acts on a terminal.
        writeln!(out, "{}", text::escaped_as_json(&body, |_| false))?;
    } else {
        write!(out, "{}", shown(&differences, Style::of_stdout()))?;
    }
    Ok(match &differences {
        Differences { problems, .. } if !problems.is_empty() => Exit::Config,
        differences if differences.is_empty() => Exit::Clean,
        _ => Exit::Differs,
    })
}

fn shown(differences: &Differences, style: Style) -> String {
    let Differences { reload, restart, problems } = differences;
    let mut lines = Vec::new();
    if !problems.is_empty() {
        lines.push(style.paint(Tint::Bad, "invalid configuration: a reload changes nothing"));
        lines.extend(problems.iter().map(|problem| format!("  {}", text::sentence(problem))));
    } else if differences.is_empty() {
        lines.push("no differences".to_owned());
    }
    for (title, tint, differences) in
        [("a reload (SIGHUP) applies:", Tint::Good, reload), ("needs a restart:", Tint::Attention, restart)]
    {
        if !differences.is_empty() {
            lines.push(style.paint(tint, title));
            lines.extend(differences.iter().map(line));
        }
    }
    style.shown(&(lines.join("\n") + "\n"))
}

/// A line such as `sinks.bus.heartbeat: "10s" -> "5s"  # office.toml:12`.
fn line(difference: &Difference) -> String {
    let Difference { key, from, to, secret, origin } = difference;
    let value =
        |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), text::sentence);
    let change = match secret {
        Some(secret) => format!("{} changed", text::sentence(secret)),
        None => format!("{} -> {}", value(from), value(to)),
    };
    let origin = origin.as_ref().map(|origin| format!("  # {}", text::sentence(origin))).unwrap_or_default();
    format!("  {}: {change}{origin}", text::sentence(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shown_with_their_place() {
        let difference = |key: &str, from: Option<&str>, to: Option<&str>| Difference {
            key: key.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            origin: to.map(|_| "office.toml:12".to_owned()),
            ..Difference::default()
        };
        let secret = |key: &str, secret: &str| Difference {
            key: key.to_owned(),
            secret: Some(secret.to_owned()),
            ..Difference::default()
        };
        let differences = Differences {
            reload: vec![
                difference("sinks.bus.heartbeat", Some("\"10s\""), Some("\"5s\"")),
                difference("sinks.bus.dataschema", Some("\"x\u{1b}[2J\""), None),
                secret("sources.a", "credentials"),
            ],
            restart: vec![difference("sinks.new.type", None, Some("\"stdout\""))],
            problems: Vec::new(),
        };
        let expected = "a reload (SIGHUP) applies:
  sinks.bus.heartbeat: \"10s\" -> \"5s\"  # office.toml:12
  sinks.bus.dataschema: \"x\\u{1b}[2J\" -> not set
  sources.a: credentials changed
needs a restart:
  sinks.new.type: not set -> \"stdout\"  # office.toml:12
";
        assert_eq!(shown(&differences, Style::default()), expected);
        assert_eq!(shown(&Differences::default(), Style::default()), "no differences\n");
        let invalid = Differences { problems: vec!["office.toml:1: x".to_owned()], ..Differences::default() };
        let expected = "invalid configuration: a reload changes nothing\n  office.toml:1: x\n";
        assert_eq!(shown(&invalid, Style::default()), expected);
    }
}
