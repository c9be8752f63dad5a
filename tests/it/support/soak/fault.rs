//! Every fault that the simulated PBX can inject.

use std::ops::Range;

use pbx_simulator::{Answer, Knobs, Login, Simulator, SocketLogin, Upgrade};

use super::account::{PASSWORD, TOTP, USER};

/// A fault of the PBX.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Its duration in milliseconds.
    pub(crate) lasts: Range<u64>,
    pub(crate) begin: fn(&Simulator),
    /// Whether it certainly ends a live session.
    pub(crate) cuts: bool,
}

/// Ends every fault.
pub(crate) fn end(pbx: &Simulator) {
    pbx.freeze(false);
    pbx.change_password(USER, PASSWORD);
    pbx.two_factor(USER, None);
    pbx.turn(|knobs| *knobs = Knobs::default());
}

const AT_ONCE: Range<u64> = 0..1;
const SHORT: Range<u64> = 200..2_000;
/// Longer than the bridge waits after a cut and a refused token, so that its login meets the fault.
const MET: Range<u64> = 1_700..3_500;

const fn cut(name: &'static str, lasts: Range<u64>, begin: fn(&Simulator)) -> Fault {
    Fault { name, lasts, begin, cuts: true }
}

const fn odd(name: &'static str, lasts: Range<u64>, begin: fn(&Simulator)) -> Fault {
    Fault { name, lasts, begin, cuts: false }
}

/// Turns knobs, then drops all sockets, so that the next session meets the change.
fn turn(pbx: &Simulator, change: impl FnOnce(&mut Knobs)) {
    pbx.turn(change);
    pbx.cut();
}

/// Also invalidates all tokens, which the next session learns at once, so that its login meets the change. A revoked token
/// would be dropped silently, and the login would come after a short fault.
fn turn_and_forget(pbx: &Simulator, change: impl FnOnce(&mut Knobs)) {
    pbx.kill_sessions();
    turn(pbx, change);
}

/// Invalidates all tokens, and answers these paths with `answer`.
fn answer(pbx: &Simulator, paths: &[&str], answer: &Answer) {
    let answers = paths.iter().map(|path| ((*path).to_owned(), answer.clone())).collect();
    turn_and_forget(pbx, |knobs| knobs.answers = answers);
}

/// The short faults.
pub(crate) const FAULTS: &[Fault] = &[
    cut("sockets dropped", AT_ONCE, Simulator::cut),
    cut("sockets reset", SHORT, |pbx| turn(pbx, |knobs| knobs.reset = true)),
    cut("sockets dropped unnoticed", AT_ONCE, Simulator::cut_unnoticed),
    cut("namespace closed, transport open", AT_ONCE, Simulator::close_namespace),
    cut("middleware restarted", AT_ONCE, Simulator::restart),
    cut("dropped again and again", 1_000..4_000, |pbx| {
        pbx.turn(|knobs| knobs.cut_every = Some(std::time::Duration::from_millis(300)));
        pbx.cut();
    }),
    cut("token revoked", AT_ONCE, |pbx| {
        pbx.revoke(USER);
        pbx.cut();
    }),
    cut("backend lost its tokens", AT_ONCE, |pbx| {
        pbx.kill_sessions();
        pbx.cut();
    }),
    cut("login refused as while booting", MET, |pbx| {
        turn_and_forget(pbx, |knobs| knobs.login = Login::Refused);
    }),
    cut("login makes a dead session", MET, |pbx| {
        turn_and_forget(pbx, |knobs| knobs.login = Login::Dead);
    }),
    cut("login answered with two objects", MET, |pbx| {
        turn_and_forget(pbx, |knobs| knobs.login = Login::Glued);
    }),
    cut("login crashes", MET, |pbx| turn_and_forget(pbx, |knobs| knobs.login = Login::Crash)),
    cut("password changed for a moment", MET, |pbx| {
        pbx.change_password(USER, "planted-another");
        turn_and_forget(pbx, |_| {});
    }),
    // Longer than the wait for an answer to the login frame, which is dropped, so that a code is requested.
    cut("second factor switched on, then off", 3_500..7_000, |pbx| {
        pbx.two_factor(USER, Some(TOTP));
        pbx.cut();
    }),
    odd("second factor switched on and off under a session", AT_ONCE, |pbx| pbx.two_factor(USER, Some(TOTP))),
    cut("an error page of a proxy for everything", MET, |pbx| {
        answer(pbx, &["/login", "/user/me", "/ws/", "/astproxy/extensions"], &Answer::Page(502));
    }),
    cut("redirected elsewhere", MET, |pbx| {
        answer(pbx, &["/login", "/user/me"], &Answer::Redirect("http://127.0.0.1:1/".to_owned()));
    }),
    cut("answers compressed although not requested", MET, |pbx| {
        answer(pbx, &["/login", "/user/me", "/astproxy/extensions"], &Answer::Compressed);
    }),
    cut("backend down", 500..6_000, |pbx| turn(pbx, |knobs| knobs.backend_down = true)),
    cut("backend down, token gone", SHORT, |pbx| {
        turn_and_forget(pbx, |knobs| knobs.backend_down = true);
    }),
    cut("too many requests", SHORT, |pbx| turn_and_forget(pbx, |knobs| knobs.too_many_requests = true)),
    cut("101, then end of stream", 500..6_000, |pbx| turn(pbx, |knobs| knobs.upgrade = Upgrade::Eof)),
    cut("101, then nothing", SHORT, |pbx| turn(pbx, |knobs| knobs.upgrade = Upgrade::Mute)),
    cut("login frame dropped", SHORT, |pbx| turn(pbx, |knobs| knobs.socket_login = SocketLogin::Dropped)),
    cut("login frame refused", SHORT, |pbx| turn(pbx, |knobs| knobs.socket_login = SocketLogin::Refused)),
    cut("accepted three times", SHORT, |pbx| turn(pbx, |knobs| knobs.authe_ok = 3)),
    cut("events before the login is answered", SHORT, |pbx| {
        turn(pbx, |knobs| {
            let frame = r#"42["satellite/summary",{"uniqueid":"1795538000.1"}]"#;
            knobs.before_login = vec![frame.to_owned(); 3];
        });
    }),
    cut("slow answers", 500..4_000, |pbx| {
        turn(pbx, |knobs| knobs.answer_delay = std::time::Duration::from_millis(700));
    }),
    cut("clock an hour ahead", MET, |pbx| turn_and_forget(pbx, |knobs| knobs.clock_ahead = 3_600)),
    cut("clock an hour behind", MET, |pbx| turn_and_forget(pbx, |knobs| knobs.clock_ahead = -3_600)),
    cut("tokens of a few seconds", 3_000..6_000, |pbx| {
        turn_and_forget(pbx, |knobs| knobs.token_lifetime = std::time::Duration::from_secs(4));
    }),
    cut("snapshots refused", SHORT, |pbx| {
        turn(pbx, |knobs| {
            knobs.forbidden = vec!["/astproxy/queues".to_owned(), "/astproxy/extensions".to_owned()];
        });
    }),
    cut("snapshots fail", SHORT, |pbx| {
        turn(pbx, |knobs| {
            knobs.failing = vec!["/astproxy/queues".to_owned(), "/user/endpoints/all".to_owned()];
        });
    }),
    cut("snapshots are empty", SHORT, |pbx| {
        turn(pbx, |knobs| {
            knobs.empty = vec!["/astproxy/extensions".to_owned(), "/user/endpoints/all".to_owned()];
        });
    }),
    cut("snapshots cut short", SHORT, |pbx| {
        turn(pbx, |knobs| knobs.cut_short = vec!["/astproxy/extensions".to_owned()]);
    }),
    cut("snapshots are late", 500..4_000, |pbx| {
        turn(pbx, |knobs| knobs.snapshot_delay = std::time::Duration::from_millis(900));
    }),
    odd("configuration reloaded", AT_ONCE, |pbx| pbx.emit("serverReloaded", "")),
    odd("frozen", 200..4_000, |pbx| pbx.freeze(true)),
    odd("no heartbeat", 500..4_000, |pbx| pbx.turn(|knobs| knobs.heartbeat = false)),
    odd("no answer to probes", 500..4_000, |pbx| pbx.turn(|knobs| knobs.ping_ack = false)),
    odd("malformed frames", AT_ONCE, |pbx| {
        for frame in ["42{x", "zzz", "4", "42[", "42[1]", "42[\"a\",]"] {
            pbx.send_text(frame);
        }
        pbx.send_binary(b"\x00\xff");
    }),
    odd("unknown event names", AT_ONCE, |pbx| {
        pbx.emit("a.b*c> d/é\\\"", "\"x\",[1,2,{\"a\":1e400}],null");
        pbx.emit("", "");
        pbx.emit("401x", "\"\\ud800\"");
    }),
    odd("a picture of 600 KB", AT_ONCE, |pbx| {
        let picture = "A".repeat(600 << 10);
        pbx.emit("soakPicture", &format!("{{\"username\":\"ada\",\"avatar\":\"{picture}\"}}"));
    }),
    odd("a burst", AT_ONCE, |pbx| {
        let _ = pbx.burst_numbered(2_000, 900);
    }),
    odd("asked to make way", AT_ONCE, |pbx| pbx.emit("takeOver", "")),
];

/// Faults that last longer than the bridge needs to detect a dead connection.
pub(crate) const LONG_FAULTS: &[Fault] = &[
    cut("frozen for long", 45_000..60_000, |pbx| pbx.freeze(true)),
    cut("backend down for long", 30_000..50_000, |pbx| turn(pbx, |knobs| knobs.backend_down = true)),
    cut("101, then end of stream, for long", 30_000..50_000, |pbx| {
        turn(pbx, |knobs| knobs.upgrade = Upgrade::Eof);
    }),
];
