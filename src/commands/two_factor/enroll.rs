//! `2fa enroll`. The secret is on disk before it takes effect: a crash cannot lock the account out.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
};

use secrecy::ExposeSecret as _;

use super::{
    Failure,
    account_session::{AccountSession, is_on},
    qr,
    recipe::Recipe,
};
use crate::{
    api::Enrolment,
    auth::{AuthError, Grant},
    secret_file::SecretFile,
};

impl AccountSession<'_> {
    pub(super) async fn enroll(
        &self,
        write: Option<&Path>,
        force: bool,
        recipe: Option<Recipe>,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> Result<(), Failure> {
        let mut file = write.map(|path| SecretFile::prepare(path, force)).transpose()?;
        let client = self.account.client();
        let (grant, enrolment) =
            self.with_grant(err, async |grant| client.qr_code(grant.token.secret()).await).await?;
        let was_on = is_on(&grant);
        if was_on {
            writeln!(
                out,
                "Two-factor authentication of `{}` is on already. This is the secret it has; nothing is changed.",
                self.source.username
            )?;
        }
        show(&enrolment, out)?;
        file.as_mut().map(|file| file.fill(&enrolment.secret)).transpose()?;
        let verified = match self.account.enrol(&grant, &enrolment.secret).await {
            Ok(verified) => verified,
            Err(error) => return Err(self.not_enrolled(&grant, was_on, error, file, out).await?),
        };
        // What went well is reported before a file that went wrong.
        let written = file.as_ref().map(SecretFile::keep).transpose();
        if !was_on {
            writeln!(
                out,
                "\nThe PBX accepted a one-time password of this secret: two-factor authentication of `{}` is on.\n\
                 All other tokens of the user are revoked. An open session continues; a running bridge logs in again by \
                 itself as soon as it has the secret.",
                self.source.username
            )?;
        }
        writeln!(out)?;
        self.show_recovery_codes(&verified, out).await?;
        let written = written?;
        writeln!(out)?;
        self.show_next_step(recipe, written.as_deref(), out)?;
        Ok(())
    }

    /// Prints how to configure the secret.
    fn show_next_step(
        &self,
        recipe: Option<Recipe>,
        written: Option<&Path>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let name = self.name;
        match (recipe, written) {
            (Some(recipe), _) => recipe.print(name, written, out),
            (None, Some(path)) => writeln!(
                out,
                "The secret is in {}. Set it in [sources.{name}], then reload the bridge (SIGHUP):\n  totp_secret_file = {:?}",
                path.display(),
                path.display().to_string()
            ),
            (None, None) => writeln!(
                out,
                "Put the secret into a file that only the bridge can read, and name it in [sources.{name}]:\n  totp_secret_file = \"/etc/cti-bridge/{name}.totp\""
            ),
        }
    }

    /// Reports the state after a failure, and removes the file if its secret is not in effect.
    async fn not_enrolled(
        &self,
        grant: &Grant,
        was_on: bool,
        error: AuthError,
        file: Option<SecretFile>,
        out: &mut impl Write,
    ) -> io::Result<Failure> {
        // A first enrolment revokes the current token; so if it still works, nothing was enabled.
        let off = !was_on
            && (error.is_refusal()
                || self.account.client().two_factor_status(grant.token.secret()).await.is_ok_and(|on| !on));
        if was_on || off {
            if let Some(file) = file {
                file.discard();
            }
            let state = if off { "off: nothing was enabled" } else { "on, as it was" };
            writeln!(
                out,
                "\nTwo-factor authentication is {state}. The secret above is not in use by the bridge."
            )?;
        } else {
            let kept = file.and_then(|file| file.keep().ok());
            writeln!(
                out,
                "\nIt is not known whether two-factor authentication is on now: see `cti-bridge 2fa status`, and keep the secret{}.",
                kept.map(|path| format!(" ({})", path.display())).unwrap_or_default()
            )?;
        }
        Ok(error.into())
    }
}

fn show(enrolment: &Enrolment, out: &mut impl Write) -> io::Result<()> {
    let url = enrolment.url.expose_secret();
    let terminal = io::stdout().is_terminal();
    let code = qr::Terminal::of_stdout().filter(|_| terminal).and_then(|screen| qr::draw(url, screen));
    match code {
        Some(code) => writeln!(out, "{code}")?,
        None => writeln!(out, "Address for an authenticator app: {}", printable(url))?,
    }
    writeln!(out, "Secret: {}", printable(enrolment.secret.expose_secret()))
}

/// The PBX's text, as a terminal may see it.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
