"""The command as its users type it, on the emulated Compute Engine."""

from __future__ import annotations

import json

from tests.emulators.adopted import immutable


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
