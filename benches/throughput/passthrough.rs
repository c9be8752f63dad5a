//! The bare pass-through: what no bridge between these two libraries can be cheaper than.

use async_nats::{
    HeaderMap, HeaderName, HeaderValue, Subject, client::traits::Publisher as _, message::OutboundMessage,
};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio_tungstenite::tungstenite::Message;

const NAMES: [HeaderName; 10] = [
    HeaderName::from_static("ce-specversion"),
    HeaderName::from_static("ce-id"),
    HeaderName::from_static("ce-source"),
    HeaderName::from_static("ce-type"),
    HeaderName::from_static("ce-time"),
    HeaderName::from_static("ce-datacontenttype"),
    HeaderName::from_static("ce-sequence"),
    HeaderName::from_static("ce-ctiprev"),
    HeaderName::from_static("ce-ctigap"),
    HeaderName::from_static("ce-subject"),
];

/// Publishes every frame as it is, with or without the contract's ten headers.
pub(crate) async fn run(websocket: &str, token: &str, nats: &str, with_headers: bool) {
    let client = async_nats::ConnectOptions::new()
        .client_capacity(4096)
        .skip_subject_validation(true)
        .connect(nats)
        .await
        .unwrap();
    let (mut socket, _) = tokio_tungstenite::connect_async(websocket).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    socket
        .send(Message::text(format!(r#"42["login",{{"accessKeyId":"bridge","token":"{token}"}}]"#)))
        .await
        .unwrap();
    let subject = Subject::from_static("cti.v1.pbx1.event.extenUpdate.201");
    let mut sequence: u64 = 1_795_538_000_000_000;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        if text.as_str() == "2" {
            socket.send(Message::text("3")).await.unwrap();
            continue;
        }
        sequence += 1;
        let headers = with_headers.then(|| headers(sequence));
        let payload = Bytes::copy_from_slice(text.as_bytes());
        client
            .publish_message(OutboundMessage { subject: subject.clone(), reply: None, payload, headers })
            .await
            .unwrap();
    }
}

fn headers(sequence: u64) -> HeaderMap {
    let values = [
        "1.0".to_owned(),
        format!("abcdefghij-{sequence}"),
        "/cti/pbx1".to_owned(),
        "cti.event.extenUpdate.v1".to_owned(),
        format!("{:.6}", Timestamp::now()),
        "application/json".to_owned(),
        format!("{sequence:020}"),
        format!("{:020}", sequence - 1),
        format!("{:020}", 1_795_538_000_000_001_u64),
        "extension/201".to_owned(),
    ];
    NAMES.into_iter().zip(values).map(|(name, value)| (name, value.parse::<HeaderValue>().unwrap())).collect()
}
