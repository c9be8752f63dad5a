"""Checks what Chart.yaml says of itself, and which values change what Kubernetes does not let change: chart.py CHART"""

import subprocess
import sys
import tomllib

import yaml

directory = sys.argv[1]
with open(directory + "/Chart.yaml") as file:
    chart = yaml.safe_load(file)
with open("Cargo.toml", "rb") as file:
    package = tomllib.load(file)["workspace"]["package"]
assert chart["appVersion"] == package["version"]
annotations = chart["annotations"]
assert annotations["artifacthub.io/license"] == package["license"]
assert annotations["artifacthub.io/category"] == "streaming-messaging"
(image,) = yaml.safe_load(annotations["artifacthub.io/images"])
assert image["image"].endswith(":" + chart["appVersion"])
assert all(set(change) == {"kind", "description"} for change in yaml.safe_load(annotations["artifacthub.io/changes"]))

# Of a StatefulSet that exists, these alone can be changed (Kubernetes 1.37, ValidateStatefulSetUpdate).
MUTABLE = {"minReadySeconds", "ordinals", "persistentVolumeClaimRetentionPolicy", "replicas", "revisionHistoryLimit", "template", "updateStrategy"}
CHANGES = {
    "annotations.a": "b",
    "commonAnnotations.a": "b",
    "commonLabels.a": "b",
    "admin.port": "9999",
    "nameOverride": "other",
    "persistence.accessModes[0]": "ReadWriteOncePod",
    "persistence.annotations.a": "b",
    "persistence.enabled": "false",
    "persistence.existingClaim": "other",
    "persistence.size": "9Gi",
    "persistence.storageClass": "fast",
    "persistence.whenDeleted": "Delete",
    "podLabels.a": "b",
    "replicaCount": "0",
    "terminationGracePeriodSeconds": "99",
    "updateStrategy.type": "OnDelete",
}


def fixed(*values):
    command = ["helm", "template", "bridge", directory, *values]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (stateful,) = [thing for thing in yaml.safe_load_all(rendered) if thing and thing["kind"] == "StatefulSet"]
    return stateful["metadata"]["name"], {key: value for key, value in stateful["spec"].items() if key not in MUTABLE}


with open(directory + "/README.md") as file:
    rows = [line for line in file if line.startswith("| `")]
before = fixed()
for key, value in CHANGES.items():
    name = key.split('[')[0].removesuffix('.a').removesuffix('.type')
    (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
    changed = fixed("--set", f"{key}={value}") != before
    assert changed == ("Immutable" in row), f"{key} {'changes' if changed else 'does not change'} an immutable field: {row}"
