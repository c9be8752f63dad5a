//! Injects random faults into the PBX, the broker, the network path between them, and the bridge.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pbx_simulator::Simulator;
use tokio::time::sleep;

use super::{
    super::{
        faulty_proxy::{self, FaultyProxy},
        nats::Nats,
    },
    RECOVERY,
    fault::{self, FAULTS, Fault, LONG_FAULTS},
    micros,
    process::Bridge,
};

/// A fault that was injected; times in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct InjectedFault {
    pub(crate) name: &'static str,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// Whether it certainly ended a live session at `began`.
    pub(crate) cut: bool,
}

pub(crate) struct FaultInjector {
    pub(crate) pbx: Arc<Simulator>,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) rng: Rng,
    pub(crate) until: Instant,
    pub(crate) kill_until: Instant,
}

pub(crate) struct Outcome {
    pub(crate) faults: Vec<InjectedFault>,
    pub(crate) nats: Nats,
}

/// A network path to the broker on which every connection breaks sooner or later, each with a random fault.
pub(crate) async fn network_path(nats: &str) -> FaultyProxy {
    FaultyProxy::to(nats.replace("nats://", ""), u32::MAX, || match fastrand::u8(..4) {
        0 => faulty_proxy::Fault::CutUp(fastrand::u64(..500_000)),
        1 => faulty_proxy::Fault::CutDown(fastrand::u64(..20_000)),
        2 => faulty_proxy::Fault::Hold(fastrand::u64(2_000..20_000)),
        _ => faulty_proxy::Fault::Late(fastrand::u64(2_000..500_000)),
    })
    .await
}

impl FaultInjector {
    pub(crate) async fn run(mut self, nats: Nats, path: &FaultyProxy) -> Outcome {
        let (until, kill_until) = (self.until, self.kill_until);
        let breaking = tokio::spawn(break_broker(nats, self.rng.fork(), until));
        let killing = tokio::spawn(kill_bridge(Arc::clone(&self.bridge), self.rng.fork(), kill_until));
        let mut faults = self.inject_pbx_faults().await;
        let (nats, broken) = breaking.await.unwrap();
        faults.extend(broken);
        faults.extend(killing.await.unwrap());
        let cut = InjectedFault { name: "network path to the broker cut", began: 0, ended: 0, cut: false };
        faults.extend(vec![cut; usize::try_from(path.faults()).unwrap()]);
        Outcome { faults, nats }
    }

    /// Injects all faults in random order, again and again; each round ends with a long one while there is time.
    async fn inject_pbx_faults(&mut self) -> Vec<InjectedFault> {
        let mut injected = Vec::new();
        let mut long = LONG_FAULTS.iter().cycle();
        while Instant::now() < self.until {
            let mut faults: Vec<&Fault> = FAULTS.iter().collect();
            self.rng.shuffle(&mut faults);
            faults.extend(long.next().filter(|_| self.until - Instant::now() > Duration::from_mins(3)));
            for fault in faults {
                if Instant::now() >= self.until {
                    break;
                }
                injected.push(self.inject(fault).await);
            }
        }
        injected
    }

    async fn inject(&mut self, fault: &Fault) -> InjectedFault {
        let mut live = self.pbx.live();
        let was_live = *live.borrow_and_update() == 1;
        let began = micros();
        (fault.begin)(&self.pbx);
        sleep(Duration::from_millis(self.rng.u64(fault.lasts.clone()))).await;
        fault::end(&self.pbx);
        let injected =
            InjectedFault { name: fault.name, began, ended: micros(), cut: fault.cuts && was_live };
        // The verdict reads from the stream whether the session was back in time; this only sets the pace. The PBX may
        // briefly count a session that is already cut.
        if injected.cut {
            let _ = tokio::time::timeout(Duration::from_secs(2), live.wait_for(|live| *live == 0)).await;
        }
        let _ = tokio::time::timeout(RECOVERY, live.wait_for(|live| *live == 1)).await;
        sleep(Duration::from_millis(self.rng.u64(50..600))).await;
        injected
    }
}

/// Kills or suspends the broker, again and again.
async fn break_broker(mut nats: Nats, mut rng: Rng, until: Instant) -> (Nats, Vec<InjectedFault>) {
    let mut injected = Vec::new();
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
        injected.push(InjectedFault { name, began, ended: micros(), cut: false });
        sleep(Duration::from_millis(rng.u64(1_000..5_000))).await;
    }
    (nats, injected)
}

/// Kills and restarts the bridge, again and again.
async fn kill_bridge(bridge: Arc<Bridge>, mut rng: Rng, until: Instant) -> Vec<InjectedFault> {
    let mut injected = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.u64(2_000..15_000))).await;
        let began = micros();
        bridge.kill();
        sleep(Duration::from_millis(rng.u64(..1_500))).await;
        bridge.up();
        injected.push(InjectedFault { name: "bridge killed", began, ended: micros(), cut: false });
    }
    injected
}
