//! What the stream ends with: where to go on.

use super::api::{Api, Kept};
use crate::{
    sink::{SinkError, Stored, kept},
    text::PeerText,
};

/// Late bytes of an old connection can move the end while it is read, but not for long.
const TRIES: usize = 8;

/// The newest record, and the sequence to go on after.
///
/// Neither follows from the other: after a lost tail the last sequence lies above the last message. The message is
/// asked for by the stream's own filters, as the server finds none for `>` once there is a hole at the end.
pub(super) async fn read(
    api: &Api<'_>,
    mut last: u64,
    filters: &[String],
) -> Result<(Option<Stored>, u64), SinkError> {
    let Api { connected, stream } = api;
    for _ in 0..TRIES {
        let mut newest: Option<Kept> = None;
        for filter in filters {
            let found = api.last(filter).await?;
            if found.as_ref().map(|kept| kept.seq) > newest.as_ref().map(|kept| kept.seq) {
                newest = found;
            }
        }
        let now = api.info().await?.map(|info| info.last_sequence);
        if now == Some(last) {
            let stored = newest.map(|kept| {
                stored(&kept).ok_or_else(|| {
                    SinkError::Operator(format!(
                        "stream {stream} at {} ends with message {} ({}), which no cti-bridge wrote: let nobody else publish there, \
                         or name a stream of its own as `stream`; `nats stream get {stream} {}` shows it",
                        connected.server, kept.seq, PeerText::new(&kept.subject), kept.seq
                    ))
                })
            });
            return Ok((stored.transpose()?, last));
        }
        last = now.unwrap_or_default();
    }
    Err(SinkError::Again(format!(
        "stream {stream} at {} grows while its end is read: does another bridge of the same name write there?",
        connected.server
    )))
}

/// Whose record it is.
fn stored(kept: &Kept) -> Option<Stored> {
    let headers = data_encoding::BASE64.decode(kept.hdrs.as_bytes()).ok()?;
    let headers = String::from_utf8(headers).ok()?;
    let header = |name: &str| {
        let mut lines = headers.split("\r\n").filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.strip_prefix("ce-") == Some(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    kept::stored(header, &data_encoding::BASE64.decode(kept.data.as_bytes()).ok()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use data_encoding::BASE64;

    use super::*;
    use crate::event::Seq;

    fn kept(headers: &str, data: &str) -> Kept {
        let (hdrs, data) = (BASE64.encode(headers.as_bytes()), BASE64.encode(data.as_bytes()));
        Kept { seq: 1, subject: String::new(), hdrs, data }
    }

    #[test]
    fn a_record_is_known_by_its_headers_or_its_body() {
        let expected =
            Some(Stored { source: "pbx1".to_owned(), journal: "abcdefghij".parse().unwrap(), seq: Seq(17) });
        let binary = kept("NATS/1.0\r\nce-id: abcdefghij-17\r\nce-source: /cti/pbx1\r\n\r\n", "{}");
        assert_eq!(stored(&binary), expected);
        let structured = kept(
            "NATS/1.0\r\ncontent-type: application/cloudevents+json\r\n\r\n",
            r#"{"specversion":"1.0","id":"abcdefghij-17","source":"/cti/pbx1","data":{"id":1}}"#,
        );
        assert_eq!(stored(&structured), expected);
    }

    #[test]
    fn anything_else_is_a_strangers() {
        for (headers, data) in [
            ("", "hello"),
            ("NATS/1.0\r\nce-id: abcdefghij-status-3\r\nce-source: /cti/pbx1\r\n\r\n", "{}"),
            ("NATS/1.0\r\nce-id: ABCDEFGHIJ-3\r\nce-source: /cti/pbx1\r\n\r\n", "{}"),
            ("NATS/1.0\r\nce-id: abcdefghij-3\r\nce-source: /other/pbx1\r\n\r\n", "{}"),
        ] {
            assert_eq!(stored(&kept(headers, data)), None, "{headers:?} {data}");
        }
    }
}
