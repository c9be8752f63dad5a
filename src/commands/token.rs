//! `cti-bridge token create|status|end`: the persistent token that `auth = "token"` logs in with.
//!
//! The token goes to a file or to standard output, once; never to the log. The login that makes a token is not logged out: were it the
//! user's last, the PBX would end the session that the new token belongs to.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::two_factor::{AccountSession, Failure, ended};
use crate::{
    api::{ApiError, Audience, Authorization},
    auth::AuthError,
    config::Flags,
    exit::Exit,
    runtime,
    secret_file::{FileError, SecretFile},
};

/// Manage the persistent token for `auth = "token"`, which needs no password on disk
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge token create --source pbx1
  cti-bridge token status")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The source whose account it is; may be left out if there is only one
    #[arg(long, value_name = "NAME", global = true)]
    source: Option<String>,
    /// The program whose place the token takes: the PBX keeps one for each, and the user himself must not use that one
    #[arg(long, value_enum, default_value = "nethlink", global = true)]
    audience: Audience,
    /// Ask for a one-time password or recovery code instead of computing one from `totp_secret`
    #[arg(long, global = true)]
    otp: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Log in with the password and create one; revokes an earlier one for the same program
    Create {
        /// Write it to this new file, readable by its owner only
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long, requires = "write")]
        force: bool,
    },
    /// Show whether there is one
    Status,
    /// Revoke it
    End,
}

/// Runs the command. Results go to `out`, what is wrong to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(config) = super::configuration(&args.flags, err)? else { return Ok(Exit::Config) };
    let without = |name: &str| {
        format!(
            "a persistent token is made with the password: add --set sources.{name}.auth=jwt --set \
             sources.{name}.password_file=FILE (a file that you remove afterwards)"
        )
    };
    let session = match AccountSession::open(&config, args.source.as_deref(), args.otp, without, err)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let work = async {
        match &args.action {
            Action::Create { write, force } => {
                create(&session, args.audience, write.as_deref(), *force, out, err).await
            }
            Action::Status => status(&session, args.audience, out, err).await,
            Action::End => end(&session, args.audience, out, err).await,
        }
    };
    ended(runtime::block_on(work), session.name, err)
}

async fn create(
    session: &AccountSession<'_>,
    audience: Audience,
    write: Option<&Path>,
    force: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    // The PBX's answer revokes an earlier token, so it is verified before that the new one can be stored.
    let file = write.map(|path| SecretFile::prepare(path, force)).transpose()?;
    let (user, word) = (&session.source.username, audience.word());
    if file.is_none() {
        writeln!(out, "Making a token of `{user}` for {word}; an earlier one ends.")?;
        out.flush()?;
    }
    let client = session.account.client();
    let made = session
        .with_grant(err, async |grant| client.make_persistent(grant.token.authorization(), audience).await)
        .await;
    let (grant, token) = match made {
        Ok(made) => made,
        Err(Failure::Auth(AuthError::Api(error))) => {
            if !is_refusal(&error) {
                writeln!(
                    err,
                    "it is not known whether the PBX has made a token; if so, an earlier one has ended: make another"
                )?;
            }
            return Err(unknown_route(error, session));
        }
        Err(failure) => return Err(failure),
    };
    // First of all: whatever fails from here on, the token is stored.
    let stored = store(&token, file, session.name, out);
    let place = match stored {
        Ok(place) => place,
        Err(cause) => {
            // A token that nobody has must not stay valid.
            let ended = client.end_persistent(grant.token.authorization(), audience).await;
            return Err(Failure::NotStored { cause, fate: fate(word, ended) });
        }
    };
    // The request that the bridge will make.
    if let Err(error) = client.me(&Authorization::Bearer(token)).await {
        writeln!(err, "the PBX has made the token, and it is stored, but could not be tried")?;
        return Err(error.into());
    }
    writeln!(
        out,
        "The PBX has made a token of `{user}` and takes it. It is good for a hundred years, until another one is made for {word}, or \
         until two-factor authentication of `{user}` changes."
    )?;
    writeln!(
        out,
        "In [sources.{}], in place of password and one-time password secret:\n  auth = \"token\"\n  token_file = {:?}\n\
         Then restart the bridge, and remove the password from this machine.",
        session.name,
        place.display().to_string()
    )?;
    Ok(())
}

/// The reason why a token was neither stored nor printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("can't write to standard output: {0}")]
    Output(#[source] io::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Stores a token in the file, or prints it. Returns its path.
fn store(
    token: &SecretString,
    file: Option<SecretFile>,
    source: &str,
    out: &mut impl Write,
) -> Result<PathBuf, StoreError> {
    let Some(mut file) = file else {
        let printed =
            writeln!(out, "Put it into a file that only the bridge can read:\n{}", token.expose_secret());
        let printed = printed.and_then(|()| out.flush());
        return printed
            .map(|()| format!("/etc/cti-bridge/{source}.token").into())
            .map_err(StoreError::Output);
    };
    let stored = file.fill(token).and_then(|()| file.keep());
    if stored.is_err() {
        file.discard();
    }
    Ok(stored?)
}

/// The fate of a token that could not be stored.
fn fate(word: &str, ended: Result<(), ApiError>) -> String {
    match ended {
        Ok(()) => format!(
            "The PBX had made the token by then, and has ended it again; there is none for {word} now, as an earlier one ended too: \
             run `cti-bridge token create` again"
        ),
        Err(error) => format!(
            "The PBX had made the token by then; nobody has it, an earlier one for {word} has ended, and it could not be ended \
             ({error}): run `cti-bridge token end`, then `cti-bridge token create`"
        ),
    }
}

/// Whether the PBX has certainly made nothing.
fn is_refusal(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { status, .. } => *status < 500,
        ApiError::Limited { .. }
        | ApiError::Redirect { .. }
        | ApiError::NotTheApi { .. }
        | ApiError::Untrusted { .. }
        | ApiError::Trust(_)
        | ApiError::Setup { .. } => true,
        ApiError::Unreachable { .. }
        | ApiError::TimedOut { .. }
        | ApiError::Unreadable { .. }
        | ApiError::CutShort { .. }
        | ApiError::TooLarge { .. } => false,
    }
}

async fn status(
    session: &AccountSession<'_>,
    audience: Audience,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let client = session.account.client();
    let found = session
        .with_grant(err, async |grant| client.has_persistent(grant.token.authorization(), audience).await)
        .await;
    // A persistent token is listed as well, so this one is not the user's last as long as there is one.
    session.log_out().await;
    let (_, found) = found.map_err(|failure| failure.known(session))?;
    let there = if found { "is a" } else { "is no" };
    writeln!(out, "there {there} persistent token of `{}` for {}", session.source.username, audience.word())?;
    Ok(())
}

async fn end(
    session: &AccountSession<'_>,
    audience: Audience,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let client = session.account.client();
    let ended = session
        .with_grant(err, async |grant| client.end_persistent(grant.token.authorization(), audience).await)
        .await;
    session.log_out().await;
    ended.map_err(|failure| failure.known(session))?;
    writeln!(
        out,
        "there is no persistent token of `{}` for {} any more; sessions that are live stay",
        session.source.username,
        audience.word()
    )?;
    Ok(())
}

impl Failure {
    fn known(self, session: &AccountSession<'_>) -> Self {
        match self {
            Self::Auth(AuthError::Api(error)) => unknown_route(error, session),
            other => other,
        }
    }
}

/// An older middleware passes the request on to its backend, which knows nothing of it.
fn unknown_route(error: ApiError, session: &AccountSession<'_>) -> Failure {
    match error {
        ApiError::Refused { status: 404 | 405, .. } => {
            Failure::NoTokens(session.account.client().url().to_string())
        }
        error => error.into(),
    }
}
