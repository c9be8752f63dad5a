"""Parses each case with its Python model: `parse.py CASES`."""

import json
import sys
from pathlib import Path

from pydantic import ValidationError

import cti_events

failed = 0
cases = json.loads(Path(sys.argv[1]).read_text())
for case in cases:
    try:
        parsed = cti_events.parse(case["type"], json.dumps(case["data"]))
    except ValidationError as error:
        failed += 1
        print(f"{case['stem']}, {case['kind']}: {error}", file=sys.stderr)
        continue
    assert type(parsed).__name__ == case["name"], case["type"]
    # Fields that the model lacks are kept as well, so nothing is lost on the way.
    back = parsed.model_dump(by_alias=True, exclude_unset=True)
    if back != case["data"]:
        failed += 1
        print(f"{case['stem']}, {case['kind']}: {case['data']} becomes {back}", file=sys.stderr)
assert cti_events.parse("cti.event.later.v1", "{}") is None
print(f"pydantic: {len(cases)}, {failed} failed")
sys.exit(failed > 0)
