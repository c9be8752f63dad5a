//! The report: text for people, or JSON lines for programs.

use std::{
    fmt::Write as _,
    io::Write,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::step::{Component, Fault, Found, Outcome, Stage, Step, Verdict};
use crate::{
    terminal::{Style, Tint},
    text,
};

/// The format of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line per step when it ends; on a terminal also while it runs.
    Text {
        /// Lines can be overwritten.
        terminal: bool,
        /// Colours and width.
        style: Style,
        /// Only problems and the summary.
        is_quiet: bool,
    },
    /// A JSON object per step, and one at the end.
    Json,
}

/// Shows steps as they end, and counts them. A reader that closes the pipe does not end the check.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    format: Format,
    /// The outcome so far.
    pub outcome: Outcome,
}

/// Width of the component and the stage.
const LABEL: usize = 24;
/// Indentation of further messages.
const INDENT: usize = LABEL + 8;

impl<W: Write> Report<W> {
    /// Writes to `out`.
    pub fn new(out: W, format: Format) -> Self {
        Self { out, format, outcome: Outcome::default() }
    }

    /// Runs a step, and shows what it found. Yields its value, or `None` if it failed.
    pub async fn step<T>(
        &mut self,
        component: &Component,
        stage: Stage,
        work: impl Future<Output = Result<(T, Found), Fault>>,
    ) -> Option<T> {
        let began = self.begin(component, stage);
        let result = work.await;
        self.end((component, stage), began, result)
    }

    /// [`Report::step`] for work that does not wait.
    pub fn step_now<T>(
        &mut self,
        component: &Component,
        stage: Stage,
        work: impl FnOnce() -> Result<(T, Found), Fault>,
    ) -> Option<T> {
        let began = self.begin(component, stage);
        self.end((component, stage), began, work())
    }

    /// Shows that a step is under way, where [`Report::step`] does not fit.
    pub(super) fn begin(&mut self, component: &Component, stage: Stage) -> Instant {
        if let Format::Text { terminal: true, .. } = self.format {
            let _ = write!(self.out, "...   {}", label(component, stage));
            let _ = self.out.flush();
        }
        Instant::now()
    }

    /// Shows the end of a step.
    pub(super) fn end<T>(
        &mut self,
        (component, stage): (&Component, Stage),
        began: Instant,
        result: Result<(T, Found), Fault>,
    ) -> Option<T> {
        let took = began.elapsed();
        let (value, verdict, messages, details) = match result {
            Ok((value, Found { message, warnings, details })) => {
                let verdict = if warnings.is_empty() { Verdict::Ok } else { Verdict::Warning };
                let messages =
                    warnings.into_iter().chain(Some(message).filter(|text| !text.is_empty())).collect();
                (Some(value), verdict, messages, details)
            }
            Err(Fault { exit, messages }) => {
                (None, Verdict::Failed(exit.unwrap_or(stage.row().1)), messages, Map::new())
            }
        };
        self.show(Step { component: component.clone(), stage, verdict, messages, details, took });
        value
    }

    /// Shows a step that is skipped as it needs another.
    pub fn skip(&mut self, component: &Component, stage: Stage, needs: &str) {
        let messages = vec![format!("needs {needs}")];
        let (details, took) = (Map::new(), Duration::ZERO);
        self.show(Step {
            component: component.clone(),
            stage,
            verdict: Verdict::Skipped,
            messages,
            details,
            took,
        });
    }

    fn show(&mut self, mut step: Step) {
        // An answer of a server may be component of a message.
        step.messages.iter_mut().for_each(|message| *message = text::sentence(message));
        self.outcome.count(&step);
        let shown = match self.format {
            Format::Text { terminal, style, is_quiet } => {
                let start = if terminal { "\r\x1b[K" } else { "" };
                let is_shown = !is_quiet || matches!(step.verdict, Verdict::Warning | Verdict::Failed(_));
                let row = if is_shown { row(&step, style) } else { String::new() };
                write!(self.out, "{start}{row}")
            }
            Format::Json => writeln!(self.out, "{}", object(&step)),
        };
        let _ = shown.and_then(|()| self.out.flush());
    }

    /// The last line.
    pub fn finish(mut self) -> Outcome {
        let line = match self.format {
            Format::Text { terminal, style, .. } => {
                // Overwrites the line of an interrupted step.
                let start = if terminal { "\r\x1b[K" } else { "" };
                let tint = match &self.outcome {
                    Outcome { failed: 1.., .. } => Tint::Bad,
                    Outcome { interrupted: true, .. } | Outcome { warnings: 1.., .. } => Tint::Attention,
                    _ => Tint::Good,
                };
                format!("{start}{}", style.paint(tint, &style.wrap(&sentence(&self.outcome), 0)))
            }
            Format::Json => summary(&self.outcome).to_string(),
        };
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        self.outcome
    }
}

fn label(component: &Component, stage: Stage) -> String {
    match component {
        Component::Bridge => stage.name().to_owned(),
        component => format!("{component} {}", stage.name()),
    }
}

fn row(step: &Step, style: Style) -> String {
    let (word, tint) = match step.verdict {
        Verdict::Ok => ("ok", Tint::Good),
        Verdict::Warning => ("warn", Tint::Attention),
        Verdict::Failed(_) => ("FAIL", Tint::Bad),
        Verdict::Skipped => ("skip", Tint::Faint),
    };
    let mut lines = step.messages.iter();
    let word = style.paint(tint, &format!("{word:<5}"));
    let mut out = format!("{word} {:<LABEL$}  ", label(&step.component, step.stage));
    let mut first = lines.next().cloned().unwrap_or_default();
    if step.took >= Duration::from_millis(1) {
        let _ = write!(first, " ({} ms)", step.took.as_millis());
    }
    out.push_str(&style.wrap(&first, INDENT));
    for line in lines {
        let _ = write!(out, "\n{:<INDENT$}{}", "", style.wrap(line, INDENT));
    }
    style.shown(&format!("{}\n", out.trim_end()))
}

fn object(step: &Step) -> Value {
    let word = match step.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failed(_) => "failed",
        Verdict::Skipped => "skipped",
    };
    let mut object = json!({
        "component": step.component.to_string(),
        "stage": step.stage.name(),
        "verdict": word,
        "messages": step.messages,
        "ms": u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
    });
    if let Verdict::Failed(exit) = step.verdict {
        object["exit"] = (exit as u8).into();
    }
    if !step.details.is_empty() {
        object["details"] = Value::Object(step.details.clone());
    }
    object
}

fn summary(outcome: &Outcome) -> Value {
    let mut object = json!({
        "summary": match outcome {
            Outcome { failed: 1.., .. } => "failed",
            Outcome { interrupted: true, .. } => "interrupted",
            Outcome { warnings: 1.., .. } => "warning",
            _ => "ok",
        },
        "exit": outcome.exit() as u8,
        "ok": outcome.ok,
        "warnings": outcome.warnings,
        "failed": outcome.failed,
        "skipped": outcome.skipped,
    });
    if let Some((component, stage, _)) = &outcome.first {
        object["first"] = json!({ "component": component.to_string(), "stage": stage.name() });
    }
    object
}

fn sentence(outcome: &Outcome) -> String {
    let steps = |count: usize| format!("{count} step{}", if count == 1 { "" } else { "s" });
    match &outcome.first {
        Some((component, stage, exit)) => format!(
            "{} failed, the first: {} (exit code {})",
            steps(outcome.failed),
            label(component, *stage),
            *exit as u8
        ),
        None if outcome.interrupted => "interrupted: the check is incomplete".to_owned(),
        None if outcome.warnings > 0 => {
            format!(
                "it works; {} of {} need attention",
                outcome.warnings,
                steps(outcome.ok + outcome.warnings)
            )
        }
        None => format!("all checks passed: {}", steps(outcome.ok)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn shown(format: Format) -> (String, Exit) {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, format);
        let component = Component::Source("pbx1".to_owned());
        let found = Found::well("1 source").detail("sources", 1);
        assert_eq!(report.step_now(&Component::Bridge, Stage::Config, || Ok((7, found))), Some(7));
        let found = Found::well("pbx is trusted").warn(["ends soon\x1b[31m".to_owned()]);
        report.step_now(&component, Stage::Tls, || Ok(((), found)));
        let fault = Fault::from_messages(vec!["refused: check it".to_owned()]);
        assert_eq!(report.step_now::<()>(&component, Stage::Login, || Err(fault)), None);
        report.skip(&component, Stage::Session, "login");
        let exit = report.finish().exit();
        (String::from_utf8(out).unwrap(), exit)
    }

    fn plain(terminal: bool) -> Format {
        Format::Text { terminal, style: Style::default(), is_quiet: false }
    }

    #[test]
    fn a_quiet_report_shows_only_problems_coloured_and_wrapped() {
        let style = Style { has_colours: true, columns: Some(44), is_ascii: false };
        let (text, _) = shown(Format::Text { terminal: false, style, is_quiet: true });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "\u{1b}[33mwarn \u{1b}[0m source/pbx1 tls           ends soon\\u{1b}[31m");
        assert_eq!(lines[2], "\u{1b}[31mFAIL \u{1b}[0m source/pbx1 login         refused: check it");
        assert_eq!(lines[3], "\u{1b}[31m1 step failed, the first: source/pbx1 login");
        assert_eq!((lines[4], lines.len()), ("(exit code 77)\u{1b}[0m", 5));
    }

    #[test]
    fn text_has_a_line_per_step_and_a_verdict() {
        let (text, exit) = shown(plain(false));
        assert_eq!(exit, Exit::Refused);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "ok    config                    1 source");
        assert_eq!(lines[1], "warn  source/pbx1 tls           ends soon\\u{1b}[31m");
        assert_eq!(lines[2], "                                pbx is trusted");
        assert_eq!(lines[3], "FAIL  source/pbx1 login         refused: check it");
        assert_eq!(lines[4], "skip  source/pbx1 session       needs login");
        assert_eq!(lines[5], "1 step failed, the first: source/pbx1 login (exit code 77)");
    }

    #[test]
    fn a_terminal_shows_the_current_step() {
        let (text, _) = shown(plain(true));
        assert!(text.starts_with("...   config\r\x1b[Kok    config"), "{text:?}");
    }

    #[test]
    fn json_has_an_object_per_step_and_one_for_all() {
        let (text, _) = shown(Format::Json);
        let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 5);
        assert_eq!(objects[0]["details"]["sources"], 1);
        assert_eq!((&objects[2]["verdict"], &objects[2]["exit"]), (&"failed".into(), &77.into()));
        assert_eq!(objects[4]["first"], json!({ "component": "source/pbx1", "stage": "login" }));
    }
}
