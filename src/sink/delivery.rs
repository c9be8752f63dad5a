//! The data that a driver and a link exchange.

use std::{ops::Range, sync::Arc};

use super::Stored;
use crate::{
    event::{CloudEvent, Position},
    route::Names,
};

/// An event on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its place on the line; none for a status message, which is not acknowledged, and for a dead letter. An event that goes to several partitions
    /// comes once for each, one right after the other, and is settled when all have it.
    pub position: Option<Position>,
    /// The partition.
    pub partition: usize,
    /// The destination and the names. Events of one name and entity share one value, so a link may keep
    /// what it has made of it.
    pub names: &'a Arc<Names>,
    /// The event.
    pub event: CloudEvent<'a>,
}

/// The last events of the broker's partitions, read when a link is opened: the driver resumes right after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// The broker keeps nothing, or can't tell: go on from the cursor.
    Unknown,
    /// For each partition: the newest event of each source near its end, as the journal that wrote there last numbered them,
    /// and its last event if that is another one. Empty for an empty partition. A stream is one partition. The last event
    /// need not be the newest where a broker accepts what a dead link had sent.
    Partitions(Vec<Vec<Stored>>),
}

/// The partitions of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// This one.
    One(usize),
    /// All there are.
    Every,
}

impl Partitions {
    pub(super) fn among(self, count: usize) -> Range<usize> {
        match self {
            Self::One(partition) => partition..partition + 1,
            Self::Every => 0..count,
        }
    }
}

/// The broker's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// Everything up to and including this position is settled.
    pub through: Position,
    /// The reason why the record at `through` itself was refused permanently, if it was.
    pub refused: Option<String>,
}
