//! What the actions have in common, and the short ones.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use secrecy::{ExposeSecret as _, SecretString};

use super::Failure;
use crate::{
    app,
    auth::{Account, AuthError, Claims, Credentials, Grant},
    config::Config,
    exit::Exit,
    session::config::Config as Source,
    telemetry,
    text::escaped_as_json,
};

/// One account, and where it stands in the configuration.
pub(in super::super) struct Desk<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) source: &'a Source,
    pub(in super::super) password: &'a SecretString,
    pub(in super::super) account: Account,
    /// Codes are typed, not computed.
    pub(in super::super) ask: bool,
}

impl<'a> Desk<'a> {
    /// At the account of the source that was named, or of the only one; `without` says what to do where it has no password.
    /// If there is none, `err` was told why.
    pub(in super::super) fn open(
        config: &'a Config,
        named: Option<&str>,
        ask: bool,
        without: impl FnOnce(&str) -> String,
        err: &mut impl Write,
    ) -> io::Result<Result<Self, Exit>> {
        let (name, source) = match super::super::one_source(config, named) {
            Ok(found) => found,
            Err(problem) => return writeln!(err, "{problem}").map(|()| Err(Exit::Usage)),
        };
        let Credentials::Password { password, .. } = &source.credentials else {
            return writeln!(err, "sources.{name}: {}", without(name)).map(|()| Err(Exit::Usage));
        };
        telemetry::start(&config.log);
        match app::account(source) {
            Ok(account) => Ok(Ok(Self { name, source, password, account, ask })),
            Err(problem) => writeln!(err, "sources.{name}: {problem}").map(|()| Err(Exit::Config)),
        }
    }
}

impl Desk<'_> {
    /// Logs in; asks for a one-time password if the PBX does and none can be computed.
    pub(in super::super) async fn enter(&self, err: &mut impl Write) -> Result<Grant, Failure> {
        if self.ask {
            return Ok(self.account.grant_with(self.typed_code(err)?).await?);
        }
        match self.account.grant().await {
            Err(AuthError::OtpMissing { .. }) if io::stdin().is_terminal() => {
                Ok(self.account.grant_with(self.typed_code(err)?).await?)
            }
            other => Ok(other?),
        }
    }

    fn typed_code(&self, err: &mut impl Write) -> io::Result<SecretString> {
        write!(err, "One-time password, or a recovery code, of `{}`: ", self.source.username)?;
        err.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().into())
    }

    pub(super) async fn status(&self, out: &mut impl Write) -> Result<(), Failure> {
        let user = &self.source.username;
        let secret = self.source.credentials.totp_secret().is_some();
        let grant = match self.account.grant().await {
            Ok(grant) => grant,
            Err(error) => {
                let secret = match &error {
                    AuthError::OtpMissing { .. } => "not configured",
                    AuthError::OtpRefused { .. } => "configured, and the PBX refuses its codes",
                    _ => return Err(error.into()),
                };
                writeln!(out, "two-factor authentication of `{user}`: on")?;
                writeln!(out, "totp_secret: {secret}")?;
                return Err(error.into());
            }
        };
        let on = self.account.client().two_factor_status(grant.token.secret()).await?;
        writeln!(out, "two-factor authentication of `{user}`: {}", if on { "on" } else { "off" })?;
        let asked = grant.token.claims().is_some_and(|claims| claims.two_fa);
        let state = match (secret, asked) {
            (true, true) => "configured, and the PBX takes its codes",
            (true, false) => "configured, and not asked for",
            (false, _) => "not configured",
        };
        writeln!(out, "totp_secret: {state}")?;
        let ahead = self.account.ahead().await;
        match ahead.as_secs() {
            0 => writeln!(out, "clocks: agree"),
            seconds if seconds > 0 => {
                writeln!(out, "clocks: the PBX's is {seconds} s ahead of this machine's")
            }
            seconds => writeln!(out, "clocks: the PBX's is {} s behind this machine's", -seconds),
        }?;
        Ok(())
    }

    pub(super) async fn recovery_codes(
        &self,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> Result<(), Failure> {
        let grant = self.enter(err).await?;
        self.show_recovery_codes(&grant, out).await
    }

    pub(super) async fn show_recovery_codes(
        &self,
        grant: &Grant,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let codes = self.account.client().recovery_codes(grant.token.secret(), self.password).await?;
        if codes.is_empty() {
            writeln!(
                out,
                "There are no recovery codes: the user has no secret. `cti-bridge 2fa enroll` makes one."
            )?;
            return Ok(());
        }
        writeln!(out, "Recovery codes; each logs in once, instead of a one-time password. Keep them safe:")?;
        for code in codes {
            writeln!(out, "  {}", escaped_as_json(code.expose_secret(), |_| false))?;
        }
        Ok(())
    }

    pub(super) async fn disable(&self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Failure> {
        let user = &self.source.username;
        let grant = self.enter(err).await?;
        if !is_on(&grant) && !self.account.client().two_factor_status(grant.token.secret()).await? {
            writeln!(out, "Two-factor authentication of `{user}` is off already; nothing was changed.")?;
            return Ok(());
        }
        self.account.client().disable_two_factor(grant.token.secret(), self.password).await?;
        writeln!(
            out,
            "Two-factor authentication of `{user}` is off. All its tokens have ended: whoever uses the account logs in anew, \
             as a running bridge does by itself.\nTake `totp_secret` or `totp_secret_file` out of [sources.{}]: \
             another enrolment makes another secret.",
            self.name
        )?;
        Ok(())
    }
}

pub(super) fn is_on(grant: &Grant) -> bool {
    grant.token.claims().is_some_and(|Claims { two_fa, .. }| *two_fa)
}
