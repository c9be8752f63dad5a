//! The session as a pure state machine: what happened → what to do.

use crate::{auth::Consequence, event::EndReason};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// Attempts since things last went well for a while. Set back by [`Input::Settled`] only, never by
    /// connecting: the middleware takes connections also while its backend is down.
    pub failures: u32,
    /// Logins refused on the socket since then.
    pub refusals: u32,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Waiting before the next attempt.
    #[default]
    Resting,
    /// Getting a token.
    Authenticating,
    /// Opening the socket, up to the namespace.
    Connecting,
    /// The login is sent; the answer is awaited.
    LoggingIn,
    /// Receiving events.
    Live,
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
    TakenOver,
    /// The event `serverReloaded`.
    ServerReloaded,
    /// The socket has ended.
    Ended(EndReason),
    /// The session has been live for a while.
    Settled,
    /// The session's task panicked.
    Crashed,
    /// The bridge stops.
    Stop,
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
    /// Append `takenover`.
    NoteTakeover,
    /// Wait before the next attempt.
    Rest(Pace),
    /// Start the backoff anew.
    ResetBackoff,
}

/// How long to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A moment: the next attempt will likely work.
    AtOnce,
    /// As the backoff says, and soon: the session was live, so all is well with the account and the PBX; and what is
    /// sent meanwhile is missed.
    Soon,
    /// As the backoff says.
    Backoff,
    /// Minutes: another attempt now may do harm, such as locking the account.
    Slow,
}

/// Refused logins in a row after which the pace is [`Pace::Slow`].
const PATIENCE: u32 = 4;

/// One step. Inputs that mean nothing in a phase change nothing.
pub fn step(state: State, input: Input) -> (State, Vec<Action>) {
    use Action as A;
    use Phase as P;
    let to = |phase| State { phase, ..state };
    match (state.phase, input) {
        (P::Stopped, _) => (state, vec![]),
        (P::Live, Input::Stop) => (to(P::Stopped), vec![A::End(EndReason::Stopping), A::Close]),
        (_, Input::Stop) => (to(P::Stopped), vec![A::Close]),
        (_, Input::Crashed) => rest(state, Pace::Backoff, vec![]),
        (P::Resting, Input::Rested | Input::Nudged) => (to(P::Authenticating), vec![A::Authenticate]),
        (P::Authenticating, Input::Granted) => (to(P::Connecting), vec![A::Connect]),
        (P::Authenticating, Input::NotGranted(consequence)) => {
            let pace = match consequence {
                Consequence::Soon | Consequence::NewLogin => Pace::Backoff,
                Consequence::Slowly | Consequence::Operator => Pace::Slow,
            };
            rest(state, pace, vec![])
        }
        (P::Connecting, Input::Connected) => (to(P::LoggingIn), vec![A::LogIn]),
        // The token is kept: a middleware whose backend starts up takes connections and drops them.
        (P::Connecting, Input::NotConnected) => rest(state, Pace::Backoff, vec![]),
        (P::LoggingIn, Input::Accepted) => (to(P::Live), vec![A::Begin]),
        (P::LoggingIn, Input::Refused | Input::Unanswered) => refused(state, vec![A::Close, A::Discard]),
        (P::LoggingIn, Input::Ended(_)) => rest(state, Pace::Backoff, vec![A::Close]),
        (P::Live, Input::Refused) => {
            refused(state, vec![A::End(EndReason::LoginRefused), A::Close, A::Discard])
        }
        (P::Live, Input::TakenOver) => (state, vec![A::NoteTakeover]),
        // The rooms an account is in are those of its login: a reload may have changed its rights.
        (P::Live, Input::ServerReloaded) => {
            let pace = if state.failures == 0 { Pace::AtOnce } else { Pace::Backoff };
            rest(state, pace, vec![A::End(EndReason::ServerReloaded), A::Close])
        }
        (P::Live, Input::Ended(reason)) => rest(state, Pace::Soon, vec![A::End(reason), A::Close]),
        (P::Live, Input::Settled) => {
            (State { phase: P::Live, failures: 0, refusals: 0 }, vec![A::ResetBackoff])
        }
        // A second `authe_ok` (several ghosts of ours were taken over), or what came too late.
        _ => (state, vec![]),
    }
}

fn rest(state: State, pace: Pace, mut actions: Vec<Action>) -> (State, Vec<Action>) {
    actions.push(Action::Rest(pace));
    (State { phase: Phase::Resting, failures: state.failures.saturating_add(1), ..state }, actions)
}

/// The first refusal is answered with a new login at once: the PBX has most likely forgotten the token.
fn refused(state: State, actions: Vec<Action>) -> (State, Vec<Action>) {
    let pace = match state.refusals {
        0 => Pace::AtOnce,
        few if few < PATIENCE => Pace::Backoff,
        _ => Pace::Slow,
    };
    rest(State { refusals: state.refusals.saturating_add(1), ..state }, pace, actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(phase: Phase) -> State {
        State { phase, ..State::default() }
    }

    #[test]
    fn a_session_goes_live_in_five_steps() {
        let mut state = State::default();
        let mut all = Vec::new();
        for input in [Input::Rested, Input::Granted, Input::Connected, Input::Accepted] {
            let (next, actions) = step(state, input);
            state = next;
            all.extend(actions);
        }
        assert_eq!(state.phase, Phase::Live);
        assert_eq!(all, [Action::Authenticate, Action::Connect, Action::LogIn, Action::Begin]);
    }

    #[test]
    fn each_end_has_its_reaction() {
        use Action::{Authenticate, Close, Discard, End, NoteTakeover, ResetBackoff, Rest};
        let live = Phase::Live;
        let table = [
            (
                live,
                Input::Ended(EndReason::ConnectionClosed),
                Phase::Resting,
                vec![End(EndReason::ConnectionClosed), Close, Rest(Pace::Soon)],
            ),
            (
                live,
                Input::Ended(EndReason::Silent),
                Phase::Resting,
                vec![End(EndReason::Silent), Close, Rest(Pace::Soon)],
            ),
            (
                live,
                Input::Ended(EndReason::NamespaceClosed),
                Phase::Resting,
                vec![End(EndReason::NamespaceClosed), Close, Rest(Pace::Soon)],
            ),
            (
                live,
                Input::Ended(EndReason::ConnectionFailed),
                Phase::Resting,
                vec![End(EndReason::ConnectionFailed), Close, Rest(Pace::Soon)],
            ),
            (
                live,
                Input::Refused,
                Phase::Resting,
                vec![End(EndReason::LoginRefused), Close, Discard, Rest(Pace::AtOnce)],
            ),
            (
                live,
                Input::ServerReloaded,
                Phase::Resting,
                vec![End(EndReason::ServerReloaded), Close, Rest(Pace::AtOnce)],
            ),
            (live, Input::TakenOver, live, vec![NoteTakeover]),
            (live, Input::Accepted, live, vec![]),
            (live, Input::Settled, live, vec![ResetBackoff]),
            (live, Input::Crashed, Phase::Resting, vec![Rest(Pace::Backoff)]),
            (live, Input::Stop, Phase::Stopped, vec![End(EndReason::Stopping), Close]),
            (Phase::LoggingIn, Input::Refused, Phase::Resting, vec![Close, Discard, Rest(Pace::AtOnce)]),
            (Phase::LoggingIn, Input::Unanswered, Phase::Resting, vec![Close, Discard, Rest(Pace::AtOnce)]),
            (
                Phase::LoggingIn,
                Input::Ended(EndReason::ConnectionClosed),
                Phase::Resting,
                vec![Close, Rest(Pace::Backoff)],
            ),
            (Phase::LoggingIn, Input::TakenOver, Phase::LoggingIn, vec![]),
            (Phase::LoggingIn, Input::Stop, Phase::Stopped, vec![Close]),
            (Phase::Connecting, Input::NotConnected, Phase::Resting, vec![Rest(Pace::Backoff)]),
            (
                Phase::Authenticating,
                Input::NotGranted(Consequence::Soon),
                Phase::Resting,
                vec![Rest(Pace::Backoff)],
            ),
            (
                Phase::Authenticating,
                Input::NotGranted(Consequence::NewLogin),
                Phase::Resting,
                vec![Rest(Pace::Backoff)],
            ),
            (
                Phase::Authenticating,
                Input::NotGranted(Consequence::Slowly),
                Phase::Resting,
                vec![Rest(Pace::Slow)],
            ),
            (
                Phase::Authenticating,
                Input::NotGranted(Consequence::Operator),
                Phase::Resting,
                vec![Rest(Pace::Slow)],
            ),
            (Phase::Resting, Input::Nudged, Phase::Authenticating, vec![Authenticate]),
            (live, Input::Nudged, live, vec![]),
            (Phase::Resting, Input::Stop, Phase::Stopped, vec![Close]),
            (Phase::Stopped, Input::Rested, Phase::Stopped, vec![]),
        ];
        for (phase, input, expected, actions) in table {
            let (next, got) = step(at(phase), input);
            assert_eq!((next.phase, got), (expected, actions), "{phase:?} {input:?}");
        }
    }

    #[test]
    fn refusals_slow_down_and_only_a_healthy_session_forgives_them() {
        let mut state = State::default();
        let mut paces = Vec::new();
        for _ in 0..6 {
            let (next, actions) = step(State { phase: Phase::LoggingIn, ..state }, Input::Refused);
            paces.extend(actions.last().copied());
            state = next;
        }
        let rest = Action::Rest;
        assert_eq!(
            paces,
            [
                rest(Pace::AtOnce),
                rest(Pace::Backoff),
                rest(Pace::Backoff),
                rest(Pace::Backoff),
                rest(Pace::Slow),
                rest(Pace::Slow)
            ]
        );
        let (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
        assert_eq!(state.refusals, 6, "going live proves nothing yet");
        let (state, _) = step(state, Input::Settled);
        assert_eq!((state.refusals, state.failures), (0, 0));
    }

    #[test]
    fn a_reload_storm_is_not_followed_at_once() {
        let (state, _) = step(at(Phase::Live), Input::ServerReloaded);
        let (_, actions) = step(State { phase: Phase::Live, ..state }, Input::ServerReloaded);
        assert_eq!(actions.last(), Some(&Action::Rest(Pace::Backoff)));
    }
}
