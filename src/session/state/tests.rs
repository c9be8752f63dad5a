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
    use Action::{
        Authenticate, AwaitSettled, ClearSilence, Close, Connect, Deny, Discard, End, Fail, NoteTakeover,
        ResetBackoff, Rest,
    };
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
            vec![End(EndReason::LoginRefused), Close, Discard, Rest(Pace::AtOnce), Fail],
        ),
        (
            live,
            Input::ServerReloaded { beside: false },
            Phase::Resting,
            vec![End(EndReason::ServerReloaded), Close, Rest(Pace::Soon)],
        ),
        (live, Input::TakenOver { policy: None, recent: 9 }, live, vec![NoteTakeover(None)]),
        (live, Input::Accepted, live, vec![]),
        (live, Input::Lasted, live, vec![AwaitSettled]),
        (live, Input::Settled, live, vec![ResetBackoff]),
        (live, Input::Crashed, Phase::Resting, vec![Rest(Pace::Backoff)]),
        (live, Input::Stop, Phase::Stopped, vec![End(EndReason::Stopping), Close]),
        (Phase::LoggingIn, Input::Refused, Phase::Resting, vec![Close, Discard, Rest(Pace::AtOnce), Fail]),
        (Phase::LoggingIn, Input::Unanswered, Phase::Resting, vec![Close, Discard, Rest(Pace::AtOnce), Fail]),
        (
            Phase::LoggingIn,
            Input::Ended(EndReason::ConnectionClosed),
            Phase::Resting,
            vec![Close, Fail, Rest(Pace::Outage)],
        ),
        (Phase::LoggingIn, Input::TakenOver { policy: None, recent: 1 }, Phase::LoggingIn, vec![]),
        (Phase::LoggingIn, Input::Stop, Phase::Stopped, vec![Close]),
        (Phase::Connecting, Input::NotConnected, Phase::Resting, vec![Fail, Rest(Pace::Outage)]),
        (Phase::Probing, Input::NotConnected, Phase::Resting, vec![Fail, Rest(Pace::Outage)]),
        (Phase::Probing, Input::Connected, Phase::Authenticating, vec![Close, Authenticate]),
        (Phase::Authenticating, Input::Granted, Phase::Connecting, vec![Connect]),
        (live, Input::Heard, live, vec![ClearSilence]),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::Soon),
            Phase::Resting,
            vec![Fail, Rest(Pace::Outage)],
        ),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::NewLogin),
            Phase::Resting,
            vec![Fail, Rest(Pace::Backoff)],
        ),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::Slowly),
            Phase::Resting,
            vec![Rest(Pace::Careful(0)), Deny { failures: 1, slow: false }],
        ),
        (
            Phase::Authenticating,
            Input::NotGranted(Consequence::Operator),
            Phase::Resting,
            vec![Rest(Pace::Careful(0)), Deny { failures: 1, slow: false }],
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
fn refusals_on_the_socket_slow_down_until_a_session_is_live() {
    use Action::{Deny, Fail, Rest};
    let mut state = State::default();
    let mut ends = Vec::new();
    for input in [Input::Refused, Input::Unanswered].into_iter().cycle().take(6) {
        let (next, actions) = step(State { phase: Phase::LoggingIn, ..state }, input);
        assert_eq!(actions[..2], [Action::Close, Action::Discard]);
        ends.extend(actions[2..].to_vec());
        state = next;
    }
    let expected = [
        [Rest(Pace::AtOnce), Fail],
        [Rest(Pace::Careful(0)), Fail],
        [Rest(Pace::Careful(1)), Fail],
        [Rest(Pace::Careful(2)), Fail],
        [Rest(Pace::Slow(0)), Deny { failures: 5, slow: true }],
        [Rest(Pace::Slow(1)), Deny { failures: 6, slow: true }],
    ];
    assert_eq!(ends, expected.concat());
    let (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
    assert_eq!(
        (state.refusals, state.failures),
        (0, 6),
        "a session forgives refusals, only a healthy one failures"
    );
    // So many failures make a refusal of the next one no matter of a moment, however short that session was.
    let (_, actions) = step(state, Input::Refused);
    assert!(actions.contains(&Rest(Pace::Careful(0))), "{actions:?}");
    let (state, _) = step(state, Input::Settled);
    assert_eq!(state.failures, 0);
}

#[test]
fn a_pbx_that_asks_for_fewer_requests_gets_fewer() {
    let limited = Input::NotGranted(Consequence::Later);
    let (_, actions) = step(at(Phase::Authenticating), limited);
    assert_eq!(actions, [Action::Fail, Action::Rest(Pace::Backoff)]);
}

#[test]
fn sessions_that_end_once_accepted_slow_down_until_one_lasts() {
    let ends = [
        (Input::Ended(EndReason::ConnectionClosed), 0),
        (Input::Ended(EndReason::NamespaceClosed), 0),
        (Input::ServerReloaded { beside: false }, HASTY_RELOADS),
    ];
    for (end, allowed) in ends {
        let mut state = State::default();
        for nth in 0_u32..20 {
            (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
            let (next, actions) = step(state, end);
            let pace = nth.checked_sub(allowed).map_or(Pace::Soon, Pace::ShortLived);
            assert!(actions.contains(&Action::Rest(pace)), "{nth} {actions:?}");
            state = next;
        }
        (state, _) = step(State { phase: Phase::LoggingIn, ..state }, Input::Accepted);
        (state, _) = step(state, Input::Lasted);
        let (_, actions) = step(state, end);
        assert!(actions.contains(&Action::Rest(Pace::Soon)), "{actions:?}");
    }
}

#[test]
fn a_refused_password_is_tried_a_few_times_and_then_by_the_minute_for_ever() {
    use Action::{Deny, Rest};
    for consequence in [Consequence::Slowly, Consequence::Operator] {
        let mut state = State::default();
        for nth in 1..=50 {
            let refused = State { phase: Phase::Authenticating, ..state };
            let (next, actions) = step(refused, Input::NotGranted(consequence));
            let slow = nth >= PASSWORD_TRIES;
            let pace = if slow { Pace::Slow(nth - PASSWORD_TRIES) } else { Pace::Careful(nth - 1) };
            assert_eq!(actions, [Rest(pace), Deny { failures: nth, slow }]);
            state = next;
        }
        // Asked to, it tries at once; and a token ends the matter.
        let (state, actions) = step(state, Input::Nudged);
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
        let pace = if slow { Pace::Slow(nth - PROVEN_TRIES) } else { Pace::Careful(nth - 1) };
        assert_eq!(actions, [Action::Rest(pace), Action::Deny { failures: nth, slow }]);
        state = next;
    }
}

#[test]
fn a_backend_that_boots_is_waited_for_without_another_password() {
    let (mut state, _) = step(at(Phase::Authenticating), Input::NotGranted(Consequence::Slowly));
    for _ in 0..100 {
        (state, _) = step(state, Input::Rested);
        assert_eq!(state.phase, Phase::Probing);
        let (next, actions) = step(state, Input::NotConnected);
        assert_eq!(actions, [Action::Fail, Action::Rest(Pace::Outage)]);
        state = next;
    }
    assert_eq!(state.denials, 1, "no attempt was made that counts");
}

#[test]
fn a_takeover_makes_way_tells_and_leaves_whatever_the_policy() {
    for policy in [OnTakeover::StandBy, OnTakeover::Yield, OnTakeover::Reclaim] {
        for recent in [1, takeover::FIGHT] {
            let away = takeover::away(policy, recent);
            let (state, actions) = step(at(Phase::Live), Input::TakenOver { policy: Some(policy), recent });
            assert_eq!(state.phase, Phase::Resting);
            assert_eq!(
                actions,
                [
                    Action::MakeWay,
                    Action::Rest(Pace::Away(away)),
                    Action::NoteTakeover(Some(away)),
                    Action::End(EndReason::TakenOver),
                    Action::Close
                ]
            );
            // Whoever is asked comes back.
            assert_eq!(step(state, Input::Nudged).0.phase, Phase::Authenticating);
        }
    }
}

#[test]
fn a_silent_feed_is_told_once_and_followed_by_new_sessions_until_an_event_comes() {
    let mut state = at(Phase::Live);
    for nth in 0..5 {
        let (next, actions) = step(State { phase: Phase::Live, ..state }, Input::Silent);
        let told = actions.contains(&Action::NoteSilence);
        assert_eq!(told, nth == 0);
        assert!(actions.ends_with(&[
            Action::End(EndReason::FeedSilent),
            Action::Close,
            Action::Rest(Pace::Soon)
        ]));
        state = next;
    }
    let (state, _) = step(State { phase: Phase::Live, ..state }, Input::Settled);
    assert_eq!(state.silences, 5, "a session that is up is no feed");
    let (state, actions) = step(state, Input::Heard);
    assert_eq!((state.silences, actions), (0, vec![Action::ClearSilence]));
}

const RELOADED: Input = Input::ServerReloaded { beside: true };

#[test]
fn a_session_goes_on_while_the_next_one_is_opened_after_a_reload() {
    let (state, actions) = step(at(Phase::Live), RELOADED);
    assert_eq!((state.phase, actions), (Phase::Handover, vec![Action::Prepare(Pace::Reload(0))]));
    // Whatever fails, it is tried again, and the live session stays.
    let failures = [
        (Attempt::NotConnected, vec![Action::Prepare(Pace::Reload(1))]),
        (Attempt::Refused, vec![Action::Prepare(Pace::Reload(1))]),
        (Attempt::Unanswered, vec![Action::Discard, Action::Prepare(Pace::AtOnce)]),
        (Attempt::NotGranted(Consequence::Soon), vec![Action::Prepare(Pace::Reload(1))]),
        (Attempt::NotGranted(Consequence::Slowly), vec![Action::Prepare(Pace::Careful(0))]),
    ];
    for (attempt, expected) in failures {
        let (next, actions) = step(state, Input::Successor(attempt));
        assert_eq!((next.phase, actions), (Phase::Handover, expected), "{attempt:?}");
    }
    let others = [
        (RELOADED, Phase::Handover, vec![Action::Prepare(Pace::Reload(0))]),
        (Input::Nudged, Phase::Handover, vec![Action::Prepare(Pace::AtOnce)]),
        (Input::Settled, Phase::Handover, vec![Action::ResetBackoff]),
        (Input::Stop, Phase::Stopped, vec![Action::End(EndReason::Stopping), Action::Close]),
        (
            Input::Ended(EndReason::Silent),
            Phase::Resting,
            vec![Action::End(EndReason::Silent), Action::Close, Action::Rest(Pace::Soon)],
        ),
        (
            Input::Refused,
            Phase::Resting,
            vec![Action::End(EndReason::LoginRefused), Action::Close, Action::Rest(Pace::Reload(1))],
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
fn refusals_after_a_reload_cost_no_token_until_they_are_many() {
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
fn a_password_that_is_refused_beside_a_live_session_is_no_more_often_tried() {
    let (mut state, _) = step(State { proven: true, ..at(Phase::Live) }, RELOADED);
    for nth in 1..=20 {
        let (next, actions) = step(state, Input::Successor(Attempt::NotGranted(Consequence::Slowly)));
        let slow = nth >= PROVEN_TRIES;
        let pace = if slow { Pace::Slow(nth - PROVEN_TRIES) } else { Pace::Careful(nth - 1) };
        assert_eq!(actions, [Action::Prepare(pace)]);
        state = next;
    }
}
