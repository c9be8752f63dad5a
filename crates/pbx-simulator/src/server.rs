//! Listening, TLS and HTTP: from a TCP connection to a REST answer or a websocket.

use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request as HttpRequest, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Answer},
    legacy, lock,
    options::Tls,
    pbx::{Pbx, Seen},
    reply::{Content, Reply},
    rest, socket, trigger,
};

/// Bodies are read up to here; the routes have their own, smaller limits.
const BODY_LIMIT: usize = 1 << 20;

/// RFC 9110, section 5.6.7.
const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Creates a TLS acceptor from PEM text.
pub(super) fn acceptor(tls: &Tls) -> io::Result<TlsAcceptor> {
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("the simulator's {what} can't be used: {error}"))
    };
    let certificates = CertificateDer::pem_slice_iter(tls.certificates.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad("certificate", &error))?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.expose_secret().as_bytes())
        .map_err(|error| bad("private key", &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| bad("certificate and key", &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections until everything ends.
pub(super) async fn run(pbx: Arc<Pbx>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = pbx.stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: the next attempt may find some.
            tokio::task::yield_now().await;
            continue;
        };
        pbx.tasks.spawn(connection(Arc::clone(&pbx), stream, tls.clone()));
    }
}

async fn connection(pbx: Arc<Pbx>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let ended = lock(&pbx.connections).clone();
    // Small frames must not wait for each other; where it can't be set, they do.
    let _ = stream.set_nodelay(true);
    if lock(&pbx.knobs).reset {
        let _ = stream.set_zero_linger();
    }
    let serve = async {
        pbx.thawed().await;
        match tls {
            None => http(&pbx, &ended, stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    http(&pbx, &ended, stream).await;
                }
            }
        }
    };
    tokio::select! {
        () = serve => {}
        () = ended.cancelled() => {}
        () = pbx.stop.cancelled() => {}
    }
}

async fn http(
    pbx: &Arc<Pbx>,
    ended: &CancellationToken,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let service = service_fn(|request| {
        // A task of its own: the real server deals with a request also when its client has gone.
        let (task_pbx, ended) = (Arc::clone(pbx), ended.clone());
        let answered = pbx.tasks.spawn(async move {
            let stop = task_pbx.stop.clone();
            tokio::select! {
                response = respond(task_pbx, request) => Some(response),
                () = ended.cancelled() => None,
                () = stop.cancelled() => None,
            }
        });
        async move {
            match answered.await {
                Ok(Some(response)) => Ok::<_, Infallible>(response),
                // The connection ends, too.
                _ => std::future::pending().await,
            }
        }
    });
    // The client may end a connection in any way.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades().await;
}

async fn respond(pbx: Arc<Pbx>, mut request: HttpRequest<Incoming>) -> Response<Content> {
    let delay = lock(&pbx.knobs).answer_delay;
    tokio::time::sleep(delay).await;
    pbx.thawed().await;
    let answer = against_the_rule(&pbx, request.uri().path());
    if let Some(Answer::Late(by)) = answer {
        tokio::time::sleep(by).await;
    }
    let date = pbx.now().strftime(DATE).to_string();
    let path = request.uri().path().to_owned();
    let method = request.method().to_string();
    let query = request.uri().query().map(ToOwned::to_owned);
    let at_server = path == "/socket.io/" && !lock(&pbx.knobs).backend_down;
    let response = if let Some(instead) = answer.as_ref().and_then(|answer| answer.instead(&date)) {
        instead
    } else if at_server || path == "/api/ws/" && !lock(&pbx.knobs).too_many_requests {
        websocket(&pbx, &mut request, at_server)
    } else {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let reply = reply(&pbx, &parts, &body);
        let delay = lock(&pbx.knobs).snapshot_delay;
        if !delay.is_zero() && parts.method == Method::GET && path != "/api/user/me" {
            tokio::time::sleep(delay).await;
        }
        let response = reply.into_response(&date);
        if answer == Some(Answer::Compressed) { answer::compress(response) } else { response }
    };
    let status = response.status().as_u16();
    pbx.record(Seen { at: jiff::Timestamp::now(), method, path, query, status });
    response
}

fn against_the_rule(pbx: &Pbx, path: &str) -> Option<Answer> {
    let path = path.strip_prefix("/api")?;
    let knobs = lock(&pbx.knobs);
    knobs.answers.iter().find(|(odd, _)| odd == path).map(|(_, answer)| answer.clone())
}

fn reply(pbx: &Pbx, parts: &Parts, body: &Bytes) -> Reply {
    let path = parts.uri.path();
    let below = |base| path.strip_prefix(base).filter(|path| path.starts_with('/'));
    if let Some(path) = below("/api") {
        rest::answer(pbx, parts, path, body)
    } else if let Some(path) = below("/webrest") {
        legacy::answer(pbx, parts, path, body)
    } else if matches!(path, trigger::EVENT | trigger::CALL) {
        trigger::answer(pbx, parts, body)
    } else if path == "/socket.io/" {
        Reply::json(502, "Bad Gateway")
    } else {
        Reply::json(404, "404 page not found")
    }
}

/// Answers an upgrade with 101 before the backend is known to be up, and polling with 400. `legacy` is true at the backend.
fn websocket(pbx: &Arc<Pbx>, request: &mut HttpRequest<Incoming>, legacy: bool) -> Response<Content> {
    let mut response = Response::new(Content::none());
    let key = request
        .headers()
        .get(SEC_WEBSOCKET_KEY)
        .filter(|_| request.method() == Method::GET && asks_for_websocket(request.headers()));
    let accept = key.map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = accept.and_then(|accept| HeaderValue::try_from(accept).ok()) else {
        if legacy {
            let date = pbx.now().strftime(DATE).to_string();
            return Reply::json(400, r#"{"code":0,"message":"Transport unknown"}"#).into_response(&date);
        }
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let upgrade = hyper::upgrade::on(request);
    let task_pbx = Arc::clone(pbx);
    let ended = lock(&pbx.connections).clone();
    pbx.tasks.spawn(async move {
        let serve = async {
            if let Ok(io) = upgrade.await {
                socket::run(task_pbx, TokioIo::new(io), query, legacy).await;
            }
        };
        tokio::select! {
            () = serve => {}
            () = ended.cancelled() => {}
        }
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}
