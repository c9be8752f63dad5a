"""Checks that the program still has each message that a page quotes: quotes.py PAGE DIRECTORY...

A quote is a code span in the first column of a table; `…` in it stands for what varies.
"""
import pathlib
import re
import sys

page, *directories = sys.argv[1:]
sources = [path.read_text() for name in directories for path in sorted(pathlib.Path(name).rglob("*.rs"))]
# Rust breaks a long text with a backslash. Code spans within a message can't be quoted in one: they are left out.
text = "\n".join(re.sub(r"\\\n\s*", "", source).replace('\\"', '"').replace("`", "") for source in sources)
wrong = []
for line in pathlib.Path(page).read_text().splitlines():
    if not line.startswith("| `"):
        continue
    for quote in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
        if re.fullmatch(r"[a-z.]+", quote):
            continue  # the name of an event
        wrong += [part for part in quote.split("…") if part.strip() and part.strip() not in text]
for part in wrong:
    print(f"{page} quotes {part.strip()!r}, which no message has", file=sys.stderr)
sys.exit(bool(wrong))
