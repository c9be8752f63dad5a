//! The reaction to a take-over: another session of the same account and `ua_type` replaces this one.
//!
//! The PBX asks the older session to make way, and admits the newer one when the older acknowledges or after 8 s. It closes
//! neither: it is up to the older one to end. So two programs that both insist would take over from each other forever.

use std::{fmt, time::Duration};

use crate::{event::OnTakeover, retry::Range};

/// An absence after a take-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    /// The policy in effect.
    pub policy: OnTakeover,
    /// Whether two programs fight for the session.
    pub contested: bool,
    /// Number of recent absences.
    pub round: u32,
}

/// Take-overs count as recent for this long.
pub const WINDOW: Duration = Duration::from_hours(1);
/// This many within [`WINDOW`] are a fight: the other program returns each time, as the bridge does.
pub const FIGHT: u32 = 4;
const QUIET: Range = Range { from: Duration::from_mins(10), to: Duration::from_mins(40) };
const RECLAIM: Range = Range { from: Duration::from_secs(30), to: Duration::from_mins(2) };

/// The absence that follows the `recent`th take-over.
pub(super) fn away(policy: OnTakeover, recent: u32) -> Away {
    let round = recent.saturating_sub(1);
    match policy {
        OnTakeover::Reclaim if recent >= FIGHT => {
            Away { policy: OnTakeover::StandBy, contested: true, round: recent - FIGHT }
        }
        policy => Away { policy, contested: recent >= FIGHT, round },
    }
}

impl Away {
    /// The duration. `None`: until it is requested.
    pub(super) fn pause(self) -> Option<Duration> {
        match self.policy {
            OnTakeover::Yield => None,
            OnTakeover::StandBy => Some(QUIET.nth(self.round)),
            OnTakeover::Reclaim => Some(RECLAIM.nth(self.round)),
        }
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another session of this account and `ua_type` has taken over: ")?;
        match self.policy {
            OnTakeover::StandBy if self.contested => write!(
                f,
                "{FIGHT} times or more within an hour, so two programs compete for it; standing by for minutes: give each \
                 an account of its own, or set ua_type = \"none\""
            ),
            OnTakeover::StandBy => f.write_str("standing by for minutes (on_takeover = \"stand-by\")"),
            OnTakeover::Yield => {
                f.write_str("staying away until SIGHUP or a restart (on_takeover = \"yield\")")
            }
            OnTakeover::Reclaim => f.write_str("returning in a moment (on_takeover = \"reclaim\")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reclaim_becomes_stand_by_once_it_is_a_fight() {
        let paces: Vec<_> = (1..=7).map(|recent| away(OnTakeover::Reclaim, recent)).collect();
        for (index, policy) in paces.iter().enumerate() {
            let fight = index >= 3;
            assert_eq!(
                (policy.contested, policy.policy == OnTakeover::StandBy),
                (fight, fight),
                "{policy:?}"
            );
            let least = if fight { Duration::from_mins(5) } else { Duration::from_secs(15) };
            assert!(policy.pause().unwrap_or_default() >= least, "{policy:?}");
        }
        // Two that reclaim: neither can be taken over more than four times before both are quiet for minutes.
        assert!(paces[3].pause() >= Some(Duration::from_mins(5)));
    }

    #[test]
    fn yield_awaits_a_request_and_stand_by_grows() {
        assert_eq!(away(OnTakeover::Yield, 1).pause(), None);
        for (recent, least) in [(1, 5), (2, 10), (3, 20), (9, 20)] {
            let pause = away(OnTakeover::StandBy, recent).pause().unwrap_or_default();
            assert!(pause >= Duration::from_mins(least) && pause <= Duration::from_mins(40), "{pause:?}");
        }
        assert!(away(OnTakeover::Yield, 9).contested && !away(OnTakeover::StandBy, 3).contested);
    }
}
