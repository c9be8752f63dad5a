//! The table of results.

use std::time::Duration;

use super::front::Fault;

/// One outage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) fault: Fault,
    pub(crate) lasted: Duration,
    /// The time from its end to the next session.
    pub(crate) away: Duration,
}

/// The rows, by upper bound of the outage's length in seconds.
const LENGTHS: [(f64, &str); 4] =
    [(4.0, "under 4 s"), (25.0, "4 to 25 s"), (60.0, "25 s to 1 min"), (f64::INFINITY, "over 1 min")];

pub(crate) fn print(measured: &[Measured]) {
    let faults = Fault::ALL.map(Fault::name).join(" | ");
    println!("Seconds from the end of an outage to the next session: median, longest (outages)\n");
    println!("| outage | {faults} | all |");
    println!("|---|{}--:|", "--:|".repeat(Fault::ALL.len()));
    let mut from = 0.0;
    for (to, name) in LENGTHS {
        let row = |measured: &&Measured| (from..to).contains(&measured.lasted.as_secs_f64());
        print_row(name, &measured.iter().filter(row).copied().collect::<Vec<_>>());
        from = to;
    }
    print_row("all", measured);
}

fn print_row(name: &str, measured: &[Measured]) {
    let of = |fault| {
        cell(measured.iter().filter(|measured| measured.fault == fault).map(|measured| measured.away))
    };
    let cells = Fault::ALL.map(of).join(" | ");
    println!("| {name} | {cells} | {} |", cell(measured.iter().map(|measured| measured.away)));
}

fn cell(away: impl Iterator<Item = Duration>) -> String {
    let mut away: Vec<f64> = away.map(|away| away.as_secs_f64()).collect();
    away.sort_by(f64::total_cmp);
    let (Some(median), Some(longest)) = (away.get(away.len() / 2), away.last()) else { return "-".into() };
    format!("{median:.1}, {longest:.1} ({})", away.len())
}
