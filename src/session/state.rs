//! The session as a pure state machine: what happened → what to do.

use super::{
    retry_policy::{
        IMMEDIATE_RELOADS, IMMEDIATE_TRIES, PASSWORD_TRIES, PROVEN_TRIES, RELOAD_TRIES, RetryPolicy,
        SOCKET_TRIES,
    },
    takeover::{self, Away},
};
use crate::{
    auth::Consequence,
    event::{EndReason, OnTakeover},
};

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// The current phase.
    pub phase: Phase,
    /// Failed attempts since a session was last stable. Reset by [`Input::Settled`] only, never by connecting: the
    /// middleware accepts connections even while its backend is down.
    pub failures: u32,
    /// Consecutive refused attempts to get a token.
    pub denials: u32,
    /// Whether a login has ever succeeded, which proves that user name and password were right once.
    pub proven: bool,
    /// Logins refused on the socket since a session was last live.
    pub refusals: u32,
    /// Consecutive sessions that ended right after they were accepted, including the live one until it has lasted.
    pub short_lived: u32,
    /// Sessions that were ended because they delivered nothing, since the last event.
    pub silences: u32,
    /// Attempts at a new session since the PBX was reloaded; `None` once one is live. While there are few, a refusal on
    /// the socket is ignored: a PBX that reloads briefly recognises no token.
    pub reload: Option<u32>,
}

/// The phase of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Waiting before the next attempt.
    #[default]
    Waiting,
    /// Opening a socket to find out whether the PBX's backend is up. While the backend boots, the middleware answers every
    /// login as if the password were wrong, and drops every socket. Probing avoids attempts that could lock the account.
    Probing,
    /// Getting a token.
    Authenticating,
    /// Opening the socket and joining the namespace.
    Connecting,
    /// Waiting for the answer to the login.
    LoggingIn,
    /// Receiving events.
    Live,
    /// Receiving events while a new session is opened beside this one. The PBX was reloaded: a session keeps the rooms it
    /// joined at login, and the account's rights may have changed.
    Handover,
    /// Stopped permanently.
    Stopped,
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The wait is over.
    WaitOver,
    /// An operator requested an immediate attempt.
    RetryRequested,
    /// A token was obtained.
    Granted,
    /// No token was obtained.
    NotGranted(Consequence),
    /// The socket is open and the namespace joined.
    Connected,
    /// The socket could not be opened.
    NotConnected,
    /// The event `authe_ok`.
    Accepted,
    /// The event `401`.
    Refused,
    /// The login was not answered: the middleware silently drops a login with a token it does not recognise.
    Unanswered,
    /// The event `takeOver`.
    TakenOver {
        /// The configured reaction. `None` if the session has no `ua_type`, so that it cannot be the one addressed.
        policy: Option<OnTakeover>,
        /// Take-overs within [`takeover::WINDOW`], including this one.
        recent: u32,
    },
    /// The event `serverReloaded`.
    ServerReloaded {
        /// Whether a second session may be opened beside this one. Without a `ua_type` neither evicts the other.
        beside: bool,
    },
    /// The attempt at a new session beside the live one has ended.
    Successor(Attempt),
    /// The socket was closed.
    Ended(EndReason),
    /// The session has been live for some seconds, so it did not end right after it was accepted.
    Lasted,
    /// The session has been live long enough to count as stable.
    Settled,
    /// The session has delivered no event for too long.
    Silent,
    /// The first event since [`Input::Silent`] was received.
    Heard,
    /// The session's task panicked.
    Crashed,
    /// The bridge is stopping.
    Stop,
}

/// The outcome of an attempt at a new session beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The new session is live, and the events that both sessions delivered are known.
    Ready,
    /// No token was obtained.
    NotGranted(Consequence),
    /// The socket could not be opened, or was closed.
    NotConnected,
    /// The event `401`.
    Refused,
    /// The login was not answered.
    Unanswered,
}

/// An instruction to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Get a token.
    Authenticate,
    /// Open the socket.
    Connect,
    /// Send the login.
    LogIn,
    /// The session is live: append gap and `connected`, then what was held back.
    Begin,
    /// The session is over: append `disconnected`.
    End(EndReason),
    /// Close the socket.
    Close,
    /// Discard the token.
    Discard,
    /// Report the failure.
    Fail,
    /// Report the failure and append `auth.failed`. Follows [`Action::Wait`], as the notice names the next attempt.
    Deny {
        /// Consecutive refusals.
        failures: u32,
        /// Whether attempts are minutes apart from now on.
        slow: bool,
    },
    /// Send `takeOverAck`, so that the other session need not wait.
    MakeWay,
    /// Append `takenover`. Follows [`Action::Wait`], as the notice names the time of return.
    NoteTakeover(Option<Away>),
    /// Append `feed.silent`.
    NoteSilence,
    /// Report that the feed has recovered.
    ClearSilence,
    /// Wait before the next attempt.
    Wait(RetryPolicy),
    /// Attempt a new session beside the live one after this wait. Replaces an attempt in progress.
    Prepare(RetryPolicy),
    /// Replace the live session with the new one: append `disconnected`, gap and `connected`, close the old socket.
    Succeed,
    /// Wait for [`Input::Settled`].
    AwaitSettled,
    /// Reset the backoff.
    ResetBackoff,
}

/// Computes the next state and the actions that lead to it. Inputs that have no meaning in a phase are ignored.
pub fn step(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    use Phase as P;
    let to = |phase| State { phase, ..state };
    match (state.phase, input) {
        (P::Stopped, _) => (state, vec![]),
        (P::Live | P::Handover, Input::Stop) => (to(P::Stopped), vec![A::End(EndReason::Stopping), A::Close]),
        (_, Input::Stop) => (to(P::Stopped), vec![A::Close]),
        (_, Input::Crashed) => wait(state, RetryPolicy::Backoff, vec![]),
        (P::Waiting, Input::WaitOver | Input::RetryRequested) if state.denials > 0 => {
            (to(P::Probing), vec![A::Connect])
        }
        (P::Waiting, Input::WaitOver | Input::RetryRequested) => {
            (to(P::Authenticating), vec![A::Authenticate])
        }
        (P::Probing, Input::Connected) => (to(P::Authenticating), vec![A::Close, A::Authenticate]),
        // The token is kept: a middleware whose backend is starting accepts connections and drops them.
        (P::Probing | P::Connecting, Input::NotConnected) => wait(state, RetryPolicy::Outage, vec![A::Fail]),
        (P::Authenticating, Input::Granted) => {
            (State { phase: P::Connecting, denials: 0, proven: true, ..state }, vec![A::Connect])
        }
        (P::Authenticating, Input::NotGranted(consequence)) => match consequence {
            Consequence::Soon => wait(state, RetryPolicy::Outage, vec![A::Fail]),
            Consequence::Later | Consequence::NewLogin => wait(state, RetryPolicy::Backoff, vec![A::Fail]),
            Consequence::Slowly | Consequence::Operator => denied(state),
        },
        (P::Connecting, Input::Connected) => (to(P::LoggingIn), vec![A::LogIn]),
        (P::LoggingIn, Input::Accepted) => {
            let short_lived = state.short_lived.saturating_add(1);
            (State { phase: P::Live, refusals: 0, short_lived, reload: None, ..state }, vec![A::Begin])
        }
        (P::LoggingIn, Input::Refused) if is_reloading(state) => {
            let (state, policy) = reloading(state);
            wait(state, policy, vec![A::Close, A::Fail])
        }
        (P::LoggingIn, Input::Refused | Input::Unanswered) => refused(state, vec![A::Close, A::Discard]),
        (P::LoggingIn, Input::Ended(_)) => wait(state, RetryPolicy::Outage, vec![A::Close, A::Fail]),
        (P::Handover, input) => handover(state, input),
        (P::Live, input) => live(state, input),
        // Input that arrived too late.
        _ => (state, vec![]),
    }
}

fn live(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    match input {
        Input::Refused if is_reloading(state) => {
            let (state, policy) = reloading(state);
            wait(state, policy, vec![A::End(EndReason::LoginRefused), A::Close])
        }
        Input::Refused => refused(state, vec![A::End(EndReason::LoginRefused), A::Close, A::Discard]),
        Input::TakenOver { policy: None, .. } => (state, vec![A::NoteTakeover(None)]),
        Input::TakenOver { policy: Some(policy), recent } => {
            taken_over(state, takeover::away(policy, recent))
        }
        Input::ServerReloaded { beside: true } => {
            let (state, policy) = reloading(State { reload: Some(0), ..state });
            (State { phase: Phase::Handover, ..state }, vec![A::Prepare(policy)])
        }
        Input::ServerReloaded { beside: false } => {
            let state = State { reload: Some(0), ..state };
            wait(state, soon(state, IMMEDIATE_RELOADS), vec![A::End(EndReason::ServerReloaded), A::Close])
        }
        Input::Ended(reason) => wait(state, soon(state, 0), vec![A::End(reason), A::Close]),
        Input::Lasted => (State { short_lived: 0, ..state }, vec![A::AwaitSettled]),
        Input::Settled => (State { failures: 0, ..state }, vec![A::ResetBackoff]),
        // A new login joins the rooms again, which fixes the only fault of this kind that the bridge can fix. What it
        // cannot fix (the PBX has lost its telephone system) is reported once, not with each further attempt.
        Input::Silent => {
            let first = (state.silences == 0).then_some(A::NoteSilence);
            let end = [A::End(EndReason::FeedSilent), A::Close];
            let state = State { silences: state.silences.saturating_add(1), ..state };
            wait(state, RetryPolicy::Soon, first.into_iter().chain(end).collect())
        }
        Input::Heard => (State { silences: 0, ..state }, vec![A::ClearSilence]),
        // A second `authe_ok` (several stale sessions of this bridge were taken over), or input that arrived too late.
        _ => (state, vec![]),
    }
}

/// The live session continues until the new one replaces it, so no attempt is urgent.
fn handover(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    let again = |(state, policy)| (state, vec![A::Prepare(policy)]);
    match input {
        Input::Successor(Attempt::Ready) => {
            let phase = Phase::Live;
            let short_lived = state.short_lived.saturating_add(1);
            let state =
                State { phase, refusals: 0, denials: 0, proven: true, short_lived, reload: None, ..state };
            (state, vec![A::Succeed])
        }
        Input::Successor(Attempt::NotConnected) => again(reloading(state)),
        Input::Successor(Attempt::Refused) if is_reloading(state) => again(reloading(state)),
        Input::Successor(Attempt::Refused | Attempt::Unanswered) => {
            let (state, policy, _) = refusal(state);
            (state, vec![A::Discard, A::Prepare(policy)])
        }
        Input::Successor(Attempt::NotGranted(
            Consequence::Soon | Consequence::Later | Consequence::NewLogin,
        )) => again(reloading(state)),
        Input::Successor(Attempt::NotGranted(Consequence::Slowly | Consequence::Operator)) => {
            let (state, policy, _) = denial(state);
            again((state, policy))
        }
        // The attempt in progress may have been answered before this reload.
        Input::ServerReloaded { .. } => again(reloading(State { reload: Some(0), ..state })),
        Input::RetryRequested => again((state, RetryPolicy::AtOnce)),
        other => live(state, other),
    }
}

fn is_reloading(state: State) -> bool {
    state.reload.is_some_and(|tries| tries < RELOAD_TRIES)
}

/// Counts an attempt after a reload.
fn reloading(state: State) -> (State, RetryPolicy) {
    let tries = state.reload.unwrap_or_default();
    (State { reload: Some(tries.saturating_add(1)), ..state }, RetryPolicy::Reload(tries))
}

/// The wait after a live session: short, unless more than `allowed` consecutive sessions ended right after they were accepted.
fn soon(state: State, allowed: u32) -> RetryPolicy {
    state.short_lived.checked_sub(allowed + 1).map_or(RetryPolicy::Soon, RetryPolicy::ShortLived)
}

fn wait(state: State, policy: RetryPolicy, mut actions: Vec<Action>) -> (State, Vec<Action>) {
    actions.push(Action::Wait(policy));
    (State { phase: Phase::Waiting, failures: state.failures.saturating_add(1), ..state }, actions)
}

fn denied(state: State) -> (State, Vec<Action>) {
    let (state, policy, slow) = denial(state);
    let (state, mut actions) = wait(state, policy, vec![]);
    actions.push(Action::Deny { failures: state.denials, slow });
    (state, actions)
}

/// Counts a refused password: a few attempts soon, as many refusals are transient, then minutes apart, without end. The
/// last value: whether attempts are minutes apart now.
fn denial(state: State) -> (State, RetryPolicy, bool) {
    let denials = state.denials.saturating_add(1);
    let tries = if state.proven { PROVEN_TRIES } else { PASSWORD_TRIES };
    let slow = denials >= tries;
    let policy = if slow { RetryPolicy::Slow(denials - tries) } else { RetryPolicy::Careful(denials - 1) };
    (State { denials, ..state }, policy, slow)
}

fn refused(state: State, actions: Vec<Action>) -> (State, Vec<Action>) {
    let (state, policy, slow) = refusal(state);
    let (state, mut actions) = wait(state, policy, actions);
    let failures = state.refusals;
    actions.push(if slow { Action::Deny { failures, slow } } else { Action::Fail });
    (state, actions)
}

/// Counts a refusal on the socket. The first is followed by an immediate new login: the PBX has most likely lost the token.
fn refusal(state: State) -> (State, RetryPolicy, bool) {
    let refusals = state.refusals.saturating_add(1);
    let slow = refusals >= SOCKET_TRIES;
    let policy = match refusals {
        1 if state.failures < IMMEDIATE_TRIES => RetryPolicy::AtOnce,
        few if !slow => RetryPolicy::Careful(few.saturating_sub(2)),
        many => RetryPolicy::Slow(many - SOCKET_TRIES),
    };
    (State { refusals, ..state }, policy, slow)
}

/// The wait is set before the notices, which report how long it is.
fn taken_over(state: State, away: Away) -> (State, Vec<Action>) {
    use Action as A;
    let (state, mut actions) = wait(state, RetryPolicy::Away(away), vec![A::MakeWay]);
    actions.extend([A::NoteTakeover(Some(away)), A::End(EndReason::TakenOver), A::Close]);
    (state, actions)
}

#[cfg(test)]
mod tests;
