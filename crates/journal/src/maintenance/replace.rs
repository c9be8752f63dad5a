//! Puts copies of segments in the place of the segments.

use std::io;

use super::Shared;
use crate::{
    disk::{compact::Copy, fill_level::Wanted, segment::file_name},
    fs::Fs,
};

/// Replaces files with their copy, which is in the same directory. Returns whether it did: the files may have been
/// removed meanwhile. The caller holds the compactor.
pub(super) fn put_in_place(
    shared: &Shared,
    fs: &dyn Fs,
    files: &[(u64, u32)],
    copy: Copy,
    wanted: Wanted,
) -> io::Result<bool> {
    let path = copy.path.clone();
    let (Some((generation, _)), Some(dir)) = (files.first(), path.parent()) else { return Ok(false) };
    let is_needed = shared.log().store.as_mut().is_some_and(|store| store.pin(files, wanted));
    if !is_needed {
        return fs.remove(&path).map(|()| false);
    }
    let renamed = fs.rename(&path, &dir.join(file_name(*generation)));
    let synced = match &renamed {
        Ok(()) => fs.sync_dir(dir),
        Err(_) => fs.remove(&path),
    };
    let mut log = shared.log();
    let gone = match &mut log.store {
        Some(store) if renamed.is_ok() => store.swap(files, copy),
        Some(store) => store.unpin(files),
        None => Vec::new(),
    };
    drop(log);
    renamed?;
    synced?;
    // A file that can't be removed now is removed at the next open.
    for generation in gone {
        let _ = fs.remove(&dir.join(file_name(generation)));
    }
    Ok(true)
}
