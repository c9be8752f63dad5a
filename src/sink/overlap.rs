//! Two sinks of one configuration that write to the same place: each event would be there twice, or the two would refuse
//! each other's writes.
//!
//! Only what the configuration shows is found: that two names lead to one server, or two lists of brokers to one cluster,
//! it does not say.

use super::config::{Config, Kind};

/// What two sinks share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// The key of the second sink that decides it.
    pub(crate) key: &'static str,
    /// What the first sink does, without a subject.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: &'static str,
    /// Whether it depends on what the configuration does not show.
    pub(crate) is_possible: bool,
}

/// What `first` and `second` share, if anything.
pub(crate) fn find(instance: &str, sources: &[String], first: &Config, second: &Config) -> Option<Overlap> {
    match (&first.kind, &second.kind) {
        #[cfg(feature = "nats")]
        (Kind::Nats(first), Kind::Nats(second)) => {
            super::nats::overlap::find(instance, sources, first, second)
        }
        #[cfg(feature = "kafka")]
        (Kind::Kafka(first), Kind::Kafka(second)) => super::kafka::overlap::find(first, second),
        (Kind::Stdout(_), Kind::Stdout(_)) => Some(Overlap {
            key: "type",
            what: "writes to standard output too, so every event would be there twice".to_owned(),
            remedy: "keep one sink of type \"stdout\"",
            is_possible: false,
        }),
        #[allow(unreachable_patterns, reason = "where standard output is the only sink")]
        _ => {
            let _ = (instance, sources);
            None
        }
    }
}

/// A host's name in the form in which it can be compared: all names of this machine's loopback are one.
#[cfg(any(feature = "nats", feature = "kafka"))]
pub(super) fn host(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_loopback { "localhost".to_owned() } else { bare.to_owned() }
}

#[cfg(test)]
mod tests {
    #[cfg(any(feature = "nats", feature = "kafka"))]
    #[test]
    fn names_of_one_host_are_equal() {
        for name in ["localhost", "LocalHost.", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert_eq!(super::host(name), "localhost", "{name}");
        }
        assert_eq!(super::host("Kafka1.example.org."), "kafka1.example.org");
        assert_eq!(super::host("[2001:db8::1]"), "2001:db8::1");
    }
}
