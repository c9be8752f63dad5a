//! `cti-bridge config check|show|diff|schema`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::config_diff;
use crate::{app, app::config::Loaded, config::Flags, exit::Exit};

/// Check, show, compare or describe the configuration.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge config check office.toml
  cti-bridge config show --config office.toml
  cti-bridge config diff
  cti-bridge config schema")]
pub struct Args {
    /// The action.
    #[command(subcommand)]
    pub action: Action,
}

/// Actions on the configuration.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Action {
    /// Check it: prints all problems, or "ok". Reads the secrets, connects to nothing
    Check {
        /// The file, instead of --config
        file: Option<PathBuf>,
    },
    /// Print the effective settings and where each came from. Secrets are not shown
    Show,
    /// Compare it with the one that the running bridge uses: what a reload (SIGHUP) would change, and what needs a restart. Asks the
    /// bridge. Exit code 0 if nothing differs, 1 if something does, 78 if the configuration is invalid
    Diff(config_diff::Args),
    /// Print the JSON Schema of the file
    Schema,
}

/// Runs the command. Results go to `out`, problems and warnings to `err`.
pub fn run(args: &Args, flags: &Flags, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    match &args.action {
        Action::Schema => {
            writeln!(out, "{:#}", app::config::schema().as_value())?;
            return Ok(Exit::Clean);
        }
        Action::Diff(args) => return config_diff::run(args, flags, out, err),
        Action::Check { .. } | Action::Show => {}
    }
    let mut flags = flags.clone();
    if let Action::Check { file: Some(file) } = &args.action {
        if flags.config.is_some() {
            writeln!(err, "name the file once: as FILE, or with --config")?;
            return Ok(Exit::Usage);
        }
        flags.config = Some(file.clone());
    }
    let loaded = match app::config::load(&flags) {
        Ok(loaded) => loaded,
        Err(problems) => {
            writeln!(err, "{problems}")?;
            return Ok(Exit::Config);
        }
    };
    for warning in &loaded.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    match args.action {
        Action::Show => write!(out, "{}", loaded.settings)?,
        Action::Check { .. } | Action::Diff(_) | Action::Schema => writeln!(out, "{}", summary(&loaded))?,
    }
    Ok(Exit::Clean)
}

fn summary(loaded: &Loaded) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let config = &loaded.config;
    format!("ok: {}, {}", count(config.sources.len(), "source"), count(config.sinks.len(), "sink"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn output(action: Action, text: &str) -> (Exit, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        let flags = Flags { config: Some(file.clone()), ..Flags::default() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&Args { action }, &flags, &mut out, &mut err).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(file.to_str().unwrap(), "FILE");
        (exit, text(out), text(err))
    }

    const GOOD: &str = "[sources.p]\nurl = \"https://p\"\nusername = \"u\"\npassword = \"pw\\n\"\n[sinks.s]\ntype = \"stdout\"\n";

    #[test]
    fn check_prints_ok_or_the_problems() {
        let (exit, out, _) = output(Action::Check { file: None }, GOOD);
        assert_eq!((exit, out.as_str()), (Exit::Clean, "ok: 1 source, 1 sink\n"));
        let (exit, out, err) = output(Action::Check { file: None }, &GOOD.replace("username", "user"));
        assert_eq!((exit, out.as_str()), (Exit::Config, ""));
        assert_eq!(
            err,
            "FILE:1: sources.p: `username` is missing: set it\n\
             FILE:3: sources.p.user: unknown key: did you mean `username`?\n"
        );
    }

    #[test]
    fn check_takes_the_file_as_an_argument() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("other.toml");
        std::fs::write(&file, GOOD).unwrap();
        let args = Args { action: Action::Check { file: Some(file.clone()) } };
        let mut out = Vec::new();
        assert_eq!(run(&args, &Flags::default(), &mut out, &mut Vec::new()).unwrap(), Exit::Clean);
        assert_eq!(out, b"ok: 1 source, 1 sink\n");
        let both = Flags { config: Some(file), ..Flags::default() };
        assert_eq!(run(&args, &both, &mut out, &mut Vec::new()).unwrap(), Exit::Usage);
    }

    #[test]
    fn show_prints_each_origin() {
        let (exit, out, _) = output(Action::Show, &format!("instance = \"office\"\n{GOOD}"));
        assert_eq!(exit, Exit::Clean);
        for line in [
            "instance = \"office\"  # from FILE:1",
            "drain_timeout = \"10s\"  # default",
            "sources.p.password = \"********\"  # from FILE:5",
            "sources.p.insecure_skip_verify = false  # default",
            "sinks.s.type = \"stdout\"  # from FILE:7",
        ] {
            assert!(out.lines().any(|found| found == line), "{line}\n{out}");
        }
        out.parse::<toml_edit::DocumentMut>().unwrap();
    }

    #[test]
    fn the_schema_is_json() {
        let (exit, out, _) = output(Action::Schema, "not even TOML");
        let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((exit, schema["type"].as_str()), (Exit::Clean, Some("object")));
    }
}
