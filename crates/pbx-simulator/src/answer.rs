//! Abnormal answers: what a proxy in front of the PBX, or a failing PBX, sends for a path instead of its own.

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION},
};

use super::reply::{Content, Reply};

/// An abnormal answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With this status and no body: 500 is what the middleware makes of a crash of its own.
    Empty(u16),
    /// With a web page, as a proxy does: 502 while the PBX is down, 200 for maintenance.
    Page(u16),
    /// With a redirect to this address that keeps method and body (307).
    Redirect(String),
    /// With 429, as the middleware words it.
    Limited,
    /// The normal answer, but compressed, requested or not. A websocket stays unchanged.
    Compressed,
    /// The normal answer, after this delay.
    Late(Duration),
}

impl Answer {
    /// From `PATH:KIND`, as in `/login:page:502`; the path is without `/api`.
    pub(super) fn parse(text: &str) -> Option<(String, Self)> {
        let (path, kind) = text.split_once(':').filter(|(path, _)| path.starts_with('/'))?;
        let (kind, value) = kind.split_once(':').unwrap_or((kind, ""));
        let status = || value.parse().ok().filter(|status| (200..600).contains(status));
        let answer = match kind {
            "empty" => Self::Empty(status()?),
            "page" => Self::Page(status()?),
            "redirect" if HeaderValue::from_str(value).is_ok() && !value.is_empty() => {
                Self::Redirect(value.to_owned())
            }
            "limited" if value.is_empty() => Self::Limited,
            "compressed" if value.is_empty() => Self::Compressed,
            "late" => Self::Late(humantime::parse_duration(value).ok()?),
            _ => return None,
        };
        Some((path.to_owned(), answer))
    }

    /// The answer to send instead; `None` if the PBX still answers.
    pub(super) fn instead(&self, date: &str) -> Option<Response<Content>> {
        match self {
            Self::Empty(status) => Some(Reply::empty(*status).into_response(date)),
            Self::Page(status) => {
                let page =
                    "<!DOCTYPE html>\n<html><body><h1>The service is not available</h1></body></html>\n";
                let mut response = Reply::json(*status, page).into_response(date);
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
                Some(response)
            }
            Self::Redirect(to) => {
                let mut response = Reply::empty(StatusCode::TEMPORARY_REDIRECT.as_u16()).into_response(date);
                response.headers_mut().insert(LOCATION, HeaderValue::from_str(to).ok()?);
                Some(response)
            }
            Self::Limited => Some(Reply::limited().into_response(date)),
            Self::Compressed | Self::Late(_) => None,
        }
    }
}

/// The same answer in gzip's form.
pub(super) fn compress(mut response: Response<Content>) -> Response<Content> {
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.body_mut().change(|body| gzip(&body));
    response
}

/// RFC 1952 around stored blocks (RFC 1951, section 3.2.4): compressed in form only, which is what matters to a client.
fn gzip(data: &[u8]) -> Bytes {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(data).to_le_bytes());
    out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.into()
}

/// RFC 1952, section 8: not the polynomial that the journal uses.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_nonsense_is_not() {
        let late = Answer::Late(Duration::from_secs(33));
        for (text, expected) in [
            ("/login:empty:500", Answer::Empty(500)),
            ("/ws/:page:502", Answer::Page(502)),
            (
                "/user/me:redirect:https://pbx.example:8443/api",
                Answer::Redirect("https://pbx.example:8443/api".into()),
            ),
            ("/login:limited", Answer::Limited),
            ("/login:compressed", Answer::Compressed),
            ("/login:late:33s", late),
        ] {
            let path = text.split(':').next().unwrap_or_default().to_owned();
            assert_eq!(Answer::parse(text), Some((path, expected)));
        }
        for text in [
            "",
            "login:limited",
            "/login",
            "/login:",
            "/login:empty:99",
            "/login:page:x",
            "/login:redirect:",
            "/login:late:soon",
        ] {
            assert_eq!(Answer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_checksum_is_gzips() {
        // The check value of the CRC catalogue (CRC-32/ISO-HDLC).
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
