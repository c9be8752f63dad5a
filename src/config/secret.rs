//! Secrets, and the files they are read from.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::Deserialize;

/// A secret written into the configuration itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(pub SecretString);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    // `config show` masks values by `writeOnly`.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// More than any key, token or credentials file has; stops a mistake such as `/dev/zero`.
const LARGEST: u64 = 64 * 1024;

/// The directories in which files named by the configuration are searched.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// systemd's `$CREDENTIALS_DIRECTORY`.
    pub(super) credentials: Option<PathBuf>,
    /// The directory of the configuration file.
    pub(super) base: PathBuf,
}

impl Places {
    /// The path for `name`: unchanged if absolute; a bare name is searched in the credentials directory, then
    /// in `credentials/` next to the configuration file; otherwise it is relative to that file's directory.
    pub(super) fn resolve(&self, name: &str) -> PathBuf {
        let directory = self.credentials.iter().filter(|_| is_bare(name));
        // The second form is how `LoadCredential=cti-bridge:DIRECTORY` names the files of that directory.
        let loaded = directory.flat_map(|dir| [dir.join(name), dir.join(format!("cti-bridge_{name}"))]);
        // The directory that the unit loads them from, for commands that root runs next to the unit.
        let beside = self.base.join("credentials").join(name);
        let beside = [beside]
            .into_iter()
            .filter(|beside| is_bare(name) && !self.base.join(name).exists() && beside.exists());
        loaded.filter(|path| path.exists()).chain(beside).next().unwrap_or_else(|| self.base.join(name))
    }

    /// The remedy for a secret that can't be read.
    fn hint(&self, name: &str, reason: &Unreadable) -> String {
        let kind = if let Unreadable::Read(error) = reason { Some(error.kind()) } else { None };
        let (is_missing, is_denied) =
            (kind == Some(io::ErrorKind::NotFound), kind == Some(io::ErrorKind::PermissionDenied));
        let directory = self.base.join("credentials");
        let shown = directory.display();
        let put = format!("put it there with `sudo install -m 600 /dev/stdin {shown}/{name}`");
        match (&self.credentials, std::fs::read_dir(&directory)) {
            (None, _) if is_denied => "; run this command with sudo".to_owned(),
            (Some(loaded), Ok(_) | Err(_)) if is_missing && is_bare(name) => format!(
                "; there is none in $CREDENTIALS_DIRECTORY ({}) either, which systemd fills from {shown} when the unit starts: {put}, \
                 then restart the unit",
                loaded.display()
            ),
            (None, Err(error)) if is_bare(name) && error.kind() == io::ErrorKind::PermissionDenied => {
                format!("; secrets in {shown} are root's: run this command with sudo")
            }
            (None, Ok(_)) if is_missing && is_bare(name) => format!("; there is none in {shown} either: {put}"),
            (None, Err(_)) if is_missing && is_bare(name) => {
                "; a bare name is also looked for in $CREDENTIALS_DIRECTORY, which is not set: give the unit LoadCredential="
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    /// Reads a secret and strips it with [`bare`]. Returns it with its path.
    pub(super) fn read(&self, name: &str) -> Result<(SecretString, PathBuf), SecretFileError> {
        let path = self.resolve(name);
        match read(&path) {
            Ok(secret) => Ok((secret, path)),
            Err(source) => Err(SecretFileError { hint: self.hint(name, &source), path, source }),
        }
    }
}

fn is_bare(name: &str) -> bool {
    !name.contains('/') && name != ".." && name != "."
}

/// A secret that can't be read, with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("can't read {}: {source}{hint}", path.display())]
pub(crate) struct SecretFileError {
    path: PathBuf,
    source: Unreadable,
    hint: String,
}

/// The reason why a file can't be used as a secret. It never quotes the content.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// The operating system's error.
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is larger than {} KiB, so it is not a secret", LARGEST / 1024)]
    TooLarge,
    #[error("it is not UTF-8 text: save it as UTF-8, without a byte order mark")]
    NotText,
    #[error("it is empty")]
    Empty,
    #[error("it is readable by others than its owner: chmod 600 {}", .0.display())]
    Shared(PathBuf),
}

fn read(path: &Path) -> Result<SecretString, Unreadable> {
    // Checked before opening, as opening a pipe without a writer would block forever.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unreadable::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| Unreadable::NotText)?;
    let text = bare(&text);
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    Ok(text.into())
}

/// Reads a secret that nobody but its owner may read, from a file that a command line names.
pub(crate) fn read_private_file(path: &Path) -> Result<SecretString, SecretFileError> {
    let shared = || Unreadable::Shared(path.to_owned());
    let secret = if is_shared(path) { Err(shared()) } else { read(path) };
    secret.map_err(|source| SecretFileError { path: path.to_owned(), source, hint: String::new() })
}

/// Strips what editors, shells and other systems put around a text: a byte order mark, and line ends.
pub(super) fn bare(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_matches(['\r', '\n'])
}

/// The reason why a one-line text can't be a secret, with the remedy. A PBX or broker never accepts a password with a
/// line break or a control character, and its own error would not name the cause.
pub(super) fn flaw(text: &str) -> Option<&'static str> {
    if text.contains('\0') {
        Some("holds a NUL character: write it as plain UTF-8 text")
    } else if text.contains(['\r', '\n']) {
        Some("holds a line break: write the secret on one line, and nothing else")
    } else if text.contains(char::is_control) {
        Some("holds a control character, such as a tab: write the secret again by hand")
    } else if text.contains('\u{feff}') {
        Some("holds a byte order mark: write the secret again by hand")
    } else {
        None
    }
}

/// The reason why a text is not a token but something that a token is usually copied with, and the remedy.
pub(crate) fn pasted(text: &str) -> Option<&'static str> {
    let word = text.get(..7).unwrap_or_default();
    if word.eq_ignore_ascii_case("bearer ") {
        Some("begins with `Bearer`: write only the token that follows it")
    } else if text.starts_with(['{', '[']) {
        Some("is JSON: write only the value of its `token`, without the quotation marks")
    } else if text.starts_with(['"', '\'', '`']) {
        Some("is in quotation marks: remove them")
    } else if text.to_ascii_lowercase().starts_with("authorization:") {
        Some("is a header: write only the token that follows `Bearer`")
    } else {
        None
    }
}

/// Returns true if users other than owner and group may read it; always false on systems without Unix modes.
pub(super) fn is_world_readable(path: &Path) -> bool {
    has_mode(path, 0o004)
}

/// Returns true if users other than this one may read it; always false on systems without Unix modes. A file of another user is read
/// by its group, which is how Kubernetes and systemd provide files.
pub(super) fn is_shared(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let is_ours =
            std::fs::metadata(path).is_ok_and(|file| file.uid() == rustix::process::geteuid().as_raw());
        has_mode(path, if is_ours { 0o044 } else { 0o004 })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

fn has_mode(path: &Path, mode: u32) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & mode != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = (path, mode);
        false
    }
}
