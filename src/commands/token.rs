//! `cti-bridge token create|status|end`: the persistent token that `auth = "token"` logs in with.
//!
//! The token goes to a file or to standard output, once; never to the log. The login that makes it is not logged out: were it the
//! user's last, the PBX would end the session that the new token stands on.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::ExposeSecret as _;

use super::two_factor::{Desk, Failure, ended};
use crate::{
    api::{ApiError, Audience, Authorization},
    cli,
    config::Flags,
    exit::Exit,
    secret_file::SecretFile,
};

/// A persistent token for `auth = "token"`, so that no password lies on the disk
#[derive(Debug, Clone, clap::Args)]
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
    /// Log in with the password and make one; an earlier one for the same program ends
    Create {
        /// Write it to this new file, readable by its owner only
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// Replace the file if it is there
        #[arg(long, requires = "write")]
        force: bool,
    },
    /// Whether there is one
    Status,
    /// End it
    End,
}

/// A logout that takes longer is left to the token's own end.
const LOGOUT: Duration = Duration::from_secs(5);

/// Runs the command. Results go to `out`, what is wrong to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(config) = super::configuration(&args.flags, err)? else { return Ok(Exit::Config) };
    let without = |name: &str| {
        format!(
            "a persistent token is made with the password: add --set sources.{name}.auth=jwt --set \
             sources.{name}.password_file=FILE (a file that you remove afterwards)"
        )
    };
    let desk = match Desk::open(&config, args.source.as_deref(), args.otp, without, err)? {
        Ok(desk) => desk,
        Err(exit) => return Ok(exit),
    };
    let work = async {
        match &args.action {
            Action::Create { write, force } => {
                create(&desk, args.audience, write.as_deref(), *force, out, err).await
            }
            Action::Status => status(&desk, args.audience, out, err).await,
            Action::End => end(&desk, args.audience, out, err).await,
        }
    };
    ended(cli::block_on(work), desk.name, err)
}

async fn create(
    desk: &Desk<'_>,
    audience: Audience,
    write: Option<&Path>,
    force: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    if let Some(path) = write {
        SecretFile::free(path, force)?;
    }
    let grant = desk.enter(err).await?;
    let client = desk.account.client();
    let made = client.make_persistent(grant.token.authorization(), audience).await;
    let token = made.map_err(|error| unknown_route(error, desk))?;
    // As the bridge will use it.
    client.me(&Authorization::Bearer(token.clone())).await?;
    let (user, word) = (&desk.source.username, audience.word());
    writeln!(
        out,
        "The PBX has made a token of `{user}` and takes it. It is good for a hundred years, until another one is made for {word}, or \
         until two-factor authentication of `{user}` changes."
    )?;
    let place = if let Some(path) = write {
        let stored = SecretFile::write(path, force, &token).and_then(SecretFile::keep);
        if stored.is_err() {
            // Nobody has it, so nobody should.
            client.end_persistent(grant.token.authorization(), audience).await?;
        }
        stored?
    } else {
        writeln!(out, "Put it into a file that only the bridge can read:\n{}", token.expose_secret())?;
        format!("/etc/cti-bridge/{}.token", desk.name).into()
    };
    writeln!(
        out,
        "In [sources.{}], in place of password and one-time password secret:\n  auth = \"token\"\n  token_file = {:?}\n\
         Then restart the bridge, and remove the password from this machine.",
        desk.name,
        place.display().to_string()
    )?;
    Ok(())
}

async fn status(
    desk: &Desk<'_>,
    audience: Audience,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let grant = desk.enter(err).await?;
    let found = desk.account.client().has_persistent(grant.token.authorization(), audience).await;
    let there = if found.map_err(|error| unknown_route(error, desk))? { "is a" } else { "is no" };
    writeln!(out, "there {there} persistent token of `{}` for {}", desk.source.username, audience.word())?;
    Ok(())
}

async fn end(
    desk: &Desk<'_>,
    audience: Audience,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let grant = desk.enter(err).await?;
    let ended = desk.account.client().end_persistent(grant.token.authorization(), audience).await;
    ended.map_err(|error| unknown_route(error, desk))?;
    desk.account.logout(LOGOUT).await;
    writeln!(
        out,
        "there is no persistent token of `{}` for {} any more; sessions that are live stay",
        desk.source.username,
        audience.word()
    )?;
    Ok(())
}

/// An older middleware passes the request on to its backend, which knows nothing of it.
fn unknown_route(error: ApiError, desk: &Desk<'_>) -> Failure {
    match error {
        ApiError::Refused { status: 404 | 405, .. } => {
            Failure::NoTokens(desk.account.client().url().to_string())
        }
        error => error.into(),
    }
}
