"""Check a compliance pack: ``python verify_pack.py DIRECTORY kept-elsewhere.txt --key public.pem``.

Needs only Python and verify.py beside it, and cryptography for a key; see docs/compliance.md.
"""

import argparse
import csv
import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from verify import climb


def sums(place: Path) -> Iterator[str]:
    """Yield which files are not those of the manifest."""
    listed = json.loads((place / "manifest.json").read_text("utf-8"))["files"]
    there = {path.name for path in place.iterdir()} - {"manifest.json"}
    for name in sorted(there - listed.keys()):
        yield f"{name}: the manifest does not know of it"
    for name, digest in sorted(listed.items()):
        if name not in there:
            yield f"{name}: missing"
        elif sha256((place / name).read_bytes()).hexdigest() != digest:
            yield f"{name}: changed: it does not have the sum in the manifest"


def told(change: dict[str, Any], leaves: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Yield in what a change record says something else than the log, read here again."""
    log = change["log"]
    _, size, root, *_ = log["checkpoint"].split("\n")
    for end in ("first", "last"):
        index = log[end]["index"]
        row = leaves.get(index, {"leaf": ""})
        node = sha256(b"\0" + row["leaf"].encode()).digest()
        if climb(node, index, int(size), log[end]["proof"]) != b64decode(root):
            yield f"its proof of record {index} does not lead to its checkpoint"
    mine = [json.loads(row["leaf"]) for row in leaves.values()]
    mine = [leaf for leaf in mine if leaf["rollout"] == change["change"]]
    kinds = {leaf["record"]["type"]: leaf["record"] for leaf in mine}
    asked, ended = kinds.get("asked", {}), kinds.get("ended")
    plan = asked.get("plan", {})
    said = {
        "fleet": (change["fleet"], asked.get("fleet")),
        "requested_by": (change["requested_by"], asked.get("actor") or "not recorded"),
        "reason": (change["reason"], asked.get("reason") or "not recorded"),
        "type": (change["type"], plan.get("kind")),
        "from": (change["from"]["revision"], plan.get("stable", {}).get("number")),
        "to": (change["to"]["revision"], plan.get("candidate", {}).get("number")),
        "outcome": (change["outcome"]["status"], ended["status"] if ended else "unfinished"),
    }
    yield from (f"{name} is {one!r}, in the log {other!r}"
                for name, (one, other) in said.items() if one != other)  # fmt: skip


def agreeing(place: Path) -> Iterator[str]:
    """Yield where the files of a pack say different things of the changes."""
    lines = (place / "log.jsonl").read_text("utf-8").split("\n")[1:-1]
    leaves = {row["index"]: row for row in map(json.loads, lines)}
    text = (place / "changes.jsonl").read_text("utf-8")
    changes = [json.loads(line) for line in text.split("\n")[:-1]]
    for change in changes:
        yield from (f"change {change['change']}: {each}" for each in told(change, leaves))
    asked = [json.loads(row["leaf"]) for row in leaves.values()]
    asked = [leaf["rollout"] for leaf in asked if leaf["record"]["type"] == "asked"]
    if asked != [change["change"] for change in changes]:
        yield "changes.jsonl: not the changes of the log, each once and in their order"
    with (place / "changes.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["change"], row["outcome.status"]) for row in csv.DictReader(file)]
    if rows != [(each["change"], each["outcome"]["status"]) for each in changes]:
        yield "changes.csv: not the changes of changes.jsonl"
    page = (place / "index.html").read_text("utf-8")
    checkpoints = {change["log"]["checkpoint"].split("\n")[2] for change in changes}
    if any(root not in page for root in checkpoints):
        yield "index.html: of another log"


def main() -> str | int:
    """Check what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--key", type=Path)
    args = parser.parse_args()
    words = [str(args.pack / "log.jsonl"), *map(str, args.checkpoints)]
    words += ["--key", str(args.key)] if args.key else []
    log = subprocess.run(  # noqa: S603  # The script that lies beside this one.
        [sys.executable, str(Path(__file__).with_name("verify.py")), *words], check=False
    )
    try:
        found = [*sums(args.pack), *agreeing(args.pack)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        found = [*sums(args.pack), f"the pack makes no sense: {error!r}"]
    if log.returncode:
        found.append("log.jsonl: not as it was written, see above")
    return "\n".join(found) or 0


if __name__ == "__main__":
    sys.exit(main())
