//! Dials a PBX: name resolution, TCP, proxy, TLS.

use std::{io, net::SocketAddr, time::Duration};

use data_encoding::BASE64;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use socketio::head::{self, Head, NoHead};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

use super::{ConnectError, Limits};
use crate::{
    net,
    net::Address,
    text::PeerText,
    tls::{TlsFault, Trust},
};

/// The address of a server, with proxy and TLS settings.
#[derive(Debug, Clone)]
pub struct Target {
    /// `ws://` or `wss://`, with the path, which ends in a slash.
    pub url: Url,
    /// The certificate authorities to trust.
    pub trust: Trust,
    /// An HTTP proxy that supports CONNECT; its user info is sent as basic authentication.
    pub proxy: Option<Address>,
}

/// The `host:port` that timeouts and refusals name.
pub(crate) fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// TCP, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, each step within its limit. Returns the stream, and the expiry of the server's certificate.
pub(super) async fn dial(
    target: &Target,
    limits: &Limits,
) -> Result<(Box<dyn Stream>, Option<Timestamp>), ConnectError> {
    let addresses = resolve(target, limits).await?;
    let tcp = reach(target, &addresses, limits).await?;
    if target.url.scheme() == "wss" {
        let (stream, ends) = secure(target, tcp, limits).await?;
        Ok((Box::new(stream), ends))
    } else {
        Ok((Box::new(tcp), None))
    }
}

/// The addresses of the server, or of the proxy in front of it.
pub(crate) async fn resolve(target: &Target, limits: &Limits) -> Result<Vec<SocketAddr>, ConnectError> {
    let at = place(target.proxy.as_ref().map_or(&target.url, Address::url));
    let found = timeout(limits.connect, lookup_host(&at))
        .await
        .map_err(|_| too_late(&at, "resolve", limits.connect))?;
    let unknown = |source| ConnectError::NoSuchHost { at: at.clone(), source };
    let addresses: Vec<SocketAddr> = found.map_err(unknown)?.collect();
    if addresses.is_empty() {
        return Err(unknown(io::Error::other("it has no address")));
    }
    Ok(addresses)
}

/// TCP to the server, through the proxy if there is one.
pub(crate) async fn reach(
    target: &Target,
    addresses: &[SocketAddr],
    limits: &Limits,
) -> Result<TcpStream, ConnectError> {
    let to = place(&target.url);
    match &target.proxy {
        None => tcp(&to, addresses, limits.connect).await,
        Some(proxy) => {
            let at = place(proxy.url());
            let stream = tcp(&at, addresses, limits.connect).await?;
            tunnel(stream, proxy, at, &to, limits.connect).await
        }
    }
}

fn too_late(at: &str, step: &'static str, limit: Duration) -> ConnectError {
    ConnectError::TimedOut { at: at.to_owned(), step, limit }
}

async fn tcp(at: &str, addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, ConnectError> {
    net::connect(addresses, limit).await.map_err(|source| match source.kind() {
        io::ErrorKind::TimedOut => too_late(at, "accept the connection", limit),
        _ => ConnectError::Unreachable { at: at.to_owned(), source },
    })
}

/// A tunnel through a proxy (RFC 9110, section 9.3.6).
async fn tunnel(
    mut stream: TcpStream,
    proxy: &Address,
    at: String,
    to: &str,
    limit: Duration,
) -> Result<TcpStream, ConnectError> {
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some(user) = proxy.user_info() {
        let password = user.password.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let basic = BASE64.encode(format!("{}:{password}", user.username.expose_secret()).as_bytes());
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&basic);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let exchange = async {
        stream.write_all(request.as_bytes()).await.map_err(NoHead::Io)?;
        head::read(&mut stream).await
    };
    let head = timeout(limit, exchange).await.map_err(|_| too_late(&at, "open the tunnel", limit))?;
    let status = match head {
        Ok(Head { status: 200..300, .. }) => return Ok(stream),
        Ok(head) => PeerText::new(&head.status.to_string()),
        Err(NoHead::NotHttp) => PeerText::new("not HTTP"),
        Err(NoHead::Io(source)) => return Err(ConnectError::Unreachable { at, source }),
    };
    Err(ConnectError::Proxy { at, status })
}

/// Establishes TLS with the server. Returns the expiry of its certificate, too.
pub(crate) async fn secure(
    target: &Target,
    tcp: TcpStream,
    limits: &Limits,
) -> Result<(TlsStream<TcpStream>, Option<Timestamp>), ConnectError> {
    let at = place(&target.url);
    let other = |error: &dyn std::fmt::Display| TlsFault::Other(PeerText::new(&error.to_string()));
    let tls = target.trust.client()?;
    let host = target.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| ConnectError::Tls { at: at.clone(), fault: other(&error) })?;
    let shaken = timeout(limits.tls, TlsConnector::from(tls.config.clone()).connect(name.clone(), tcp))
        .await
        .map_err(|_| too_late(&at, "finish the TLS handshake", limits.tls))?;
    let stream = shaken.map_err(|error| match TlsFault::of_io(&error) {
        Some(fault) => ConnectError::Tls { at, fault },
        None => ConnectError::Unreachable { at, source: error },
    })?;
    let ends = stream.get_ref().1.peer_certificates().and_then(|chain| tls.ends(chain, &name));
    Ok((stream, ends))
}
