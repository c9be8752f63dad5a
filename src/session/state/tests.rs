use super::*;

fn at(phase: Phase) -> State {
    State { phase, ..State::default() }
}

#[test]
fn a_session_goes_live_in_five_steps() {
    let mut state = State::default();
    let mut all = Vec::new();
    for input in [Input::WaitOver, Input::Granted, Input::Connected, Input::Accepted] {
        let (next, actions) = step(state, input);
        state = next;
        all.extend(actions);
    }
    assert_eq!(state.phase, Phase::Live);
    assert_eq!(all, [Action::Authenticate, Action::Connect, Action::LogIn, Action::Begin]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_end_has_its_reaction() {
    use Action::{
        Authenticate, AwaitSettled, ClearSilence, Close, Connect, Deny, Discard, End, Fail, NoteTakeover,
        ResetBackoff, Wait,
    };
    let live = Phase::Live;
    let table = [
        (
            live,
            Input::Ended(EndReason::ConnectionClosed),
            Phase::Waiting,
            vec![End(EndReason::ConnectionClosed), Close, Wait(RetryPolicy::Soon)],
        ),
        (
            live,
            Input::Ended(EndReason::Silent),
            Phase::Waiting,
            vec![End(EndReason::Silent), Close, Wait(RetryPolicy::Soon)],
        ),
        (
            live,
            Input::Ended(EndReason::NamespaceClosed),
            Phase::Waiting,
            vec![End(EndReason::NamespaceClosed), Close, Wait(RetryPolicy::Soon)],
        ),
        (
            live,
            Input::Ended(EndReason::ConnectionFailed),
            Phase::Waiting,
            vec![End(EndReason::ConnectionFailed), Close, Wait(RetryPolicy::Soon)],
        ),
        (
            live,
            Input::Refused,
            Phase::Waiting,
            vec![End(EndReason::LoginRefused), Close, Discard, Wait(RetryPolicy::AtOnce), Fail],
        ),
        (
            live,
            Input::ServerReloaded { beside: false },
            Phase::Waiting,
            vec![End(EndReason::ServerReloaded), Close, Wait(RetryPolicy::Soon)],
        ),
        (live, Input::TakenOver { policy: None, recent: 9 }, live, vec![NoteTakeover(None)]),
        (live, Input::Accepted, live, vec![]),
        (live, Input::Lasted, live, vec![AwaitSettled]),
        (live, Input::Settled, live, vec![ResetBackoff]),
        (live, Input::Crashed, Phase::Waiting, vec![Wait(RetryPolicy::Backoff)]),
        (live, Input::Stop, Phase::Stopped, vec![End(EndReason::Stopping), Close]),
        (
            Phase::LoggingIn,
            Input::Refused,
            Phase::Waiting,
            vec![Close, Discard, Wait(RetryPolicy::AtOnce), Fail],
        ),
        (
            Phase::LoggingIn,
            Input::Unanswered,
            Phase::Waiting,
            vec![Close, Discard, Wait(RetryPolicy::AtOnce), Fail],
        ),
        (
            Phase::LoggingIn,
            Input::Ended(EndReason::ConnectionClosed),
            Phase::Waiting,
            vec![Close, Fail, Wait(RetryPolicy::Outage)],
        ),
        (Phase::LoggingIn, Input::TakenOver { policy: None, recent: 1 }, Phase::LoggingIn, vec![]),
        (Phase::LoggingIn, Input::Stop, Phase::Stopped, vec![Close]),
        (Phase::Connecting, Input::NotConnected, Phase::Waiting, vec![Fail, Wait(RetryPolicy::Outage)]),
        (Phase::Probing, Input::NotConnected, Phase::Waiting, vec![Fail, Wait(RetryPolicy::Outage)]),
        (Phase::Probing, Input::Connected, Phase::Authenticating, vec![Close, Authenticate]),
        (Phase::Authenticating, Input::Granted, Phase::Connecting, vec![Connect]),
        (live, Input::Heard, live, vec![ClearSilence]),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::Soon),
            Phase::Waiting,
            vec![Fail, Wait(RetryPolicy::Outage)],
        ),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::NewLogin),
            Phase::Waiting,
            vec![Fail, Wait(RetryPolicy::Backoff)],
        ),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::Slowly),
            Phase::Waiting,
            vec![Wait(RetryPolicy::Careful(0)), Deny { failures: 1, slow: false }],
        ),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::Operator),
            Phase::Waiting,
            vec![Wait(RetryPolicy::Careful(0)), Deny { failures: 1, slow: false }],
        ),
        (Phase::Waiting, Input::RetryRequested, Phase::Authenticating, vec![Authenticate]),
        (live, Input::RetryRequested, live, vec![]),
        (Phase::Waiting, Input::Stop, Phase::Stopped, vec![Close]),
        (Phase::Stopped, Input::WaitOver, Phase::Stopped, vec![]),
    ];
    for (phase, input, expected, actions) in table {
        let (next, got) = step(at(phase), input);
        assert_eq!((next.phase, got), (expected, actions), "{phase:?} {input:?}");
    }
}

#[test]
fn refused_sockets_slow_down_until_a_session_is_live() {
    use Action::{Deny, Fail, Wait};
    let mut state = State::default();
    let mut ends = Vec::new();
    for input in [Input::Refused, Input::Unanswered].into_iter().cycle().take(6) {
        let (next, actions) = step(State { phase: Phase::LoggingIn, ..state }, input);
        assert_eq!(actions[..2], [Action::Close, Action::Discard]);
        ends.extend(actions[2..].to_vec());
        state = next;
    }
    let expected = [
        [Wait(RetryPolicy::AtOnce), Fail],
        [Wait(RetryPolicy::Careful(0)), Fail],
        [Wait(RetryPolicy::Careful(1)), Fail],
        [Wait(RetryPolicy::Careful(2)), Fail],
        [Wait(RetryPolicy::Slow(0)), Deny { failures: 5, slow: true }],
        [Wait(RetryPolicy::Slow(1)), Deny { failures: 6, slow: true }],
    ];
    assert_eq!(ends, expected.concat());
    let (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
    assert_eq!(
        (state.refusals, state.failures),
        (0, 6),
        "a session clears refusals, only a stable one clears failures"
    );
    // After so many failures the next refusal is not answered at once, however short that session was.
    let (_, actions) = step(state, Input::Refused);
    assert!(actions.contains(&Wait(RetryPolicy::Careful(0))), "{actions:?}");
    let (state, _) = step(state, Input::Settled);
    assert_eq!(state.failures, 0);
}

#[test]
fn a_pbx_that_asks_for_fewer_requests_gets_fewer() {
    let limited = Input::NotGranted(Consequence::Later);
    let (_, actions) = step(at(Phase::Authenticating), limited);
    assert_eq!(actions, [Action::Fail, Action::Wait(RetryPolicy::Backoff)]);
}

#[test]
fn sessions_that_end_once_accepted_slow_down_until_one_lasts() {
    let ends = [
        (Input::Ended(EndReason::ConnectionClosed), 0),
        (Input::Ended(EndReason::NamespaceClosed), 0),
        (Input::ServerReloaded { beside: false }, IMMEDIATE_RELOADS),
    ];
    for (end, allowed) in ends {
        let mut state = State::default();
        for nth in 0_u32..20 {
            (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
            let (next, actions) = step(state, end);
            let policy = nth.checked_sub(allowed).map_or(RetryPolicy::Soon, RetryPolicy::ShortLived);
            assert!(actions.contains(&Action::Wait(policy)), "{nth} {actions:?}");
            state = next;
        }
        (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
        (state, _) = step(state, Input::Lasted);
        let (_, actions) = step(state, end);
        assert!(actions.contains(&Action::Wait(RetryPolicy::Soon)), "{actions:?}");
    }
}

#[test]
fn a_refused_password_is_retried_quickly_then_by_the_minute() {
    use Action::{Deny, Wait};
    for consequence in [Consequence::Slowly, Consequence::Operator] {
        let mut state = State::default();
        for nth in 1..=50 {
            let refused = State { phase: Phase::Authenticating, ..state };
            let (next, actions) = step(refused, Input::NotGranted(consequence));
            let slow = nth >= PASSWORD_TRIES;
            let policy =
                if slow { RetryPolicy::Slow(nth - PASSWORD_TRIES) } else { RetryPolicy::Careful(nth - 1) };
            assert_eq!(actions, [Wait(policy), Deny { failures: nth, slow }]);
            state = next;
        }
        // On request it tries at once; a token clears the refusals.
        let (state, actions) = step(state, Input::RetryRequested);
        assert_eq!((state.phase, actions), (Phase::Probing, vec![Action::Connect]));
        let (state, _) = step(state, Input::Connected);
        let (state, _) = step(state, Input::Granted);
        assert_eq!((state.phase, state.denials), (Phase::Connecting, 0));
    }
}

#[test]
fn a_password_that_was_right_before_is_tried_for_longer() {
    let mut state = State { proven: true, ..State::default() };
    for nth in 1..=20 {
        let refused = State { phase: Phase::Authenticating, ..state };
        let (next, actions) = step(refused, Input::NotGranted(Consequence::Slowly));
        let slow = nth >= PROVEN_TRIES;
        let policy = if slow { RetryPolicy::Slow(nth - PROVEN_TRIES) } else { RetryPolicy::Careful(nth - 1) };
        assert_eq!(actions, [Action::Wait(policy), Action::Deny { failures: nth, slow }]);
        state = next;
    }
}

#[test]
fn a_booting_backend_is_awaited_without_another_password() {
    let (mut state, _) = step(at(Phase::Authenticating), Input::NotGranted(Consequence::Slowly));
    for _ in 0..100 {
        (state, _) = step(state, Input::WaitOver);
        assert_eq!(state.phase, Phase::Probing);
        let (next, actions) = step(state, Input::NotConnected);
        assert_eq!(actions, [Action::Fail, Action::Wait(RetryPolicy::Outage)]);
        state = next;
    }
    assert_eq!(state.denials, 1, "no password was sent meanwhile");
}

#[test]
fn a_takeover_is_acknowledged_and_ends_the_session() {
    for policy in [OnTakeover::StandBy, OnTakeover::Yield, OnTakeover::Reclaim] {
        for recent in [1, takeover::FIGHT] {
            let away = takeover::away(policy, recent);
            let (state, actions) = step(at(Phase::Live), Input::TakenOver { policy: Some(policy), recent });
            assert_eq!(state.phase, Phase::Waiting);
            assert_eq!(
                actions,
                [
                    Action::MakeWay,
                    Action::Wait(RetryPolicy::Away(away)),
                    Action::NoteTakeover(Some(away)),
                    Action::End(EndReason::TakenOver),
                    Action::Close
                ]
            );
            // On request it returns.
            assert_eq!(step(state, Input::RetryRequested).0.phase, Phase::Authenticating);
        }
    }
}

#[test]
fn a_silent_feed_is_reported_once_and_sessions_are_replaced() {
    let mut state = at(Phase::Live);
    for nth in 0..5 {
        let (next, actions) = step(State { phase: Phase::Live, ..state }, Input::Silent);
        let told = actions.contains(&Action::NoteSilence);
        assert_eq!(told, nth == 0);
        assert!(actions.ends_with(&[
            Action::End(EndReason::FeedSilent),
            Action::Close,
            Action::Wait(RetryPolicy::Soon)
        ]));
        state = next;
    }
    let (state, _) = step(State { phase: Phase::Live, ..state }, Input::Settled);
    assert_eq!(state.silences, 5, "a session alone is not a feed");
    let (state, actions) = step(state, Input::Heard);
    assert_eq!((state.silences, actions), (0, vec![Action::ClearSilence]));
}

const RELOADED: Input = Input::ServerReloaded { beside: true };

#[test]
fn a_session_continues_while_its_successor_is_opened() {
    let (state, actions) = step(at(Phase::Live), RELOADED);
    assert_eq!((state.phase, actions), (Phase::Handover, vec![Action::Prepare(RetryPolicy::Reload(0))]));
    // Whatever fails is tried again, and the live session stays.
    let failures = [
        (Attempt::NotConnected, vec![Action::Prepare(RetryPolicy::Reload(1))]),
        (Attempt::Refused, vec![Action::Prepare(RetryPolicy::Reload(1))]),
        (Attempt::Unanswered, vec![Action::Discard, Action::Prepare(RetryPolicy::AtOnce)]),
        (Attempt::NotGranted(Consequence::Soon), vec![Action::Prepare(RetryPolicy::Reload(1))]),
        (Attempt::NotGranted(Consequence::Slowly), vec![Action::Prepare(RetryPolicy::Careful(0))]),
    ];
    for (attempt, expected) in failures {
        let (next, actions) = step(state, Input::Successor(attempt));
        assert_eq!((next.phase, actions), (Phase::Handover, expected), "{attempt:?}");
    }
    let others = [
        (RELOADED, Phase::Handover, vec![Action::Prepare(RetryPolicy::Reload(0))]),
        (Input::RetryRequested, Phase::Handover, vec![Action::Prepare(RetryPolicy::AtOnce)]),
        (Input::Settled, Phase::Handover, vec![Action::ResetBackoff]),
        (Input::Stop, Phase::Stopped, vec![Action::End(EndReason::Stopping), Action::Close]),
        (
            Input::Ended(EndReason::Silent),
            Phase::Waiting,
            vec![Action::End(EndReason::Silent), Action::Close, Action::Wait(RetryPolicy::Soon)],
        ),
        (
            Input::Refused,
            Phase::Waiting,
            vec![Action::End(EndReason::LoginRefused), Action::Close, Action::Wait(RetryPolicy::Reload(1))],
        ),
        (Input::TakenOver { policy: None, recent: 1 }, Phase::Handover, vec![Action::NoteTakeover(None)]),
        (Input::Successor(Attempt::Ready), Phase::Live, vec![Action::Succeed]),
    ];
    for (input, phase, expected) in others {
        let (next, actions) = step(state, input);
        assert_eq!((next.phase, actions), (phase, expected), "{input:?}");
    }
    let (state, _) = step(state, Input::Successor(Attempt::Ready));
    assert_eq!(state, State { proven: true, short_lived: 1, ..at(Phase::Live) });
}

#[test]
fn refusals_after_a_reload_keep_the_token_at_first() {
    let reloaded =
        [step(at(Phase::Live), RELOADED).0, step(at(Phase::Live), Input::ServerReloaded { beside: false }).0];
    for (mut state, beside) in reloaded.into_iter().zip([true, false]) {
        let mut discarded = 0;
        for _ in 0..30 {
            let input = if beside {
                Input::Successor(Attempt::Refused)
            } else {
                state.phase = Phase::LoggingIn;
                Input::Refused
            };
            let (next, actions) = step(state, input);
            discarded += u32::from(actions.contains(&Action::Discard));
            assert_eq!(next.refusals, discarded);
            assert_eq!(
                next.reload.is_some_and(|tries| tries >= RELOAD_TRIES),
                next.reload == Some(RELOAD_TRIES)
            );
            state = next;
        }
        assert!((10..=11).contains(&discarded), "{discarded}");
    }
}

#[test]
fn a_refusal_beside_a_live_session_is_retried_no_faster() {
    let (mut state, _) = step(State { proven: true, ..at(Phase::Live) }, RELOADED);
    for nth in 1..=20 {
        let (next, actions) = step(state, Input::Successor(Attempt::NotGranted(Consequence::Slowly)));
        let slow = nth >= PROVEN_TRIES;
        let policy = if slow { RetryPolicy::Slow(nth - PROVEN_TRIES) } else { RetryPolicy::Careful(nth - 1) };
        assert_eq!(actions, [Action::Prepare(policy)]);
        state = next;
    }
}
