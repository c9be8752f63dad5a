//! The network path to a PBX: host name, connection, certificate.

use std::net::SocketAddr;

use jiff::Timestamp;
use tokio::net::TcpStream;

use super::step::{Fault, Found};
use crate::{
    socket::{Limits, Target, dial},
    tls::{days_left, ends_soon},
};

pub(super) async fn resolve(target: &Target, limits: &Limits) -> Result<(Vec<SocketAddr>, Found), Fault> {
    let addresses = dial::resolve(target, limits).await?;
    let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let host = target.proxy.as_ref().map_or(&target.url, |proxy| proxy.url()).host_str().unwrap_or_default();
    let is_proxy = if target.proxy.is_some() { "the proxy " } else { "" };
    let found = Found::well(match list.as_slice() {
        [only] if only == host.trim_matches(['[', ']']) => format!("{is_proxy}{host} is an address"),
        _ => format!("{is_proxy}{host} is {}", list.join(", ")),
    });
    Ok((addresses, found.detail("addresses", list)))
}

pub(super) async fn reach(
    target: &Target,
    addresses: &[SocketAddr],
    limits: &Limits,
) -> Result<(TcpStream, Found), Fault> {
    let stream = dial::reach(target, addresses, limits).await?;
    let via = match &target.proxy {
        Some(proxy) => format!(", through the proxy {}", dial::place(proxy.url())),
        None => String::new(),
    };
    Ok((stream, Found::well(format!("{} accepts connections{via}", dial::place(&target.url)))))
}

pub(super) async fn secure(target: &Target, tcp: TcpStream, limits: &Limits) -> Result<((), Found), Fault> {
    let at = target.url.host_str().unwrap_or_default();
    let (_, ends) = dial::secure(target, tcp, limits).await?;
    let Some(ends) = ends else {
        return Ok(((), Found::well(format!("{at} uses TLS; its certificate is not verified"))));
    };
    let now = Timestamp::now();
    let days = days_left(ends, now);
    let found = Found::well(format!("the certificate of {at} is trusted, for {days} more days"))
        .detail("validUntil", ends.to_string())
        .detail("daysLeft", days);
    Ok(((), found.warn(ends_soon(at, ends, now))))
}
