//! The journal's directory.

use bytesize::ByteSize;

use super::step::{Fault, Found};
use crate::{
    app::config::journal::Config,
    journal::look::{Look, Standing, look, shortage},
};

pub(super) async fn place(config: &Config) -> Result<(Option<Look>, Found), Fault> {
    let Some(disk) = config.disk.clone() else {
        return Ok((None, Found::well("in memory: undelivered events are lost with the process")));
    };
    let dir = disk.dir.clone();
    // A hung mount cannot be cancelled, only abandoned.
    let looking = tokio::task::spawn_blocking(move || look(&disk));
    let late = || Fault {
        exit: None,
        messages: vec![format!(
            "{} does not respond: its volume may be hung; repair it, or set [journal] dir to another",
            dir.display()
        )],
    };
    let look =
        tokio::time::timeout(super::PATIENCE, looking).await.map_err(|_| late())??.map_err(Fault::from)?;
    let standing = match look.standing {
        Standing::New => "will be created",
        Standing::Free => "can be used",
        Standing::InUse => "is in use by a running bridge",
    };
    let (free, bound, used) = (look.room.free, look.bound, look.used);
    let message = format!(
        "{} {standing}: {} of {} used, {} free on its volume",
        dir.display(),
        ByteSize(used),
        ByteSize(bound),
        ByteSize(free)
    );
    let found = Found::well(message)
        .warn(shortage(&dir, look.room, used, bound))
        .detail("inUse", look.standing == Standing::InUse)
        .detail("usedBytes", used)
        .detail("maxBytes", bound)
        .detail("freeBytes", free);
    Ok((Some(look), found))
}
