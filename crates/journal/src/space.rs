//! Space that a journal may use on its volume.

use std::path::Path;

use bytesize::ByteSize;

use crate::fs::Room;

/// Returns the default of `max_bytes`.
pub(crate) fn default_bound(room: Room) -> u64 {
    (2 << 30).min(room.total / 5)
}

/// Returns a warning if the volume is too small for the journal's maximum size. Its figures don't change with
/// each event, so that callers can compare it and report it once.
pub fn shortage(dir: &Path, room: Room, used: u64, bound: u64) -> Option<String> {
    let growth = bound.saturating_sub(used);
    (room.free < growth).then(|| {
        format!(
            "the volume of {} has less free space than the journal may still use (its limit is {}): free some, or set \
             [journal] max_bytes lower, so that the oldest events go and not the newest",
            dir.display(),
            ByteSize(bound)
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_volume_smaller_than_the_bound_is_a_shortage() {
        let dir = Path::new("/j");
        let room = Room { total: 100, free: 10 };
        assert_eq!(shortage(dir, room, 90, 100), None);
        let reported = shortage(dir, room, 89, 100).unwrap();
        assert!(reported.contains("/j") && reported.contains("max_bytes"), "{reported}");
        assert_eq!(
            shortage(dir, Room { free: 9, ..room }, 0, 100),
            shortage(dir, room, 0, 100),
            "reported once"
        );
    }
}
