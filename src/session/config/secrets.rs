//! The keys of a source that hold secrets, and which of them each login method uses.

use secrecy::{ExposeSecret as _, SecretString};

use super::Method;
use crate::{
    auth::{Claims, Credentials, Totp},
    config::{Secret, Section, pasted},
    text::secrets,
};

/// A secret, and the file it may be in.
type Pair = (Option<Secret>, Option<String>);

/// The keys as configured.
pub(super) struct Secrets {
    pub(super) method: Method,
    pub(super) password: Pair,
    pub(super) totp_secret: Pair,
    pub(super) token: Pair,
}

impl Secrets {
    /// Reads those that are needed. Returns `None` if it has reported a problem.
    pub(super) fn validate(self, username: Option<&str>, section: &mut Section<'_>) -> Option<Credentials> {
        let Self { method, password, totp_secret, token } = self;
        match method {
            Method::Jwt => {
                unused("token", &token, method, section);
                let password = needed("password", password, section);
                let key = if totp_secret.1.is_some() { "totp_secret_file" } else { "totp_secret" };
                let totp_secret = section
                    .secret("totp_secret", totp_secret.0, totp_secret.1)
                    .and_then(|secret| base32(&secret, key, section));
                Some(Credentials::Password { password: password?, totp_secret })
            }
            Method::Token => {
                unused("password", &password, method, section);
                unused("totp_secret", &totp_secret, method, section);
                let key = if token.1.is_some() { "token_file" } else { "token" };
                let token = needed("token", token, section)?;
                persistent(token, username, key, section).map(Credentials::Token)
            }
            Method::Legacy => {
                unused("token", &token, method, section);
                unused("totp_secret", &totp_secret, method, section);
                section.warn(
                    "auth",
                    "the vendor announced to switch this interface off after 1 June 2026: upgrade the PBX, then write \"jwt\"",
                );
                Some(Credentials::Legacy { password: needed("password", password, section)? })
            }
        }
    }
}

/// Returns true if the login method creates a token that can be cached; otherwise reports a problem.
pub(super) fn cacheable(method: Method, section: &mut Section<'_>) -> bool {
    let text = match method {
        Method::Jwt => return true,
        Method::Token => "has no effect with `auth = \"token\"`, which makes no tokens: remove it",
        Method::Legacy => {
            "has no effect with `auth = \"legacy\"`, whose tokens end with the server: remove it"
        }
    };
    section.warn("token_cache", text);
    false
}

fn needed(key: &str, (value, file): Pair, section: &mut Section<'_>) -> Option<SecretString> {
    let file_key = format!("{key}_file");
    if value.is_none() && file.is_none() && !section.is_set(key) && !section.is_set(&file_key) {
        section.problem("", format!("no {key}: set `{file_key}` (or `{key}`)"));
    }
    section.secret(key, value, file)
}

/// Warns of a secret that the login method does not use. Its file is not read.
fn unused(key: &str, (value, file): &Pair, method: Method, section: &mut Section<'_>) {
    let method = match method {
        Method::Jwt => "jwt",
        Method::Token => "token",
        Method::Legacy => "legacy",
    };
    let file_key = format!("{key}_file");
    for key in [value.as_ref().map(|_| key), file.as_ref().map(|_| file_key.as_str())].into_iter().flatten() {
        section
            .warn(key, format!("is not used with `auth = \"{method}\"`: remove it, and the secret with it"));
    }
}

/// Checks a persistent token as far as possible without the PBX.
fn persistent(
    token: SecretString,
    username: Option<&str>,
    key: &str,
    section: &mut Section<'_>,
) -> Option<SecretString> {
    let text = token.expose_secret();
    let space = text.contains(char::is_whitespace).then_some("holds a space: write only the token");
    if let Some(wrong) = pasted(text).or(space) {
        section.problem(key, wrong);
        return None;
    }
    let make = "create one with `cti-bridge token create`";
    let wrong = match Claims::decode(token.expose_secret()) {
        None => format!("is not a PBX token (three parts separated by dots): {make}"),
        Some(claims) if claims.otp_due() => {
            format!("was made without the one-time password that the account needs: {make}")
        }
        Some(Claims { id: Some(id), .. }) if username.is_some_and(|username| username != id) => {
            "belongs to another user than `username`: write the name that the token was created for"
                .to_owned()
        }
        Some(_) => return Some(token),
    };
    section.problem(key, wrong);
    None
}

/// Normalises the secret, if it is valid.
fn base32(secret: &SecretString, key: &str, section: &mut Section<'_>) -> Option<SecretString> {
    if Totp::new(secret).is_ok() {
        let canonical = Totp::canonical(secret);
        // Groups and lower case are common notations of the same secret.
        secrets::register(&canonical);
        return Some(canonical);
    }
    let text = secret.expose_secret().trim_start();
    section.problem(
        key,
        if text.starts_with("otpauth:") {
            "is an otpauth:// address: write only the value of its `secret=`"
        } else if text.starts_with(['"', '\'', '{']) {
            "is in quotation marks or JSON: write only the key that was shown with the QR code (A-Z and 2-7)"
        } else {
            "is not base32: write the key that was shown with the QR code (A-Z and 2-7)"
        },
    );
    None
}
