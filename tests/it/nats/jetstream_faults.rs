//! Whatever breaks between bridge and stream, the stream holds every event once, in order.
#![cfg(feature = "nats")]

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{
    cluster::Cluster,
    faulty_proxy::{Fault, FaultyProxy},
    lane,
    lane::{JETSTREAM, Line, STREAM, context, sink},
    nats::Nats,
};

fn address(nats: &Nats) -> String {
    nats.url().replace("nats://", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_at_any_byte() {
    let nats = Nats::start(JETSTREAM).await;
    let proxy = FaultyProxy::to(address(&nats), 80, Fault::random).await;
    let mut line = Line::new(40_000, |_| 0);
    line.pause = Duration::from_micros(500);
    line.deliver(&sink(&[proxy.url()], &[])).await;
    assert!(proxy.faults() >= 40, "{} faults only", proxy.faults());
    line.is_stored(&nats.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_in_structured_mode() {
    let nats = Nats::start(JETSTREAM).await;
    let proxy = FaultyProxy::to(address(&nats), 20, Fault::random).await;
    let mut line = Line::new(6_000, |_| 0);
    line.pause = Duration::from_micros(500);
    line.deliver(&sink(&[proxy.url()], &["content_mode=structured"])).await;
    line.is_stored(&nats.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_stream_is_not_called_complete() {
    let nats = Nats::start(JETSTREAM).await;
    Line::new(20_000, |_| 0).deliver(&sink(&[nats.url()], &[])).await;
    let mut read = 0;
    sink(&[nats.url()], &[]).read_back(|_| read += 1).await.unwrap();
    assert_eq!(read, 20_000);
    let proxy = FaultyProxy::to(address(&nats), u32::MAX, || Fault::CutDown(200_000)).await;
    let mut read = 0;
    let error = sink(&[proxy.url()], &[]).read_back(|_| read += 1).await.expect_err("it was read");
    assert!(format!("{error:#}").contains("can't read on"), "{error}");
    assert!(read < 20_000, "nothing was cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_never_come() {
    let nats = Nats::start(JETSTREAM).await;
    let proxy = FaultyProxy::to(address(&nats), 1, || Fault::Mute(6_000)).await;
    let mut line = Line::new(10_000, |_| 0);
    line.deliver(&sink(&[proxy.url()], &[])).await;
    assert!(line.ends[0].contains("does not answer"), "{:?}", line.ends);
    line.is_stored(&nats.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_and_stopped_again_and_again() {
    let mut nats = Nats::start(JETSTREAM).await;
    let sink = sink(&[nats.url()], &[]);
    let mut line = Line::new(20_000, |_| 0);
    line.pause = Duration::from_millis(2);
    let delivery = tokio::spawn(async move {
        line.deliver(&sink).await;
        line
    });
    let mut kills = 0;
    while !delivery.is_finished() {
        sleep(Duration::from_millis(fastrand::u64(20..200))).await;
        if fastrand::bool() {
            nats.kill();
            nats.up().await;
            kills += 1;
        } else {
            nats.signal("STOP");
            sleep(Duration::from_millis(fastrand::u64(..300))).await;
            nats.signal("CONT");
        }
    }
    assert!(kills > 0);
    delivery.await.unwrap().is_stored(&nats.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bridges_of_one_line_store_it_once() {
    let nats = Nats::start(JETSTREAM).await;
    let mut line = Line::new(3_000, |_| 0);
    line.pause = Duration::from_millis(1);
    let (first, second) = (sink(&[nats.url()], &[]), sink(&[nats.url()], &[]));
    let mut twin = line.twin();
    tokio::join!(line.deliver(&first), twin.deliver(&second));
    assert!(!(line.ends.is_empty() && twin.ends.is_empty()), "they never met");
    line.is_stored(&nats.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_block_is_lost_while_the_server_is_down() {
    let mut nats = Nats::start(JETSTREAM).await;
    let sink = sink(&[nats.url()], &[]);
    let mut line = Line::new(4_000, |_| 0);
    line.deliver(&sink).await;
    for round in 0..4 {
        // After a clean stop the server remembers the last sequence, after a kill it does not.
        if round % 2 == 0 {
            nats.signal("TERM");
            while tokio::net::TcpStream::connect(address(&nats)).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        }
        nats.kill();
        let blocks = nats.dir().join("js/jetstream/$G/streams").join(STREAM).join("msgs");
        let blocks = std::fs::read_dir(blocks).unwrap().map(|entry| entry.unwrap().path());
        let mut blocks: Vec<_> =
            blocks.filter(|path| path.extension().is_some_and(|extension| extension == "blk")).collect();
        blocks.sort_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap());
        let newest = std::fs::OpenOptions::new().write(true).open(blocks.last().unwrap()).unwrap();
        let length = newest.metadata().unwrap().len();
        newest.set_len(length - length / (3 + round)).unwrap();
        nats.up().await;
        let before = lane::stored(&nats.url()).await;
        assert!(before.len() < 4_000, "nothing was lost");
        line.deliver(&sink).await;
        line.is_stored(&nats.url()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clusters_leader_is_killed_or_steps_down() {
    let mut cluster = Cluster::start().await;
    let sink = sink(&cluster.urls(), &["stream_replicas=3"]);
    let mut line = Line::new(40_000, |_| 0);
    line.pause = Duration::from_millis(10);
    let delivery = tokio::spawn(async move {
        line.deliver(&sink).await;
        line
    });
    let mut faults = 0;
    while !delivery.is_finished() && faults < 6 {
        let leader = cluster.leader(&context(&cluster.nodes[faults % 3].url()).await).await;
        if faults % 2 == 0 {
            cluster.nodes[leader].kill();
            sleep(Duration::from_millis(300)).await;
            cluster.nodes[leader].up().await;
        } else {
            let client = async_nats::connect(cluster.nodes[leader].url()).await.unwrap();
            let subject = format!("$JS.API.STREAM.LEADER.STEPDOWN.{STREAM}");
            let _ = client.request(subject, "".into()).await;
        }
        faults += 1;
        sleep(Duration::from_millis(fastrand::u64(100..600))).await;
    }
    assert!(faults >= 2, "{faults} faults only");
    let line = delivery.await.unwrap();
    line.is_stored(&cluster.nodes[0].url()).await;
}
