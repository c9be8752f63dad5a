//! Recovery: opens a journal, repairs what is damaged, and determines the next numbers.

mod derived;
mod floors;
mod load;
mod survey;

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use self::survey::read_only;
use self::{
    derived::Restored,
    floors::Floors,
    load::Loading,
    survey::{Existing, identify, read_cursors, survey},
};
use event::{LossReason, Seq, SourceId};

use crate::{
    cursor::Cursor,
    derive::Derivation,
    disk::{
        head::Head,
        identity::Identity,
        sealed,
        store::{Limits, Store},
    },
    entry::Missing,
    fs::{Fs, Lock},
    log::{Log, Sink},
    monitor::Monitor,
    options::{Options, WhenFull},
    progress::{PreviousRun, SourceProgress},
    space::default_bound,
};

/// Reason why a journal can't be opened. Damaged data is never one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the journal.
    #[error(
        "another cti-bridge uses the journal in {}: stop it, or set [journal] dir to another directory", dir.display()
    )]
    Locked {
        /// Directory of the journal.
        dir: PathBuf,
    },
    /// The journal was written by a later version.
    #[error("{}: {reason}: run that version again, or set [journal] dir to a new directory", path.display())]
    Newer {
        /// Path of the file.
        path: PathBuf,
        /// Description of the version.
        reason: String,
    },
    /// The operating system reported an error.
    #[error("the journal in {}: {source}: {}", path.display(), remedy(source))]
    Io {
        /// Path of the file or directory.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "run this command with sudo; the bridge's own user must own the directory in [journal] dir"
    } else {
        "check that the directory in [journal] dir belongs to the user the bridge runs as, and that the disk is not full or read-only"
    }
}

/// Findings of the recovery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What was repaired or is missing, one sentence each.
    pub notes: Vec<String>,
}

/// Parts of an opened journal.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) identity: Identity,
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) recovery: Recovery,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// Returns the path of a sink's cursor file.
pub(crate) fn cursor_path(dir: &Path, sink: &str) -> PathBuf {
    dir.join("cursors").join(sink)
}

pub(crate) fn open(
    options: &Options,
    fs: &Arc<dyn Fs>,
    sources: &[String],
    sinks: &[String],
    monitor: Arc<dyn Monitor>,
    derivation: Option<&Derivation>,
) -> Result<Opened, OpenError> {
    let dir = &options.dir;
    let lock = claim(&**fs, dir)?;
    let mut notes = Vec::new();
    let found = survey(fs, dir, Some(&mut notes))?;
    let (mut identity, left) = identify(&**fs, dir, &found, &mut notes)?;
    // A file that was set aside may have held the newest numbers.
    let set_aside = !notes.is_empty();
    let known_sinks = identity.sinks.clone();
    identity.admit(sources, sinks);

    let names: Arc<[String]> = identity.sources.iter().map(|source| source.name.clone()).collect();
    let written = read_cursors(&**fs, dir, sinks, &known_sinks, &mut notes)?;
    let mut cursors = written.clone();
    let limits = at(dir, limits(options, &**fs))?;
    let store =
        Store::new(Arc::clone(fs), dir.join("segments"), identity.journal, Arc::clone(&names), limits);
    let store = at(dir, store)?;
    let mut loaded = Loading::of(store, dir, found, &mut cursors, &mut notes)?;
    loaded.progress.resize(names.len(), SourceProgress::default());
    let Loading { mut store, mut progress, mut end, torn, is_newest_intact } = loaded;
    let (before, loaded_end) = (progress.clone(), end);

    let clean = identity.clean;
    let floors = Floors { cursors: &cursors, now: fs.now() };
    let raised = floors.raise(&mut identity, &mut progress, &mut end, &mut notes);
    at(dir, identity.write(&**fs, dir))?;
    prove(&store, clean)?;
    let Restored { derives, missing, is_newest_fit } =
        Restored::of(&store, &before, derivation, set_aside, &mut notes);
    store.remove_empty();
    let path = store.dir.clone();
    let mut left_out = Vec::new();
    let numbers = progress.iter_mut().zip(before).zip(&raised);
    for (source, ((progress, before), raised)) in (0..).map(SourceId).zip(numbers) {
        if raised.skipped.is_some() || raised.is_beyond {
            let (from, to) = (before.next.max(Seq(1)), Seq(progress.next.0.saturating_sub(1)));
            left_out.push(Missing { source, count: 0, from, to });
            progress.next = before.next;
        }
    }
    if !(is_newest_intact && is_newest_fit && at(&path, store.resume_newest())?) {
        // What is missing is still to come: until it is written, an older head gives it.
        let head = Head::of(&derives).filter(|_| missing.is_empty());
        at(&path, store.begin(loaded_end, &progress, head.as_ref()))?;
    }
    store.synced = loaded_end;

    let mut log =
        Log::new(loaded_end, progress, options.memory, options.when_full).with_store(store, monitor);
    log.derives = derives;
    for (source, raised) in log.sources.iter_mut().zip(raised) {
        source.skipped = raised.skipped;
        source.has_lost = raised.is_beyond || torn || set_aside;
        source.previous_run = match left {
            Existing::New => PreviousRun::New,
            Existing::Known if clean => PreviousRun::Stopped,
            Existing::Known => PreviousRun::Crashed,
        };
    }
    log.mark_lost(end);
    log.skip(left_out);
    let is_missing = !missing.is_empty();
    for (source, session, derived) in missing {
        log.push_derived(source, session, derived);
    }
    attach(&mut log, &**fs, dir, sinks, (written, cursors))?;
    log.flush();
    if is_missing {
        log.replace_headless();
    }
    Ok(Opened { log, identity, lock, recovery: Recovery { notes } })
}

/// Creates and locks the directories.
fn claim(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn Lock>, OpenError> {
    for sub in ["", "segments", "cursors"] {
        let path = dir.join(sub);
        at(&path, fs.create_dir(&path))?;
    }
    // A directory's own entry must be synced in its parent, which this process may not be allowed to open.
    at(dir, fs.sync_dir(dir))?;
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        let _ = fs.sync_dir(above);
    }
    at(dir, fs.lock(&dir.join("lock")))?.ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })
}

/// Syncs the segments, so that all existing entries are on stable storage.
fn prove(store: &Store, clean: bool) -> Result<(), OpenError> {
    if clean {
        return Ok(());
    }
    // A killed process may have left unsynced data.
    for segment in &store.segments {
        at(&store.dir, segment.file.sync())?;
    }
    at(&store.dir, store.fs.sync_dir(&store.dir))
}

/// Gives each sink its cursor: the existing one; at the end, for a new sink; or at the beginning, if its
/// cursor is lost, because duplicates are better than losses. Corrects cursors that count records which a
/// power failure removed from the segments: otherwise later records would not count as pending.
fn attach(
    log: &mut Log,
    fs: &dyn Fs,
    dir: &Path,
    sinks: &[String],
    (mut written, mut cursors): (HashMap<String, Option<Cursor>>, HashMap<String, Option<Cursor>>),
) -> Result<(), OpenError> {
    let segments = log.store.as_ref().map(|store| &store.segments);
    let oldest = segments.and_then(VecDeque::front).map(|oldest| (oldest.first, oldest.progress.clone()));
    for name in sinks {
        let known = cursors.remove(name);
        let mut cursor = match (&known, &oldest) {
            (Some(Some(cursor)), _) => cursor.clone(),
            (Some(None), Some((first, progress))) => Cursor::new(*first, progress),
            _ => Cursor::new(log.end(), &log.progress),
        };
        for (source, progress) in cursor.sources.iter_mut().zip(&log.progress) {
            source.count = source.count.min(progress.count);
        }
        cursor.resume_announcing();
        // Written now: later entries would hide what needs repair.
        if written.remove(name).flatten().as_ref() != Some(&cursor) {
            cursor.charged = log.end();
            let path = cursor_path(dir, name);
            at(&path, sealed::write(fs, &path, "cursor", &cursor))?;
        }
        log.sinks.push(Sink::new(name, cursor));
    }
    if let Some((first, progress)) = oldest {
        log.skip_to(first, &progress, LossReason::Damaged);
    }
    log.recall_losses();
    Ok(())
}

fn limits(options: &Options, fs: &dyn Fs) -> io::Result<Limits> {
    let max_bytes = match options.max_bytes {
        Some(bytes) => bytes,
        None => default_bound(fs.room(&options.dir)?),
    };
    Ok(Limits {
        max_bytes,
        segment_bytes: (max_bytes / 16).clamp(16 << 10, 16 << 20),
        max_age: options.max_age,
        retain: options.retain,
        per_name: max_bytes / 100 * u64::from(options.name_quota),
        compacts: options.when_full == WhenFull::DropOldest,
    })
}
