//! The journal's directory.

use bytesize::ByteSize;

use super::step::{Fault, Found};
use crate::{
    app::config::journal::Config,
    journal::inspect::{Inspection, LockState, inspect, shortage},
};

pub(super) async fn place(config: &Config) -> Result<(Option<Inspection>, Found), Fault> {
    let Some(disk) = config.disk.clone() else {
        return Ok((None, Found::well("in memory: undelivered events are lost with the process")));
    };
    let dir = disk.dir.clone();
    // A hung mount cannot be cancelled, only abandoned.
    let inspecting = tokio::task::spawn_blocking(move || inspect(&disk));
    let late = || Fault {
        exit: None,
        messages: vec![format!(
            "{} does not respond: its volume may be hung; repair it, or set [journal] dir to another",
            dir.display()
        )],
    };
    let inspection =
        tokio::time::timeout(super::PATIENCE, inspecting).await.map_err(|_| late())??.map_err(Fault::from)?;
    let lock = match inspection.lock {
        LockState::New => "will be created",
        LockState::Free => "can be used",
        LockState::InUse => "is in use by a running bridge",
    };
    let (free, bound, used) = (inspection.room.free, inspection.bound, inspection.used);
    let message = format!(
        "{} {lock}: {} of {} used, {} free on its volume",
        dir.display(),
        ByteSize(used),
        ByteSize(bound),
        ByteSize(free)
    );
    let found = Found::well(message)
        .warn(shortage(&dir, inspection.room, used, bound))
        .detail("inUse", inspection.lock == LockState::InUse)
        .detail("usedBytes", used)
        .detail("maxBytes", bound)
        .detail("freeBytes", free);
    Ok((Some(inspection), found))
}
