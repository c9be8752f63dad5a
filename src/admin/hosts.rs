//! The names under which the endpoint may be asked. A page of another name, which its owner has pointed at this address (DNS
//! rebinding), would otherwise read `/status` through a visitor's browser.

use std::net::{IpAddr, Ipv6Addr};

use hyper::{Request, header::HOST};

/// Whether every name of the request is an address, `localhost`, or one of `names`. A request without a name comes from no browser.
pub(super) fn is_allowed<B>(names: &[String], request: &Request<B>) -> bool {
    let headers = request.headers().get_all(HOST).iter().map(|value| value.to_str().unwrap_or_default());
    let target = request.uri().authority().map(hyper::http::uri::Authority::as_str);
    headers.chain(target).all(|authority| {
        let host = host(authority);
        let is_address = host.parse::<IpAddr>().is_ok();
        is_address || host == "localhost" || names.contains(&host)
    })
}

/// Of `host:port`, the host: lower case, without brackets, without the root's dot.
fn host(authority: &str) -> String {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return if address.parse::<Ipv6Addr>().is_ok() { address.to_owned() } else { String::new() };
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Whether it can be a name in the configuration, and its form for [`is_allowed`].
pub(super) fn name(text: &str) -> Option<String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = host(text);
    (name.len() == text.trim_end_matches('.').len() && name.split('.').all(is_label)).then_some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn allowed(uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        is_allowed(&["bridge.example.org".to_owned()], &request.body(()).unwrap())
    }

    #[test]
    fn addresses_localhost_and_configured_names_are_allowed() {
        for host in [
            "127.0.0.1:9464",
            "10.1.2.3",
            "[::1]:9464",
            "[fd00::1]",
            "localhost",
            "LocalHost:9464",
            "bridge.example.org",
            "Bridge.Example.Org.:80",
        ] {
            assert!(allowed("/status", &[host]), "{host}");
        }
        assert!(allowed("/status", &[]), "no browser");
        assert!(allowed("http://127.0.0.1/status", &["localhost"]));
    }

    #[test]
    fn any_other_name_is_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9464",
            "bridge.example.org.evil.example",
            "xbridge.example.org",
            "[evil.example]",
            "[::1",
            "",
            ":9464",
            "a b",
        ] {
            assert!(!allowed("/status", &[host]), "{host}");
        }
        assert!(!allowed("/status", &["127.0.0.1", "evil.example"]), "all of them count");
        assert!(!allowed("http://evil.example/status", &["127.0.0.1"]), "the target counts too");
    }

    #[test]
    fn a_configured_name_is_a_name_alone() {
        assert_eq!(name("Bridge.Example.org."), Some("bridge.example.org".to_owned()));
        for text in ["", "http://a", "a:80", "a/b", "*.example.org", "a..b", "[::1]"] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
