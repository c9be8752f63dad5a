//! Maps `CTI_BRIDGE_…` variables to the keys that they set.

use std::{ffi::OsString, path::PathBuf};

use figment::value::Dict;

use super::name;

const PREFIX: &str = "CTI_BRIDGE_";
/// Names the configuration file, so it does not set a key.
const FILE: &str = "CTI_BRIDGE_CONFIG";
/// More parts than any key has. Without a limit, a name of 100,000 parts would create a tree of that depth.
pub(super) const DEEPEST: usize = 8;
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The relevant variables of a process's environment.
#[derive(Clone, Default)]
pub(super) struct Environment {
    /// The configuration file.
    pub(super) file: Option<PathBuf>,
    /// The directory in which systemd places credentials.
    pub(super) credentials: Option<PathBuf>,
    /// Variables that set keys, ordered by name.
    pub(super) variables: Vec<(String, OsString)>,
}

impl Environment {
    pub(super) fn new(all: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (variable, value) in all {
            // Keys are ASCII, so any other name can't be meant for the bridge.
            let Some(variable) = variable.to_str() else { continue };
            match variable {
                // An empty variable counts as not set.
                FILE | CREDENTIALS if value.is_empty() => {}
                FILE => environment.file = Some(value.into()),
                CREDENTIALS => environment.credentials = Some(value.into()),
                link if is_service_link(link) => {}
                key if key.starts_with(PREFIX) => environment.variables.push((key.to_owned(), value)),
                _ => {}
            }
        }
        environment.variables.sort();
        environment
    }
}

/// Returns true for a variable that Kubernetes sets in every pod for a service named `cti-bridge`:
/// `CTI_BRIDGE_SERVICE_HOST`, `CTI_BRIDGE_SERVICE_PORT_HTTP`, `CTI_BRIDGE_PORT`, `CTI_BRIDGE_PORT_80_TCP_ADDR`.
fn is_service_link(variable: &str) -> bool {
    let Some(rest) = variable.strip_prefix(PREFIX) else { return false };
    let numbered = |rest: &str| {
        rest.strip_prefix("PORT_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    rest == "PORT"
        || rest == "SERVICE_HOST"
        || rest == "SERVICE_PORT"
        || rest.starts_with("SERVICE_PORT_")
        || numbered(rest)
}

/// The key that `variable` sets, as its parts. `known` holds the keys that the layers below have set: names of
/// sources and sinks are matched against it, as a variable can't spell upper and lower case or a hyphen.
pub(super) fn key(variable: &str, known: &Dict) -> Vec<String> {
    let rest = variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase();
    let split = |text: &str| text.splitn(DEEPEST, "__").map(str::to_owned).collect::<Vec<_>>();
    let Some((table @ ("sources" | "sinks"), within)) = rest.split_once("__") else { return split(&rest) };
    let names = known.get(table).and_then(figment::value::Value::as_dict).into_iter().flatten();
    // The longest first: a name may itself contain `__`.
    let mut names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        if let Some(key) = within.strip_prefix(&name::folded(name)).and_then(|rest| rest.strip_prefix("__")) {
            return [table.to_owned(), name.to_owned()].into_iter().chain(split(key)).collect();
        }
    }
    split(&rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use figment::util::nest;

    use super::*;

    fn key_of(variable: &str) -> String {
        let known = nest("sources.Main-PBX", nest("url", "x".into()));
        let known = known.as_dict().unwrap();
        key(variable, known).join(".")
    }

    #[test]
    fn kubernetes_service_variables_set_no_keys() {
        let links = [
            "PORT",
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_ADMIN",
            "PORT_9464_TCP",
            "PORT_9464_TCP_ADDR",
        ];
        let variable = |name: &str| (OsString::from(format!("{PREFIX}{name}")), OsString::from("x"));
        assert!(Environment::new(links.map(variable)).variables.is_empty());
        assert_eq!(Environment::new(["PORTS", "SERVICES", "PORT_X"].map(variable)).variables.len(), 3);
    }

    #[test]
    fn variables_name_keys() {
        for (variable, expected) in [
            ("CTI_BRIDGE_INSTANCE", "instance"),
            ("CTI_BRIDGE_DRAIN_TIMEOUT", "drain_timeout"),
            ("CTI_BRIDGE_LOG__LEVEL", "log.level"),
            ("CTI_BRIDGE_SOURCES__MAIN_PBX__PASSWORD", "sources.Main-PBX.password"),
            ("CTI_BRIDGE_SOURCES__PBX2__TOTP_SECRET_FILE", "sources.pbx2.totp_secret_file"),
            ("CTI_BRIDGE_SOURCES__MAIN_PBX", "sources.main_pbx"),
            ("CTI_BRIDGE_SINKS__BUS__SERVERS", "sinks.bus.servers"),
            ("CTI_BRIDGE_", ""),
        ] {
            assert_eq!(key_of(variable), expected, "{variable}");
        }
    }

    #[test]
    fn a_name_may_contain_the_separator() {
        let known = nest("sinks.a__b", nest("type", "x".into()));
        assert_eq!(key("CTI_BRIDGE_SINKS__A__B__TYPE", known.as_dict().unwrap()), ["sinks", "a__b", "type"]);
    }
}
