//! `cti-bridge generate`: manual pages and completions for packages, from the definition of the command line.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{manual, output, reference};
use crate::{cli::Cli, exit::Exit};

/// Write the manual pages, or a shell's completions
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge generate completions bash
  cti-bridge generate man /usr/share/man/man1")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Manual pages, one for each command and one for the configuration, into a directory
    Man {
        /// An existing directory
        dir: PathBuf,
    },
    /// Completions, on standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The generated pages of the documentation, into a directory
    #[command(hide = true)]
    Reference {
        /// Where they go; it is there already
        dir: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let command = Cli::command();
    match &args.what {
        What::Man { dir } => return written(pages(command, dir), dir, err),
        What::Reference { dir } => return written(reference::write(&command, dir), dir, err),
        What::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut command.clone(), "cti-bridge", &mut text);
            out.write_all(&text)?;
        }
    }
    Ok(Exit::Clean)
}

fn written(result: io::Result<()>, dir: &Path, err: &mut impl Write) -> io::Result<Exit> {
    match result {
        Ok(()) => Ok(Exit::Clean),
        Err(error) => writeln!(err, "{}", output::unwritable(dir.display(), &error)).map(|()| Exit::OUTPUT),
    }
}

fn pages(command: clap::Command, dir: &Path) -> io::Result<()> {
    // Nested subcommands are described in the pages of their parents.
    clap_mangen::generate_to(command.disable_help_subcommand(true), dir)?;
    std::fs::write(dir.join("cti-bridge.toml.5"), manual::page())
}
