//! A configuration file, with the environment and flags of the process that reads it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

#[cfg(feature = "nats")]
use cti_bridge::sink::nats::config::Config as Nats;
use cti_bridge::{
    app,
    app::config::Loaded,
    config::{Flags, Problems},
};
use secrecy::ExposeSecret as _;

/// A directory with a configuration file, an environment and flags.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) flags: Flags,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// A minimal configuration.
pub(crate) const GOOD: &str = r#"
[sources.pbx1]
url = "https://pbx.example.org"
username = "bridge"
password = "pw"
[sinks.bus]
type = "nats"
"#;

impl Place {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut place = Self { directory, flags: Flags::default(), environment: Vec::new() };
        place.flags.config = Some(place.file("config.toml", text));
        place
    }

    /// A file that only its owner may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        mode(&path, 0o600);
        path
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub(crate) fn set(mut self, assignment: &str) -> Self {
        self.flags.set.push(assignment.parse().unwrap());
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        app::config::load_with(&self.flags, self.environment.clone())
    }

    #[track_caller]
    pub(crate) fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The problems, one per line, with `FILE` and `DIR` in place of the paths.
    #[track_caller]
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.load().expect_err("the configuration was accepted").to_string();
        let file = self.flags.config.as_ref().map_or("-".into(), |path| path.display().to_string());
        let directory = self.directory.path().display().to_string();
        problems.lines().map(|line| line.replace(&file, "FILE").replace(&directory, "DIR")).collect()
    }
}

/// [`GOOD`] with the PBX's password in the file `pbx1`.
pub(crate) fn without_password() -> String {
    GOOD.replace("password = \"pw\"", "password_file = \"pbx1\"")
}

/// The password of `pbx1`.
pub(crate) fn password(place: &Place) -> String {
    place.good().config.sources["pbx1"].credentials.password().unwrap().expose_secret().to_owned()
}

/// The settings of the NATS sink `bus`.
#[cfg(feature = "nats")]
pub(crate) fn nats(place: &Place) -> Nats {
    place.good().config.sinks["bus"].of::<Nats>().unwrap().clone()
}

#[cfg(unix)]
pub(crate) fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
pub(crate) fn mode(_: &Path, _: u32) {}
