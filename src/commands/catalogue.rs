//! `cti-bridge catalogue`, `schema` and `asyncapi`: what the events mean, from the catalogue in the program.

mod asyncapi;
mod entry;
mod list;
mod markdown;
mod terminal;

use std::io::{self, Write};

use url::Url;

use self::entry::Entry;
pub(super) use self::{asyncapi::document as asyncapi_document, markdown::pages};
use super::drift;
use crate::{
    config::{Flags, nearest},
    event::{Schema, schemas},
    exit::Exit,
    terminal::Style,
};

/// Describe the events: meaning, fields, subject, topic and an example
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge catalogue
  cti-bridge catalogue extenUpdate
  cti-bridge catalogue --json
  cti-bridge catalogue --drift")]
pub struct Args {
    /// The event: extenUpdate, satellite/summary, bridge.gap or a CloudEvents type; without it, all are listed
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show what the running bridge has found in the PBX's events that the catalogue does not describe
    #[arg(long, conflicts_with = "name")]
    drift: bool,
    /// The admin endpoint to ask, instead of the configuration's [admin] listen
    #[arg(long, value_name = "URL", requires = "drift")]
    at: Option<Url>,
    #[command(flatten)]
    flags: Flags,
}

/// Print the JSON Schema of an event's data
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge schema extenUpdate
  cti-bridge schema bridge.gap")]
pub struct SchemaArgs {
    /// The event, as in `cti-bridge catalogue`
    name: String,
}

/// Print the AsyncAPI 3.0 document: channels, headers and schemas for NATS and Kafka
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge asyncapi")]
pub struct AsyncApiArgs {}

/// Runs `catalogue`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    if args.drift {
        return drift::print(args.at.as_ref(), &args.flags, args.json, out, err);
    }
    let style = Style::of_stdout();
    let Some(name) = &args.name else {
        if args.json {
            let entries: Vec<_> = schemas().iter().map(|schema| Entry::of(schema).to_json()).collect();
            writeln!(out, "{:#}", serde_json::Value::from(entries))?;
        } else {
            list::write(style, out)?;
        }
        return Ok(Exit::Clean);
    };
    let Some(schema) = find(name) else { return unknown(name, err) };
    let entry = Entry::of(schema);
    if args.json {
        writeln!(out, "{:#}", entry.to_json())?;
    } else {
        terminal::write(&entry, style, out)?;
    }
    Ok(Exit::Clean)
}

/// Runs `schema`.
pub fn schema(args: &SchemaArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(schema) = find(&args.name) else { return unknown(&args.name, err) };
    write!(out, "{}", schema.text)?;
    Ok(Exit::Clean)
}

/// Runs `asyncapi`.
pub fn asyncapi(_: &AsyncApiArgs, out: &mut impl Write) -> io::Result<Exit> {
    writeln!(out, "{:#}", asyncapi::document())?;
    Ok(Exit::Clean)
}

/// Returns the schema with this title, Socket.IO name, notice's name or CloudEvents type.
fn find(name: &str) -> Option<&'static Schema> {
    let all = || schemas().iter();
    let by_title = all().find(|schema| schema.title == name);
    by_title.or_else(|| all().find(|schema| schema.name == name || schema.ty() == name))
}

fn unknown(name: &str, err: &mut impl Write) -> io::Result<Exit> {
    let names = schemas().iter().flat_map(|schema| [&*schema.title, &*schema.name]);
    let hint = nearest(name, names).map_or(String::new(), |nearest| format!("did you mean `{nearest}`? "));
    writeln!(err, "unknown event `{name}`: {hint}`cti-bridge catalogue` lists all")?;
    Ok(Exit::Usage)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn describe(name: Option<&str>, json: bool) -> (Exit, String, String) {
        let (mut out, mut err) = (vec![], vec![]);
        let exit = run(&Args { name: name.map(str::to_owned), json, ..Args::default() }, &mut out, &mut err)
            .unwrap();
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn an_event_is_found_under_each_of_its_names() {
        for (name, title) in [
            ("satellite/summary", "satellite-summary"),
            ("satellite-summary", "satellite-summary"),
            ("cti.event.satellite=2Fsummary.v1", "satellite-summary"),
            ("gap", "bridge.gap"),
            ("bridge.gap", "bridge.gap"),
            ("cti.bridge.auth.failed.v1", "bridge.auth.failed"),
        ] {
            assert_eq!(find(name).map(|schema| &*schema.title), Some(title), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let (exit, out, err) = describe(Some("extenUpdat"), false);
        assert_eq!((exit, &*out), (Exit::Usage, ""));
        assert_eq!(
            err,
            "unknown event `extenUpdat`: did you mean `extenUpdate`? `cti-bridge catalogue` lists all\n"
        );
        let args = SchemaArgs { name: "gpa".to_owned() };
        let mut err = vec![];
        assert_eq!(schema(&args, &mut vec![], &mut err).unwrap(), Exit::Usage);
        assert!(String::from_utf8(err).unwrap().contains("`gap`"));
    }

    #[test]
    fn every_event_is_listed_and_described() {
        let (_, list, _) = describe(None, false);
        for schema in schemas() {
            assert!(
                list.lines().any(|line| line.split_whitespace().next() == Some(&schema.title)),
                "{}",
                schema.title
            );
            let (exit, text, _) = describe(Some(&schema.title), false);
            assert_eq!(exit, Exit::Clean);
            for part in [&schema.description, &schema.when, &schema.frequency, &schema.advice] {
                assert!(text.contains(part.as_str()), "{}: {part}", schema.title);
            }
        }
    }

    #[test]
    fn json_has_what_the_text_has() {
        let (_, all, _) = describe(None, true);
        let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
        assert_eq!(all.len(), schemas().len());
        let (_, one, _) = describe(Some("queueMemberUpdate"), true);
        let one: serde_json::Value = serde_json::from_str(&one).unwrap();
        assert_eq!(one["subject"], "queue/{/queue}/member/{/member}");
        assert_eq!(one["nats"], "cti.v1.<source>.event.queueMemberUpdate.401=2F201");
        assert_eq!(one["kafka"]["key"], "<source>/queue/401/member/201");
        assert_eq!(one["schema"]["title"], "queueMemberUpdate");
        assert!(all.contains(&one));
    }
}
