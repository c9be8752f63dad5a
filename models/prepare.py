"""Prepares schemas/*.json for the generators: `prepare.py OUT` writes typescript.json, python.json and go.json, each one
schema with a definition per type, and the tables from CloudEvents type to type, _types.py and types.go.

What it changes, and why:
* One document, with a definition per event and per nested object: all generators make one file without duplicates, and
  its names are ours instead of theirs (`ExtenUpdateConversationsAdditionalProperties`).
* Descriptions also carry when the event is sent, what to do with it, and the known values: generators drop annotations.
* TypeScript: known values become a union that any string can join.
* Go: a field that may be null is an optional pointer, and one of several types is `any`. go-jsonschema understands neither list.
"""

import json
import re
import sys
import textwrap
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"

# Names of nested objects, by the event and the field that holds them; `*` stands for every event. Others are named after both.
NESTED = {
    ("*", "chDest"): "Channel",
    ("*", "chSource"): "Channel",
    ("*", "components"): "Component",
    ("*", "conversations"): "Conversation",
    ("*", "failed"): "FailedSnapshot",
    ("*", "mainPresence"): "MainPresence",
    ("*", "members"): "QueueMember",
    ("*", "parkedCaller"): "ParkedCaller",
    ("*", "presence"): "Presence",
    ("*", "presence_onbusy"): "PresenceOnBusy",
    ("*", "presence_onunavailable"): "PresenceOnUnavailable",
    ("*", "streaming"): "StreamingSource",
    ("*", "users"): "ConferenceUser",
    ("*", "waitingCallers"): "WaitingCaller",
    ("Call", "legs"): "CallLeg",
    ("Call", "transfer"): "CallTransfer",
    ("Call", "from"): "CallParty",
    ("Call", "to"): "CallParty",
    ("Call", "originalFrom"): "CallParty",
    ("Call", "by"): "CallParty",
    ("TrunkUpdate", "conversations"): "TrunkConversation",
    ("UpdateNewVoiceMessages", ""): "MailboxCounters",
}

# Descriptions of types that several fields share.
SHARED = {"CallParty": "A party of a call.", "Channel": "The channel of one side of a conversation."}


def pascal(name):
    return "".join(part[0].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part)


def slug(name):
    """Returns an event name as in a CloudEvents type: docs/consume/events.md has the rule. No name needs to be cut."""
    return re.sub(rb"[^A-Za-z0-9_-]", lambda byte: b"=%02X" % byte[0][0], name.encode()).decode()


def cloudevents_types(schema):
    """Returns the types of the event: of a call, one for each step. Heartbeats and dead letters are events of the bridge."""
    name = schema["x-cti-name"]
    if schema["x-cti-class"] == "call":
        return [f"cti.call.{step['name']}.v1" for step in schema["x-cti-steps"]]
    return [f"cti.event.{slug(name)}.v1" if schema["x-cti-class"] == "event" else f"cti.bridge.{name}.v1"]


def types_of(node):
    return node["type"] if isinstance(node["type"], list) else [node["type"]]


class Bundle:
    """The definitions for one language."""

    def __init__(self, language):
        self.language = language
        self.definitions = {}

    def add(self, stem, schema):
        name = pascal(stem)
        definition = self.definition(schema, name, "")
        paragraphs = [schema["description"], schema["x-cti-when"], schema["x-cti-use"]]
        types = ", ".join(f"`{name}`" for name in cloudevents_types(schema))
        paragraphs.append(f"CloudEvents type: {types}.")
        self.define(name, {"description": self.wrapped(paragraphs), **definition})

    def define(self, name, definition):
        known = self.definitions.setdefault(name, definition)
        if {**known, "description": ""} != {**definition, "description": ""}:
            raise SystemExit(f"two types are called {name}: name one in {__file__}")

    def definition(self, node, event, field):
        """Returns the keywords of a node's own type, without its description. `event` and `field` name nested objects."""
        types = [kind for kind in types_of(node) if kind != "null"]
        if len(types) > 1:
            return {} if self.language == "go" else {"type": types}
        result = {"type": types[0]}
        if self.language == "go" and types[0] == "integer":
            result["goJSONSchema"] = {"type": "int64"}
        if "properties" in node:
            result["required"] = list(node.get("required", []))
            result["properties"] = {
                key: self.field(value, event, key, result["required"]) for key, value in node["properties"].items()
            }
        elif types[0] == "object":
            values = node.get("additionalProperties")
            result["additionalProperties"] = True if values is None else self.value(values, event, field)
        if "items" in node:
            result["items"] = self.value(node["items"], event, field)
        if self.language == "typescript":
            result.update({key: node[key] for key in ("minItems", "maxItems") if key in node})
            if "x-cti-known" in node:
                words = " | ".join(json.dumps(word) for word in node["x-cti-known"])
                result["tsType"] = f"{words} | (string & {{}})"
        return result

    def value(self, node, event, field):
        """Returns a node as it stands in a field, an array or a map; an object of its own becomes a definition."""
        if "properties" not in node:
            return {"description": self.describe(node), **self.definition(node, event, field)}
        name = NESTED.get((event, field)) or NESTED.get(("*", field)) or event + pascal(field)
        description = SHARED.get(name) or self.describe(node)
        self.define(name, {"description": description, **self.definition(node, event, field)})
        reference = {"$ref": f"#/definitions/{name}"}
        if self.language == "go":
            return {"description": self.describe(node), **reference}
        return {"description": self.describe(node), "allOf": [reference]}

    def field(self, node, event, key, required):
        value = self.value(node, event, key)
        if "null" not in types_of(node):
            return value
        if self.language == "go":
            required[:] = [name for name in required if name != key]
            return value
        description = value.pop("description", self.describe(node))
        text = value.pop("tsType", None)
        nullable = {"description": description, "anyOf": [value, {"type": "null"}]}
        return {**nullable, "tsType": f"{text} | null"} if text else nullable

    def describe(self, node):
        known = ", ".join(f"`{word}`" for word in node.get("x-cti-known", []))
        keys = node.get("x-cti-key")
        sentences = [node["description"], keys and f"Key: {keys}", known and f"Known values: {known}; others may follow."]
        return self.wrapped(sentence for sentence in sentences if sentence)

    def wrapped(self, paragraphs):
        """Joins paragraphs. go-jsonschema wraps lines itself."""
        wrapper = textwrap.TextWrapper(width=100, break_long_words=False, break_on_hyphens=False)
        return "\n\n".join(text if self.language == "go" else wrapper.fill(text) for text in paragraphs)


def table(schemas, line):
    types = ((name, pascal(stem)) for stem, schema in schemas.items() for name in cloudevents_types(schema))
    return "\n".join(line.format(type=name, name=model) for name, model in types)


def write_types(out, schemas):
    names = "\n".join(f"    {name}," for name in sorted(pascal(stem) for stem in schemas))
    (out / "_types.py").write_text(
        '"""Table from CloudEvents type to model. Generated from the schemas by models/generate."""\n\n'
        f"from pydantic import BaseModel\n\nfrom ._models import (\n{names}\n)\n\n"
        "TYPES: dict[str, type[BaseModel]] = {\n" + table(schemas, '    "{type}": {name},') + "\n}\n"
    )
    (out / "types.go").write_text(
        "// Code generated from the schemas by models/generate. DO NOT EDIT.\n\npackage ctievents\n\n"
        "// types maps each CloudEvents type to a function that returns a pointer to an empty value of its Go type.\n"
        "var types = map[string]func() any{\n" + table(schemas, '"{type}": func() any {{ return new({name}) }},') + "\n}\n"
    )


def read_schemas():
    return {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}


def main():
    out = Path(sys.argv[1])
    schemas = read_schemas()
    for language in ("typescript", "python", "go"):
        bundle = Bundle(language)
        for stem, schema in schemas.items():
            bundle.add(stem, schema)
        document = {"definitions": dict(sorted(bundle.definitions.items()))}
        if language == "go":
            document["type"] = "object"  # go-jsonschema wants a root, which comes to nothing
        if language == "typescript":
            events = {
                name: {"$ref": f"#/definitions/{pascal(stem)}"} for stem, s in schemas.items() for name in cloudevents_types(s)
            }
            description = "Data of each CloudEvents type."
            document |= {"title": "EventData", "description": description, "type": "object"}
            document |= {"required": list(events), "properties": events}
        (out / f"{language}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False))
    write_types(out, schemas)


if __name__ == "__main__":
    main()
