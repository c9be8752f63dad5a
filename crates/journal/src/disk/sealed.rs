//! Small files that are replaced as a whole: the identity, and a cursor per sink.
//!
//! One line `cti-bridge <kind> <version> <crc32c of the rest, hex>`, then JSON, so that an operator can read
//! them. Written beside, synced, renamed, the directory synced: what is found is the old one or the new one. What stands
//! behind the JSON, as a file system may leave it there after a power failure, is nobody's.

use std::{io, path::Path};

use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::fs::{self, Fs};

/// The version of the journal's files. This one and the one before are read.
pub(crate) const VERSION: u16 = 2;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It isn't there.
    #[error("is missing")]
    Missing,
    /// Its content is not what was written.
    #[error("is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("was written by a later version of cti-bridge (format {0}, this one reads {VERSION})")]
    Newer(u16),
    /// The system refuses.
    #[error("can't be read: {0}")]
    Io(io::Error),
}

/// Replaces the file.
pub(crate) fn write<T: Serialize>(fs: &dyn Fs, path: &Path, kind: &str, value: &T) -> io::Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    let text = format!("cti-bridge {kind} {VERSION} {:08x}\n{json}\n", crc32c::crc32c(json.as_bytes()));
    let beside = path.with_extension("new");
    match fs.remove(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create(&beside)?;
    fs::append_all(&*file, text.as_bytes())?;
    file.sync()?;
    fs.rename(&beside, path)?;
    fs.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Reads the file.
pub(crate) fn read<T: DeserializeOwned>(fs: &dyn Fs, path: &Path, kind: &str) -> Result<T, Unreadable> {
    let content = fs::read(fs, path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Io(error),
    })?;
    let end = memchr::memchr(b'\n', &content).ok_or(Unreadable::Damaged)?;
    let (head, rest) = content.split_at(end);
    let head = std::str::from_utf8(head).map_err(|_| Unreadable::Damaged)?;
    let json = rest.trim_ascii_start();
    let mut values = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
    values.next().and_then(Result::ok).ok_or(Unreadable::Damaged)?;
    let json = &json[..values.byte_offset()];
    let mut words = head.split(' ');
    if (words.next(), words.next()) != (Some("cti-bridge"), Some(kind)) {
        return Err(Unreadable::Damaged);
    }
    let version: u16 = words.next().and_then(|word| word.parse().ok()).ok_or(Unreadable::Damaged)?;
    let crc = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
    // Every version is sealed alike, so that damage is not taken for a version.
    if crc != Some(crc32c::crc32c(json)) {
        return Err(Unreadable::Damaged);
    }
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    serde_json::from_slice(json).map_err(|_| Unreadable::Damaged)
}
