use event::*;
use std::time::Instant;
fn main() {
    let conv = r#"{"exten":"201","name":"Ada Neri","username":"ada","status":"busy","ip":"10.1.2.9","port":"5060","mac":"","chanType":"pjsip","sipuseragent":"Yealink T46","codecs":["alaw"],"context":"from-internal","useWebsocket":false,"dnd":false,"cf":"","cfb":"","cfu":"","cfVm":"","cfbVm":"","cfuVm":"","conversations":{"PJSIP/201-0000000a>PJSIP/trk-0000000b":{"id":"PJSIP/201-0000000a>PJSIP/trk-0000000b","owner":"201","direction":"out","connected":true,"duration":12,"startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","queueId":"","throughQueue":false,"throughTrunk":true,"inConference":false,"recording":"false","counterpartNum":"0721000111","counterpartName":"Rossi","chSource":{"type":"source","channel":"PJSIP/201-0000000a","callerNum":"201","callerName":"Ada Neri","bridgedNum":"0721000111","bridgedName":"Rossi","bridgedChannel":"PJSIP/trk-0000000b","channelStatus":"up","inConference":false,"startTime":1795538000000},"chDest":{"type":"dest","channel":"PJSIP/trk-0000000b","callerNum":"0721000111","callerName":"Rossi","bridgedNum":"201","bridgedName":"Ada","bridgedChannel":"PJSIP/201-0000000a","channelStatus":"up","inConference":false,"startTime":1795538000000}}}}"#;
    let idle = r#"{"exten":"202","name":"Ada Neri","username":"ada","status":"online","ip":"10.1.2.9","port":"5060","mac":"","chanType":"pjsip","sipuseragent":"Yealink T46","codecs":["alaw"],"context":"from-internal","useWebsocket":false,"dnd":false,"cf":"","cfb":"","cfu":"","cfVm":"","cfbVm":"","cfuVm":"","conversations":{}}"#;
    for (what, text) in [("talking", conv), ("idle", idle)] {
        let bytes: bytes::Bytes = format!("42[\"extenUpdate\",{text}]").into();
        let len = bytes.len() as u32;
        let mut t = calls::Tracker::default();
        for i in 0..2000u64 {
            let c = conv
                .replace("201", &format!("{}", 10000 + i))
                .replace("0000000a", &format!("{:08x}", 100 + i))
                .replace("1795538000.20", &format!("1795538000.{i}9"))
                .replace("0000000b", &format!("{:08x}", 1000000 + i));
            let b: bytes::Bytes = format!("42[\"extenUpdate\",{c}]").into();
            let n = b.len() as u32;
            t.fold(&rec(i, b, n));
        }
        println!("{} calls {} bytes each", t.len(), t.size() / t.len());
        t.fold(&rec(5000, bytes.clone(), len));
        let start = Instant::now();
        let n = 200_000;
        for i in 0..n {
            let d = t.fold(&rec(6000 + i, bytes.clone(), len));
            assert!(d.is_empty());
        }
        println!("{what} {} bytes: {:?}", text.len(), start.elapsed() / n as u32);
        let start = Instant::now();
        let s = t.save();
        println!("save {} bytes {:?}", s.len(), start.elapsed());
    }
}
fn rec(i: u64, bytes: bytes::Bytes, len: u32) -> Record {
    let at = jiff::Timestamp::from_second(1795538000).unwrap();
    Record {
        position: Position(i),
        source: SourceId(0),
        seq: Seq(i),
        at,
        session: 1,
        origin: Origin::Live,
        gap: Seq(0),
        body: Body::Event(RawEvent {
            at,
            bytes,
            name: 4..15,
            args: 17..len - 1,
            argc: 1,
            attachments: Box::default(),
        }),
    }
}
