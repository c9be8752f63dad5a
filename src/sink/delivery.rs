//! The data that a driver and a link exchange.

use std::{ops::Range, sync::Arc};

use super::Stored;
use crate::{
    event::{CloudEvent, Position},
    route::Names,
};

/// An event to publish.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its position in the journal. `None` for a status message, which is not acknowledged, and for a dead letter. An event for several
    /// partitions appears once for each, consecutively, and is settled once all have it.
    pub position: Option<Position>,
    /// The partition.
    pub partition: usize,
    /// The destination and the names. Events of one name and entity share one value, so a link may cache
    /// what it derives from it.
    pub names: &'a Arc<Names>,
    /// The event.
    pub event: CloudEvent<'a>,
}

/// The last events of the broker's partitions, read when a link is opened: the driver resumes right after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// The broker stores nothing, or can't be read: resume from the cursor.
    Unknown,
    /// By partition: the newest event of each source near its end, by the numbers of the journal that wrote there last,
    /// and the last event if that is another one. Empty for an empty partition. A stream is one partition. The last event
    /// need not be the newest if the broker accepts late messages of a previous link.
    Partitions(Vec<Vec<Stored>>),
}

/// The partitions of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// This one.
    One(usize),
    /// All partitions.
    Every,
}

impl Partitions {
    /// Returns the indexes, of `count` partitions.
    pub(super) fn among(self, count: usize) -> Range<usize> {
        match self {
            Self::One(partition) => partition..partition + 1,
            Self::Every => 0..count,
        }
    }
}

/// An acknowledgement of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// Everything up to and including this position is settled.
    pub through: Position,
    /// The reason why the record at `through` was refused permanently. `None` if it was stored.
    pub refused: Option<String>,
}
