//! `cti-bridge check`: the real binary, and its report.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

use super::bridge::program;

/// Secrets that no output may contain: the password, one-time password secrets, tokens, and the broker's password.
const SECRETS: [&str; 5] =
    ["planted-password", "GEZDGNBVGY3TQOJQ", "MFRGGZDFMZTWQ2LK", "eyJ", "planted-nats"];
pub(crate) const PASSWORD: &str = "planted-password";
pub(crate) const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
pub(crate) const OTHER_TOTP: &str = "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK";

/// A configuration with a source `pbx1` at this address and a sink that always works.
pub(crate) fn config(url: &str, more: &str) -> String {
    format!(
        "[sources.pbx1]\nurl = \"{url}\"\nusername = \"bridge\"\npassword = \"{PASSWORD}\"\nlogin_timeout = \"1s\"\n{more}\n\
         [sinks.out]\ntype = \"stdout\"\n"
    )
}

/// The command `check` with this configuration, in `dir`.
pub(crate) fn command(dir: &Path, config: &str, args: &[&str]) -> Command {
    let file = dir.join("check.toml");
    std::fs::write(&file, config).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut command = program();
    command.arg("check").args(args).arg("--config").arg(file);
    command
}

/// Runs a command. Returns its exit code, standard output and standard error.
pub(crate) fn said(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    secret(&out);
    secret(&err);
    (output.status.code().unwrap_or(-1), out, err)
}

/// Asserts that a text contains no secret.
pub(crate) fn secret(output: &str) {
    for secret in SECRETS {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
}

/// A report in JSON.
pub(crate) struct Checked {
    pub(crate) code: i32,
    pub(crate) steps: Vec<Value>,
    pub(crate) summary: Value,
}

/// Runs `check --json` at log level trace.
pub(crate) fn check(dir: &Path, config: &str, args: &[&str]) -> Checked {
    let (code, out, err) = said(command(dir, config, &[&["--json", "--log-level", "trace"], args].concat()));
    Checked::read(code, &out).unwrap_or_else(|what| panic!("{what}: {out}\n{err}"))
}

impl Checked {
    /// Parses a report, and checks its keys against the documented ones.
    pub(crate) fn read(code: i32, out: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        for line in out.lines() {
            steps.push(serde_json::from_str::<Value>(line).map_err(|error| error.to_string())?);
        }
        let summary = steps.pop().ok_or("nothing")?;
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
        };
        let set =
            |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        for step in &steps {
            let mut expected = set(&["component", "stage", "verdict", "messages", "ms"]);
            expected.extend((step["verdict"] == "failed").then(|| "exit".to_owned()));
            expected.extend(step.get("details").map(|_| "details".to_owned()));
            if keys(step) != expected {
                return Err(format!("keys of {step}"));
            }
        }
        let mut expected = set(&["summary", "exit", "ok", "warnings", "failed", "skipped"]);
        expected.extend((summary["failed"] != 0).then(|| "first".to_owned()));
        if keys(&summary) != expected || summary["exit"] != code {
            return Err(format!("summary with code {code}"));
        }
        Ok(Self { code, steps, summary })
    }

    /// The only step of this component and stage.
    #[track_caller]
    pub(crate) fn step(&self, component: &str, stage: &str) -> &Value {
        let mut found =
            self.steps.iter().filter(|step| step["component"] == component && step["stage"] == stage);
        match (found.next(), found.next()) {
            (Some(step), None) => step,
            other => panic!("{component} {stage}: {other:?} in {:#?}", self.steps),
        }
    }

    /// The verdicts of a component, as in `dns ok, tcp failed`.
    pub(crate) fn verdicts(&self, component: &str) -> String {
        let steps = self.steps.iter().filter(|step| step["component"] == component);
        let text = |step: &Value| {
            format!("{} {}", step["stage"].as_str().unwrap(), step["verdict"].as_str().unwrap())
        };
        steps.map(text).collect::<Vec<_>>().join(", ")
    }

    /// Asserts that nothing failed, and that this step has a warning with this text.
    #[track_caller]
    pub(crate) fn warns(&self, component: &str, stage: &str, says: &str) {
        let step = self.step(component, stage);
        assert_eq!((self.code, &step["verdict"]), (0, &"warning".into()), "{:#?}", self.steps);
        assert!(step["messages"].to_string().contains(says), "no {says:?} in {step}");
    }

    /// Asserts that all steps passed, and that this step has this message.
    #[track_caller]
    pub(crate) fn tells(&self, component: &str, stage: &str, says: &str) {
        let step = self.step(component, stage);
        assert_eq!((self.code, &step["verdict"]), (0, &"ok".into()), "{:#?}", self.steps);
        assert!(step["messages"].to_string().contains(says), "no {says:?} in {step}");
    }

    /// Asserts that only this step failed, with this exit code and these messages.
    #[track_caller]
    pub(crate) fn fails(&self, component: &str, stage: &str, code: i32, says: &[&str]) {
        let step = self.step(component, stage);
        assert_eq!((&step["verdict"], &step["exit"]), (&"failed".into(), &code.into()), "{:#?}", self.steps);
        assert_eq!((self.code, &self.summary["failed"]), (code, &1.into()), "{:#?}", self.steps);
        assert_eq!(self.summary["first"], serde_json::json!({ "component": component, "stage": stage }));
        let messages = step["messages"].as_array().unwrap();
        let messages = messages.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("\n");
        for word in says {
            assert!(messages.contains(word), "no {word:?} in {messages}");
        }
    }
}
