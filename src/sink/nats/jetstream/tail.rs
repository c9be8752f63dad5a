//! Reads the end of the stream, after which the driver resumes.

use super::api::{Api, StoredMessage};
use crate::{
    health::Trouble,
    sink::{SinkError, Stored, stored_event},
    text::PeerText,
};

/// The attempts to read a stable end: late messages of an old connection can move it, but not for long.
const TRIES: usize = 8;
/// The number of sequences searched for a message before an ignored one, as some may have been deleted.
const DEPTH: u64 = 64;

/// Returns the newest record, and the sequence to continue after.
///
/// Neither follows from the other: after a lost tail the last sequence is above the last message. Then the message is
/// requested by the stream's own filters, as the server finds none for `>` once there is a hole at the end. Without a hole its subject
/// does not matter: it may be that of a former route, which somebody has removed from the stream.
pub(super) async fn read(
    api: &Api<'_>,
    mut last: u64,
    (filters, ignored): (&[String], &[u64]),
) -> Result<(Option<Stored>, u64), SinkError> {
    let Api { connected, stream } = api;
    for _ in 0..TRIES {
        let mut newest = if last > 0 { api.get(last).await? } else { None };
        let filters = if newest.is_none() { filters } else { &[] };
        for filter in filters {
            let found = api.last(filter).await?;
            if found.as_ref().map(|kept| kept.seq) > newest.as_ref().map(|kept| kept.seq) {
                newest = found;
            }
        }
        let now = api.info().await?.map(|info| info.last_sequence);
        if now == Some(last) {
            let newest = before(api, newest, ignored).await?;
            let stored = newest.map(|kept| located(api, &kept).ok_or_else(|| unreadable(api, &kept)));
            return Ok((stored.transpose()?, last));
        }
        last = now.unwrap_or_default();
    }
    Err(SinkError::again(
        Trouble::Foreign,
        format!(
            "stream {stream} at {} grows while its end is read: check that no other bridge of the same name writes there",
            connected.server
        ),
    ))
}

/// Returns the newest message that is not ignored. `None` without one.
async fn before(
    api: &Api<'_>,
    mut newest: Option<StoredMessage>,
    ignored: &[u64],
) -> Result<Option<StoredMessage>, SinkError> {
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

fn unreadable(
    Api { connected, stream }: &Api<'_>,
    StoredMessage { seq, subject, .. }: &StoredMessage,
) -> SinkError {
    let subject = PeerText::new(subject);
    SinkError::operator(
        Trouble::Foreign,
        format!(
            "stream {stream} at {} ends with message {seq} ({subject}), which no cti-bridge wrote: stop other publishers, and \
         set `adopt = \"#{seq}\"` to resume after it, or set `stream` to a stream of its own; \
         `nats stream get {stream} {seq}` shows it",
            connected.server
        ),
    )
}

fn located(Api { connected, stream }: &Api<'_>, kept: &StoredMessage) -> Option<Stored> {
    let location = format!("stream {stream} at {}", connected.server);
    stored(kept).map(|stored| Stored { location, place: format!("#{}", kept.seq), ..stored })
}

/// Parses a stored message. `None` if no cti-bridge wrote it.
fn stored(kept: &StoredMessage) -> Option<Stored> {
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

    fn kept(headers: &str, data: &str) -> StoredMessage {
        let (hdrs, data) = (BASE64.encode(headers.as_bytes()), BASE64.encode(data.as_bytes()));
        StoredMessage { seq: 1, subject: String::new(), hdrs, data }
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
    fn other_messages_are_not_records() {
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
