//! Actions of an administrator on a running PBX, or of a user on their own account in the web interface.
//!
//! Open sockets stay: the PBX does not check a session again after its login.

use std::{sync::atomic::Ordering, time::Duration};

use super::{Simulator, lock};

impl Simulator {
    /// Changes a user's password, from the next login on; tokens stay valid.
    pub fn change_password(&self, username: &str, password: &str) {
        lock(&self.pbx.accounts).change_password(username, password);
    }

    /// Switches two-factor authentication on with this base32 secret, or off. A change ends all tokens of the user:
    /// REST answers 403, and a login frame is dropped in silence when it was switched on, refused with `401` when it was
    /// switched off. Only the latter is written to disk, so that a restart of the middleware brings the tokens of before
    /// back. Off when it is off changes nothing.
    pub fn two_factor(&self, username: &str, secret: Option<&str>) {
        let mut accounts = lock(&self.pbx.accounts);
        match secret {
            Some(secret) => accounts.enable(username, secret),
            None => drop(accounts.disable(username)),
        }
    }

    /// Revokes all tokens of a user: REST answers 403, a login frame is dropped.
    pub fn revoke(&self, username: &str) {
        lock(&self.pbx.accounts).revoke(username);
    }

    /// Applies a configuration: for so long the backend knows no tokens (REST answers 401, a login frame gets `401`) and
    /// tells of no changes, then it has them again and sends `serverReloaded`.
    pub async fn reload(&self, takes: Duration) {
        self.pbx.reloading.store(true, Ordering::Relaxed);
        tokio::time::sleep(takes).await;
        self.pbx.reloading.store(false, Ordering::Relaxed);
        self.emit("serverReloaded", "");
    }
}
