//! `cti-bridge privacy key|pseudonym`: the keys of pseudonyms, and pseudonyms by key.

use std::{
    io::{self, BufRead as _, Write},
    path::{Path, PathBuf},
};

use clap::ValueHint;
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use crate::{
    config::{Flags, read_private_file},
    exit::Exit,
    route::privacy::{Dialling, Key},
    secret_file::{FileError, SecretFile},
};

/// Create keys for pseudonyms, and look pseudonyms up
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge privacy key --file /etc/cti-bridge/credentials/cloud-key
  cti-bridge privacy pseudonym --key-file old-key --key-file new-key --country-code 39 -
  cti-bridge privacy pseudonym 0721000111")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Create a random key of 32 bytes, in hexadecimal, and print its id
    Key {
        /// Write it to this new file, readable by its owner only. Otherwise it is printed
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the pseudonyms of numbers or names, one line each, with a column per key
    Pseudonym(Pseudonym),
}

#[derive(Debug, Clone, clap::Args)]
struct Pseudonym {
    /// Telephone numbers, in any form; `-` reads them from standard input, one per line
    #[arg(value_name = "NUMBER", required_unless_present = "names", allow_hyphen_values = true)]
    numbers: Vec<String>,
    /// A name, exactly as the PBX writes it; repeatable; `-` reads names from standard input
    #[arg(long = "name", value_name = "TEXT", conflicts_with = "numbers", allow_hyphen_values = true)]
    names: Vec<String>,
    /// A file with a key; repeatable. By default the keys of all sinks in the configuration
    #[arg(long = "key-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    key_files: Vec<PathBuf>,
    /// The country code of national numbers, without `+`. By default that of the source
    #[arg(long, value_name = "CODE", requires = "key_files")]
    country_code: Option<String>,
    /// The source whose dialling rules apply; may be left out if there is only one
    #[arg(long, value_name = "NAME", conflicts_with = "key_files")]
    source: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command. Results go to `out`, what is wrong to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    match &args.action {
        Action::Key { file } => key(file.as_deref(), out, err),
        Action::Pseudonym(pseudonym) => pseudonym.run(out, err),
    }
}

fn key(file: Option<&Path>, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let mut is_random = false;
    let bytes =
        SecretBox::init_with_mut(|bytes: &mut [u8; 32]| is_random = SystemRandom::new().fill(bytes).is_ok());
    if !is_random {
        writeln!(err, "can't create a key: the operating system has no random numbers")?;
        return Ok(Exit::Internal);
    }
    let text = SecretString::from(HEXLOWER.encode(bytes.expose_secret()));
    let Ok(key) = Key::parse(text.expose_secret()) else { return Ok(Exit::Internal) };
    let Some(path) = file else {
        writeln!(err, "key id: {}", key.id())?;
        writeln!(out, "{}", text.expose_secret())?;
        return Ok(Exit::Clean);
    };
    let kept = SecretFile::prepare(path, false).and_then(|mut file| {
        file.fill(&text)?;
        file.keep()
    });
    match kept {
        Ok(path) => {
            writeln!(out, "{}: key id {}", path.display(), key.id())?;
            Ok(Exit::Clean)
        }
        // Whatever was hidden with a key that is gone can never be related again.
        Err(FileError::Exists(path)) => {
            writeln!(
                err,
                "{} already exists, and a key is never replaced: name another file",
                path.display()
            )?;
            Ok(Exit::OUTPUT)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(Exit::OUTPUT)
        }
    }
}

impl Pseudonym {
    fn run(&self, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
        let (keys, dialling) = match self.rules() {
            Ok(rules) => rules,
            Err((exit, text)) => {
                writeln!(err, "{text}")?;
                return Ok(exit);
            }
        };
        let ids: Vec<&str> = keys.iter().map(|key| &**key.id()).collect();
        writeln!(out, "# text\t{}", ids.join("\t"))?;
        let of_names = !self.names.is_empty();
        for text in texts(if of_names { &self.names } else { &self.numbers }) {
            let text = text?;
            let number = dialling.e164(&text);
            let pseudonyms: Option<Vec<_>> = keys
                .iter()
                .map(|key| {
                    if of_names {
                        Some(key.name(&text))
                    } else {
                        number.as_ref().map(|number| key.number(number))
                    }
                })
                .collect();
            let Some(pseudonyms) = pseudonyms else {
                writeln!(err, "{text:?} has no digits, so it is not a number: for a name, write --name")?;
                return Ok(Exit::Usage);
            };
            writeln!(out, "{text}\t{}", pseudonyms.join("\t"))?;
        }
        Ok(Exit::Clean)
    }

    /// The keys, and the dialling rules.
    fn rules(&self) -> Result<(Vec<Key>, Dialling), (Exit, String)> {
        if !self.key_files.is_empty() {
            let keys = self.key_files.iter().map(|path| {
                let text = read_private_file(path).map_err(|error| (Exit::File, error.to_string()))?;
                let name = path.display();
                Key::parse(text.expose_secret()).map_err(|error| (Exit::File, format!("{name} {error}")))
            });
            let country_code = self.country_code.clone().unwrap_or_default();
            return Ok((keys.collect::<Result<_, _>>()?, Dialling { country_code, ..Dialling::default() }));
        }
        let loaded =
            crate::app::config::load(&self.flags).map_err(|problems| (Exit::Config, problems.to_string()))?;
        let (_, source) = super::one_source(&loaded.config, self.source.as_deref())
            .map_err(|error| (Exit::Usage, error.to_string()))?;
        let mut keys: Vec<Key> =
            loaded.config.sinks.values().filter_map(|sink| sink.privacy.key().cloned()).collect();
        keys.sort_by(|a, b| a.id().cmp(b.id()));
        keys.dedup_by(|a, b| a.id() == b.id());
        if keys.is_empty() {
            let text = "no sink of the configuration has a key: name one with --key-file";
            return Err((Exit::Usage, text.to_owned()));
        }
        Ok((keys, source.dialling.clone()))
    }
}

/// The texts of the command line, and the lines of standard input in place of `-`.
fn texts(named: &[String]) -> impl Iterator<Item = io::Result<String>> {
    named.iter().flat_map(|text| -> Box<dyn Iterator<Item = io::Result<String>>> {
        if text != "-" {
            return Box::new(std::iter::once(Ok(text.clone())));
        }
        let is_empty = |line: &io::Result<String>| line.as_ref().is_ok_and(|line| line.trim().is_empty());
        Box::new(io::stdin().lock().lines().filter(move |line| !is_empty(line)))
    })
}
