//! Checks the conditions after the last round.

use std::process::ExitCode;

use super::{
    Settings,
    copies::{CLONES, Cloned, While},
    course::Restored,
    report::{Promise, Report},
    stored::Stored,
};

pub(crate) struct Verdict {
    settings: Settings,
    report: Report,
    /// The number of stored events from clones.
    foreign: usize,
    /// The number of sequences that are missing according to the messages, and not announced.
    holes: usize,
    clones: Vec<Cloned>,
    restores: Vec<Restored>,
    exit: Option<i32>,
    log: String,
}

impl Verdict {
    pub(crate) fn new(
        settings: Settings,
        mut stored: Stored,
        report: impl FnOnce(&Stored) -> Report,
        clones: Vec<Cloned>,
        restores: Vec<Restored>,
    ) -> Self {
        let holes = stored.silent_holes();
        let foreign = take_foreign(&mut stored);
        let report = report(&stored);
        Self { settings, report, foreign, holes, clones, restores, exit: None, log: String::new() }
    }

    /// Adds the exit code and the log of the bridge.
    pub(crate) fn with_end(self, exit: Option<i32>, log: String) -> Self {
        Self { exit, log, ..self }
    }

    /// The violated conditions, a sentence each.
    fn broken(&self) -> Vec<String> {
        let mut broken: Vec<String> = Vec::new();
        broken.extend(self.report.broken(Promise::Announced).into_iter().map(str::to_owned));
        let mut check = |holds: bool, text: String| broken.extend((!holds).then_some(text));
        check(self.holes == 0, format!("{} holes in the sequences are not announced", self.holes));
        check(self.foreign == 0, format!("{} events of clones are stored", self.foreign));
        for clone in self.clones.iter().filter(|clone| !clone.is_refused()) {
            check(false, format!("{clone}: {:?}", clone.sentences));
        }
        for restored in &self.restores {
            if let Some(reason) = &restored.refused {
                check(
                    false,
                    format!("nothing is delivered after a restore ({}): {reason}", describe(restored)),
                );
            }
        }
        let Settings { clones, restores, .. } = self.settings;
        check(self.clones.len() == clones as usize, format!("{} clones were started", self.clones.len()));
        check(self.restores.len() == restores as usize, format!("{} journals restored", self.restores.len()));
        check(self.exit == Some(0), format!("the bridge ended with {:?}", self.exit));
        check(!self.log.contains("panicked"), "the log contains a panic".to_owned());
        broken
    }

    pub(crate) fn print(&self) -> ExitCode {
        let Settings { kafka, rate, .. } = self.settings;
        println!("{}", Report::HEAD);
        let sink = if kafka { "Kafka" } else { "JetStream" };
        println!("{}", self.report.line(&format!("{sink}, {rate}/s, bridge killed")));
        let refused = self.clones.iter().filter(|clone| clone.is_refused()).count();
        let running = self.clones.iter().filter(|clone| clone.copied == While::Running).count();
        println!("\n| copies | count | as it must be | copied while it ran |\n|---|--:|--:|--:|");
        println!("| clones refused in one sentence | {} | {refused} | {running} |", self.clones.len());
        let went_on = self.restores.iter().filter(|restored| restored.refused.is_none()).count();
        let running = self.restores.iter().filter(|restored| restored.copied == While::Running).count();
        println!("| restored journals that went on | {} | {went_on} | {running} |", self.restores.len());
        println!("\n{} events of clones are stored; {} holes not announced", self.foreign, self.holes);
        let ages: Vec<usize> = self.restores.iter().map(|restored| restored.age).collect();
        println!("the restored journals were this many kills old: {ages:?}");
        if let Some(sentence) = self.clones.iter().find_map(|clone| clone.sentences.first()) {
            println!("the refusal: {sentence}");
        }
        let broken = self.broken();
        if !broken.is_empty() {
            self.save_logs();
        }
        conclude(&broken)
    }

    fn save_logs(&self) {
        let save = |name: String, log: &str| {
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, log).unwrap();
            println!("log: {}", path.display());
        };
        let seed = self.settings.seed;
        save(format!("cti-bridge-kills-{seed}.log"), &self.log);
        let clones = self.clones.iter().enumerate().filter(|(_, clone)| !clone.is_refused());
        clones.for_each(|(at, clone)| save(format!("cti-bridge-kills-{seed}-clone-{at}.log"), &clone.log));
    }
}

/// Prints the violations. Returns a failure if there are any.
pub(crate) fn conclude(broken: &[String]) -> ExitCode {
    for broken in broken {
        println!("BROKEN: {broken}");
    }
    if broken.is_empty() {
        println!("all conditions hold");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

fn describe(restored: &Restored) -> String {
    format!("{} kills old, copied while {:?}", restored.age, restored.copied)
}

/// Removes the events of clones. Returns their number.
fn take_foreign(stored: &mut Stored) -> usize {
    let is_ours = |number: &usize| *number < CLONES;
    for gap in &mut stored.gaps {
        gap.place = stored.numbers[..gap.place].iter().filter(|number| is_ours(number)).count();
    }
    let all = stored.numbers.len();
    let ours = stored.numbers.iter().zip(&stored.sequences).filter(|(number, _)| is_ours(number));
    (stored.numbers, stored.sequences) = ours.map(|(number, sequence)| (*number, *sequence)).unzip();
    all - stored.numbers.len()
}
