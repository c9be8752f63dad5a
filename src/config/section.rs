//! Checks of a table by its owner: problems and warnings that carry their origin.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::{
    origin::{Origins, join},
    problem::Problem,
    secret::{self, Places, Secret},
};
use crate::{
    text::secrets,
    tls::{TlsError, Trust},
};

/// Problems and warnings, collected while a configuration is checked.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(super) origins: Origins,
    pub(super) places: Places,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Findings {
    pub(crate) fn problem(&mut self, key: &str, text: impl Into<String>) {
        self.problems.push(self.place(key, text.into()));
    }

    pub(crate) fn warn(&mut self, key: &str, text: impl Into<String>) {
        self.warnings.push(self.place(key, text.into()));
    }

    fn place(&self, key: &str, text: String) -> Problem {
        Problem { origin: self.origins.nearest(key), key: key.to_owned(), text, is_file: false }
    }
}

/// One table of the configuration. Keys are named without the table's own name.
#[derive(Debug)]
pub struct Section<'a> {
    table: String,
    findings: &'a mut Findings,
}

impl<'a> Section<'a> {
    /// The table of this dotted name; the empty name is the root table.
    pub(crate) fn new(table: &str, findings: &'a mut Findings) -> Self {
        Self { table: table.to_owned(), findings }
    }

    /// The table `name` within this one.
    pub(crate) fn table(&mut self, name: &str) -> Section<'_> {
        Section { table: join(&self.table, name), findings: self.findings }
    }

    /// Reports a problem that prevents a start: `text` names what is wrong with `key`, and the remedy.
    pub fn problem(&mut self, key: &str, text: impl Into<String>) {
        self.findings.problem(&join(&self.table, key), text);
    }

    /// Reports that the file named by `key` can't be used.
    fn file_problem(&mut self, key: &str, text: String) {
        let problem = self.findings.place(&join(&self.table, key), text);
        self.findings.problems.push(Problem { is_file: true, ..problem });
    }

    /// Reports a warning: the configuration can be used, but needs attention.
    pub fn warn(&mut self, key: &str, text: impl Into<String>) {
        self.findings.warn(&join(&self.table, key), text);
    }

    /// A one-line secret, from `key` or from the file that `<key>_file` names, but not from both.
    pub fn secret(&mut self, key: &str, value: Option<Secret>, file: Option<String>) -> Option<SecretString> {
        if let Some(Secret(secret)) = &value {
            secrets::register(secret);
        }
        let file_key = format!("{key}_file");
        let (key, secret) = match (value, file) {
            (Some(_), Some(_)) => {
                let other = self.findings.origins.nearest(&join(&self.table, &file_key));
                self.problem(key, format!("is set, and so is `{file_key}` ({other}): remove one of the two"));
                return None;
            }
            (Some(Secret(secret)), None) => {
                let secret = SecretString::from(secret::bare(secret.expose_secret()));
                if secret.expose_secret().is_empty() {
                    self.problem(
                        key,
                        format!("is empty: write the secret, or name a file with `{file_key}`"),
                    );
                    return None;
                }
                secrets::register(&secret);
                (key, secret)
            }
            (None, Some(name)) => (file_key.as_str(), self.secret_file(&file_key, &name)?),
            (None, None) => return None,
        };
        if let Some(flaw) = secret::flaw(secret.expose_secret()) {
            self.problem(key, flaw);
            return None;
        }
        Some(secret)
    }

    /// The secret in the file `name`, which is the value of `key`. It may have several lines.
    pub fn secret_file(&mut self, key: &str, name: &str) -> Option<SecretString> {
        let (secret, path) = self.read_secret(key, name)?;
        self.warn_if_open(key, &path);
        Some(secret)
    }

    fn read_secret(&mut self, key: &str, name: &str) -> Option<(SecretString, PathBuf)> {
        match self.findings.places.read(name) {
            Ok((secret, path)) => {
                secrets::register(&secret);
                Some((secret, path))
            }
            Err(error) => {
                self.file_problem(key, error.to_string());
                None
            }
        }
    }

    /// Same as [`secret_file`](Self::secret_file), for a file that only this user may read.
    pub fn private_file(&mut self, key: &str, name: &str) -> Option<SecretString> {
        let (secret, path) = self.read_secret(key, name)?;
        if secret::is_shared(&path) {
            let path = path.display();
            self.file_problem(key, format!("{path} is readable by others than its owner: chmod 600 {path}"));
            return None;
        }
        Some(secret)
    }

    fn warn_if_open(&mut self, key: &str, path: &Path) {
        if secret::is_world_readable(path) {
            let path = path.display();
            self.warn(key, format!("{path} is readable by everyone: chmod o-rwx {path}"));
        }
    }

    /// Resolves a path relative to the directory of the configuration file.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.findings.places.base.join(name)
    }

    /// The TLS trust settings. Loads the files once, so that an invalid one is found before the first connection.
    pub fn trust(
        &mut self,
        ca_file: Option<String>,
        identity: (Option<String>, Option<String>),
        insecure_skip_verify: bool,
    ) -> Trust {
        if insecure_skip_verify {
            self.warn(
                "insecure_skip_verify",
                "any certificate is accepted, so anyone on the network path can read everything, including the password: \
                 give the authority's certificate as `ca_file` instead",
            );
        }
        let resolve = |name: String| self.findings.places.resolve(&name);
        let ca_file = ca_file.map(resolve);
        let identity = match identity {
            (Some(certificate), Some(key)) => Some((resolve(certificate), resolve(key))),
            (Some(_), None) => {
                self.problem("cert_file", "needs its private key: set `key_file` too");
                None
            }
            (None, Some(_)) => {
                self.problem("key_file", "needs its certificate: set `cert_file` too");
                None
            }
            (None, None) => None,
        };
        // Checked separately: an error names its file, but the first would hide the second.
        let authorities = Trust { ca_file, identity: None, insecure_skip_verify: false };
        let ourselves = Trust { ca_file: None, identity, insecure_skip_verify: true };
        if authorities.ca_file.is_some() {
            self.tls_files(&authorities);
        }
        if let Some((_, key)) = &ourselves.identity {
            self.tls_files(&ourselves);
            self.warn_if_open("key_file", key);
        }
        Trust { ca_file: authorities.ca_file, identity: ourselves.identity, insecure_skip_verify }
    }

    fn tls_files(&mut self, trust: &Trust) {
        let Err(error) = trust.client_config() else { return };
        let is_key = |path: &Path| trust.identity.as_ref().is_some_and(|(_, key)| key == path);
        let key = match &error {
            _ if trust.ca_file.is_some() => "ca_file",
            TlsError::File { path, .. } if is_key(path) => "key_file",
            _ => "cert_file",
        };
        self.file_problem(key, error.to_string());
    }

    /// The origin of the value of `key`, or of the table it would be in.
    pub(crate) fn place(&self, key: &str) -> String {
        self.findings.origins.nearest(&join(&self.table, key)).to_string()
    }

    /// Returns true if a problem with this table has been reported.
    pub(crate) fn has_problem(&self) -> bool {
        let is_within = |key: &str| {
            key.strip_prefix(&self.table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.findings.problems.iter().any(|problem| is_within(&problem.key))
    }

    /// Returns true if any layer sets `key`.
    pub fn is_set(&self, key: &str) -> bool {
        self.findings.origins.of(&join(&self.table, key)) != super::origin::Origin::Default
    }
}
