"""The command as its users type it, on the emulated Compute Engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def immutable(tmp_path, *words):
    done = subprocess.run(
        [sys.executable, "-m", "immutable", *words],
        env=os.environ | {"IMMUTABLE_JOURNAL": str(tmp_path / "journal.db")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_group_is_adopted_seen_and_planned_for(account, tmp_path):
    account.group(2)
    options = f"?endpoint={account.emulator.url}&credentials=anonymous"
    place = f"gcp://acme/{account.location}"
    web = f"{place}/web{options}"
    told = immutable(tmp_path, "fleet", "adopt", web, "--json")
    assert [group["size"] for group in told["groups"]] == [2]
    assert immutable(tmp_path, "fleet", "list", place + options, "--json") == [web]
    # Nothing is said of draining, and it isn't refused: what the pool allows is what counts.
    plan = immutable(tmp_path, "plan", web, "web-2", "--json")
    assert account.images[1] in json.dumps(plan)
