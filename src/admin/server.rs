//! The HTTP/1.1 server of the endpoint. Every answer is small and immediate.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request as HttpRequest, Response, StatusCode,
    body::Incoming,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
        VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    actions::{self, ACTIONS, Refusal},
    collect::{Form, metrics},
    config::Config,
    hosts, page,
    slots::{Slot, Slots},
    status::{View, is_ready},
};
use crate::{health::Component, request::Request};

/// Limit for the headers of a request.
const HEADERS: Duration = Duration::from_secs(2);
/// Limit for the body of an action.
const PATIENCE: Duration = Duration::from_secs(10);
/// Limit of a connection. Each has one request, so that none keeps its slot for the next.
const LONGEST: Duration = Duration::from_secs(30);
/// Largest body of an action, in bytes.
const BODY: usize = 1024;
/// Delay between attempts to bind the address.
const RETRY: Duration = Duration::from_secs(5);

const PATHS: &str = "there are /, /livez, /readyz, /startupz, /metrics, /status, /config/diff, and with POST /actions/resync, \
                     /actions/reconnect and /actions/log-level\n";

/// Answered under any host name: probes and scrapers use their own.
const OPEN: [&str; 4] = ["/livez", "/readyz", "/startupz", "/metrics"];
const MISDIRECTED: &str = "this host name is not one of the bridge's: ask by IP address or localhost, or add the name to `hosts` in \
                           [admin]\n";

/// The state that every request needs.
#[derive(Debug)]
struct Server {
    config: Config,
    view: View,
    requests: mpsc::Sender<Request>,
}

/// Serves. Never ends: an address that cannot be bound is tried again.
pub async fn run(config: Config, view: View, requests: mpsc::Sender<Request>, health: Component) {
    let server = Arc::new(Server { config, view: view.clone(), requests });
    tokio::join!(view.keep(), async {
        loop {
            let error = match TcpListener::bind(server.config.listen).await {
                Ok(listener) => {
                    health.active();
                    serve(&server, &listener).await
                }
                Err(error) => error,
            };
            health.failing(&format!(
                "could not listen on {}: {error}; set [admin] listen to another address and port, or to \"off\"",
                server.config.listen
            ));
            sleep(RETRY).await;
        }
    });
}

async fn serve(server: &Arc<Server>, listener: &TcpListener) -> std::io::Error {
    let slots = Slots::default();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Too many open files, or a peer that has gone: neither ends the listener.
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection to the admin endpoint");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let server = Arc::clone(server);
        slots.enter().run(|slot| connection(server, stream, slot));
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream, slot: Arc<Slot>) {
    let service = service_fn(move |request| {
        slot.has_headers();
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(answer(&server, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).keep_alive(false).max_buf_size(16 * 1024);
    // An error of a client ends its connection only.
    let _ = timeout(LONGEST, builder.serve_connection(TokioIo::new(stream), service)).await;
}

async fn answer(server: &Server, request: HttpRequest<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    if !OPEN.contains(&&*path) && !hosts::is_allowed(&server.config.hosts, &request) {
        return text(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED);
    }
    if let Some(word) = path.strip_prefix("/actions/") {
        return act(server, word, request).await;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return with(text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"), ALLOW, "GET, HEAD");
    }
    let view = &server.view;
    match &*path {
        "/" => page(),
        "/livez" => livez(view),
        "/readyz" => readyz(view),
        "/startupz" => text(StatusCode::OK, "started\n"),
        "/metrics" if wants_open_metrics(&request) => scrape(view, Form::OpenMetrics),
        "/metrics" => scrape(view, Form::Text),
        "/status" => status(view),
        "/config/diff" => differences(view).await,
        _ => text(StatusCode::NOT_FOUND, PATHS),
    }
}

async fn act(server: &Server, word: &str, request: HttpRequest<Incoming>) -> Response<Full<Bytes>> {
    let Some((_, action)) = ACTIONS.iter().find(|(known, _)| *known == word) else {
        return text(StatusCode::NOT_FOUND, PATHS);
    };
    if let Err(refusal) = actions::allow(server.config.token.as_ref(), request.method(), request.headers()) {
        return refused(refusal);
    }
    let body = timeout(PATIENCE, Limited::new(request.into_body(), BODY).collect()).await;
    let Ok(Ok(body)) = body else {
        return text(StatusCode::BAD_REQUEST, "the body is too long, or did not arrive\n");
    };
    match actions::take(*action, &body.to_bytes(), &server.requests) {
        Ok(said) => text(StatusCode::ACCEPTED, format!("{said}\n")),
        Err(refusal) => refused(refusal),
    }
}

fn refused((code, said): Refusal) -> Response<Full<Bytes>> {
    let response = text(code, format!("{said}\n"));
    match code {
        StatusCode::UNAUTHORIZED => with(response, WWW_AUTHENTICATE, "Bearer"),
        StatusCode::METHOD_NOT_ALLOWED => with(response, ALLOW, "POST"),
        _ => response,
    }
}

fn livez(view: &View) -> Response<Full<Bytes>> {
    match view.lives() {
        Ok(()) => text(StatusCode::OK, "alive\n"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn readyz(view: &View) -> Response<Full<Bytes>> {
    let parts = view.parts();
    let ready = is_ready(&parts);
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response(code, "application/json", json!({ "ready": ready, "components": parts }).to_string())
}

fn status(view: &View) -> Response<Full<Bytes>> {
    let text = serde_json::to_string(&view.status()).unwrap_or_default();
    response(StatusCode::OK, "application/json", text)
}

/// Compares the configuration as a reload does, and changes nothing.
async fn differences(view: &View) -> Response<Full<Bytes>> {
    let Some(reload) = &view.reload else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "this process does not reload its configuration\n");
    };
    match reload.compare().await {
        Ok(differences) => {
            let text = serde_json::to_string(&differences).unwrap_or_default();
            response(StatusCode::OK, "application/json", text)
        }
        Err(failure) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")),
    }
}

fn wants_open_metrics(request: &HttpRequest<Incoming>) -> bool {
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Form::preferred(&accept.collect::<Vec<_>>().join(",")) == Form::OpenMetrics
}

fn scrape(view: &View, form: Form) -> Response<Full<Bytes>> {
    with(response(StatusCode::OK, form.content_type(), metrics(view, form)), VARY, "Accept")
}

fn page() -> Response<Full<Bytes>> {
    let page = response(StatusCode::OK, "text/html; charset=utf-8", page::HTML);
    with(with(page, CONTENT_SECURITY_POLICY, &page::POLICY), REFERRER_POLICY, "no-referrer")
}

fn text(code: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(code, "text/plain; charset=utf-8", body)
}

fn response(code: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = code;
    let response = with(response, CONTENT_TYPE, kind);
    with(with(response, CACHE_CONTROL, "no-store"), X_CONTENT_TYPE_OPTIONS, "nosniff")
}

fn with(
    mut response: Response<Full<Bytes>>,
    name: hyper::header::HeaderName,
    value: &str,
) -> Response<Full<Bytes>> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
