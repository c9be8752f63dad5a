//! The flags that configure: the topmost layer.

use std::{fmt, path::PathBuf, str::FromStr};

use secrecy::SecretString;

/// Flags that each command which reads the configuration takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// The configuration file [default: /etc/cti-bridge/config.toml]
    // Read from the environment by `load`, as everything else there: clap's own would need its feature `env`.
    #[arg(long, short = 'c', value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Set one key, as in `--set sources.pbx1.url=https://pbx.example.org`; repeatable
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub set: Vec<Assignment>,
    /// Same as `--set log.level=…`
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// Same as `--set log.format=…`
    #[arg(long, value_name = "FORMAT", global = true)]
    pub log_format: Option<String>,
}

/// `KEY=VALUE`. The value may be a password.
#[derive(Clone)]
pub struct Assignment {
    /// The dotted key.
    pub key: String,
    /// The value, as it stands.
    pub value: SecretString,
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as in log.level=debug")?;
        if key.trim().is_empty() {
            return Err("the key is missing: write KEY=VALUE, as in log.level=debug");
        }
        Ok(Self { key: key.trim().to_owned(), value: value.into() })
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.key)
    }
}
