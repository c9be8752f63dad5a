//! The generated pages of the documentation, in Markdown: configuration, command line, metrics.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use clap::{Arg, Command};

use super::{
    annotated::{self, Item},
    catalogue,
};
use crate::telemetry::metrics;

/// The first line of each page.
const GENERATED: &str =
    "<!-- Generated: edit the source instead, then run `cargo run -- generate reference docs`. -->\n";

const CONFIGURATION: &str = r"
# Configuration

The bridge reads one TOML file. These are all its keys, from the annotated example that the packages install as
`/etc/cti-bridge/config.toml`. Each key is shown with its default. A key that has no default is shown with an example.

Check a file with `cti-bridge config check FILE`. `cti-bridge config show` prints the effective settings and where each
came from. `cti-bridge config schema` prints a JSON Schema, for completion and checks in an editor.
[Configure](../operate/configure.md) explains layers, secrets and reloading.

## Names, layers and secrets

";

const METRICS: &str = r"
# Metrics

`GET /metrics` at `[admin] listen` serves these metrics: OpenMetrics if the `Accept` header asks for it, otherwise the
Prometheus text format. [Monitor](../operate/monitor.md) explains which of them to watch.

";

const COMMAND_LINE: &str = r"
# Command line

`cti-bridge COMMAND --help` prints the same on the terminal. [Exit codes](../operate/exit-codes.md) lists what the
process returns.
";

/// Writes the pages into a directory.
pub(super) fn write(command: &Command, dir: &Path) -> std::io::Result<()> {
    for (name, text) in pages(command) {
        std::fs::write(dir.join(name), text)?;
    }
    Ok(())
}

/// Returns the generated files: path below `docs`, and content.
fn pages(command: &Command) -> Vec<(String, String)> {
    let mut pages = vec![
        ("reference/configuration.md".to_owned(), configuration()),
        ("reference/command-line.md".to_owned(), command_line(command)),
        ("reference/metrics.md".to_owned(), format!("{GENERATED}{METRICS}{}", metrics::markdown())),
        ("reference/asyncapi.json".to_owned(), format!("{:#}\n", catalogue::asyncapi_document())),
    ];
    pages.extend(catalogue::pages().into_iter().map(|(name, text)| (name, format!("{GENERATED}{text}"))));
    pages
}

fn configuration() -> String {
    let mut page = format!("{GENERATED}{CONFIGURATION}");
    let mut is_in_table = false;
    for item in annotated::items() {
        match item {
            Item::Table(header) => {
                let _ = write!(page, "\n## `{header}`\n\n");
                is_in_table = false;
            }
            Item::Entry(entry) if entry.keys.is_empty() => {
                let _ = write!(page, "{}\n\n", entry.text.join("\n"));
            }
            Item::Entry(entry) => {
                if !is_in_table {
                    page.push_str("| key | description |\n|---|---|\n");
                    is_in_table = true;
                }
                let keys: Vec<String> = entry.keys.iter().map(|key| code(key)).collect();
                let _ = writeln!(page, "| {} | {} |", keys.join("<br>"), cell(&entry.text.join(" ")));
            }
        }
    }
    page
}

fn command_line(command: &Command) -> String {
    let mut command = command.clone();
    command.build();
    let common: BTreeSet<String> =
        command.find_subcommand("run").into_iter().flat_map(Command::get_arguments).map(id).collect();
    let mut page = format!("{GENERATED}{COMMAND_LINE}");
    section(&mut command.clone(), 2, &common, &mut page);
    if let Some(run) = command.find_subcommand("run") {
        page.push_str(
            "\n## Common options\n\nCommands that read the configuration have these options as well. Every command has `--color` and `--help`.\n",
        );
        arguments(run.get_arguments(), &mut page);
    }
    for child in command.get_subcommands_mut().filter(|child| !child.is_hide_set()) {
        section(child, 2, &common, &mut page);
        for grandchild in child.get_subcommands_mut().filter(|child| !child.is_hide_set()) {
            section(grandchild, 3, &common, &mut page);
        }
    }
    page
}

fn id(arg: &Arg) -> String {
    arg.get_id().to_string()
}

/// Appends a command: description, usage, what `common` lacks of its arguments, and its closing remarks.
fn section(command: &mut Command, level: usize, common: &BTreeSet<String>, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let usage = command.render_usage().to_string();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n{} {name}\n\n{}\n\n", "#".repeat(level), sentence(&about));
    let _ = write!(page, "```text\n{}\n```\n", usage.trim_start_matches("Usage: "));
    let children = command.get_subcommands().filter(|child| !child.is_hide_set()).map(|child| {
        let about = child.get_about().map(ToString::to_string).unwrap_or_default();
        format!("| `{}` | {} |\n", child.get_name(), cell(&about))
    });
    let children: String = children.collect();
    if !children.is_empty() {
        let _ = write!(page, "\n| command | description |\n|---|---|\n{children}");
    }
    arguments(command.get_arguments().filter(|arg| !common.contains(&id(arg))), page);
    if let Some(after) = command.get_after_help() {
        let _ = write!(page, "\n```text\n{after}\n```\n");
    }
}

/// Appends a table of arguments, unless there are none.
fn arguments<'a>(arguments: impl Iterator<Item = &'a Arg>, page: &mut String) {
    let rows: String = arguments.filter(|arg| !arg.is_hide_set()).map(row).collect();
    if !rows.is_empty() {
        let _ = write!(page, "\n| argument | description |\n|---|---|\n{rows}");
    }
}

fn row(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut text = cell(&help);
    let values: Vec<String> =
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let _ = write!(text, ". One of {}", values.join(", "));
    }
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !default.is_empty() {
        let _ = write!(text, ". Default: `{}`", default.join(" "));
    }
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let names: Vec<_> = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let value =
        if arg.get_action().takes_values() { format!(" <{}>", names.join("> <")) } else { String::new() };
    match arg.get_long() {
        Some(long) => format!("| {short}`--{long}{value}` | {text} |\n"),
        None => format!("| `{}` | {text} |\n", value.trim()),
    }
}

/// Ends a text with a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    if text.ends_with(['?', '!']) { text.to_owned() } else { format!("{text}.") }
}

/// Returns the text as it may be in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Returns a code span that may hold back-quotes and bars.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::PathBuf;

    use clap::{CommandFactory as _, Parser as _};
    use figment::{
        Figment,
        providers::{Format as _, Toml},
    };

    use super::*;
    use crate::{app::config, cli::Cli};

    #[test]
    fn the_reference_in_docs_is_up_to_date() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let summary = std::fs::read_to_string(dir.join("SUMMARY.md")).unwrap();
        for (name, text) in pages(&Cli::command()) {
            let stored = std::fs::read_to_string(dir.join(&name)).unwrap_or_default();
            assert!(stored == text, "docs/{name} is out of date: run `cargo run -- generate reference docs`");
            let is_page = Path::new(&name).extension() == Some("md".as_ref());
            assert!(!is_page || summary.contains(&format!("]({name})")), "docs/SUMMARY.md lacks {name}");
        }
        for page in std::fs::read_dir(dir.join("consume/events")).unwrap() {
            let name = format!("consume/events/{}", page.unwrap().file_name().to_string_lossy());
            assert!(
                pages(&Cli::command()).iter().any(|(page, _)| *page == name),
                "docs/{name} has no schema"
            );
        }
    }

    #[test]
    fn the_reference_names_every_key_and_command() {
        let pages = pages(&Cli::command());
        let [(_, configuration), (_, commands), ..] = &pages[..] else { unreachable!("two pages and more") };
        for key in annotated::keys() {
            assert!(configuration.contains(&code(key)), "{key}");
        }
        for command in Cli::command().get_subcommands() {
            assert!(
                commands.contains(&format!("\n## cti-bridge {}\n", command.get_name())),
                "{}",
                command.get_name()
            );
        }
        assert!(!commands.contains("generate reference DIR"), "the hidden command is shown");
    }

    /// The pages that people read: those at the root, the chart's, and the book.
    fn documents() -> Vec<(PathBuf, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        let mut directories = vec![root.join("docs")];
        let mut files: Vec<_> = ["README.md", "CONTRIBUTING.md", "charts/cti-bridge/README.md"]
            .map(|name| root.join(name))
            .into();
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    files.push(path);
                }
            }
        }
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
        found
    }

    /// The fenced blocks of a language.
    fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        let fence = format!("```{language}\n");
        text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
    }

    #[test]
    fn every_configuration_in_the_docs_fits_the_schema() {
        let schema = jsonschema::validator_for(config::schema().as_value()).unwrap();
        let mut checked = 0;
        for (path, text) in documents() {
            for block in blocks(&text, "toml") {
                let value: serde_json::Value = Figment::from(Toml::string(block)).extract().unwrap();
                let error = schema.iter_errors(&value).next().map(|error| error.to_string());
                assert_eq!(error, None, "{}: {block}", path.display());
                checked += 1;
            }
        }
        assert!(checked >= 4, "{checked}");
    }

    #[test]
    fn every_command_in_the_docs_is_accepted() {
        let mut checked = 0;
        for (path, text) in documents() {
            for line in blocks(&text, "sh").concat().lines() {
                let line = line.split(['#', '|', '>']).next().unwrap_or_default().trim();
                let own = line.strip_prefix("sudo ").unwrap_or(line);
                let in_pod = line.split_once(" -- ").map(|(_, command)| command);
                let Some(command) =
                    [Some(own), in_pod].into_iter().flatten().find(|text| text.starts_with("cti-bridge "))
                else {
                    continue;
                };
                let parsed = Cli::try_parse_from(command.split_whitespace());
                assert!(parsed.is_ok(), "{}: {line}\n{}", path.display(), parsed.unwrap_err());
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked}");
    }

    #[test]
    fn cargo_demo_is_built_with_the_simulator() {
        let alias = include_str!("../../.cargo/config.toml");
        assert!(alias.contains("--features nats,simulator -- demo\""), "{alias}");
    }
}
