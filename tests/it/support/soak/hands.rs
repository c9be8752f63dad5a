//! Who breaks what, and when.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pbx_simulator::Simulator;
use tokio::time::sleep;

use super::{
    super::{
        cutter::{self, Cutter},
        nats::Nats,
    },
    RECOVERY,
    fault::{self, DECK, Fault, LONG},
    micros,
    process::Bridge,
};

/// A fault as it happened; times in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) name: &'static str,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// A session was there, and it is surely gone since `began`.
    pub(crate) cut: bool,
}

pub(crate) struct Hands {
    pub(crate) pbx: Arc<Simulator>,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) rng: Rng,
    pub(crate) until: Instant,
    pub(crate) kill_until: Instant,
}

pub(crate) struct Ended {
    pub(crate) faults: Vec<Happened>,
    pub(crate) nats: Nats,
}

/// A way to the broker on which every connection breaks sooner or later, each in another way.
pub(crate) async fn way(nats: &str) -> Cutter {
    Cutter::to(nats.replace("nats://", ""), u32::MAX, || match fastrand::u8(..4) {
        0 => cutter::Fault::CutUp(fastrand::u64(..500_000)),
        1 => cutter::Fault::CutDown(fastrand::u64(..20_000)),
        2 => cutter::Fault::Hold(fastrand::u64(2_000..20_000)),
        _ => cutter::Fault::Late(fastrand::u64(2_000..500_000)),
    })
    .await
}

impl Hands {
    pub(crate) async fn work(mut self, nats: Nats, way: &Cutter) -> Ended {
        let (until, kill_until) = (self.until, self.kill_until);
        let broker = tokio::spawn(broker(nats, self.rng.fork(), until));
        let killing = tokio::spawn(kill(Arc::clone(&self.bridge), self.rng.fork(), kill_until));
        let mut faults = self.pbx().await;
        let (nats, broken) = broker.await.unwrap();
        faults.extend(broken);
        faults.extend(killing.await.unwrap());
        let cut = Happened { name: "way to the broker cut", began: 0, ended: 0, cut: false };
        faults.extend(vec![cut; usize::try_from(way.faults()).unwrap()]);
        Ended { faults, nats }
    }

    /// The deck is shuffled and dealt, again and again; now and then comes one of the long ones.
    async fn pbx(&mut self) -> Vec<Happened> {
        let mut happened = Vec::new();
        let mut long = LONG.iter().cycle();
        while Instant::now() < self.until {
            let mut deck: Vec<&Fault> = DECK.iter().collect();
            self.rng.shuffle(&mut deck);
            deck.extend(long.next().filter(|_| self.until - Instant::now() > Duration::from_mins(3)));
            for fault in deck {
                if Instant::now() >= self.until {
                    break;
                }
                happened.push(self.one(fault).await);
            }
        }
        happened
    }

    async fn one(&mut self, fault: &Fault) -> Happened {
        let mut live = self.pbx.live();
        let was_live = *live.borrow_and_update() == 1;
        let began = micros();
        (fault.begin)(&self.pbx);
        sleep(Duration::from_millis(self.rng.u64(fault.lasts.clone()))).await;
        fault::end(&self.pbx);
        let happened = Happened { name: fault.name, began, ended: micros(), cut: fault.cuts && was_live };
        // Whether it came back in time is read from the stream; here nothing but the pace depends on it. The PBX may
        // count a session for a moment that is already cut.
        if happened.cut {
            let _ = tokio::time::timeout(Duration::from_secs(2), live.wait_for(|live| *live == 0)).await;
        }
        let _ = tokio::time::timeout(RECOVERY, live.wait_for(|live| *live == 1)).await;
        sleep(Duration::from_millis(self.rng.u64(50..600))).await;
        happened
    }
}

/// Kills and stops the broker.
async fn broker(mut nats: Nats, mut rng: Rng, until: Instant) -> (Nats, Vec<Happened>) {
    let mut happened = Vec::new();
    while Instant::now() < until {
        let began = micros();
        let away = Duration::from_millis(rng.u64(200..4_000));
        let name = if rng.bool() {
            nats.kill();
            sleep(away).await;
            nats.up().await;
            "broker killed"
        } else {
            nats.signal("STOP");
            sleep(away).await;
            nats.signal("CONT");
            "broker stopped"
        };
        happened.push(Happened { name, began, ended: micros(), cut: false });
        sleep(Duration::from_millis(rng.u64(1_000..5_000))).await;
    }
    (nats, happened)
}

/// Kills the bridge, and starts it again.
async fn kill(bridge: Arc<Bridge>, mut rng: Rng, until: Instant) -> Vec<Happened> {
    let mut happened = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.u64(2_000..15_000))).await;
        let began = micros();
        bridge.kill();
        sleep(Duration::from_millis(rng.u64(..1_500))).await;
        bridge.up();
        happened.push(Happened { name: "bridge killed", began, ended: micros(), cut: false });
    }
    happened
}
