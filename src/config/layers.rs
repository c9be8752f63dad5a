//! Merges the layers: file < environment < flags. (Defaults are in the schema: which keys
//! exist depends on the names and types of the tables, which are known only now.)

use std::path::{Path, PathBuf};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};
use secrecy::ExposeSecret;
use toml_edit::ImDocument;

use super::{
    environment::{self, DEEPEST, Environment},
    flags::Flags,
    origin::{Origin, Origins, line_after},
    problem::{Problem, Problems},
};

/// Read when neither a flag nor the environment names another.
const DEFAULT_FILE: &str = "/etc/cti-bridge/config.toml";

/// The merged layers.
#[derive(Debug)]
pub(super) struct Layers {
    /// The tree. Values from a variable or a flag are strings: the check knows which type is expected.
    pub(super) tree: Dict,
    pub(super) origins: Origins,
    /// The file, if it exists.
    pub(super) file: Option<PathBuf>,
    pub(super) problems: Vec<Problem>,
}

/// One value from a variable or a flag, verbatim: a password of digits stays a string.
struct Single<'a> {
    path: &'a [String],
    value: &'a str,
}

impl Provider for Single<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("a variable or flag")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut value = Value::from(self.value);
        for part in self.path.iter().skip(1).rev() {
            value = Dict::from([(part.clone(), value)]).into();
        }
        let first = self.path.first().cloned().unwrap_or_default();
        Ok(Profile::Default.collect(Dict::from([(first, value)])))
    }
}

/// Reads all layers. Fails early if the file can't be read, as all other problems would follow from that.
pub(super) fn read(flags: &Flags, environment: &Environment) -> Result<Layers, Problems> {
    let named = flags.config.as_ref().or(environment.file.as_ref());
    let path = named.map_or_else(|| PathBuf::from(DEFAULT_FILE), Clone::clone);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
        Err(error) => {
            let remedy = remedy(error.kind(), &path, environment.credentials.is_some());
            let origin = Origin::File(path, 0, None);
            return Err(Problems::single(origin, format!("can't read the configuration: {error}; {remedy}")));
        }
    };
    let mut layers = Layers {
        tree: Dict::new(),
        origins: Origins::new(Origin::File(path.clone(), 0, None)),
        file: text.is_some().then(|| path.clone()),
        problems: Vec::new(),
    };
    let mut figment = Figment::new();
    if let Some(text) = text {
        let document = ImDocument::parse(text.as_str()).map_err(|error| syntax(&path, &text, &error))?;
        layers.origins.add_file(&path, &text, &document);
        figment = figment.merge(Toml::string(&text));
    }
    let unreadable = |error: Box<Error>| {
        // figment's text quotes values, so only the kind of error is reported.
        let key = error.path.join(".");
        let text = format!("can't be read at `{key}`: write it as config/cti-bridge.toml shows");
        Problems::single(Origin::File(path.clone(), 0, None), text)
    };
    layers.tree = tree(&figment).map_err(unreadable)?;
    figment = layers.add_variables(figment, environment);
    layers.tree = tree(&layers.add_flags(figment, flags)).map_err(unreadable)?;
    Ok(layers)
}

impl Layers {
    fn add_variables(&mut self, mut figment: Figment, environment: &Environment) -> Figment {
        for (variable, value) in &environment.variables {
            let origin = Origin::Variable(variable.clone());
            let path = environment::key(variable, &self.tree);
            let key = path.join(".");
            let Some(value) = value.to_str() else {
                self.problems.push(Problem {
                    origin,
                    key,
                    text: "is not UTF-8 text: write it again".to_owned(),
                    is_file: false,
                });
                continue;
            };
            figment = figment.merge(Single { path: &path, value });
            self.origins.set(&key, origin);
        }
        figment
    }

    fn add_flags(&mut self, mut figment: Figment, flags: &Flags) -> Figment {
        let set = flags
            .set
            .iter()
            .map(|set| (format!("--set {}", set.key), set.key.as_str(), set.value.expose_secret()));
        let level = flags.level().map(|(flag, level)| (flag, "log.level", level));
        let format = flags.log_format.as_deref().map(|format| ("--log-format", "log.format", format));
        let short = [level, format].into_iter().flatten();
        let short = short.map(|(flag, key, value)| (flag.to_owned(), key, value));
        for (flag, key, value) in set.chain(short) {
            let path: Vec<String> = key.splitn(DEEPEST, '.').map(str::to_owned).collect();
            figment = figment.merge(Single { path: &path, value });
            self.origins.set(key, Origin::Flag(flag));
        }
        figment
    }
}

/// The tree that figment has merged. It fails only if a provider does: ours never do, and the file has been parsed.
fn tree(figment: &Figment) -> Result<Dict, Box<Error>> {
    Ok(figment.data()?.remove(&Profile::Default).unwrap_or_default())
}

fn syntax(path: &Path, text: &str, error: &toml_edit::TomlError) -> Problems {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.as_bytes().get(..start).unwrap_or_default();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    // Not the error's full text: it quotes the line, which may hold a password.
    let message = error.message().trim().replace('\n', "; ");
    let origin = Origin::File(path.to_owned(), line_after(before), Some(column));
    Problems::single(origin, format!("is not valid TOML: {message}"))
}

/// The remedy for a file that can't be read. A systemd unit (it has credentials) runs as a dedicated user.
fn remedy(error: std::io::ErrorKind, path: &Path, is_unit: bool) -> String {
    match (error, is_unit) {
        (std::io::ErrorKind::PermissionDenied, true) => {
            let path = path.display();
            format!(
                "the unit's user must be able to read it: `chmod 644 {path}`, and keep secrets in `credentials/`"
            )
        }
        (std::io::ErrorKind::PermissionDenied, false) => "run this command with sudo".to_owned(),
        _ => "name the configuration with --config FILE or CTI_BRIDGE_CONFIG".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn an_unreadable_file_has_another_remedy_in_a_unit() {
        let path = Path::new("/etc/cti-bridge/config.toml");
        assert!(
            remedy(ErrorKind::PermissionDenied, path, true).contains("chmod 644 /etc/cti-bridge/config.toml")
        );
        assert!(remedy(ErrorKind::PermissionDenied, path, false).contains("sudo"));
        assert!(remedy(ErrorKind::NotFound, path, true).contains("--config FILE"));
    }
}
