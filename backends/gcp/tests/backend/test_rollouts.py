"""Whole rollouts of an adopted fleet in three zones, by the real engine, over HTTP.

After each the whole project is compared with what it was: nothing but what was intended differs.
"""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from attrs import evolve

from backends.gcp.tests.backend.account import DOUBLE, LIMITS
from immutable import BlueGreen, Canary, RolledBack, Rolling
from immutable_gcp.marks import Marks
from tests.emulators import adopted
from tests.emulators.adopted import aborted, again, ended, run, taken_back
from tests.emulators.waiting import eventually

SIZE = 20
replaced = partial(adopted.replaced, size=SIZE)


def at(account, name):
    """Where a group or an autoscaler stands in a snapshot."""
    kind = "regions" if account.stage.regional else "zones"
    return f"{kind}/{account.location}/{name}"


def check_moved(account, before, after, size=SIZE, to=2):
    """All of ``web`` is on ``web-rN`` now; ``web`` stays, empty and otherwise as it was."""
    name = f"web-r{to}"
    old, kept = before["groups"][at(account, "web")], after["groups"][at(account, "web")]
    assert {**kept, "targetSize": 0, "members": {}} == {**old, "targetSize": 0, "members": {}}
    assert (kept["targetSize"], kept["members"]) == (0, {})
    new = after["groups"][at(account, name)]
    own = {"name", "baseInstanceName", "versions", "members", "description"}
    own |= {"listManagedInstancesResults"}
    assert {k: v for k, v in new.items() if k not in own} == {
        k: v for k, v in old.items() if k not in own
    }
    assert [m.split()[:3] for m in new["members"]] == [["NONE", "RUNNING", name]] * len(
        new["members"]
    )
    assert sum(new["members"].values()) == size
    template = after["instanceTemplates"][f"global/{name}"]["properties"]
    theirs = before["instanceTemplates"]["global/web-theirs"]["properties"]
    (disk,) = template["disks"]
    assert disk["initializeParams"]["sourceImage"] == account.images[1]
    same = {"disks", "labels", "metadata"}
    assert {k: v for k, v in template.items() if k not in same} == {
        k: v for k, v in theirs.items() if k not in same
    }
    assert template["labels"].items() >= theirs["labels"].items()
    assert {"key": "a", "value": "b"} in template["metadata"]["items"]
    assert account.marks("web") == Marks(retired=f"web/{account.marks(name).rollout}")
    assert account.marks(name).hold is None
    if before["autoscalers"]:
        (scaler,), (was,) = after["autoscalers"].values(), before["autoscalers"].values()
        assert scaler["autoscalingPolicy"] == was["autoscalingPolicy"]
        assert scaler["target"].endswith(f"/{name}")
    assert set(after["groups"]) == {at(account, "web"), at(account, name)}
    assert set(after["instanceTemplates"]) == {"global/web-theirs", f"global/{name}"}
    assert after["images"] == before["images"]
    assert after["healthChecks"] == before["healthChecks"]
    assert after["instances"] == before["instances"] == []


def check_balanced(account, group, size=SIZE):
    counts = account.zones(group).values()
    assert sum(counts) == size
    assert max(counts) - min(counts) <= 1


def backends(snapshot, name):
    return [b["group"].rpartition("/")[2] for b in snapshot["backendServices"][name]["backends"]]


def test_rolling_moves_the_fleet_and_nothing_else(account):
    result, state, before, after = replaced(account, Rolling())
    assert result.status.value == "succeeded"
    assert [group.number for group in state.groups] == [2]
    check_moved(account, before, after)
    check_balanced(account, "web-r2")
    # The load balancer is as it was, but for one more group in its one pool.
    assert after["urlMaps"] == before["urlMaps"]
    assert after["backendServices"].keys() == before["backendServices"].keys()
    assert backends(after, "global/pool") == ["web", "web-r2"]


def test_a_zonal_fleet_is_replaced(zonal):
    result, _, before, after = replaced(zonal, Rolling(), size=6)
    assert result.status.value == "succeeded"
    check_moved(zonal, before, after, size=6)
    assert zonal.zones("web-r2") == {zonal.location: 6}


def test_canary_by_weights_leaves_the_url_map_on_the_new_service(account):
    strategy = Canary(stages=("5%", "50%", "100%"), bake=0.2)
    result, state, before, after = replaced(account, strategy, limits=DOUBLE)
    assert result.status.value == "succeeded"
    assert [(group.number, group.weight) for group in state.groups] == [(2, None)]
    check_moved(account, before, after)
    check_balanced(account, "web-r2")
    old, new = before["urlMaps"]["global/front"], after["urlMaps"]["global/front"]
    # Both places that led to the pool lead to the new service, and nothing else differs.
    pool, mine = old["defaultService"], new["defaultService"]
    assert mine.endswith("/backendServices/web-r2")
    assert str(new) == str(old).replace(pool, mine)
    assert backends(after, "global/pool") == ["web"]
    assert backends(after, "global/web-r2") == ["web-r2"]
    own = {"backends", "name", "description"}
    assert {k: v for k, v in after["backendServices"]["global/web-r2"].items() if k not in own} == {
        k: v for k, v in before["backendServices"]["global/pool"].items() if k not in own
    }


def test_weights_rise_as_the_stages_say(account):
    replaced(account, Canary(stages=("5%", "50%", "100%"), bake=0.1), size=4, limits=DOUBLE)
    tables = []
    for call in account.emulator.calls(log=True):
        if call["call"] == "urlMaps.update":
            body = call["params"]["body"]
            places = [body, *body["pathMatchers"]]
            found = [
                {
                    each["backendService"].rpartition("/")[2]: each.get("weight", 0)
                    for each in place.get("defaultRouteAction", {}).get(
                        "weightedBackendServices", []
                    )
                }
                for place in places
            ]
            assert found[0] == found[1]
            tables.append(found[0])
    assert tables == [
        {"pool": 1000, "web-r2": 0},
        {"pool": 950, "web-r2": 50},
        {"pool": 500, "web-r2": 500},
        {"pool": 0, "web-r2": 1000},
        {},
    ]


def test_blue_green_switches_once(account):
    result, _, before, after = replaced(account, BlueGreen(bake=0.2), limits=DOUBLE)
    assert result.status.value == "succeeded"
    check_moved(account, before, after)
    assert account.emulator.traffic() == {"front": {"web-r2": 1}}


def test_a_classic_load_balancer_has_shares_of_instances(account):
    strategy = Canary(stages=("25%", "100%"), bake=0.1)
    result, state, before, after = replaced(account, strategy, size=8, group={"weights": False})
    assert result.status.value == "succeeded"
    assert all(group.weight is None for group in state.groups)
    check_moved(account, before, after, size=8)
    assert after["urlMaps"] == before["urlMaps"]


def test_an_image_that_never_serves_is_taken_back_without_a_trace(account):
    account.group(SIZE)
    before = account.everything()
    account.emulator.fate(image=account.images[1].rpartition("/")[2], answers=None)
    taken_back(account, Rolling(), evolve(LIMITS, boot_timeout=2, max_failures=1))
    assert account.everything() == before
    marks = account.marks("web")
    assert (marks.fleet, marks.revision, marks.hold, marks.saved) == ("web", 1, None, None)


@pytest.mark.parametrize("strategy", [Rolling(), Canary(stages=("50%", "100%"), bake=60)])
def test_an_abort_half_way_leaves_everything_as_it_was(account, strategy):
    account.group(9)
    before = account.everything()
    end = aborted(account, strategy, DOUBLE, lambda: account.zones("web-r2").total() >= 3)
    assert isinstance(end, RolledBack)
    assert account.everything() == before


def test_an_autoscaler_that_wants_fewer_waits_until_the_rollout_is_over(account):
    account.group(6)

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], Rolling(), limits=LIMITS)
            task = asyncio.ensure_future(ended(rollout))
            await eventually(lambda: account.zones("web-r2").total() >= 1)
            account.emulator.demand(group="web", size=3)
            return await task

    assert run(go()).status.value == "succeeded"
    check_balanced(account, "web-r2", 6)
    (scaler,) = account.emulator.everything()["autoscalers"].values()
    assert scaler["autoscalingPolicy"]["mode"] == "ON"


def test_an_adopted_group_is_deleted_when_that_was_said(account):
    result, _, before, after = replaced(account, Rolling(), size=4, on_replace="delete")
    assert result.status.value == "succeeded"
    assert after["groups"].keys() == {at(account, "web-r2")}
    theirs = "global/web-theirs"
    assert after["instanceTemplates"][theirs] == before["instanceTemplates"][theirs]
    assert backends(after, "global/pool") == ["web-r2"]


def test_the_next_rollout_replaces_what_the_last_one_made(account):
    account.group(4)
    third = account.stage.image("web-3")
    canary = Canary(stages=("50%", "100%"), bake=0.1)
    state = again(account, third, (canary, Rolling(), canary), (DOUBLE, LIMITS, DOUBLE))
    assert [(g.number, g.size) for g in state.groups] == [(4, 4)]
    after = account.everything()
    # r3 shared r2's service, which has to outlive r2; after r4's canary nobody needs it.
    assert after["groups"].keys() == {at(account, "web"), at(account, "web-r4")}
    assert after["backendServices"].keys() == {"global/pool", "global/web-r4"}
    assert after["instanceTemplates"].keys() == {"global/web-theirs", "global/web-r4"}
    assert account.emulator.traffic() == {"front": {"web-r4": 1}}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", [Rolling(), Canary(stages=("10%", "100%"), bake=5)])
def test_a_hundred_servers_in_three_zones(account, strategy):
    account.emulator.laws(boot=1.0)
    result, _, before, after = replaced(
        account, strategy, size=100, limits=DOUBLE, poll=1.0, staleness=0.5
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=100)
    check_balanced(account, "web-r2", 100)
    # Requests for each server that was replaced, looking included.
    assert sum(account.made.values()) / 100 <= 4, account.made
