"""The command, as a user types it."""

from __future__ import annotations

import json

from tests.emulators.adopted import immutable


def test_a_group_is_adopted_seen_and_planned_for(account, tmp_path):
    account.group(2)
    environment = account.emulator.environment()
    web = "aws://eu-west-1/web"
    told = immutable(tmp_path, "fleet", "adopt", web, "--json", **environment)
    assert [group["size"] for group in told["groups"]] == [2]
    assert immutable(tmp_path, "fleet", "list", "aws://eu-west-1", "--json", **environment) == [web]
    words = ("plan", web, account.images[1], "--drain-timeout", "2", "--json")
    plan = immutable(tmp_path, *words, **environment)
    assert account.images[1] in json.dumps(plan)
