//! Behaviour when another session of the same account takes a session's place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a session does when it is taken over. Each answers the PBX, and ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnTakeover {
    /// Comes back after a quiet time: 5 to 10 minutes, longer if that is taken over again.
    StandBy,
    /// Stays away until an operator asks for it (SIGHUP), or a restart.
    Yield,
    /// Comes back after 15 to 30 s, then later; stands by when it is taken over four times within an hour.
    Reclaim,
}
