"""Collects the data that the models must accept: `cases.py DIR` writes cases.json and cases.ts.

The data are the schemas' examples, the recorded events in fixtures/, and a future version of each example: every object has one
more field, and every text that has known values another one.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))
import prepare  # noqa: E402
# A literal must not have fields that its type lacks, unless it only extends the type.
TYPESCRIPT = """import type { EventData } from "cti-events";
const accept = <T>() => <V extends T>(value: V): V => value;"""


def data_of(args):
    """Returns the data of an event: one argument as it is, none or several as an array."""
    return args[0] if len(args) == 1 else args


def future(node, value):
    """Returns a value as a later PBX might send it."""
    if isinstance(value, dict):
        properties, other = node.get("properties", {}), node.get("additionalProperties", {})
        later = {key: future(properties.get(key, other), field) for key, field in value.items()}
        return later if "additionalProperties" in node or not later else later | {"laterField": {"deep": [1]}}
    if isinstance(value, list):
        return [future(node.get("items", {}), element) for element in value]
    return "laterValue" if "x-cti-known" in node and value is not None else value


def shape(value):
    """Returns what a type checker sees of a value, to check one of many alike."""
    if isinstance(value, dict):
        return {key: shape(field) for key, field in sorted(value.items())}
    if isinstance(value, list):
        return [shape(element) for element in value]
    return type(value).__name__


def cases():
    schemas = prepare.read_schemas()
    stems = {schema["x-cti-name"]: stem for stem, schema in schemas.items() if schema["x-cti-class"] == "event"}
    for stem, schema in schemas.items():
        for example in schema["examples"]:
            yield "example", stem, schema, example
            yield "future", stem, schema, future(schema, example)
    for path in sorted(ROOT.glob("fixtures/calls/*.jsonl")):
        for line in path.read_text().splitlines():
            yield "fixture", "call", schemas["call"], json.loads(line)["data"]
    for path in sorted(ROOT.glob("fixtures/*.jsonl")):
        for line in path.read_text().splitlines():
            recorded = json.loads(line)
            stem = stems.get(recorded["event"])
            if stem is None:
                raise SystemExit(f"{path.name}: the catalogue has no event {recorded['event']}")
            yield "fixture", stem, schemas[stem], data_of(recorded["args"])


def main():
    out = Path(sys.argv[1])
    found = [
        {"kind": kind, "stem": stem, "type": prepare.cloudevents_types(schema)[0], "name": prepare.pascal(stem), "data": data}
        for kind, stem, schema, data in cases()
    ]
    (out / "cases.json").write_text(json.dumps(found))
    lines, seen = [TYPESCRIPT], set()
    for number, case in enumerate(found):
        key = json.dumps([case["kind"], case["stem"], shape(case["data"])])
        if key in seen:
            continue
        seen.add(key)
        data, type_name = json.dumps(case["data"]), f'EventData["{case["type"]}"]'
        if case["kind"] == "future":
            lines.append(f"accept<{type_name}>()({data});")
        else:
            lines.append(f"export const case{number}: {type_name} = {data};")
    (out / "cases.ts").write_text("\n".join(lines) + "\n")
    count = {kind: sum(case["kind"] == kind for case in found) for kind in ("example", "future", "fixture")}
    print(f"{len(prepare.read_schemas())} schemas: {count['example']} examples, {count['fixture']} recorded events,", end=" ")
    print(f"{count['future']} examples with unknown fields and values; {len(seen)} shapes for TypeScript")
    if not count["fixture"]:
        raise SystemExit("fixtures/ has no recorded events")


main()
