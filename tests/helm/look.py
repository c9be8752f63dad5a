"""Looks through the rendered objects: look.py CASE RENDERED DIRECTORY. Lays out what the pod finds there."""

import os
import re
import sys

import yaml

case, rendered, directory = sys.argv[1:]
with open(rendered) as file:
    objects = [thing for thing in yaml.safe_load_all(file) if thing]


def of(kind):
    return [thing for thing in objects if thing["kind"] == kind]


def one(kind):
    (thing,) = of(kind)
    return thing


def named_object(kind, name):
    (thing,) = [thing for thing in of(kind) if thing["metadata"]["name"] == name]
    return thing


def named(things, name):
    (thing,) = [thing for thing in things if thing["name"] == name]
    return thing


stateful = one("StatefulSet")["spec"]
pod = stateful["template"]["spec"]
bridge = named(pod["containers"], "cti-bridge")

# The restricted standard, and more.
assert pod["automountServiceAccountToken"] is False
assert pod["enableServiceLinks"] is False, "variables of services would be taken for configuration"
assert pod["securityContext"]["runAsNonRoot"] is True
assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
assert bridge["securityContext"]["allowPrivilegeEscalation"] is False
assert bridge["securityContext"]["readOnlyRootFilesystem"] is True
assert bridge["securityContext"]["capabilities"]["drop"] == ["ALL"]
assert bridge["resources"]["limits"]["memory"] and bridge["resources"]["requests"]["cpu"]
for account in of("ServiceAccount"):
    assert account["automountServiceAccountToken"] is False
    assert account["metadata"]["name"] == pod["serviceAccountName"]
assert not of("Role") and not of("ClusterRole")

# Each probe has its own path, on the port that the program is told.
environment = {entry["name"]: entry.get("value") for entry in bridge["env"]}
port = named(bridge["ports"], "admin")["containerPort"]
assert environment["CTI_BRIDGE_ADMIN__LISTEN"] == f"0.0.0.0:{port}"
for probe, path in (("startup", "/startupz"), ("liveness", "/livez"), ("readiness", "/readyz")):
    assert bridge[probe + "Probe"]["httpGet"] == {"path": path, "port": "admin"}, probe
assert pod["terminationGracePeriodSeconds"] > 10 + 5, "drain_timeout and logout"

# Secrets come as files, the journal has a place that outlives the container.
mounts = {mount["name"]: mount for mount in bridge["volumeMounts"]}
assert mounts["journal"]["mountPath"] == environment["CTI_BRIDGE_JOURNAL__DIR"]
credentials = named(pod["volumes"], "credentials")["secret"]
assert mounts["credentials"]["readOnly"] and "subPath" not in mounts["credentials"]
assert not any("secretKeyRef" in str(entry) for entry in bridge["env"])
claims = stateful.get("volumeClaimTemplates", [])
volumes = {volume["name"]: volume for volume in pod["volumes"]}
assert (len(claims) == 1) != ("journal" in volumes)
if claims:
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}

# Whatever selects the pod does.
labels = stateful["template"]["metadata"]["labels"]
(admin,) = [thing for thing in of("Service") if thing["metadata"]["name"] != stateful["serviceName"]]
selectors = [stateful["selector"]["matchLabels"]] + [thing["spec"]["selector"] for thing in of("Service")]
selectors += [thing["spec"]["selector"]["matchLabels"] for thing in of("PodDisruptionBudget") + of("ServiceMonitor")]
selectors += [thing["spec"]["podSelector"]["matchLabels"] for thing in of("NetworkPolicy")]
for selector in selectors:
    assert selector.items() <= labels.items(), selector
# With the default policy, a rollout whose pod never becomes ready blocks every later one.
assert stateful["podManagementPolicy"] == "Parallel"
governing = named_object("Service", stateful["serviceName"])["spec"]
assert governing["clusterIP"] == "None" and "ports" not in governing, "a monitor would scrape it as well"
assert all(service["spec"]["publishNotReadyAddresses"] is True for service in of("Service"))
# The pod of `helm test` asks the service, and is none of the bridge's pods.
test = one("Pod")
assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
assert not selectors[0].items() <= test["metadata"]["labels"].items()
(tester,) = test["spec"]["containers"]
address = f"http://{admin['metadata']['name']}.telephony.svc:{admin['spec']['ports'][0]['port']}/"
assert tester["args"] == ["health", "--ready", "--at", address], tester["args"]
assert tester["image"] == bridge["image"] and tester["securityContext"] == bridge["securityContext"]
assert test["spec"]["restartPolicy"] == "Never" and test["spec"]["automountServiceAccountToken"] is False
annotations = stateful["template"]["metadata"]["annotations"]
assert "checksum/config" in annotations

if case != "default":
    for thing in objects:
        assert thing["metadata"]["name"] == "bridge-more" or thing["metadata"]["annotations"]["owner"] == "telephony", thing

if case == "trial":
    assert not of("NetworkPolicy") and not claims and volumes["journal"] == {"name": "journal", "emptyDir": {}}
    assert credentials["secretName"] == one("Secret")["metadata"]["name"] == "bridge"
    assert "checksum/secret" in annotations and not of("ServiceAccount")
else:
    assert not of("Secret"), "a secret that is there needs no other"
    policy = one("NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    ports = [{rule["port"] for rule in side["ports"]} for side in policy["egress"]]
    assert ports[0] == {53}
    # A rule without peers would let everybody in.
    assert all(rule["from"] and rule["ports"] == [{"port": "admin", "protocol": "TCP"}] for rule in policy["ingress"])
    assert len(policy["ingress"]) == (2 if case == "kafka" else 1), "nobody but those named, and `helm test`"
    assert policy["ingress"][0]["from"] == [{"podSelector": {"matchLabels": test["metadata"]["labels"]}}]
    assert ports[1:3] == ([{443}, {9093}] if case == "kafka" else [{443}, {4222, 9092}])
if case == "default":
    assert not of("PodDisruptionBudget") and not of("ServiceMonitor") and not of("PrometheusRule")
if case == "kafka":
    assert bridge["image"].startswith("registry.example.org/cti-bridge@sha256:")
    assert all("to" in side for side in one("NetworkPolicy")["spec"]["egress"])
    rules = one("PrometheusRule")["spec"]["groups"][0]["rules"]
    with open("charts/cti-bridge/files/alerts.yaml") as file:
        assert rules == yaml.safe_load(file)["groups"][0]["rules"], "templates of alerts are not the chart's"
    endpoint = one("ServiceMonitor")["spec"]["endpoints"][0]
    assert endpoint["path"] == "/metrics"
    # Whatever the release and its service are called, the alert about a bridge that does not answer finds its job.
    (job,) = [rule["replacement"] for rule in endpoint["relabelings"] if rule["targetLabel"] == "job"]
    (down,) = [rule["expr"] for rule in rules if rule["alert"] == "CtiBridgeDown"]
    assert re.fullmatch(re.search('job=~"([^"]+)"', down)[1], job), (down, job)
    assert "cti-bridge" not in admin["metadata"]["name"], "this case is about another name"
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 0
if case == "everything":
    assert volumes["journal"]["persistentVolumeClaim"]["claimName"] == "journal"
    assert len(pod["containers"]) == 2 and len(pod["initContainers"]) == 1
    assert any(thing["metadata"]["name"] == "bridge-more" for thing in of("ConfigMap"))
    assert environment["CTI_BRIDGE_DRAIN_TIMEOUT"] == "20s"
    assert bridge["args"] == ["run", "--config", "/etc/cti-bridge/config.toml", "--set", "drain_timeout=20s"]
    assert bridge["image"].startswith("registry.example.org:5000/cti-bridge:")
    assert stateful["updateStrategy"] == {"type": "OnDelete"}
    assert pod["hostAliases"] == [{"ip": "192.0.2.10", "hostnames": ["pbx.example.org"]}]
    assert pod["dnsPolicy"] == "None" and pod["dnsConfig"] == {"nameservers": ["192.0.2.53"]}
    assert one("StatefulSet")["metadata"]["annotations"]["reloader.stakater.com/auto"] == "true"

# For `config check`: the file, its credentials, the environment.
etc = os.path.join(directory, "etc")
os.makedirs(os.path.join(etc, "credentials"))
(config,) = [thing["data"]["config.toml"] for thing in of("ConfigMap") if "config.toml" in thing["data"]]
with open(os.path.join(etc, "config.toml"), "w") as file:
    file.write(config)
for line in config.splitlines():
    if "_file = " in line:
        with open(os.path.join(etc, "credentials", line.split('"')[1]), "w") as file:
            file.write("secret")
with open(os.path.join(directory, "test"), "w") as file:
    file.write("\n".join(tester["args"]))
with open(os.path.join(directory, "env"), "w") as file:
    file.write("\n".join(f"{name}={value}" for name, value in environment.items()))
