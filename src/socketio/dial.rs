//! From an address to an upgraded websocket: TCP, proxy, TLS, upgrade.

use std::{io, sync::Arc, time::Duration};

use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, protocol::WebSocketConfig},
};
use url::Url;

use super::{ConnectError, Limits};
use crate::{config::Address, tls::Trust};

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// `ws://` or `wss://`, with the path, which ends in a slash.
    pub url: Url,
    /// Whom to trust.
    pub trust: Trust,
    /// An HTTP proxy that takes CONNECT; its user info is sent as basic authentication.
    pub proxy: Option<Address>,
}

/// A stream under the websocket.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type Websocket = WebSocketStream<Box<dyn Stream>>;

/// Where time-outs and refusals point to.
pub(super) fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// Upgrades, each stage within its limit.
pub(super) async fn dial(target: &Target, limits: &Limits) -> Result<Websocket, ConnectError> {
    let at = place(&target.url);
    let tcp = match &target.proxy {
        None => tcp(&at, limits.connect).await?,
        Some(proxy) => tunnel(proxy, &at, limits.connect).await?,
    };
    let stream: Box<dyn Stream> = if target.url.scheme() == "wss" {
        secure(target, tcp, &at, limits.tls).await?
    } else {
        Box::new(tcp)
    };
    upgrade(target, stream, at, limits).await
}

fn too_late(at: &str, step: &'static str, limit: Duration) -> ConnectError {
    ConnectError::TimedOut { at: at.to_owned(), step, limit }
}

async fn tcp(at: &str, limit: Duration) -> Result<TcpStream, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { at: at.to_owned(), source };
    let stream = timeout(limit, TcpStream::connect(at))
        .await
        .map_err(|_| too_late(at, "take the connection", limit))?
        .map_err(unreachable)?;
    let tune = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        // Below the session's own watch: frees a half-open connection also while nobody reads it.
        let keepalive =
            TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)
    };
    tune().map_err(unreachable)?;
    Ok(stream)
}

/// A way through a proxy (RFC 9110 section 9.3.6).
async fn tunnel(proxy: &Address, to: &str, limit: Duration) -> Result<TcpStream, ConnectError> {
    let at = place(proxy.url());
    let mut stream = tcp(&at, limit).await?;
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
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte: what follows the head belongs to the server behind.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
            head.push(stream.read_u8().await?);
        }
        Ok::<_, io::Error>(head)
    };
    let head = timeout(limit, exchange)
        .await
        .map_err(|_| too_late(&at, "open the way", limit))?
        .map_err(|source| ConnectError::Unreachable { at: at.clone(), source })?;
    let status = head.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    if status.first() == Some(&b'2') && status.len() == 3 {
        return Ok(stream);
    }
    let status =
        if status.len() == 3 { String::from_utf8_lossy(status).into_owned() } else { "no HTTP".to_owned() };
    Err(ConnectError::Proxy { at, status })
}

async fn secure(
    target: &Target,
    tcp: TcpStream,
    at: &str,
    limit: Duration,
) -> Result<Box<dyn Stream>, ConnectError> {
    let failed = |source| ConnectError::Tls { at: at.to_owned(), source };
    let config: Arc<_> = target.trust.client_config()?;
    let host = target.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
    let stream = timeout(limit, TlsConnector::from(config).connect(name, tcp))
        .await
        .map_err(|_| too_late(at, "finish the TLS handshake", limit))?
        .map_err(failed)?;
    Ok(Box::new(stream))
}

async fn upgrade(
    target: &Target,
    stream: Box<dyn Stream>,
    at: String,
    limits: &Limits,
) -> Result<Websocket, ConnectError> {
    let mut url = target.url.clone();
    url.set_query(Some("EIO=4&transport=websocket"));
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits.max_message))
        .max_frame_size(Some(limits.max_message))
        .write_buffer_size(0);
    let upgraded = timeout(limits.upgrade, client_async_with_config(url.as_str(), stream, Some(config)))
        .await
        .map_err(|_| too_late(&at, "answer the websocket upgrade", limits.upgrade))?;
    match upgraded {
        Ok((websocket, _)) => Ok(websocket),
        Err(WsError::Http(response)) => Err(ConnectError::Refused { at, status: response.status().as_u16() }),
        Err(WsError::Io(source)) => Err(ConnectError::Unreachable { at, source }),
        Err(other) => Err(ConnectError::NotWebsocket { at, reason: other.to_string() }),
    }
}
