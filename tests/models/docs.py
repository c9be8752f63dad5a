"""Takes the examples out of a page: `docs.py PAGE DIR` writes docs.ts, docs.py and docs.go, and events.jsonl to feed them,
and what they print then in `expected`."""

import json
import re
import sys
from pathlib import Path

page, out = Path(sys.argv[1]), Path(sys.argv[2])
for language, suffix in (("typescript", "ts"), ("python", "py"), ("go", "go")):
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    if len(blocks) != 1:
        raise SystemExit(f"{page} has {len(blocks)} examples in {language} instead of one")
    (out / f"docs.{suffix}").write_text(blocks[0])
example = Path(__file__).resolve().parents[2] / "crates/event/examples/models.rs"
_, code = example.read_text().split("\n\nuse ", 1)
if f"```rust\nuse {code}```\n" not in page.read_text():
    raise SystemExit(f"{page} shows another example than {example}")
cases = json.loads((out / "cases.json").read_text())
events = [case for case in cases if case["kind"] != "fixture"] + [{"type": "cti.event.later.v1", "data": {}}]
(out / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
expected = []
for event in events:
    if event["type"] == "cti.event.extenUpdate.v1":
        expected.append(f"{event['data']['exten']} {event['data']['status']}\n")
    elif event["type"] == "cti.bridge.gap.v1":
        expected.append(f"gap: {event['data']['reason']}\n")
(out / "expected").write_text("".join(expected))
