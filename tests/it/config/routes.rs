//! Routes in the configuration: how they are written, and what is wrong with them, with the line.
#![cfg(feature = "nats")]

use cti_bridge::config::Origin;

use crate::support::config::{GOOD, Place};

/// [`GOOD`] with routes of its sink, which begin in line 8.
fn place(routes: &str) -> Place {
    Place::new(&format!("{GOOD}{routes}"))
}

#[track_caller]
fn warnings(place: &Place) -> Vec<String> {
    let file = place.flags.config.clone().unwrap().display().to_string();
    place.good().warnings.iter().map(|warning| warning.replace(&file, "FILE")).collect()
}

#[test]
fn each_problem_has_the_line_of_its_key() {
    let problems = place(include_str!("routes_wrong.toml")).problems().join("\n") + "\n";
    let expected = include_str!("routes_wrong.txt");
    assert_eq!(problems, expected, "\n--- found:\n{problems}");
}

#[test]
fn a_route_that_has_no_effect_is_a_warning() {
    let warnings = warnings(&place(include_str!("routes_odd.toml"))).join("\n") + "\n";
    let expected = include_str!("routes_odd.txt");
    assert_eq!(warnings, expected, "\n--- found:\n{warnings}");
}

#[test]
fn show_prints_each_route_with_its_line() {
    let place = place(
        r#"[[sinks.bus.routes]]
match = { event = "a*", where = [
  { path = "/x", in = [1, 1.5, true, "t"] },
] }
drop = true
[[sinks.bus.routes]]
match = {}
"#,
    );
    let file = place.flags.config.clone().unwrap();
    let shown = place.good().settings.to_string().replace(&file.display().to_string(), "FILE");
    let expected = r#"sinks.bus.routes = [
  { drop = true, match = { event = "a*", where = [{ in = [1, 1.5, true, "t"], path = "/x" }] } },  # from FILE:8
  { match = {} },  # from FILE:13
]
"#;
    assert!(shown.contains(expected), "{shown}");
    shown.parse::<toml_edit::DocumentMut>().unwrap();
}

#[test]
fn a_variable_replaces_all_routes_or_is_refused_clearly() {
    let routes = "[[sinks.bus.routes]]\nmatch = {}\n";
    let variable = "CTI_BRIDGE_SINKS__BUS__ROUTES";
    let one =
        place(routes).var(variable, r#"[{match={event="a",where=[{path="/x",equals=401}]},drop=true}]"#);
    let settings = one.good().settings;
    let shown: Vec<_> = settings.iter().filter(|setting| setting.key.contains("routes")).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].origin, Origin::Variable(variable.to_owned()));
    for (name, value, expected) in [
        (
            variable,
            "a,b",
            "environment variable CTI_BRIDGE_SINKS__BUS__ROUTES: sinks.bus.routes[0]: is a string, but must be a table: write { … }",
        ),
        (
            "CTI_BRIDGE_SINKS__BUS__ROUTES__0__DROP",
            "true",
            "environment variable CTI_BRIDGE_SINKS__BUS__ROUTES__0__DROP: sinks.bus.routes: is a table, but must be a list of tables, \
             which is best written in the configuration file",
        ),
    ] {
        assert_eq!(place(routes).var(name, value).problems()[0], expected);
    }
}
