//! A guard between the NATS client and the server.
//!
//! The client buffers everything that a server sends without a limit, and can't use an existing connection. So it
//! connects to this guard on loopback, and the guard connects to the server: it reads the greeting, upgrades to TLS, and then
//! relays in both directions. It checks everything that the server sends ([`Framing`]); a violation ends the connection.
//!
//! The guard accepts one connection, and only from an address of 127.0.0.0/8 that was drawn at random for the client:
//! another process can't take the client's place. Loopback traffic is not encrypted, credentials included; only a user who may
//! capture this machine's network traffic can read it.

mod framing;
mod relay;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_nats::ServerAddr;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::{TcpListener, TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::framing::{Framing, Violation};
use crate::{
    net,
    net::Address,
    text::PeerText,
    tls::{TlsError, TlsFault, Trust},
};

/// The default port.
const PORT: u16 = 4222;

/// The reason why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    #[error("its name does not resolve")]
    Name(#[source] io::Error),
    #[error("it does not answer")]
    TimedOut,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no TLS")]
    Tls(#[source] TlsFault),
    #[error(transparent)]
    Trust(#[from] TlsError),
    #[error("protocol violation")]
    Violation(#[from] Violation),
    #[error("the server that answers is not a NATS server")]
    NoInfo,
}

/// Receives the violation that ended a connection.
pub(super) type ViolationCell = Arc<OnceLock<Violation>>;

/// A connection to a server, for one client. It ends soon after `stop` is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    /// The address that the client connects to.
    pub(super) address: ServerAddr,
    /// The address that the client connects from.
    pub(super) from: SocketAddr,
    /// Ends the connection when dropped.
    pub(super) stop: DropGuard,
}

/// The encryption of a connection.
#[derive(Debug)]
pub(super) struct Encryption<'a> {
    pub(super) is_required: bool,
    /// The TLS handshake precedes the server's greeting.
    pub(super) is_first: bool,
    pub(super) trust: &'a Trust,
}

impl Guard {
    /// Connects to a server, within `limit` for each of its addresses. `violation` receives the violation that ends the connection.
    pub(super) async fn connect(
        server: &Address,
        encryption: &Encryption<'_>,
        violation: ViolationCell,
        limit: Duration,
    ) -> Result<Self, GuardError> {
        let url = server.url();
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port().unwrap_or(PORT);
        // First, so that a broken certificate or key is reported even if the server is down.
        let config = if encryption.is_required { Some(encryption.trust.client_config()?) } else { None };
        let found = timeout(limit, lookup_host((host, port))).await.map_err(|_| GuardError::TimedOut)?;
        let addresses: Vec<_> = found.map_err(GuardError::Name)?.collect();
        let greeted = greet_any(&addresses, host, (encryption, config), limit).await?;
        Self::start(greeted, violation).await
    }

    async fn start(greeted: Greeted, violation: ViolationCell) -> Result<Self, GuardError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("nats://{}", listener.local_addr()?).parse()?;
        let from = SocketAddr::new(draw_address()?, 0);
        let ended = CancellationToken::new();
        let stop = ended.clone().drop_guard();
        tokio::spawn(relay::run(listener, from.ip(), greeted, violation, ended));
        Ok(Self { address, from, stop })
    }
}

/// Connects to the first address that sends a greeting. The server speaks first, so an address counts as reached once its
/// greeting is read.
async fn greet_any(
    addresses: &[SocketAddr],
    host: &str,
    (encryption, config): (&Encryption<'_>, Option<Arc<ClientConfig>>),
    limit: Duration,
) -> Result<Greeted, GuardError> {
    let greeting = |address| {
        let greeted = timeout(limit, greet(address, host, (encryption, config.clone())));
        async move { greeted.await.unwrap_or(Err(GuardError::TimedOut)) }
    };
    let reached = net::race(addresses, greeting).await;
    reached.map_err(|failed| most_specific(failed.into_iter().map(|(_, error)| error)))
}

/// Selects the most specific error of several addresses: one of a server that answered, else the first.
fn most_specific(errors: impl Iterator<Item = GuardError>) -> GuardError {
    let silence = |error: &GuardError| matches!(error, GuardError::TimedOut | GuardError::Io(_));
    errors
        .min_by_key(silence)
        .unwrap_or_else(|| GuardError::Name(io::Error::new(io::ErrorKind::NotFound, "no address")))
}

/// Draws an unguessable loopback address: 127.x.y.z.
fn draw_address() -> io::Result<IpAddr> {
    let mut drawn = [0; 3];
    SystemRandom::new().fill(&mut drawn).map_err(|_| io::Error::other("no random numbers available"))?;
    let [second, third, fourth] = drawn;
    // Excludes network and broadcast addresses.
    Ok(Ipv4Addr::new(127, second, third, fourth.clamp(1, 254)).into())
}

/// A server that has sent its greeting.
struct Greeted {
    stream: Stream,
    /// The greeting for the client.
    info: Vec<u8>,
    /// The bytes read after it.
    rest: Vec<u8>,
}

/// The connection to a server.
enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Connects, reads the greeting, and upgrades to TLS if either side requires it.
async fn greet(
    address: SocketAddr,
    host: &str,
    (encryption, config): (&Encryption<'_>, Option<Arc<ClientConfig>>),
) -> Result<Greeted, GuardError> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    if let Some(config) = config.clone().filter(|_| encryption.is_first) {
        let mut tls = encrypt(tcp, host, config).await?;
        let (info, rest) = read_info(&mut tls).await?;
        let info = for_client(parse(&info)?);
        return Ok(Greeted { stream: Stream::Tls(Box::new(tls)), info, rest });
    }
    let (info, rest) = read_info(&mut tcp).await?;
    let fields = parse(&info)?;
    let is_required = fields.get("tls_required").and_then(serde_json::Value::as_bool);
    let stream = if config.is_some() || is_required == Some(true) {
        if !rest.is_empty() {
            // Plaintext must not be mistaken for encrypted data.
            return Err(GuardError::NoInfo);
        }
        let config = match config {
            Some(config) => config,
            None => encryption.trust.client_config()?,
        };
        Stream::Tls(Box::new(encrypt(tcp, host, config).await?))
    } else {
        Stream::Plain(tcp)
    };
    Ok(Greeted { stream, info: for_client(fields), rest })
}

/// Returns the greeting for the client, whose own connection is not encrypted and has no alternative servers.
fn for_client(mut fields: serde_json::Map<String, serde_json::Value>) -> Vec<u8> {
    for key in ["tls_required", "tls_verify", "tls_available", "connect_urls", "ws_connect_urls"] {
        fields.remove(key);
    }
    format!("INFO {}\r\n", serde_json::Value::Object(fields)).into_bytes()
}

async fn encrypt(
    tcp: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, GuardError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| GuardError::Tls(TlsFault::Other(PeerText::new(&error.to_string()))))?;
    let shaken = TlsConnector::from(config).connect(name, tcp).await;
    shaken.map_err(|error| match TlsFault::of_io(&error) {
        Some(fault) => GuardError::Tls(fault),
        None => GuardError::Io(error),
    })
}

/// Reads the first line. Returns it and the bytes read after it.
async fn read_info(tcp: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Vec<u8>), GuardError> {
    let mut read = Vec::with_capacity(1024);
    loop {
        if let Some(end) = memchr::memmem::find(&read, b"\r\n") {
            let rest = read.split_off(end + 2);
            return Ok((read, rest));
        }
        if !read.starts_with(b"INFO ".get(..read.len().min(5)).unwrap_or_default()) {
            return Err(GuardError::NoInfo);
        }
        if read.len() >= framing::INFO {
            return Err(Violation::Line(framing::INFO).into());
        }
        if tcp.read_buf(&mut read).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

fn parse(info: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, GuardError> {
    let json = info.strip_prefix(b"INFO ").ok_or(GuardError::NoInfo)?;
    serde_json::from_slice(json).map_err(|_| GuardError::NoInfo)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpSocket};

    use super::*;

    async fn read_all(from: SocketAddr, to: SocketAddr) -> io::Result<Vec<u8>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(from)?;
        let mut stream = socket.connect(to).await?;
        let mut read = Vec::new();
        timeout(Duration::from_secs(20), stream.read_to_end(&mut read)).await??;
        Ok(read)
    }

    #[tokio::test]
    async fn only_the_client_is_let_through() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = format!("nats://{}", listener.local_addr().unwrap()).parse().unwrap();
        let greeting = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"INFO {\"nonce\":\"n\",\"connect_urls\":[\"x\"]}\r\nPING\r\n").await.unwrap();
        });
        let encryption = Encryption { is_required: false, is_first: false, trust: &Trust::default() };
        let limit = Duration::from_secs(20);
        let guard = Guard::connect(&server, &encryption, ViolationCell::default(), limit).await.unwrap();
        let at = guard.address.socket_addrs().await.unwrap().next().unwrap();
        // Any other client that connects is disconnected.
        let other = read_all((Ipv4Addr::LOCALHOST, 0).into(), at).await;
        assert!(other.as_ref().is_ok_and(Vec::is_empty) || other.is_err(), "{other:?}");
        let read = read_all(guard.from, at).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), "INFO {\"nonce\":\"n\"}\r\nPING\r\n");
        greeting.await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_sends_no_greeting_holds_up_no_other() {
        let [mute, server] = [
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        ]
        .map(Result::unwrap);
        let addresses = [&mute, &server].map(|listener| listener.local_addr().unwrap());
        let greeting = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            stream.write_all(b"INFO {}\r\n").await.unwrap();
        });
        let encryption = Encryption { is_required: false, is_first: false, trust: &Trust::default() };
        let hour = Duration::from_hours(1);
        let reached = greet_any(&addresses, "localhost", (&encryption, None), hour);
        assert!(timeout(Duration::from_secs(20), reached).await.unwrap().is_ok());
        greeting.await.unwrap();

        let short = Duration::from_millis(200);
        let failed = greet_any(&addresses, "localhost", (&encryption, None), short).await.err();
        assert!(matches!(failed, Some(GuardError::TimedOut)), "{failed:?}");
    }
}
