//! The logout of a command, unless a running bridge may have the same token.
//!
//! Two logins of an account within one second yield the same token, as it contains whole seconds and no serial number.
//! Logging it out would revoke the bridge's token too. So the command first asks a running bridge for the expiry of its
//! token, at its admin endpoint. Unless the answer proves another token, the command's is left to expire.

use std::{net::SocketAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use super::admin_client;
use crate::{
    admin::{
        self,
        served::{ServedAccount, ServedStatus},
    },
    auth::Account,
};

/// Limit of the logout; after it the token is left to expire.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// Two tokens whose expiries are closer may be the same: each was computed when its answer arrived.
const MIN_DIFFERENCE: SignedDuration = SignedDuration::from_mins(2);

/// The admin endpoint of the bridge that has this configuration; `None` if it has none.
pub(crate) fn bridge(admin: Option<&admin::config::Config>) -> Option<SocketAddr> {
    admin.map(|admin| admin_client::reachable(admin.listen))
}

/// Logs out the token of `account`, which belongs to the source of this name. Takes a few seconds at most.
pub(crate) async fn log_out(account: &Account, source: &str, bridge: Option<SocketAddr>) {
    let ours = account.stats().expires;
    match timeout(TIMEOUT, is_unshared(ours, source, bridge)).await {
        Ok(true) => account.logout(TIMEOUT).await,
        Ok(false) | Err(_) => {
            tracing::debug!(source, "token not logged out, as a running bridge may use the same one");
        }
    }
}

async fn is_unshared(ours: Option<Timestamp>, source: &str, bridge: Option<SocketAddr>) -> bool {
    // There is none to ask.
    let Some(bridge) = bridge else { return true };
    // Nothing listens there: no bridge is running.
    if TcpStream::connect(bridge).await.is_err() {
        return true;
    }
    let Ok(place) = Url::parse(&format!("http://{bridge}/")) else { return false };
    let Ok(answer) = admin_client::get(&place, "status").await else { return false };
    let Ok(status) = serde_json::from_str::<ServedStatus>(&answer.body) else { return false };
    match status.sources.iter().find(|known| known.name == source) {
        Some(known) => is_another_token(ours, known.account.as_ref(), Timestamp::now()),
        // The bridge has another configuration.
        None => true,
    }
}

/// Whether the bridge certainly has another token. Without a token, or when a renewal is due, it may be logging in.
fn is_another_token(ours: Option<Timestamp>, account: Option<&ServedAccount>, now: Timestamp) -> bool {
    let theirs = account.and_then(|account| account.token_expires);
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return false };
    let renewal = account.and_then(|account| account.token_renews);
    let renews = renewal.is_some_and(|at| at.duration_since(now) < MIN_DIFFERENCE);
    !renews && ours.duration_since(theirs).abs() >= MIN_DIFFERENCE
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_logged_out_only_if_the_bridge_has_another() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let ours = Some("2026-12-13T12:00:00Z".parse().unwrap());
        let account = |expires: &str, renews: &str| {
            Some(ServedAccount { token_expires: expires.parse().ok(), token_renews: renews.parse().ok() })
        };
        for (account, expected) in [
            (account("2026-12-10T12:00:00Z", "2026-12-07T12:00:00Z"), true),
            (account("2126-12-10T12:00:00Z", ""), true),
            (account("2026-12-13T12:00:00Z", "2026-12-10T12:00:00Z"), false),
            (account("2026-12-13T11:59:00Z", "2026-12-10T12:00:00Z"), false),
            (account("2026-12-10T12:00:00Z", "2026-11-29T12:00:30Z"), false),
            (account("2026-12-10T12:00:00Z", "2026-11-29T11:00:00Z"), false),
            (account("", ""), false),
            (None, false),
        ] {
            assert_eq!(is_another_token(ours, account.as_ref(), now), expected, "{account:?}");
        }
        assert!(!is_another_token(None, account("2026-12-10T12:00:00Z", "").as_ref(), now));
    }
}
