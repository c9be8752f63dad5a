//! Sinks: where events go.
//!
//! # The contract
//! A [`Sink`] knows how to open a [`Link`]: one connection to a broker. A link
//! * sends batches, in order, and never reorders what it was given for a lane;
//! * reports what the broker has acknowledged as a prefix: [`Acked::through`] covers every record sent up
//!   to there, so a sink whose broker acknowledges out of order must hold back;
//! * reports a record that the broker refuses for good as [`Acked::refused`], in its place in the order: only one that is
//!   refused alone, for what it is, by limits that were read a moment ago. What is refused for a reason of the broker's ends
//!   the link;
//! * publishes a dead letter, and returns when the broker has it or refuses it;
//! * ends with its first error. It never reconnects, retries or waits: the one [`Driver`] does all that,
//!   for every sink alike. It opens a new link and sends again from the first record not acknowledged;
//! * names in each error what happened, where, and the remedy, and shows no secret.
//!
//! Reconnecting, back-off, the window of what is in flight, the deadline for an answer, the cursor, the
//! ledger and the heartbeat live in the driver. So a new sink is one file, and a line in [`spawn`]'s table.
//!

#[cfg_attr(
    not(any(feature = "nats", feature = "kafka")),
    allow(dead_code, reason = "no sink has an end to read")
)]
mod claim;
mod condition;
pub mod config;
mod deadletter;
mod driver;
mod error;
mod figures;
mod flights;
mod heartbeat;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(any(feature = "nats", feature = "kafka"))]
mod kept;
#[cfg(feature = "nats")]
pub mod nats;
mod options;
pub(crate) mod overlap;
mod proof;
mod refusals;
mod renewal;
mod resume;
mod resume_lanes;
pub mod stdout;
pub mod verify;

use std::{future::Future, ops::Range, pin::Pin, sync::Arc, time::Duration};

pub use claim::Claim;
pub use driver::Driver;
pub use error::{Failure, SinkError};
pub use figures::{BUCKETS, Counted, Figures, SinkFigures};
pub use options::{Options, Outcome};
pub use proof::{Process, Stored};
pub use renewal::Renewals;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    event::{CloudEvent, Position},
    health::{Board, Trouble},
    journal::Journal,
    request::Call,
    route::{Names, Plan, REPLAY, template::Template},
    shutdown::Stop,
};

/// A place to publish to.
pub trait Sink: Send + Sync + 'static {
    /// One connection to it.
    type Link: Link;
    /// Connects, and reads what is there already. The driver bounds the time.
    fn open(&self) -> impl Future<Output = Result<(Self::Link, Tail), SinkError>> + Send;
    /// Takes over the secrets and certificates of a configuration that was read again; all else stays as it was. A link
    /// that is open keeps what it was opened with.
    fn renew(&mut self, _: &config::Config) {}
    /// Watches so long whether another process with our journal writes: what shows it, if one does. Asked for when the
    /// journal does not know what a lane ends with. Cancel safe.
    fn rival(
        &self,
        _link: &mut Self::Link,
        _ours: Process,
        _patience: Duration,
    ) -> impl Future<Output = Result<Option<String>, SinkError>> + Send {
        async { Ok(None) }
    }
}

/// One connection; see the contract above.
pub trait Link: Send {
    /// Hands a batch over. Not cancel safe: the driver gives the link up if it does not return in time.
    fn send(&mut self, batch: &[Outgoing<'_>]) -> impl Future<Output = Result<(), SinkError>> + Send;
    /// The next acknowledgement. Cancel safe.
    fn acked(&mut self) -> impl Future<Output = Result<Acked, SinkError>> + Send;
    /// How many records it wants in flight at most.
    fn window(&self) -> usize {
        usize::MAX
    }
    /// What keeps it from delivering, though it has not ended: it mends that itself, or the driver gives it up in time.
    fn trouble(&self) -> Option<SinkError> {
        None
    }
    /// Whether nothing that is in flight can still reach the broker, so that another link may follow at once.
    fn is_cut_off(&self) -> bool {
        false
    }
    /// Why the broker refuses heartbeats, with the remedy. That does not keep it from delivering.
    fn refused_heartbeat(&self) -> Option<String> {
        None
    }
    /// Which of its lanes an event of this name goes to, of as many as its [`Tail`] had. The same each time.
    fn lanes(&self, _: &Names) -> Lanes {
        Lanes::One(0)
    }
    /// Publishes a dead letter, and waits for proof that the broker has it: `None`, or why the broker refuses it.
    fn letter(
        &mut self,
        letter: &Outgoing<'_>,
    ) -> impl Future<Output = Result<Option<String>, SinkError>> + Send {
        let sent = self.send(std::slice::from_ref(letter));
        async { sent.await.map(|()| None) }
    }
    /// Where an event goes, as its operator calls it.
    fn destination(&self, names: &Names) -> String {
        String::from_utf8_lossy(&names.destination).into_owned()
    }
    /// The largest message the broker takes, in bytes, headers included.
    fn largest(&self) -> usize {
        usize::MAX
    }
    /// Closes in good order. The driver bounds the time; dropping a link closes it at once.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// An event on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its place on the line; none for a status message, which is not acknowledged, and for a dead letter. An event that goes to several lanes
    /// comes once for each, one right after the other, and is settled when all have it.
    pub position: Option<Position>,
    /// The lane.
    pub lane: usize,
    /// Where it goes, and what it is called. Events of one name and entity share one value, so a link may keep
    /// what it has made of it.
    pub names: &'a Arc<Names>,
    /// The event.
    pub event: CloudEvent<'a>,
}

/// What a sink's lane ends with, read when a link is opened: the driver resumes right after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// The broker keeps nothing, or can't tell: go on from the cursor.
    Unknown,
    /// One lane for all sources, and its newest record; none when it is empty.
    Lane(Option<Stored>),
    /// Several, and of each the newest record of each source near its end, as the journal that wrote there last numbered
    /// them, and its last record if that is another one; none when it is empty. What comes last need not be the newest,
    /// where a broker takes what a dead link had sent.
    Lanes(Vec<Vec<Stored>>),
}

/// The lanes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// This one.
    One(usize),
    /// All there are.
    Every,
}

impl Lanes {
    fn among(self, count: usize) -> Range<usize> {
        match self {
            Self::One(lane) => lane..lane + 1,
            Self::Every => 0..count,
        }
    }
}

/// What the broker has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// Everything up to and including this position is settled.
    pub through: Position,
    /// Why the record at `through` itself was refused for good, if it was.
    pub refused: Option<String>,
}

/// What all drivers share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The bridge's name among others on the same bus.
    pub instance: Arc<str>,
    /// The line.
    pub journal: Journal,
    /// Names of the sources, by [`SourceId`](crate::event::SourceId).
    pub sources: Arc<[String]>,
    /// Names of the sinks, in the journal's order.
    pub sinks: Arc<[String]>,
    /// Everybody's state.
    pub board: Board,
    /// When the process began: tells its heartbeats from those of another that has the same journal.
    pub started: Timestamp,
    /// When to stop.
    pub stop: Stop,
    /// When to try again at once.
    pub retry: Call,
    /// Secrets and certificates that were read again.
    pub renewals: Renewals,
    /// Stop after this many published records.
    pub limit: Option<u64>,
    /// How long delivered records are kept.
    pub retain: Duration,
    /// How many drivers have made their first attempt: until then a broker may know numbers that the journal doesn't.
    pub opened: watch::Sender<usize>,
    /// What the drivers count.
    pub figures: Figures,
}

impl Context {
    /// For these sinks of a line, with nothing kept that was delivered.
    pub fn new(instance: &str, journal: Journal, sinks: Arc<[String]>) -> Self {
        Self {
            instance: instance.into(),
            sources: journal.sources(),
            journal,
            sinks,
            board: Board::default(),
            started: Timestamp::now(),
            stop: Stop::default(),
            retry: Call::default(),
            renewals: Renewals::default(),
            limit: None,
            retain: Duration::ZERO,
            opened: watch::Sender::new(0),
            figures: Figures::default(),
        }
    }
}

/// The body of a sink's task.
pub type Task = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The table of sinks: makes the driver of sink number `index`, and gives its task's body.
pub fn spawn(context: &Context, index: usize, config: &config::Config) -> Task {
    let options = Options {
        heartbeat: config.heartbeat,
        limit: context.limit,
        adopt: config.adopt,
        retain: context.retain,
        ..config.kind.options()
    };
    let driver = |subject| {
        let plan = Plan::new(context.journal.id(), Arc::clone(&context.sources), subject);
        Driver::new(context, index, plan, options)
    };
    match &config.kind {
        #[cfg(feature = "nats")]
        config::Kind::Nats(nats) => {
            let driver = driver(nats.subject.clone());
            match nats.mode {
                nats::config::Mode::Core => Box::pin(driver.run(nats::Nats::new(nats))),
                nats::config::Mode::JetStream => {
                    Box::pin(driver.run(nats::JetStream::new(nats, &context.sources, &context.instance)))
                }
            }
        }
        #[cfg(feature = "kafka")]
        config::Kind::Kafka(kafka) => {
            let driver = driver(Template::default());
            Box::pin(driver.run(kafka::Kafka::new(kafka, Arc::clone(&context.sources))))
        }
        config::Kind::Stdout(stdout) => {
            Box::pin(driver(Template::default()).run(stdout::Stdout::new(stdout)))
        }
    }
}

/// Publishes everything on the line in the class `replay`, and ends.
pub async fn replay(journal: Journal, name: &str, config: &config::Config) -> Outcome {
    let context = Context::new("replay", journal, [name.to_owned()].into());
    context.stop.drain();
    let options = Options { heartbeat: None, copies: true, ..Options::default() };
    let driver = |subject| {
        let plan = Plan::new(context.journal.id(), Arc::clone(&context.sources), subject).in_class(REPLAY);
        Driver::new(&context, 0, plan, options)
    };
    match &config.kind {
        // Subjects of this class lie outside any stream of ours: nothing fences them.
        #[cfg(feature = "nats")]
        config::Kind::Nats(nats) => driver(nats.subject.clone()).run(nats::Nats::new(nats)).await,
        #[cfg(feature = "kafka")]
        config::Kind::Kafka(kafka) => {
            let kafka = kafka::Kafka::new(kafka, Arc::clone(&context.sources));
            driver(Template::default()).run(kafka.for_replay()).await
        }
        config::Kind::Stdout(stdout) => driver(Template::default()).run(stdout::Stdout::new(stdout)).await,
    }
}

/// Calls `each` with every event that a sink's lane holds.
pub async fn read_back(
    config: &config::Config,
    sources: &[String],
    instance: &str,
    each: impl FnMut(&verify::Held),
) -> Result<(), SinkError> {
    match &config.kind {
        #[cfg(feature = "nats")]
        config::Kind::Nats(nats) if nats.mode == nats::config::Mode::JetStream => {
            nats::JetStream::new(nats, sources, instance).read_back(each).await
        }
        #[cfg(feature = "kafka")]
        config::Kind::Kafka(kafka) => kafka::Kafka::new(kafka, sources.into()).read_back(each).await,
        _ => {
            let _ = (sources, instance, each);
            Err(SinkError::operator(Trouble::Setup,
                "this sink keeps nothing that could be read back: only Kafka and mode \"jetstream\" of NATS do".to_owned(),
            ))
        }
    }
}

/// What a look at a sink found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// How things are.
    pub message: String,
    /// What somebody should see to, with the remedy.
    pub warnings: Vec<String>,
}

/// A sink that is tried out without its events, for `check`.
#[derive(Debug)]
pub enum Probe {
    /// NATS, in either mode.
    #[cfg(feature = "nats")]
    Nats(Box<nats::Probe>),
    /// Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::Probe>),
    /// Standard output.
    Stdout,
}

impl Probe {
    /// Reaches the sink.
    pub async fn connect(
        config: &config::Config,
        sources: &[String],
        instance: &str,
    ) -> Result<(Self, Looked), SinkError> {
        match &config.kind {
            #[cfg(feature = "nats")]
            config::Kind::Nats(nats) => {
                let (probe, looked) = nats::Probe::connect(nats, sources, instance).await?;
                Ok((Self::Nats(Box::new(probe)), looked))
            }
            #[cfg(feature = "kafka")]
            config::Kind::Kafka(kafka) => {
                let _ = instance;
                let (probe, looked) = kafka::Probe::connect(kafka, sources).await?;
                Ok((Self::Kafka(Box::new(probe)), looked))
            }
            config::Kind::Stdout(_) => {
                let _ = (sources, instance);
                let message = "standard output: there is nothing to reach".to_owned();
                Ok((Self::Stdout, Looked { message, warnings: Vec::new() }))
            }
        }
    }
}

impl Probe {
    /// Looks at the stream or the topics, and at who wrote what they end with.
    pub async fn look(&self, claim: &Claim) -> Result<Looked, SinkError> {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats(probe) => probe.look(claim).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(probe) => probe.look(claim).await,
            Self::Stdout => {
                let _ = claim;
                Ok(Looked::default())
            }
        }
    }

    /// Publishes a status message of each source, once.
    pub async fn publish(&mut self) -> Result<Looked, SinkError> {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats(probe) => probe.publish().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(probe) => probe.publish().await,
            Self::Stdout => Ok(Looked::default()),
        }
    }
}

/// How long a driver waits after an error only an operator can mend.
const SLOW: Duration = Duration::from_secs(30);
