//! The websocket's opening handshake (RFC 6455, section 4.1).
//!
//! Implemented here, as tungstenite 0.30 compares the first `Connection` field with one word, where the RFC has a list of
//! tokens: it rejects what proxies send.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt as _, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};
use url::Url;

use crate::{
    ConnectError, Options,
    head::{self, Head, NoHead},
    stream::{Stream, Watched},
};

pub(super) type Websocket = WebSocketStream<Watched>;

/// Upgrades the connection.
pub(super) async fn upgrade(
    url: &Url,
    mut stream: Box<dyn Stream>,
    options: &Options,
) -> Result<Websocket, ConnectError> {
    let key = generate_key();
    let head = shake(&mut stream, request(url, &key).as_bytes(), options.upgrade)
        .await
        .ok_or(ConnectError::TimedOut { step: "answer the websocket upgrade", limit: options.upgrade })?;
    let head = match head {
        Ok(head) => head,
        Err(NoHead::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(ConnectError::Io(io::Error::new(error.kind(), "the server closed it")));
        }
        Err(NoHead::Io(error)) => return Err(ConnectError::Io(error)),
        Err(NoHead::NotHttp) => return Err(ConnectError::NotWebsocket("its answer is not HTTP/1.1")),
    };
    if head.status != 101 {
        return Err(ConnectError::Refused { status: head.status });
    }
    verify(&head, &derive_accept_key(key.as_bytes())).map_err(ConnectError::NotWebsocket)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(options.max_message))
        .max_frame_size(Some(options.max_message))
        .write_buffer_size(0);
    Ok(WebSocketStream::from_raw_socket(Watched::new(stream), Role::Client, Some(config)).await)
}

/// Sends the request and reads the answer's head. `None` after `limit`.
async fn shake(
    stream: &mut Box<dyn Stream>,
    request: &[u8],
    limit: Duration,
) -> Option<Result<Head, NoHead>> {
    let exchange = async {
        stream.write_all(request).await.map_err(NoHead::Io)?;
        stream.flush().await.map_err(NoHead::Io)?;
        head::read(stream).await
    };
    timeout(limit, exchange).await.ok()
}

fn request(url: &Url, key: &str) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!(
        "GET {}?EIO=4&transport=websocket HTTP/1.1\r\n\
         Host: {host}{port}\r\n\
         Connection: Upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n\r\n",
        url.path()
    )
}

/// Validates a 101, by points 2 to 6 of the section.
fn verify(head: &Head, accept: &str) -> Result<(), &'static str> {
    if !head.has_token("Upgrade", "websocket") {
        return Err("its answer lacks `Upgrade: websocket`");
    }
    if !head.has_token("Connection", "upgrade") {
        return Err("its answer lacks `Connection: Upgrade`");
    }
    if !head.values("Sec-WebSocket-Accept").eq([accept.as_bytes()]) {
        return Err("its answer has a wrong `Sec-WebSocket-Accept`");
    }
    if head.values("Sec-WebSocket-Extensions").any(|value| !value.is_empty()) {
        return Err("it uses a websocket extension that was not requested");
    }
    if head.values("Sec-WebSocket-Protocol").any(|value| !value.is_empty()) {
        return Err("it uses a websocket subprotocol that was not requested");
    }
    Ok(())
}
