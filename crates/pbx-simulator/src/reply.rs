//! HTTP answers in the exact form of the middleware.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    Response,
    body::{Body, Frame},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};
use serde_json::value::RawValue;

/// One answer, before it is an HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    /// `WWW-Authenticate`, as the middleware's token layer adds it, or the server's own login.
    challenge: Option<String>,
    /// A length the backend announced that is longer than the body: the body is cut short.
    announced: Option<usize>,
}

/// A JSON string literal.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl Reply {
    /// A reply with this exact body.
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), challenge: None, announced: None }
    }

    /// Without these keys of the object that it is.
    pub(super) fn without(mut self, keys: &[String]) -> Self {
        if !keys.is_empty()
            && let Ok(mut object) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(&self.body)
        {
            object.retain(|key, _| !keys.contains(key));
            self.body = serde_json::to_string(&object).unwrap_or_default();
        }
        self
    }

    /// A status alone: how the backend refuses.
    pub(super) fn empty(status: u16) -> Self {
        Self::json(status, "")
    }

    /// The middleware's envelope; `data` is JSON text. Keys are in alphabetical order.
    pub(super) fn envelope(status: u16, data: &str, message: &str) -> Self {
        Self::json(status, format!(r#"{{"code":{status},"data":{data},"message":{}}}"#, quoted(message)))
    }

    /// The answer of the rate limiter in front. The real one sends no `Retry-After` either.
    pub(super) fn limited() -> Self {
        Self::envelope(429, "null", "too many requests")
    }

    /// A refusal of the token layer.
    pub(super) fn challenge(status: u16, message: &str) -> Self {
        Self::envelope(status, "null", message).challenged(r#"Bearer realm="nethcti""#)
    }

    /// With this `WWW-Authenticate`.
    pub(super) fn challenged(self, challenge: &str) -> Self {
        Self { challenge: Some(challenge.to_owned()), ..self }
    }

    /// The backend doesn't know the route. The middleware writes its envelope over the backend's
    /// page but keeps the page's length, so the reader gets 50 bytes and an end of file.
    pub(super) fn no_such_route(path: &str) -> Self {
        let page = 22 + path.len();
        let reply = Self::envelope(404, "null", "API not found");
        let announced = (page > reply.body.len()).then_some(page);
        Self { announced, ..reply }
    }

    /// The first half of the body, with the full length announced.
    pub(super) fn cut_short(mut self) -> Self {
        let whole = self.body.len();
        self.body.truncate((0..=whole / 2).rev().find(|at| self.body.is_char_boundary(*at)).unwrap_or(0));
        Self { announced: (whole > self.body.len()).then_some(whole), ..self }
    }

    pub(super) fn into_response(self, date: &str) -> Response<Content> {
        let mut response =
            Response::new(Content { data: None, known: self.announced.is_none(), paused: false });
        *response.status_mut() =
            hyper::StatusCode::from_u16(self.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(length) = self.announced {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Ok(date) = HeaderValue::from_str(date) {
            headers.insert(hyper::header::DATE, date);
        }
        response.body_mut().data = (!self.body.is_empty()).then(|| Bytes::from(self.body));
        response
    }
}

/// A body in one piece whose length may be kept from hyper, so that the announced one can be a lie.
#[derive(Debug)]
pub(super) struct Content {
    data: Option<Bytes>,
    known: bool,
    /// Whether the end was held back once: hyper then writes what it has before it finds the lie.
    paused: bool,
}

impl Content {
    pub(super) fn none() -> Self {
        Self { data: None, known: true, paused: false }
    }

    /// Changes the body, if there is one.
    pub(super) fn change(&mut self, change: impl FnOnce(Bytes) -> Bytes) {
        self.data = self.data.take().map(change);
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.data.is_none() && !self.known && !std::mem::replace(&mut self.paused, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.known && self.data.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        if self.known {
            hyper::body::SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
        } else {
            hyper::body::SizeHint::default()
        }
    }
}
