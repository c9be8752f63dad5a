//! The session as a pure state machine: what happened → what to do.

use super::{
    pace::{HASTY_RELOADS, HASTY_TRIES, PASSWORD_TRIES, PROVEN_TRIES, Pace, RELOAD_TRIES, SOCKET_TRIES},
    takeover::{self, Away},
};
use crate::{
    auth::Consequence,
    event::{EndReason, OnTakeover},
};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// Attempts since things last went well for a while. Set back by [`Input::Settled`] only, never by
    /// connecting: the middleware takes connections also while its backend is down.
    pub failures: u32,
    /// Attempts to get a token that were refused, in a row.
    pub denials: u32,
    /// Whether there ever was a token: then user name and password were right once.
    pub proven: bool,
    /// Logins refused on the socket since a session was last live.
    pub refusals: u32,
    /// Sessions in a row that have not lasted, with the live one while it has yet to.
    pub short_lived: u32,
    /// Sessions that were ended because they brought nothing, since an event last came.
    pub silences: u32,
    /// Attempts at a new session since the PBX was reloaded; `None` once one is live. While there are few, a refusal on
    /// the socket counts for nothing: a PBX that reloads knows no token for a moment.
    pub reload: Option<u32>,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Waiting before the next attempt.
    #[default]
    Resting,
    /// Opening a socket to see whether the PBX's backend is up. While it boots, the middleware answers every login
    /// as it does a wrong password, and drops every socket: so this spares the account attempts that may lock it.
    Probing,
    /// Getting a token.
    Authenticating,
    /// Opening the socket, up to the namespace.
    Connecting,
    /// The login is sent; the answer is awaited.
    LoggingIn,
    /// Receiving events.
    Live,
    /// Receiving events, while a new session is opened beside this one. The PBX was reloaded: the rooms of a session are
    /// those of its login, and the account's rights may have changed.
    Handover,
    /// Stopped for good.
    Stopped,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The wait is over.
    Rested,
    /// An operator asks for an attempt at once.
    Nudged,
    /// There is a token.
    Granted,
    /// There is none.
    NotGranted(Consequence),
    /// The socket is open and its namespace joined.
    Connected,
    /// It could not be opened.
    NotConnected,
    /// The event `authe_ok`.
    Accepted,
    /// The event `401`.
    Refused,
    /// The login was not answered: the middleware drops a login with a token it does not know in silence.
    Unanswered,
    /// The event `takeOver`.
    TakenOver {
        /// What to do about it. None: the session is of no kind, and can't be meant.
        policy: Option<OnTakeover>,
        /// Take-overs of late, with this one; see [`takeover::WINDOW`].
        recent: u32,
    },
    /// The event `serverReloaded`.
    ServerReloaded {
        /// Whether a second session may be opened beside this one: it has no `ua_type`, so neither evicts the other.
        beside: bool,
    },
    /// The attempt at a new session beside the live one has ended.
    Successor(Attempt),
    /// The socket has ended.
    Ended(EndReason),
    /// The session has been live for some seconds: it did not end as soon as it was accepted.
    Lasted,
    /// The session has been live for a while.
    Settled,
    /// The session has brought no event for too long.
    Silent,
    /// An event came, the first since [`Input::Silent`].
    Heard,
    /// The session's task panicked.
    Crashed,
    /// The bridge stops.
    Stop,
}

/// How an attempt at a new session beside the live one has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It is live, and what both sessions delivered is known.
    Ready,
    /// There is no token.
    NotGranted(Consequence),
    /// The socket could not be opened, or has ended.
    NotConnected,
    /// The event `401`.
    Refused,
    /// The login was not answered.
    Unanswered,
}

/// What to do.
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
    /// Forget the token.
    Discard,
    /// Tell what went wrong.
    Fail,
    /// Tell it, and raise the alarm: append `auth.failed`. After [`Action::Rest`], as it tells of the next attempt.
    Deny {
        /// Refusals in a row.
        failures: u32,
        /// Whether attempts come minutes apart from now on.
        slow: bool,
    },
    /// Send `takeOverAck`, so that the other session need not wait.
    MakeWay,
    /// Append `takenover`. After [`Action::Rest`], as it tells of the return.
    NoteTakeover(Option<Away>),
    /// Append `feed.silent`.
    NoteSilence,
    /// The feed is back.
    ClearSilence,
    /// Wait before the next attempt.
    Rest(Pace),
    /// Make an attempt at a new session beside the live one, after this. It replaces one that is under way.
    Prepare(Pace),
    /// The new session takes the place of the live one: append `disconnected`, gap and `connected`, close the old socket.
    Succeed,
    /// Wait for [`Input::Settled`].
    AwaitSettled,
    /// Start the backoff anew.
    ResetBackoff,
}

/// One step. Inputs that mean nothing in a phase change nothing.
pub fn step(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    use Phase as P;
    let to = |phase| State { phase, ..state };
    match (state.phase, input) {
        (P::Stopped, _) => (state, vec![]),
        (P::Live | P::Handover, Input::Stop) => (to(P::Stopped), vec![A::End(EndReason::Stopping), A::Close]),
        (_, Input::Stop) => (to(P::Stopped), vec![A::Close]),
        (_, Input::Crashed) => rest(state, Pace::Backoff, vec![]),
        (P::Resting, Input::Rested | Input::Nudged) if state.denials > 0 => {
            (to(P::Probing), vec![A::Connect])
        }
        (P::Resting, Input::Rested | Input::Nudged) => (to(P::Authenticating), vec![A::Authenticate]),
        (P::Probing, Input::Connected) => (to(P::Authenticating), vec![A::Close, A::Authenticate]),
        // The token is kept: a middleware whose backend starts up takes connections and drops them.
        (P::Probing | P::Connecting, Input::NotConnected) => rest(state, Pace::Outage, vec![A::Fail]),
        (P::Authenticating, Input::Granted) => {
            (State { phase: P::Connecting, denials: 0, proven: true, ..state }, vec![A::Connect])
        }
        (P::Authenticating, Input::NotGranted(consequence)) => match consequence {
            Consequence::Soon => rest(state, Pace::Outage, vec![A::Fail]),
            Consequence::Later | Consequence::NewLogin => rest(state, Pace::Backoff, vec![A::Fail]),
            Consequence::Slowly | Consequence::Operator => denied(state),
        },
        (P::Connecting, Input::Connected) => (to(P::LoggingIn), vec![A::LogIn]),
        (P::LoggingIn, Input::Accepted) => {
            let short_lived = state.short_lived.saturating_add(1);
            (State { phase: P::Live, refusals: 0, short_lived, reload: None, ..state }, vec![A::Begin])
        }
        (P::LoggingIn, Input::Refused) if is_reloading(state) => {
            let (state, pace) = reloading(state);
            rest(state, pace, vec![A::Close, A::Fail])
        }
        (P::LoggingIn, Input::Refused | Input::Unanswered) => refused(state, vec![A::Close, A::Discard]),
        (P::LoggingIn, Input::Ended(_)) => rest(state, Pace::Outage, vec![A::Close, A::Fail]),
        (P::Handover, input) => handover(state, input),
        (P::Live, input) => live(state, input),
        // What came too late.
        _ => (state, vec![]),
    }
}

fn live(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    match input {
        Input::Refused if is_reloading(state) => {
            let (state, pace) = reloading(state);
            rest(state, pace, vec![A::End(EndReason::LoginRefused), A::Close])
        }
        Input::Refused => refused(state, vec![A::End(EndReason::LoginRefused), A::Close, A::Discard]),
        Input::TakenOver { policy: None, .. } => (state, vec![A::NoteTakeover(None)]),
        Input::TakenOver { policy: Some(policy), recent } => {
            taken_over(state, takeover::away(policy, recent))
        }
        Input::ServerReloaded { beside: true } => {
            let (state, pace) = reloading(State { reload: Some(0), ..state });
            (State { phase: Phase::Handover, ..state }, vec![A::Prepare(pace)])
        }
        Input::ServerReloaded { beside: false } => {
            let state = State { reload: Some(0), ..state };
            rest(state, soon(state, HASTY_RELOADS), vec![A::End(EndReason::ServerReloaded), A::Close])
        }
        Input::Ended(reason) => rest(state, soon(state, 0), vec![A::End(reason), A::Close]),
        Input::Lasted => (State { short_lived: 0, ..state }, vec![A::AwaitSettled]),
        Input::Settled => (State { failures: 0, ..state }, vec![A::ResetBackoff]),
        // A new login joins the rooms anew, which mends the one fault of this kind that can be mended from here.
        // What it can't mend (the PBX has lost its telephone system) is told once, not with each further try.
        Input::Silent => {
            let first = (state.silences == 0).then_some(A::NoteSilence);
            let end = [A::End(EndReason::FeedSilent), A::Close];
            let state = State { silences: state.silences.saturating_add(1), ..state };
            rest(state, Pace::Soon, first.into_iter().chain(end).collect())
        }
        Input::Heard => (State { silences: 0, ..state }, vec![A::ClearSilence]),
        // A second `authe_ok` (several ghosts of ours were taken over), or what came too late.
        _ => (state, vec![]),
    }
}

/// The live session goes on until the new one has taken its place, so no attempt is urgent.
fn handover(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    let again = |(state, pace)| (state, vec![A::Prepare(pace)]);
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
            let (state, pace, _) = refusal(state);
            (state, vec![A::Discard, A::Prepare(pace)])
        }
        Input::Successor(Attempt::NotGranted(
            Consequence::Soon | Consequence::Later | Consequence::NewLogin,
        )) => again(reloading(state)),
        Input::Successor(Attempt::NotGranted(Consequence::Slowly | Consequence::Operator)) => {
            let (state, pace, _) = denial(state);
            again((state, pace))
        }
        // What is under way may have been answered before this reload.
        Input::ServerReloaded { .. } => again(reloading(State { reload: Some(0), ..state })),
        Input::Nudged => again((state, Pace::AtOnce)),
        other => live(state, other),
    }
}

fn is_reloading(state: State) -> bool {
    state.reload.is_some_and(|tries| tries < RELOAD_TRIES)
}

/// One more attempt after a reload.
fn reloading(state: State) -> (State, Pace) {
    let tries = state.reload.unwrap_or_default();
    (State { reload: Some(tries.saturating_add(1)), ..state }, Pace::Reload(tries))
}

/// After a live session: at once, unless it ended as soon as it was accepted, and more than `allowed` before it did.
fn soon(state: State, allowed: u32) -> Pace {
    state.short_lived.checked_sub(allowed + 1).map_or(Pace::Soon, Pace::ShortLived)
}

fn rest(state: State, pace: Pace, mut actions: Vec<Action>) -> (State, Vec<Action>) {
    actions.push(Action::Rest(pace));
    (State { phase: Phase::Resting, failures: state.failures.saturating_add(1), ..state }, actions)
}

fn denied(state: State) -> (State, Vec<Action>) {
    let (state, pace, slow) = denial(state);
    let (state, mut actions) = rest(state, pace, vec![]);
    actions.push(Action::Deny { failures: state.denials, slow });
    (state, actions)
}

/// A few attempts soon, as many refusals pass; then minutes apart, and never none. The last: whether they are.
fn denial(state: State) -> (State, Pace, bool) {
    let denials = state.denials.saturating_add(1);
    let tries = if state.proven { PROVEN_TRIES } else { PASSWORD_TRIES };
    let slow = denials >= tries;
    let pace = if slow { Pace::Slow(denials - tries) } else { Pace::Careful(denials - 1) };
    (State { denials, ..state }, pace, slow)
}

fn refused(state: State, actions: Vec<Action>) -> (State, Vec<Action>) {
    let (state, pace, slow) = refusal(state);
    let (state, mut actions) = rest(state, pace, actions);
    let failures = state.refusals;
    actions.push(if slow { Action::Deny { failures, slow } } else { Action::Fail });
    (state, actions)
}

/// The first refusal is answered with a new login at once: the PBX has most likely forgotten the token.
fn refusal(state: State) -> (State, Pace, bool) {
    let refusals = state.refusals.saturating_add(1);
    let slow = refusals >= SOCKET_TRIES;
    let pace = match refusals {
        1 if state.failures < HASTY_TRIES => Pace::AtOnce,
        few if !slow => Pace::Careful(few.saturating_sub(2)),
        many => Pace::Slow(many - SOCKET_TRIES),
    };
    (State { refusals, ..state }, pace, slow)
}

/// The rest comes before the notices, which tell how long it is.
fn taken_over(state: State, away: Away) -> (State, Vec<Action>) {
    use Action as A;
    let (state, mut actions) = rest(state, Pace::Away(away), vec![A::MakeWay]);
    actions.extend([A::NoteTakeover(Some(away)), A::End(EndReason::TakenOver), A::Close]);
    (state, actions)
}

#[cfg(test)]
mod tests;
