"""Checks that the chart's README has the table of its values: readme.py VALUES README [--write]"""

import re
import sys

import yaml

values, readme = sys.argv[1:3]


def rows(lines):
    """Key, default and description of each value that has one."""
    path, said = [], None
    for line in lines:
        text = line.strip()
        if text.startswith("# -- "):
            said = text[5:]
        elif text.startswith("# ") and said is not None:
            said += " " + text[2:]
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            path = path[: len(match[1]) // 2] + [match[2]]
            if said is not None:
                yield ".".join(path), said
            said = None


with open(values) as file:
    text = file.read()
defaults = yaml.safe_load(text)


def default(key):
    value = defaults
    for part in key.split("."):
        value = value[part]
    if key == "config":
        return "an example"
    shown = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return "`" + shown.removesuffix("\n").removesuffix("...").strip() + "`"


table = "| value | default | what |\n|---|---|---|\n"
table += "".join(f"| `{key}` | {default(key)} | {said} |\n" for key, said in rows(text.splitlines()))
with open(readme) as file:
    whole = file.read()
start, end = "<!-- values -->\n", "<!-- /values -->"
head, rest = whole.split(start)
there, tail = rest.split(end)
if sys.argv[3:] == ["--write"]:
    with open(readme, "w") as file:
        file.write(head + start + table + end + tail)
elif there != table:
    sys.exit(f"{readme} is not of these values: python3 tests/helm/readme.py {values} {readme} --write")
