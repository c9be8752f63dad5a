//! The account session that all actions use, and the short actions.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write},
    net::SocketAddr,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::Failure;
use crate::{
    api::ApiError,
    app::config::Config,
    auth::{Account, AuthError, Claims, Credentials, Grant},
    commands::logout,
    exit::Exit,
    session::config::Config as Source,
    telemetry,
    text::escaped_as_json,
};

/// Attempts to type a code.
const CODES: u32 = 3;
/// Tokens tried per request.
const TRIES: u32 = 3;

/// An account and its source.
pub(in super::super) struct AccountSession<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) source: &'a Source,
    pub(in super::super) password: &'a SecretString,
    pub(in super::super) account: Account,
    /// The admin endpoint of a running bridge, which may have the same token.
    bridge: Option<SocketAddr>,
    /// Codes are typed, not computed.
    pub(in super::super) ask: bool,
}

impl<'a> AccountSession<'a> {
    /// Opens the account of the named source, or of the only one; `without` is the remedy for an account without a password.
    /// Problems are written to `err`.
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
        match crate::session::account(source) {
            Ok(account) => {
                let bridge = logout::bridge(config.admin.as_ref());
                Ok(Ok(Self { name, source, password, account, bridge, ask }))
            }
            Err(problem) => writeln!(err, "sources.{name}: {problem}").map(|()| Err(Exit::Config)),
        }
    }
}

impl AccountSession<'_> {
    /// Logs in; asks for a one-time password if the PBX does and none can be computed.
    pub(in super::super) async fn log_in(&self, err: &mut impl Write) -> Result<Grant, Failure> {
        if self.ask {
            return self.log_in_with_typed_code(err).await;
        }
        match self.granted().await {
            Err(AuthError::OtpMissing { .. }) if io::stdin().is_terminal() => {
                self.log_in_with_typed_code(err).await
            }
            other => Ok(other?),
        }
    }

    /// Logs in without asking anybody.
    async fn granted(&self) -> Result<Grant, AuthError> {
        match self.account.grant().await {
            // Another command has logged out the token of the same second.
            Err(AuthError::DeadSession { .. } | AuthError::Withdrawn { .. }) => {
                later_second().await;
                self.account.grant().await
            }
            other => other,
        }
    }

    /// Asks again on a terminal, where a code was mistyped.
    async fn log_in_with_typed_code(&self, err: &mut impl Write) -> Result<Grant, Failure> {
        let mut left = if io::stdin().is_terminal() { CODES } else { 1 };
        loop {
            left -= 1;
            match self.account.grant_with(self.typed_code(err)?).await {
                Err(error @ AuthError::CodeRefused { .. }) if left > 0 => writeln!(err, "{error}")?,
                other => return Ok(other?),
            }
        }
    }

    /// Logs in and makes a request. A token that dies is replaced, in a later second: a command that logged in within the
    /// same one has the same token, and has logged it out.
    pub(in super::super) async fn with_grant<T>(
        &self,
        err: &mut impl Write,
        request: impl AsyncFn(&Grant) -> Result<T, ApiError>,
    ) -> Result<(Grant, T), Failure> {
        let mut grant = self.log_in(err).await?;
        for _ in 1..TRIES {
            match request(&grant).await {
                Err(error) if error.is_dead_token() => {
                    self.account.discard(&grant.token);
                    later_second().await;
                    grant = self.log_in(err).await?;
                }
                other => return Ok((grant, other?)),
            }
        }
        let outcome = request(&grant).await?;
        Ok((grant, outcome))
    }

    /// Logs out, unless a running bridge may have the same token.
    pub(in super::super) async fn log_out(&self) {
        logout::log_out(&self.account, self.name, self.bridge).await;
    }

    fn typed_code(&self, err: &mut impl Write) -> io::Result<SecretString> {
        write!(err, "One-time password, or a recovery code, of `{}`: ", self.source.username)?;
        err.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().into())
    }

    pub(super) async fn status(&self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Failure> {
        let user = &self.source.username;
        let secret = self.source.credentials.totp_secret().is_some();
        let client = self.account.client();
        // Asks for a code only on request.
        let granted = if self.ask { Ok(()) } else { self.granted().await.map(drop) };
        let status = match granted {
            Ok(()) => {
                self.with_grant(err, async |grant| client.two_factor_status(grant.token.secret()).await).await
            }
            Err(error) => Err(error.into()),
        };
        let (grant, on) = match status {
            Ok(status) => status,
            Err(Failure::Auth(error)) => {
                let secret = match &error {
                    AuthError::OtpMissing { .. } => "not configured",
                    AuthError::OtpRefused { .. } => "configured, and the PBX refuses its codes",
                    _ => return Err(error.into()),
                };
                writeln!(out, "two-factor authentication of `{user}`: on")?;
                writeln!(out, "totp_secret: {secret}")?;
                return Err(error.into());
            }
            Err(error) => return Err(error),
        };
        writeln!(out, "two-factor authentication of `{user}`: {}", if on { "on" } else { "off" })?;
        let asked = grant.token.claims().is_some_and(|claims| claims.two_fa);
        let state = match (secret, asked) {
            (true, true) if self.ask => "configured, and not tried, as a code was typed",
            (true, true) => "configured, and the PBX accepts its codes",
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
        let (client, password) = (self.account.client(), self.password);
        let codes = self
            .with_grant(err, async |grant| client.recovery_codes(grant.token.secret(), password).await)
            .await?
            .1;
        print_recovery_codes(&codes, out)?;
        Ok(())
    }

    pub(super) async fn show_recovery_codes(
        &self,
        grant: &Grant,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let codes = self.account.client().recovery_codes(grant.token.secret(), self.password).await?;
        print_recovery_codes(&codes, out)?;
        Ok(())
    }

    pub(super) async fn disable(&self, out: &mut impl Write, err: &mut impl Write) -> Result<(), Failure> {
        let user = &self.source.username;
        let client = self.account.client();
        let (grant, on) =
            self.with_grant(err, async |grant| client.two_factor_status(grant.token.secret()).await).await?;
        if !on {
            writeln!(out, "Two-factor authentication of `{user}` is off already; nothing was changed.")?;
            return Ok(());
        }
        self.account.client().disable_two_factor(grant.token.secret(), self.password).await?;
        writeln!(
            out,
            "Two-factor authentication of `{user}` is off. All its tokens are revoked: every user of the account has to log in again, \
             which a running bridge does by itself.\nTake `totp_secret` or `totp_secret_file` out of [sources.{}]: \
             another enrolment creates another secret.",
            self.name
        )?;
        Ok(())
    }
}

/// Waits for a later second: tokens issued within one second are equal.
async fn later_second() {
    tokio::time::sleep(Duration::from_secs(1) + Duration::from_secs(2).mul_f64(fastrand::f64())).await;
}

fn print_recovery_codes(codes: &[SecretString], out: &mut impl Write) -> io::Result<()> {
    if codes.is_empty() {
        return writeln!(
            out,
            "There are no recovery codes: the user has no secret. `cti-bridge 2fa enroll` makes one."
        );
    }
    writeln!(out, "Recovery codes; each logs in once, instead of a one-time password. Keep them safe:")?;
    for code in codes {
        writeln!(out, "  {}", escaped_as_json(code.expose_secret(), |_| false))?;
    }
    Ok(())
}

pub(super) fn is_on(grant: &Grant) -> bool {
    grant.token.claims().is_some_and(|Claims { two_fa, .. }| *two_fa)
}
