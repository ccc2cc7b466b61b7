"""Whole rollouts of an adopted fleet in three zones, by the real engine, over HTTPS.

After each the whole resource group is compared with what it was: nothing but what was intended
differs.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from functools import partial

import pytest
from attrs import evolve

from backends.azure.tests.backend.account import LIMITS, marks
from immutable import Canary, RolledBack, Rolling
from tests.emulators import adopted
from tests.emulators.adopted import aborted, again, ended, run, taken_back
from tests.emulators.waiting import eventually

SIZE = 6
replaced = partial(adopted.replaced, size=SIZE, limits=LIMITS)
KINDS = pytest.mark.parametrize(
    "flexible",
    [pytest.param(False, id="uniform"), pytest.param(True, id="flexible", marks=pytest.mark.slow)],
)
SETTING = "Microsoft.Insights/autoscalesettings/{}"


def _setting(told, name):
    return _plain(told["resources"].get(_path(told, name)))


def _path(told, name):
    wanted = SETTING.format(name).lower()
    return next((each for each in told["resources"] if each.lower() == wanted), wanted)


def _plain(setting):
    if setting is None:
        return None
    said = dict(setting["properties"])
    target = said.pop("targetResourceUri")
    said.pop("name", None)
    return (
        json.dumps(said, sort_keys=True).replace(target, "the set"),
        setting["tags"],
        said["enabled"],
    )


def check_moved(account, before, after, size=SIZE):
    """All of ``web`` is on ``web-r2`` now; ``web`` stays, empty and otherwise as it was."""
    old, new, kept = before["groups"]["web"], after["groups"]["web-r2"], after["groups"]["web"]
    moved = {"members", "sku", "spread"}
    assert {k: v for k, v in kept.items() if k not in moved} == {
        k: v for k, v in old.items() if k not in moved
    }
    assert (kept["sku"], kept["members"]) == ({**old["sku"], "capacity": 0}, [])
    assert {k: v for k, v in new.items() if k not in {"properties", "members"}} == {
        k: v for k, v in old.items() if k not in {"properties", "members"}
    }
    ours, theirs = new["properties"], old["properties"]
    assert ours["virtualMachineProfile"]["storageProfile"].pop("imageReference") == {
        "id": account.images[1]
    }
    theirs["virtualMachineProfile"]["storageProfile"].pop("imageReference")
    assert ours == theirs
    assert len(new["members"]) == new["sku"]["capacity"] == size
    assert all("Succeeded running" in each and "pools=['web']" in each for each in new["members"])
    assert all(account.images[1] in each for each in new["members"])
    assert new["spread"] == old["spread"]
    assert _setting(after, "web-r2-autoscale") == _setting(before, "web-theirs")
    assert _setting(after, "web-theirs") is None
    assert after["admin"] == {}
    assert marks(account, "web").keys() == {"retired"}
    assert "hold" not in marks(account, "web-r2")


@KINDS
def test_rolling_moves_the_fleet_and_nothing_else(account, flexible):
    result, state, before, after = replaced(account, Rolling(), group={"flexible": flexible})
    assert result.status.value == "succeeded"
    assert [group.number for group in state.groups] == [2]
    check_moved(account, before, after)
    rest = [name for name in before["resources"] if "autoscale" not in name.lower()]
    assert {name: after["resources"][name] for name in rest} == {
        name: before["resources"][name] for name in rest
    }


@KINDS
def test_a_canary_is_a_share_of_instances(account, flexible):
    strategy = Canary(stages=("25%", "100%"), bake=0.1)
    result, state, before, after = replaced(account, strategy, group={"flexible": flexible})
    assert result.status.value == "succeeded"
    assert all(group.weight is None for group in state.groups)
    check_moved(account, before, after)


@KINDS
def test_an_image_that_never_serves_is_taken_back_without_a_trace(account, flexible):
    account.group(SIZE, flexible=flexible)
    before = account.everything()
    account.emulator.fate(image=account.images[1], answers=None)
    taken_back(account, Rolling(), evolve(LIMITS, boot_timeout=1.5, max_failures=1))
    assert account.everything() == before
    assert marks(account, "web").keys() == {"fleet", "revision", "origin", "last"}


def test_an_abort_half_way_leaves_everything_as_it_was(account):
    account.group(SIZE)
    before = account.everything()
    strategy = Canary(stages=("50%", "100%"), bake=60)
    end = aborted(account, strategy, LIMITS, lambda: len(account.serving("web-r2")) >= 2)
    assert isinstance(end, RolledBack)
    assert account.everything() == before


def test_the_autoscaler_is_off_while_the_rollout_runs(account):
    account.group(4)

    async def go():
        async with account.fleet() as fleet:
            task = asyncio.ensure_future(
                ended(fleet.replace(account.images[1], Rolling(), limits=LIMITS))
            )
            await eventually(lambda: len(account.serving("web-r2")) >= 1)
            with pytest.raises(RuntimeError, match="is disabled"):
                account.emulator.alarm(setting="web-theirs", capacity=2)
            told = account.emulator.everything()
            setting = told["resources"][_path(told, "web-theirs")]
            assert setting["tags"].keys() == {"team", "immutable:off-by"}
            return await task

    assert run(go()).status.value == "succeeded"


def test_an_adopted_set_is_deleted_when_that_was_said(account):
    result, _, _, after = replaced(account, Rolling(), size=3, on_replace="delete")
    assert result.status.value == "succeeded"
    assert after["groups"].keys() == {"web-r2"}


def test_the_next_rollout_replaces_what_the_last_one_made(account):
    account.group(3)
    third = account.stage.image("3.0.0")
    state = again(account, third, (Rolling(), Rolling()), (LIMITS, LIMITS))
    assert [(g.number, g.size) for g in state.groups] == [(3, 3)]
    after = account.everything()
    assert after["groups"].keys() == {"web", "web-r3"}
    assert [n for n in after["resources"] if "autoscale" in n.lower()] == [
        SETTING.format("web-r3-autoscale")
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
@KINDS
def test_twenty_servers(account, flexible):
    result, _, before, after = replaced(account, Rolling(), size=20, group={"flexible": flexible})
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=20)


WRITES = (
    "create_or_update",
    "update",
    "delete",
    "delete_instances",
    "set_orchestration_service_state",
)
"""What Azure's throttling policies count as writes of one scale set."""


def _named(path):
    return path.lower().split("/virtualmachinescalesets/")[1].split("/")[0]


def check_budget(account, minute):
    """No set got more than 12 writes of a kind in any minute, and a hundred servers few in all."""
    done = [
        (each["call"].split(".")[1], _named(each["params"]["path"]), each["at"])
        for each in account.emulator.calls(log=True)
        if each["call"].startswith("compute:virtual_machine_scale_sets.")
        and each["call"].split(".")[1] in WRITES
        and each["status"] < 300
    ]
    assert done
    per_minute = Counter((kind, name, int(at // minute)) for kind, name, at in done)
    assert max(per_minute.values()) <= 12
    in_all = Counter((kind, name) for kind, name, _ in done)
    assert sum(in_all.values()) < 150, in_all  # Two hundred members come and go.


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_servers_within_what_azure_bears(account):
    """A minute of Azure's lasts 4 s here: buckets of 12 writes a set and kind, 4 back a minute.

    So no set gets more than 12 writes of a kind in any minute but the first, whatever is refused.
    """
    minute = 4.0
    account.group(100)
    before = account.everything()
    account.emulator.laws(minute=minute, boot=1.0, retry_after=1)
    account.emulator.clear_calls()

    async def go():
        async with account.fleet(poll=10 / 60 * minute) as fleet:
            limits = evolve(LIMITS, progress_deadline=90)
            return await fleet.replace(account.images[1], Rolling(), limits=limits)

    result = run(go())
    assert result.status.value == "succeeded"
    check_moved(account, before, account.everything(), size=100)
    check_budget(account, minute)
