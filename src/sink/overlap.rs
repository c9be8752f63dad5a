//! Two sinks of one configuration with the same destination: each event would be stored twice, or the two would refuse
//! each other's writes.
//!
//! Only overlaps within the configuration are found. Two names of one server, or two lists of brokers of one cluster,
//! are not recognised.

/// A destination that two sinks share.
#[derive(Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The keys of the first and of the second sink that decide it.
    pub keys: [String; 2],
    /// The first sink's use of it, as a predicate without a subject.
    pub what: String,
    /// The remedy.
    pub remedy: &'static str,
    /// True if it depends on settings outside of the configuration.
    pub is_possible: bool,
}

impl Overlap {
    /// The keys, if both are this one.
    pub fn both(key: &str) -> [String; 2] {
        [key.to_owned(), key.to_owned()]
    }
}

/// Returns a host name in a comparable form. All loopback names are equal.
pub fn host(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_loopback { "localhost".to_owned() } else { bare.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_one_host_are_equal() {
        for name in ["localhost", "LocalHost.", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert_eq!(super::host(name), "localhost", "{name}");
        }
        assert_eq!(super::host("Kafka1.example.org."), "kafka1.example.org");
        assert_eq!(super::host("[2001:db8::1]"), "2001:db8::1");
    }
}
