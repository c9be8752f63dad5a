//! How to hand the secret over without a command line that others could read: it goes through standard input
//! or a file.

use std::{
    io::{self, Write},
    path::Path,
};

/// Who keeps the secret.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Recipe {
    /// An encrypted credential of a systemd unit
    Systemd,
    /// A Secret, mounted as a file
    Kubernetes,
}

impl Recipe {
    /// Prints the commands. Without a file the secret is pasted into them.
    pub(super) fn print(self, source: &str, file: Option<&Path>, out: &mut impl Write) -> io::Result<()> {
        let name = format!("{source}.totp");
        let from = file.map(|path| quoted(&path.display().to_string()));
        if from.is_none() {
            writeln!(
                out,
                "The first command waits for the secret: paste it, press Enter, then Ctrl-D twice."
            )?;
        }
        match self {
            Self::Systemd => {
                let input = from.as_deref().unwrap_or("-");
                writeln!(
                    out,
                    "  systemd-creds encrypt --name={name} {input} /etc/credstore.encrypted/{name}\n\
                     In the unit (systemctl edit cti-bridge):\n  [Service]\n  LoadCredentialEncrypted={name}\n\
                     In [sources.{source}]:\n  totp_secret_file = \"{name}\""
                )?;
            }
            Self::Kubernetes => {
                let input = from.as_deref().unwrap_or("/dev/stdin");
                // Names in Kubernetes know no underscores.
                let secret = format!("cti-bridge-{}", source.to_lowercase().replace('_', "-"));
                writeln!(
                    out,
                    "  kubectl create secret generic {secret} --from-file={name}={input}\n\
                     Mount it, read-only, at /run/secrets/cti-bridge. In [sources.{source}]:\n  \
                     totp_secret_file = \"/run/secrets/cti-bridge/{name}\""
                )?;
            }
        }
        if let Some(path) = from {
            writeln!(out, "Then remove the file:\n  shred -u {path}")?;
        }
        Ok(())
    }
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn printed(recipe: Recipe, file: Option<&str>) -> String {
        let mut out = Vec::new();
        recipe.print("pbx_1", file.map(Path::new), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_secret_goes_through_a_file_or_standard_input() {
        let typed = printed(Recipe::Systemd, None);
        assert!(
            typed.contains("encrypt --name=pbx_1.totp - /etc/credstore.encrypted/pbx_1.totp\n"),
            "{typed}"
        );
        assert!(!typed.contains("shred"));
        let filed = printed(Recipe::Kubernetes, Some("/root/a b'c"));
        assert!(filed.contains(r"--from-file=pbx_1.totp='/root/a b'\''c'"), "{filed}");
        assert!(
            filed.contains("secret generic cti-bridge-pbx-1 ") && filed.contains("shred -u '/root"),
            "{filed}"
        );
        assert!(printed(Recipe::Kubernetes, None).contains("pbx_1.totp=/dev/stdin"));
    }
}
