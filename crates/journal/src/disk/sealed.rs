//! Small checksummed files that are replaced atomically: the identity, and a cursor per sink.
//!
//! One line `cti-bridge <kind> <version> <crc32c of the rest, hex>`, then JSON, so that operators can read
//! them. Each is written to a temporary file, synced and renamed, and the directory is synced: a reader finds
//! either the old or the new content. Bytes after the JSON, which a file system may leave there after a power
//! failure, are ignored.

use std::{io, path::Path};

use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::fs::{self, Fs};

/// Version of the journal's files. All versions up to this one can be read.
pub(crate) const VERSION: u16 = 4;

/// Reason why a file is unreadable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The file does not exist.
    #[error("is missing")]
    Missing,
    /// The checksum does not match.
    #[error("is damaged")]
    Damaged,
    /// A later version wrote the file.
    #[error("was written by a later version of cti-bridge (format {0}, this one reads {VERSION})")]
    Newer(u16),
    /// The operating system reported an error.
    #[error("can't be read: {0}")]
    Io(io::Error),
}

/// Replaces the file atomically.
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

/// Reads and verifies the file.
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
    // The checksum is the same in every version, so damage is not mistaken for a later version.
    if crc != Some(crc32c::crc32c(json)) {
        return Err(Unreadable::Damaged);
    }
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    serde_json::from_slice(json).map_err(|_| Unreadable::Damaged)
}
