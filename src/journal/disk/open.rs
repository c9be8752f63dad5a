//! Opening a journal: what is there, what of it can be used, and which number comes next.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    identity::{Identity, RESERVE, Source},
    mend::{Suspect, quarantine},
    sealed::{self, Unreadable},
    segment::{self, BadHeader, Header, Opened as Found},
    store::{Limits, Segment, Store},
};
use crate::{
    event::{JournalId, LossReason, Position, Seq, SourceId},
    health::Component,
    journal::{
        config::Disk,
        cursor::Cursor,
        fs::{Fs, Lock, Room},
        line::{Before, Hole, Line, Missing, Sink, Standing},
    },
};

/// Why a journal can't be opened. Its data is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "another cti-bridge uses the journal in {}: stop it, or set [journal] dir to another directory", dir.display()
    )]
    Locked {
        /// Its directory.
        dir: PathBuf,
    },
    /// A later version wrote it.
    #[error("{}: {reason}: run that version again, or set [journal] dir to a new directory", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Which version.
        reason: String,
    },
    /// The system refuses.
    #[error("the journal in {}: {source}: check that the directory in [journal] dir belongs to the user the bridge runs as, and that the disk is not full or read-only", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was found at opening, a sentence each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What was repaired, or is missing.
    pub notes: Vec<String>,
}

/// An opened journal's parts.
#[derive(Debug)]
pub(in crate::journal) struct Opened {
    pub(in crate::journal) line: Line,
    pub(in crate::journal) identity: Identity,
    pub(in crate::journal) lock: Box<dyn Lock>,
    pub(in crate::journal) recovery: Recovery,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// Name of a sink's cursor file.
pub(crate) fn cursor_path(dir: &Path, sink: &str) -> PathBuf {
    dir.join("cursors").join(sink)
}

/// Removed when numbers are given that leave no trace on the disk.
pub(crate) fn sure_path(segments: &Path) -> PathBuf {
    segments.with_file_name("sure")
}

pub(in crate::journal) fn open(
    config: &Disk,
    fs: &Arc<dyn Fs>,
    sources: &[String],
    sinks: &[String],
    health: Component,
) -> Result<Opened, OpenError> {
    let dir = &config.dir;
    for sub in ["", "segments", "cursors"] {
        let path = dir.join(sub);
        at(&path, fs.create_dir(&path))?;
    }
    // A directory is a name in the one above it, and as easily forgotten. The one above may not be ours to open.
    at(dir, fs.sync_dir(dir))?;
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        let _ = fs.sync_dir(above);
    }
    let lock = at(dir, fs.lock(&dir.join("lock")))?.ok_or_else(|| OpenError::Locked { dir: dir.clone() })?;
    let mut notes = Vec::new();
    let found = survey(&**fs, dir, Some(&mut notes))?;
    let (mut identity, before) = identify(&**fs, dir, &found, &mut notes)?;
    // What can't be used may have held the newest numbers.
    let set_aside = !notes.is_empty();
    let known_sinks = identity.sinks.clone();
    for name in sources
        .iter()
        .filter(|name| !identity.sources.iter().any(|source| source.name == **name))
        .cloned()
        .collect::<Vec<_>>()
    {
        identity.sources.push(Source { name, reserved: Seq(0), seen: None });
    }
    for name in sinks.iter().filter(|name| !known_sinks.contains(name)) {
        identity.sinks.push(name.clone());
    }

    let names: Arc<[String]> = identity.sources.iter().map(|source| source.name.clone()).collect();
    let cursors = read_cursors(&**fs, dir, sinks, &known_sinks, &mut notes)?;
    let limits = at(dir, limits(config, &**fs))?;
    let store =
        Store::new(Arc::clone(fs), dir.join("segments"), identity.journal, Arc::clone(&names), limits);
    let unsure = before == Left::Known && !identity.clean && fs.open(&sure_path(&store.dir), false).is_err();
    let mut opening =
        Opening { store, holes: BTreeMap::new(), standing: Vec::new(), end: Position(1), torn: false };
    opening.load(dir, found, &cursors, &mut notes)?;
    opening.standing.resize(names.len(), Standing::default());
    let Opening { mut store, holes, mut standing, mut end, torn } = opening;

    let clean = identity.clean;
    let torn = torn || unsure || set_aside;
    let floors = Floors { cursors: &cursors, torn, boot: fs.boot() };
    let skipped = floors.raise(&mut identity, &mut standing, &mut end, &mut notes);
    at(dir, identity.write(&**fs, dir))?;

    if !clean {
        // What a killed process had not synced is nobody's business but ours.
        for segment in &store.segments {
            at(&store.dir, segment.file.sync())?;
        }
        at(&store.dir, fs.sync_dir(&store.dir))?;
    }
    let sure = sure_path(&store.dir);
    if fs.open(&sure, false).is_err() {
        at(&sure, fs.create(&sure))?;
    }
    store.remove_empty();
    let path = store.dir.clone();
    at(&path, store.begin(end, &standing))?;
    store.synced = end;
    let mut line =
        Line::new(end, standing.clone(), config.memory, config.when_full).with_store(store, health);
    line.holes = holes;
    for (source, skipped) in line.sources.iter_mut().zip(skipped) {
        source.skipped = skipped;
        source.before = match before {
            Left::New => Before::New,
            Left::Known if clean => Before::Stopped,
            Left::Known => Before::Crashed,
        };
    }
    let oldest = line
        .store
        .as_ref()
        .and_then(|store| store.segments.front())
        .map(|oldest| (oldest.first, oldest.standing.clone()));
    for name in sinks {
        let cursor = match cursors.get(name) {
            Some(Some(cursor)) => cursor.clone(),
            // Known, and its cursor is gone: rather twice than never.
            Some(None) => oldest.as_ref().map_or_else(
                || Cursor::new(end, &standing),
                |(first, standing)| Cursor::new(*first, standing),
            ),
            None => Cursor::new(end, &standing),
        };
        if !matches!(cursors.get(name), Some(Some(_))) {
            let path = cursor_path(dir, name);
            at(&path, sealed::write(&**fs, &path, "cursor", &cursor))?;
        }
        line.sinks.push(Sink::new(name, cursor));
    }
    if let Some((first, standing)) = oldest {
        line.skip_to(first, &standing, LossReason::Damaged);
    }
    Ok(Opened { line, identity, lock, recovery: Recovery { notes } })
}

/// Numbers that are skipped when nothing tells how many were reserved: more than the clock can lag behind them.
const LOST_IDENTITY: u64 = 64 * RESERVE;

/// What numbers have to stay above.
struct Floors<'a> {
    cursors: &'a HashMap<String, Option<Cursor>>,
    torn: bool,
    boot: String,
}

impl Floors<'_> {
    /// Sets the next number of each source and the next position, and reserves numbers. Yields those skipped.
    fn raise(
        self,
        identity: &mut Identity,
        standing: &mut [Standing],
        end: &mut Position,
        notes: &mut Vec<String>,
    ) -> Vec<Option<(Seq, Seq)>> {
        let cursors = || self.cursors.values().flatten();
        let beyond = cursors().any(|cursor| {
            let numbers = cursor.lanes.iter().zip(standing.iter());
            cursor.next > *end
                || numbers.into_iter().any(|(lane, standing)| lane.last >= standing.next && lane.last.0 > 0)
        });
        if beyond {
            notes.push(
                "a cursor lies beyond the end of the journal: its newest records are lost, and numbers go on above them"
                    .to_owned(),
            );
        }
        let other_boot = identity.boot != self.boot || self.boot.is_empty();
        let uncertain = self.torn || beyond || identity.uncertain || (!identity.clean && other_boot);
        *end = cursors().map(|cursor| cursor.next).fold(*end, Position::max);
        let now = Seq(u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default());
        let mut skipped = Vec::new();
        for (index, (standing, source)) in standing.iter_mut().zip(&mut identity.sources).enumerate() {
            let lanes = cursors().filter_map(|cursor| cursor.lanes.get(index));
            let floor = lanes.map(|lane| lane.last.next()).fold(standing.next, Seq::max);
            // A new source; or one whose reservation is lost, and no clock ran slower than one event a microsecond.
            let unreserved = source.reserved == Seq(0);
            let is_new = standing.next == Seq(0) && unreserved;
            // Without a segment to tell, what is reserved may have been given.
            let next = match uncertain || standing.next == Seq(0) {
                true if is_new && !self.torn => floor.max(now),
                true if unreserved => Seq(floor.max(now).0 + LOST_IDENTITY),
                true => floor.max(source.reserved),
                false => floor,
            };
            skipped.push((!is_new && next > standing.next).then(|| (standing.next, Seq(next.0 - 1))));
            standing.next = next;
            standing.seen = standing.seen.max(source.seen);
            source.reserved = Seq(next.0 + RESERVE);
        }
        (identity.boot, identity.clean, identity.uncertain) = (self.boot, false, false);
        skipped
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    New,
    Known,
}

/// All segments, the oldest generation first. With `notes`, what is none is moved to `quarantine/`; without, left out.
fn survey(fs: &dyn Fs, dir: &Path, mut notes: Option<&mut Vec<String>>) -> Result<Vec<Found>, OpenError> {
    let segments = dir.join("segments");
    let mut found = Vec::new();
    for name in at(&segments, fs.list(&segments))? {
        let path = segments.join(&name);
        match segment::open(fs, &segments, &name) {
            None => {}
            Some(Ok(segment)) => found.push(segment),
            Some(Err(BadHeader::Newer(version))) => {
                return Err(OpenError::Newer { path, reason: BadHeader::Newer(version).to_string() });
            }
            Some(Err(BadHeader::Io(source))) => return Err(OpenError::Io { path, source }),
            Some(Err(BadHeader::Damaged)) => {
                if let Some(notes) = &mut notes {
                    let aside = at(&path, quarantine(fs, dir, &path))?;
                    notes.push(format!(
                        "{}: {}; it is kept as {}",
                        path.display(),
                        BadHeader::Damaged,
                        aside.display()
                    ));
                }
            }
        }
    }
    found.sort_by_key(|found| found.header.generation);
    Ok(found)
}

fn identify(
    fs: &dyn Fs,
    dir: &Path,
    found: &[Found],
    notes: &mut Vec<String>,
) -> Result<(Identity, Left), OpenError> {
    let path = Identity::path(dir);
    match Identity::read(fs, dir) {
        Ok(identity) => return Ok((identity, Left::Known)),
        Err(Unreadable::Newer(version)) => {
            return Err(OpenError::Newer { path, reason: Unreadable::Newer(version).to_string() });
        }
        Err(Unreadable::Io(source)) => return Err(OpenError::Io { path, source }),
        Err(Unreadable::Damaged) => {
            let aside = at(&path, quarantine(fs, dir, &path))?;
            notes.push(format!("{} is damaged and kept as {}", path.display(), aside.display()));
        }
        Err(Unreadable::Missing) if !found.is_empty() => notes.push(format!("{} is missing", path.display())),
        Err(Unreadable::Missing) => {}
    }
    // The segments know the name and the sources. How it was left, and what was reserved, they don't.
    let newest = found.last().map(|found| &found.header);
    let sources = newest.into_iter().flat_map(|header| &header.sources);
    let identity = Identity {
        journal: newest.map_or_else(JournalId::draw, |header| header.journal),
        boot: String::new(),
        clean: false,
        uncertain: newest.is_some(),
        sources: sources
            .map(|(name, _)| Source { name: name.clone(), reserved: Seq(0), seen: None })
            .collect(),
        sinks: fs.list(&dir.join("cursors")).unwrap_or_default(),
    };
    Ok((identity, if newest.is_some() { Left::Known } else { Left::New }))
}

/// The cursors of the sinks that were there before; none for one that can't be read.
fn read_cursors(
    fs: &dyn Fs,
    dir: &Path,
    sinks: &[String],
    known: &[String],
    notes: &mut Vec<String>,
) -> Result<HashMap<String, Option<Cursor>>, OpenError> {
    let mut cursors = HashMap::new();
    for name in sinks.iter().filter(|name| known.contains(name)) {
        let path = cursor_path(dir, name);
        let cursor = match sealed::read::<Cursor>(fs, &path, "cursor") {
            Ok(cursor) => Some(cursor),
            Err(Unreadable::Newer(version)) => {
                return Err(OpenError::Newer { path, reason: Unreadable::Newer(version).to_string() });
            }
            Err(error) => {
                if !matches!(error, Unreadable::Missing) {
                    let _ = quarantine(fs, dir, &path);
                }
                notes.push(format!(
                    "{} {error}: the sink gets everything that is still there again",
                    path.display()
                ));
                None
            }
        };
        cursors.insert(name.clone(), cursor);
    }
    Ok(cursors)
}

fn limits(config: &Disk, fs: &dyn Fs) -> io::Result<Limits> {
    let max_bytes = match config.max_bytes {
        Some(bytes) => bytes,
        None => default_bound(fs.room(&config.dir)?),
    };
    Ok(Limits {
        max_bytes,
        segment_bytes: (max_bytes / 16).clamp(16 << 10, 16 << 20),
        max_age: config.max_age,
        retain: config.retain,
        per_name: max_bytes / 100 * u64::from(config.name_quota),
    })
}

/// `max_bytes` where it is not set.
pub(in crate::journal) fn default_bound(room: Room) -> u64 {
    (2 << 30).min(room.total / 5)
}

struct Opening {
    store: Store,
    holes: BTreeMap<Position, Hole>,
    standing: Vec<Standing>,
    end: Position,
    torn: bool,
}

impl Opening {
    /// Looks through what is not delivered, and the newest segment; the others are believed until they are read.
    fn load(
        &mut self,
        dir: &Path,
        found: Vec<Found>,
        cursors: &HashMap<String, Option<Cursor>>,
        notes: &mut Vec<String>,
    ) -> Result<(), OpenError> {
        let needed =
            cursors.values().map(|cursor| cursor.as_ref().map_or(Position(0), |cursor| cursor.next)).min();
        let firsts: Vec<Position> = found.iter().map(|found| found.header.first).collect();
        let count = found.len();
        for (index, Found { name, file, header, start }) in found.into_iter().enumerate() {
            // A later generation is right about what it holds.
            let limit = firsts.iter().skip(index + 1).min().copied().unwrap_or(Position(u64::MAX));
            self.store.next_generation = header.generation + 1;
            if header.first >= limit {
                let _ = self.store.fs.remove(&self.store.dir.join(&name));
                continue;
            }
            let is_newest = index + 1 == count;
            let mut segment = Segment {
                generation: header.generation,
                start: start as u64,
                length: at(&self.store.dir, file.length())?,
                first: header.first,
                end: limit,
                begun: header.created,
                standing: header.standing(),
                newest: Some(header.created),
                passed: None,
                tally: HashMap::new(),
                file: Arc::clone(&file),
            };
            self.bridge(&header);
            if is_newest || needed.is_none_or(|needed| limit > needed) {
                let path = self.store.dir.join(&name);
                let names = &mut self.store.names;
                let tally = &mut segment.tally;
                let suspect =
                    Suspect { fs: &*self.store.fs, dir, path: &path, file, header: &header, start, limit };
                let mended = suspect.mend(notes, |record, size| {
                    *tally.entry(names.of(&record.body)).or_default() += size as u64;
                });
                let mended = at(&path, mended)?;
                segment.file = mended.file;
                segment.length = mended.length;
                segment.end = mended.summary.end;
                segment.newest = mended.summary.newest.or(segment.newest);
                self.torn |= is_newest && mended.summary.torn > 0;
                self.holes.extend(mended.summary.holes.into_iter().map(|hole| (hole.from, hole)));
                self.standing = mended.summary.standing;
                self.end = segment.end;
            } else {
                self.standing = Vec::new();
                self.end = limit;
            }
            self.store.add(segment);
        }
        Ok(())
    }

    /// Between two segments: if the first ends early, its last records are missing.
    fn bridge(&mut self, next: &Header) {
        if self.standing.is_empty() || self.store.segments.is_empty() || next.first <= self.end {
            return;
        }
        let before = self.standing.iter().cloned().chain(std::iter::repeat(Standing::default()));
        let missing = (0_u16..).map(SourceId).zip(before).zip(next.standing()).filter_map(
            |((source, before), after)| {
                let count = after.count.saturating_sub(before.count);
                (count > 0).then(|| Missing {
                    source,
                    count,
                    from: before.next,
                    to: Seq(after.next.0.saturating_sub(1)),
                })
            },
        );
        let hole = Hole { from: self.end, to: next.first, missing: missing.collect() };
        if !hole.missing.is_empty() {
            self.holes.insert(hole.from, hole);
        }
    }
}

/// The segments of a journal that another process may be writing to, oldest first; nothing is changed.
pub(crate) fn read_only(fs: &dyn Fs, dir: &Path) -> Result<Vec<Found>, OpenError> {
    survey(fs, dir, None)
}
