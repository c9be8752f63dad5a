//! `cti-bridge 2fa status|enroll|recovery-codes|disable`: two-factor authentication for a service account,
//! without a browser.
//!
//! Secrets go to standard output, once, and only where the command is there to show them; never to the log.
//! Each command logs out at its end.

mod account_session;
mod enroll;
mod qr;
mod recipe;

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write},
    path::PathBuf,
};

pub(super) use self::account_session::AccountSession;
use self::recipe::Recipe;
use super::token::StoreError;
use crate::{
    auth::AuthError, config::Flags, exit::Exit, runtime, secret_file::FileError,
    session::config::Config as Source,
};

/// Manage two-factor authentication of a service account without a browser
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge 2fa status
  cti-bridge 2fa enroll --source pbx1")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The source whose account it is; may be left out if there is only one
    #[arg(long, value_name = "NAME", global = true)]
    source: Option<String>,
    /// Ask for a one-time password or recovery code instead of computing one from `totp_secret`
    #[arg(long, global = true)]
    otp: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Show whether it is on, and whether the configured `totp_secret` works
    Status,
    /// Enable it: shows the QR code and the secret, confirms it with a one-time password, prints the recovery codes
    Enroll {
        /// Write the secret to this new file, readable by its owner only
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long, requires = "write")]
        force: bool,
        /// Print how to store the secret
        #[arg(long, value_enum)]
        recipe: Option<Recipe>,
    },
    /// Print the recovery codes that are left
    RecoveryCodes,
    /// Disable it; revokes every token of the user
    Disable {
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command. Results go to `out`, errors to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(config) = super::configuration(&args.flags, err)? else { return Ok(Exit::Config) };
    let without = |_: &str| {
        "two-factor authentication belongs to `auth = \"jwt\"`: with the method configured the PBX never asks for it"
            .to_owned()
    };
    let session = match AccountSession::open(&config, args.source.as_deref(), args.otp, without, err)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    if let Action::Disable { yes: false } = args.action
        && !confirmed(session.name, session.source, err)?
    {
        return Ok(Exit::Usage);
    }
    let work = async {
        let done = match &args.action {
            Action::Status => session.status(out, err).await,
            Action::Enroll { write, force, recipe } => {
                session.enroll(write.as_deref(), *force, *recipe, out, err).await
            }
            Action::RecoveryCodes => session.recovery_codes(out, err).await,
            Action::Disable { .. } => session.disable(out, err).await,
        };
        session.log_out().await;
        done
    };
    ended(runtime::block_on(work), session.name, err)
}

/// The exit code of a command; `outcome` is `None` if there was no runtime.
pub(super) fn ended(
    outcome: Option<Result<(), Failure>>,
    source: &str,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match outcome {
        None => Ok(Exit::Internal),
        Some(Ok(())) => Ok(Exit::Clean),
        Some(Err(failure)) => failure.report(source, err),
    }
}

/// The reason why a command ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0} does not support persistent tokens: upgrade the PBX, or keep `auth = \"jwt\"`")]
    NoTokens(String),
    /// The PBX created a token that could not be stored: the cause, and the fate of the token.
    #[error("{cause}. {fate}")]
    NotStored { cause: StoreError, fate: String },
    /// Standard output or input.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<crate::api::ApiError> for Failure {
    fn from(error: crate::api::ApiError) -> Self {
        Self::Auth(error.into())
    }
}

impl Failure {
    fn report(self, source: &str, err: &mut impl Write) -> io::Result<Exit> {
        let exit = match &self {
            Self::Auth(error) => error.into(),
            Self::File(FileError::Exists(_)) => Exit::Usage,
            Self::File(FileError::Write { .. }) | Self::NotStored { .. } => Exit::OUTPUT,
            Self::NoTokens(_) => Exit::Unavailable,
            Self::Output(_) => Exit::Internal,
        };
        if let Self::Output(error) = self {
            return Err(error);
        }
        writeln!(err, "sources.{source}: {self}")?;
        Ok(exit)
    }
}

fn confirmed(name: &str, source: &Source, err: &mut impl Write) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        writeln!(err, "this disables two-factor authentication: add --yes to confirm")?;
        return Ok(false);
    }
    write!(
        err,
        "Disable two-factor authentication of `{}` at {name} and revoke all its tokens? [y/N] ",
        source.username
    )?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let yes = matches!(line.trim(), "y" | "Y" | "yes");
    if !yes {
        writeln!(err, "nothing was changed")?;
    }
    Ok(yes)
}
