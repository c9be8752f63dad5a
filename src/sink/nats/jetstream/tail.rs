//! What the stream ends with: where to go on.

use super::api::{Api, Kept};
use crate::{
    health::Trouble,
    sink::{SinkError, Stored, stored_event},
    text::PeerText,
};

/// Late bytes of an old connection can move the end while it is read, but not for long.
const TRIES: usize = 8;
/// How far to look for a message before one that is ignored, should some have been deleted.
const DEPTH: u64 = 64;

/// The newest record, and the sequence to go on after.
///
/// Neither follows from the other: after a lost tail the last sequence lies above the last message. The message is
/// asked for by the stream's own filters, as the server finds none for `>` once there is a hole at the end.
pub(super) async fn read(
    api: &Api<'_>,
    mut last: u64,
    (filters, ignored): (&[String], &[u64]),
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
            let newest = before(api, newest, ignored).await?;
            let stored = newest.map(|kept| whose(api, &kept).ok_or_else(|| unreadable(api, &kept)));
            return Ok((stored.transpose()?, last));
        }
        last = now.unwrap_or_default();
    }
    Err(SinkError::again(
        Trouble::Foreign,
        format!(
            "stream {stream} at {} grows while its end is read: does another bridge of the same name write there?",
            connected.server
        ),
    ))
}

/// The newest message that counts.
async fn before(api: &Api<'_>, mut newest: Option<Kept>, ignored: &[u64]) -> Result<Option<Kept>, SinkError> {
    while let Some(kept) = newest.take_if(|kept| ignored.contains(&kept.seq)) {
        for seq in (kept.seq.saturating_sub(DEPTH)..kept.seq).rev() {
            newest = api.get(seq).await?;
            if newest.is_some() {
                break;
            }
        }
    }
    Ok(newest)
}

fn unreadable(Api { connected, stream }: &Api<'_>, Kept { seq, subject, .. }: &Kept) -> SinkError {
    let subject = PeerText::new(subject);
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "stream {stream} at {} ends with message {seq} ({subject}), which no cti-bridge wrote: let nobody else publish there, and \
         set `adopt = \"#{seq}\"` to go on behind it, or name a stream of its own as `stream`; \
         `nats stream get {stream} {seq}` shows it",
            connected.server
        ),
    )
}

fn whose(Api { connected, stream }: &Api<'_>, kept: &Kept) -> Option<Stored> {
    let location = format!("stream {stream} at {}", connected.server);
    stored(kept).map(|stored| Stored { location, place: format!("#{}", kept.seq), ..stored })
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
    stored_event::stored(header, &data_encoding::BASE64.decode(kept.data.as_bytes()).ok()?)
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
        let expected = Some(Stored {
            source: "pbx1".to_owned(),
            journal: "abcdefghij".parse().unwrap(),
            seq: Seq(17),
            time: "2026-11-24T10:00:00.000007Z".parse().unwrap(),
            ty: "cti.event.e.v1".to_owned(),
            location: String::new(),
            place: String::new(),
        });
        let binary = kept(
            "NATS/1.0\r\nce-id: abcdefghij-17\r\nce-source: /cti/pbx1\r\nce-type: cti.event.e.v1\r\n\
             ce-time: 2026-11-24T10:00:00.000007Z\r\n\r\n",
            "{}",
        );
        assert_eq!(stored(&binary), expected);
        let structured = kept(
            "NATS/1.0\r\ncontent-type: application/cloudevents+json\r\n\r\n",
            r#"{"specversion":"1.0","id":"abcdefghij-17","source":"/cti/pbx1","type":"cti.event.e.v1",
                "time":"2026-11-24T10:00:00.000007Z","data":{"id":1}}"#,
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
            ("NATS/1.0\r\nce-id: abcdefghij-3\r\nce-source: /cti/pbx1\r\nce-type: t\r\n\r\n", "{}"),
        ] {
            assert_eq!(stored(&kept(headers, data)), None, "{headers:?} {data}");
        }
    }
}
