//! Events that differ from the catalogue, as the real binary reports them.

use serde_json::{Value, json};

use crate::support::admin_bridge::{AdminBridge, is_ready, pbx};

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_on_the_bus_in_the_log_and_on_request() {
    let pbx = pbx().await;
    let bridge = AdminBridge::start(pbx.url().as_str(), "type = \"stdout\"", "resync = false");
    bridge.until("ready", is_ready).await;
    let (code, said) = bridge.command(&["catalogue", "--drift"]);
    assert_eq!((code, &*said), (Some(0), "the sampled events match the catalogue\n"));

    let hangup =
        r#"{"channelExten":"201","callerNum":"0721555444","calledNum":"201","cause":"normal_clearing""#;
    for number in 1..=12 {
        pbx.emit("extenHangup", &format!("{hangup},\"0721555444\":\"secret{number}\"}}"));
    }
    pbx.emit("light.on", "1");
    let status =
        bridge.until("found", |status| status["sources"][0]["drift"].as_array().unwrap().len() == 2).await;
    let drift = &status["sources"][0]["drift"];
    assert_eq!(
        (&drift[0]["event"], &drift[0]["path"], &drift[0]["kind"], &drift[0]["count"]),
        (&json!("extenHangup"), &json!("/0721555xxx"), &json!("unknown_field"), &json!(10))
    );
    assert!(drift[0]["firstSeen"].is_string() && drift[0]["lastSeen"].is_string(), "{drift}");

    bridge.bridge.says("\"data\":{\"event\":\"light.on\"").await;
    let output = bridge.bridge.output();
    let notices: Vec<Value> = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["type"] == "cti.bridge.drift.v1")
        .map(|mut line| line["data"].take())
        .collect();
    let notice = |event: &str, path: &str, kind: &str| json!({ "event": event, "path": path, "kind": kind, "count": 1 });
    assert_eq!(
        notices,
        [notice("extenHangup", "/0721555xxx", "unknown_field"), notice("light.on", "", "unknown_event")]
    );
    let logged = output.lines().filter(|line| line.contains("the event catalogue does not describe"));
    let logged: Vec<_> = logged.collect();
    assert_eq!(logged.len(), 2, "{output}");
    assert!(logged[0].contains("/0721555xxx") && logged[0].contains("pbx1"), "{}", logged[0]);

    let (_, metrics) = bridge.get("/metrics").await;
    for series in [
        r#"cti_bridge_schema_drift_total{source="pbx1",event="extenHangup",kind="unknown_field"} 10"#,
        r#"cti_bridge_schema_drift_total{source="pbx1",event="unknown",kind="unknown_event"} 1"#,
    ] {
        assert!(metrics.contains(series), "no {series}:\n{metrics}");
    }
    let (_, said) = bridge.command(&["status"]);
    assert!(said.contains("`cti-bridge catalogue --drift`"), "{said}");
    let (code, said) = bridge.command(&["catalogue", "--drift"]);
    assert!(
        code == Some(0) && said.contains("extenHangup /0721555xxx") && said.contains("unknown field"),
        "{said}"
    );
    let listed: Value = serde_json::from_str(&bridge.command(&["catalogue", "--drift", "--json"]).1).unwrap();
    assert_eq!((&listed[1]["source"], &listed[1]["event"]), (&json!("pbx1"), &json!("light.on")));
    assert!(!format!("{metrics}{said}{status}{}", logged.concat()).contains("secret1"), "no value is shown");
}
