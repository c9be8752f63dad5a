//! The listener: HTTP, and the upgrade to a websocket.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request as HttpRequest, Response, StatusCode,
    body::Incoming,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        UPGRADE, WWW_AUTHENTICATE,
    },
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Seen, Shared, rest, socket};

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        let stop = shared.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(serve(stream, shared)).await });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, shared).await) }
    });
    // How a connection ends is the client's affair.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn respond(request: HttpRequest<Incoming>, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if path == "/api/ws/" {
        let response = upgrade(request, &shared).unwrap_or_else(bare);
        shared.saw(Seen { method: method.to_string(), path, status: response.status().as_u16() });
        return response;
    }
    let text = |name| {
        request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned)
    };
    let (authorization, content_type) = (text(AUTHORIZATION), text(CONTENT_TYPE));
    let body = match Limited::new(request.into_body(), 1 << 20).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return bare(StatusCode::PAYLOAD_TOO_LARGE),
    };
    let answer = shared.answer(&rest::Request {
        method: &method,
        path: path.strip_prefix("/api/").unwrap_or("-"),
        authorization: authorization.as_deref(),
        is_json: content_type.is_some_and(|kind| kind.starts_with("application/json")),
        body: &body,
    });
    shared.saw(Seen { method: method.to_string(), path, status: answer.status.as_u16() });
    let mut response = bare(answer.status);
    if !answer.body.is_empty() {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    if answer.challenge {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"nethcti\""));
    }
    *response.body_mut() = answer.body.into();
    response
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// The middleware answers 101 before it looks at its backend, and before it reads the query.
fn upgrade(
    request: HttpRequest<Incoming>,
    shared: &Arc<Shared>,
) -> Result<Response<Full<Bytes>>, StatusCode> {
    if shared.knobs().rate_limited {
        return Err(StatusCode::TOO_MANY_REQUESTS);
    }
    let key = request.headers().get(SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
    let accept =
        HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let shared = Arc::clone(shared);
    let stop = shared.stop.clone();
    tokio::spawn(async move {
        stop.run_until_cancelled(async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                socket::serve(upgraded, &query, shared).await;
            }
        })
        .await
    });
    let mut response = bare(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}
