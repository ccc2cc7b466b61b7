"""The command, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def immutable(account, tmp_path, *words):
    environment = account.emulator.environment() | {
        "IMMUTABLE_JOURNAL": str(tmp_path / "journal.db")
    }
    done = subprocess.run(
        [sys.executable, "-m", "immutable", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_group_is_adopted_seen_and_planned_for(account, tmp_path):
    account.group(2)
    web = "aws://eu-west-1/web"
    told = immutable(account, tmp_path, "fleet", "adopt", web, "--json")
    assert [group["size"] for group in told["groups"]] == [2]
    assert immutable(account, tmp_path, "fleet", "list", "aws://eu-west-1", "--json") == [web]
    plan = immutable(
        account, tmp_path, "plan", web, account.images[1], "--drain-timeout", "2", "--json"
    )
    assert account.images[1] in json.dumps(plan)
