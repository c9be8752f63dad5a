//! The state machine on a clock of its own, against a PBX that is one line of time.

use proptest::prelude::*;

use super::*;
use crate::{
    auth::Consequence,
    event::EndReason,
    session::{
        Action, Input, Phase, State,
        live::{LASTED, STABLE},
        step,
    },
};

/// What a PBX does for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// Logins are refused as with a wrong password, while the socket opens.
    RefusesPasswords,
    /// The same, and the socket is closed: the backend starts.
    Boots,
    /// The socket's logins are refused.
    RefusesSessions,
    /// Each session is accepted, and its token refused after a moment.
    Forgets,
    /// Each session is accepted, and ends after a moment.
    Drops,
    /// It can't be reached.
    Down,
}

/// Moods and the seconds each lasts; the last one stays.
struct Pbx(Vec<(Mood, f64)>);

impl Pbx {
    fn mood(&self, at: f64) -> Mood {
        let mut ends = 0.0;
        let found = self.0.iter().find(|(_, lasts)| {
            ends += lasts;
            at < ends
        });
        found.or(self.0.last()).unwrap().0
    }
}

/// What came of it: seconds since the start.
#[derive(Debug, Default)]
struct Run {
    /// Passwords sent.
    passwords: Vec<f64>,
    /// Of those, the refused ones.
    refused: Vec<f64>,
    /// Sessions that went live.
    live: Vec<f64>,
    /// Their ends.
    ended: Vec<f64>,
}

impl Run {
    /// Most passwords refused within any span of time.
    fn most(&self, span: Duration) -> usize {
        let within = |from: f64| {
            self.refused.iter().filter(|at| (from..from + span.as_secs_f64()).contains(*at)).count()
        };
        self.refused.iter().map(|from| within(*from)).max().unwrap_or(0)
    }

    /// How long after this moment there is a session.
    fn away(&self, at: f64) -> f64 {
        let before = |times: &[f64]| times.iter().filter(|time| **time <= at).count();
        if before(&self.live) > before(&self.ended) {
            return 0.0;
        }
        self.live.iter().find(|live| **live >= at).map_or(f64::INFINITY, |live| live - at)
    }
}

/// An attempt's own time.
const STEP: f64 = 0.05;

fn run(pbx: &Pbx, until: f64, seed: u64) -> Run {
    fastrand::seed(seed);
    let (mut state, mut delays, mut now, mut due) = (State::default(), Delays::default(), 0.0_f64, 0.0_f64);
    let (mut run, mut token) = (Run::default(), false);
    let (mut lasts, mut settles) = (f64::INFINITY, f64::INFINITY);
    while now < until {
        now += STEP;
        let mood = pbx.mood(now);
        let input = match state.phase {
            Phase::Waiting => {
                now = now.max(due);
                Input::WaitOver
            }
            Phase::Authenticating if token => Input::Granted,
            Phase::Authenticating => {
                run.passwords.push(now);
                if matches!(mood, Mood::RefusesPasswords | Mood::Boots) {
                    run.refused.push(now);
                    Input::NotGranted(Consequence::Slowly)
                } else {
                    token = true;
                    Input::Granted
                }
            }
            Phase::Probing | Phase::Connecting if matches!(mood, Mood::Boots | Mood::Down) => {
                Input::NotConnected
            }
            Phase::Probing | Phase::Connecting => Input::Connected,
            Phase::LoggingIn if mood == Mood::RefusesSessions => Input::Refused,
            Phase::LoggingIn => Input::Accepted,
            Phase::Live if mood == Mood::Forgets => Input::Refused,
            Phase::Live if mood == Mood::Drops => Input::Ended(EndReason::ConnectionClosed),
            // Whatever goes wrong takes the session with it.
            Phase::Live if mood != Mood::Well => {
                token &= mood == Mood::Down;
                Input::Ended(EndReason::ConnectionClosed)
            }
            Phase::Live if now >= lasts => {
                lasts = f64::INFINITY;
                Input::Lasted
            }
            Phase::Live if now >= settles => {
                settles = f64::INFINITY;
                Input::Settled
            }
            Phase::Live => continue,
            Phase::Handover | Phase::Stopped => panic!("this PBX reloads and stops nothing"),
        };
        let (next, actions) = step(state, input);
        state = next;
        for action in actions {
            match action {
                Action::Wait(policy) => {
                    due = now + delays.next(policy, Duration::from_secs_f64(STEP)).as_secs_f64();
                }
                Action::ResetBackoff => delays.reset(),
                Action::Discard => token = false,
                Action::Begin => {
                    run.live.push(now);
                    lasts = now + LASTED.as_secs_f64();
                    settles = now + STABLE.as_secs_f64();
                }
                Action::End(_) => run.ended.push(now),
                _ => {}
            }
        }
    }
    run
}

const HALF_HOUR: Duration = Duration::from_mins(30);
const DAY: f64 = 86_400.0;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_wrong_password_is_sent_under_ten_times_per_half_hour(seed: u64) {
        let run = run(&Pbx(vec![(Mood::RefusesPasswords, DAY)]), DAY, seed);
        prop_assert!(run.most(HALF_HOUR) < 10, "{:?}", run.refused);
        prop_assert!(run.refused.windows(2).all(|two| two[1] - two[0] <= 901.0));
        prop_assert!(run.refused.len() > 95);
    }

    #[test]
    fn a_formerly_right_password_is_sent_a_bounded_number_of_times(seed: u64) {
        let run = run(&Pbx(vec![(Mood::Well, 60.0), (Mood::RefusesPasswords, DAY)]), DAY, seed);
        prop_assert!(run.most(HALF_HOUR) <= 13, "{:?}", run.refused);
        let later: Vec<_> = run.refused.iter().copied().filter(|at| *at > 60.0 + 1_800.0).collect();
        let later = Run { refused: later, ..Run::default() }.most(HALF_HOUR);
        prop_assert!(later <= 5, "{later}");
        prop_assert!(run.refused.windows(2).all(|two| two[1] - two[0] <= 901.0));
    }

    #[test]
    fn a_right_password_recovers_within_half_a_minute(seed: u64, lasts in 0.1..90.0) {
        let pbx = Pbx(vec![(Mood::Well, 60.0), (Mood::RefusesPasswords, lasts), (Mood::Well, DAY)]);
        let run = run(&pbx, 1_000.0, seed);
        prop_assert!(run.away(60.0 + lasts) < 31.0, "{run:?}");
    }

    #[test]
    fn a_slowly_starting_pbx_is_awaited_with_one_password(seed: u64, lasts in 1.0..7_200.0, proven: bool) {
        let well = if proven { 60.0 } else { 0.0 };
        let run = run(&Pbx(vec![(Mood::Well, well), (Mood::Boots, lasts), (Mood::Well, DAY)]), well + 8_000.0, seed);
        prop_assert!(run.refused.len() <= 1, "{run:?}");
        prop_assert!(run.away(well + lasts) < 31.0, "{run:?}");
    }

    #[test]
    fn short_faults_never_add_up_to_a_long_absence(
        seed: u64,
        faults in proptest::collection::vec((0..4_usize, 0.1..6.0, 26.0..60.0), 1..60),
    ) {
        let moods = [Mood::RefusesPasswords, Mood::Boots, Mood::RefusesSessions, Mood::Forgets];
        let mut line = vec![(Mood::Well, 5.0)];
        line.extend(faults.iter().flat_map(|(mood, lasts, well)| [(moods[*mood], *lasts), (Mood::Well, *well)]));
        let run = run(&Pbx(line.clone()), line.iter().map(|(_, lasts)| lasts).sum(), seed);
        let mut at = 0.0;
        for two in line.windows(2) {
            at += two[0].1;
            if two[1].0 == Mood::Well && two[1].1 > 31.0 {
                prop_assert!(run.away(at) < 31.0, "after {:?} until {at}: {run:?}", two[0].0);
            }
        }
    }

    #[test]
    fn a_session_is_back_within_four_seconds_of_the_pbx(seed: u64, lasts in 0.1..300.0) {
        let pbx = Pbx(vec![(Mood::Well, 60.0), (Mood::Down, lasts), (Mood::Well, DAY)]);
        let run = run(&pbx, 400.0, seed);
        prop_assert!(run.away(60.0 + lasts) < 4.0, "{run:?}");
        prop_assert_eq!(run.passwords.len(), 1);
    }

    #[test]
    fn sessions_that_end_at_once_are_opened_by_the_half_minute(seed: u64) {
        let run = run(&Pbx(vec![(Mood::Drops, DAY)]), 3_600.0, seed);
        let early = run.live.iter().filter(|live| **live < 40.0).count();
        prop_assert!(early <= 8, "{early} within 40 s");
        prop_assert!(run.live.len() < 250, "{}", run.live.len());
        prop_assert!(run.live.windows(2).all(|two| two[1] - two[0] <= 31.0), "{:?}", run.live);
    }

    #[test]
    fn a_pbx_that_forgets_each_token_at_once_is_not_hammered(seed: u64) {
        let run = run(&Pbx(vec![(Mood::Forgets, DAY)]), 3_600.0, seed);
        prop_assert!(run.passwords.len() < 750, "{}", run.passwords.len());
        prop_assert!(run.live.len() > 300);
    }

    #[test]
    fn sessions_that_stay_refused_are_tried_by_the_minute_for_ever(seed: u64) {
        let run = run(&Pbx(vec![(Mood::RefusesSessions, DAY)]), DAY, seed);
        prop_assert!(run.passwords.windows(2).all(|two| two[1] - two[0] <= 901.0));
        prop_assert!(run.passwords.len() < 220, "{}", run.passwords.len());
    }
}
