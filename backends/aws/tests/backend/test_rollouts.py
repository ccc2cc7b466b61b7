"""Whole rollouts of an adopted fleet in three zones, by the real engine, over HTTP.

After each the whole account is compared with what it was: nothing but what was intended differs.
"""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from attrs import evolve

from backends.aws.tests.backend.account import DOUBLE, LIMITS, Account, marks
from backends.aws.tests.emulator import Stage
from immutable import BlueGreen, Canary, RolledBack, Rolling, RolloutFailed
from tests.emulators import adopted
from tests.emulators.adopted import aborted, again, ended, run, taken_back
from tests.emulators.waiting import eventually

SIZE = 20
replaced = partial(adopted.replaced, size=SIZE)


def check_moved(account, before, after, size=SIZE):
    """All of ``web`` is on ``web-r2`` now; ``web`` stays, empty and otherwise as it was."""
    old, new, kept = before["groups"]["web"], after["groups"]["web-r2"], after["groups"]["web"]
    moved = {"policies", "schedules", "Members", "MinSize", "DesiredCapacity"}
    assert {k: v for k, v in kept.items() if k not in moved} == {
        k: v for k, v in old.items() if k not in moved
    }
    assert (kept["MinSize"], kept["DesiredCapacity"], kept["Members"]) == (0, 0, [])
    assert kept["policies"] == kept["schedules"] == {}
    own = {"AutoScalingGroupName", "AutoScalingGroupARN", "LaunchTemplate", "Members"}
    own |= {"policies", "schedules", "Tags", "TargetGroupARNs", "TrafficSources"}
    assert {k: v for k, v in new.items() if k not in own} == {
        k: v for k, v in old.items() if k not in own
    }
    assert [(t["Key"], t["Value"]) for t in new["Tags"]] == [("team", "shop")]
    assert [m.split()[:2] for m in new["Members"]] == [["InService", account.images[1]]] * size
    assert new["LaunchTemplate"]["Version"] == "1"
    for kind in ("policies", "schedules"):
        assert new[kind].keys() == old[kind].keys()
    assert new["policies"]["cpu"]["TargetTrackingConfiguration"]["DisableScaleIn"] is False
    assert new["policies"]["cpu"]["Enabled"] is True
    told = account.emulator.everything()
    assert marks(told, "web").keys() == {"retired"}
    assert "hold" not in marks(told, "web-r2")
    data = after["templates"]["web-r2"]["versions"][0]
    assert data["ImageId"] == account.images[1]
    by_type = {each["ResourceType"]: each["Tags"] for each in data["TagSpecifications"]}
    assert {"Key": "team", "Value": "shop"} in by_type["volume"]
    assert {"Key": "immutable:fleet", "Value": "web"} in by_type["volume"]
    assert after["templates"]["web-theirs"] == before["templates"]["web-theirs"]


def _texts(attributes):
    return {name: str(value) for name, value in attributes.items()}


def check_balanced(account, group, size=SIZE):
    counts = account.zones(group).values()
    assert sum(counts) == size
    assert max(counts) - min(counts) <= 1


def test_rolling_moves_the_fleet_and_nothing_else(account):
    result, state, before, after = replaced(account, Rolling())
    assert result.status.value == "succeeded"
    assert [group.number for group in state.groups] == [2]
    check_moved(account, before, after)
    check_balanced(account, "web-r2")
    # The load balancer is exactly as it was: both groups were in its one pool.
    assert after["listeners"] == before["listeners"]
    assert after["target_groups"].keys() == before["target_groups"].keys()
    assert after["target_groups"]["web"] == before["target_groups"]["web"]


def test_canary_by_weights_leaves_the_listener_on_the_new_pool(account):
    strategy = Canary(stages=("5%", "50%", "100%"), bake=0.5)
    result, state, before, after = replaced(account, strategy, limits=DOUBLE)
    assert result.status.value == "succeeded"
    assert [(group.number, group.weight) for group in state.groups] == [(2, None)]
    check_moved(account, before, after)
    check_balanced(account, "web-r2")
    assert before["listeners"] == {"front:80/default": {"web": 1}}
    assert after["listeners"] == {"front:80/default": {"web-r2": 1}}
    old, new = before["target_groups"]["web"], after["target_groups"]["web-r2"]
    assert _texts(new["attributes"]) == _texts(old["attributes"])
    assert new["targets"] == {"healthy": SIZE}


def test_weights_rise_as_the_stages_say(account):
    replaced(account, Canary(stages=("5%", "50%", "100%"), bake=0.5), size=4, limits=DOUBLE)
    tables = [
        {t["TargetGroupArn"].split("/")[1]: t["Weight"] for t in forward["TargetGroups"]}
        for call in account.emulator.calls(log=True)
        if call["call"] == "elbv2:ModifyListener"
        for action in call["params"]["DefaultActions"]
        if (forward := action.get("ForwardConfig"))
    ]
    assert tables == [
        {"web": 500, "web-r2": 0},
        {"web": 475, "web-r2": 25},
        {"web": 250, "web-r2": 250},
        {"web": 0, "web-r2": 500},
    ]


def test_blue_green_switches_once(account):
    strategy = BlueGreen(bake=0.5)
    result, _, before, after = replaced(account, strategy, limits=DOUBLE)
    assert result.status.value == "succeeded"
    check_moved(account, before, after)
    assert after["listeners"] == {"front:80/default": {"web-r2": 1}}


def test_without_a_load_balancer_shares_are_instances(emulator, monkeypatch):
    account = Account(emulator, Stage(emulator, None), monkeypatch)
    limits = evolve(LIMITS, drain_timeout=0)
    strategy = Canary(stages=("25%", "100%"), bake=0.5)
    result, state, before, after = replaced(account, strategy, size=8, limits=limits)
    assert result.status.value == "succeeded"
    assert all(group.weight is None for group in state.groups)
    check_moved(account, before, after, size=8)
    assert "DescribeTargetHealth" not in {c.split(":")[1] for c in emulator.calls()}


def test_a_network_load_balancer_is_no_obstacle(emulator, monkeypatch):
    account = Account(emulator, Stage(emulator, "network"), monkeypatch)
    strategy = Canary(stages=("25%", "100%"), bake=0.5)
    result, _, before, after = replaced(account, strategy, size=8)
    assert result.status.value == "succeeded"
    assert after["listeners"] == before["listeners"]
    check_moved(account, before, after, size=8)


def test_an_image_that_never_serves_is_taken_back_without_a_trace(account):
    account.group(SIZE)
    before = account.everything()
    account.emulator.fate(image=account.images[1], answers=None)
    taken_back(account, Rolling(), evolve(LIMITS, boot_timeout=2, max_failures=1))
    assert account.everything() == before
    told = marks(account.emulator.everything(), "web")
    assert told.keys() == {"fleet", "revision", "origin", "pool", "last"}


@pytest.mark.parametrize("strategy", [Rolling(), Canary(stages=("50%", "100%"), bake=60)])
def test_an_abort_half_way_leaves_everything_as_it_was(account, strategy):
    account.group(SIZE)
    before = account.everything()
    end = aborted(account, strategy, DOUBLE, lambda: account.zones("web-r2").total() >= 2)
    assert isinstance(end, RolledBack)
    assert account.everything() == before
    check_balanced(account, "web")


def test_what_somebody_schedules_meanwhile_is_told_at_the_end_of_the_way_back(account):
    account.group(4)
    asg = account.stage.asg
    asg.delete_policy(AutoScalingGroupName="web", PolicyName="cpu")  # Nothing has to be restored.

    def far_enough():
        if account.zones("web-r2").total() < 2:
            return False
        asg.put_scheduled_update_group_action(
            AutoScalingGroupName="web",
            ScheduledActionName="evening",
            Recurrence="0 20 * * *",
            MinSize=1,
        )
        return True

    with pytest.raises(RolloutFailed) as failure:
        aborted(account, Rolling(), DOUBLE, far_enough)
    (left,) = failure.value.result.left
    assert "r1's settings" in left
    assert "schedule evening" in left


def test_what_is_scaled_out_meanwhile_is_followed(account):
    size = 6
    account.group(size)

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], Rolling(), limits=LIMITS)
            task = asyncio.ensure_future(ended(rollout))
            await eventually(lambda: account.zones("web-r2").total() >= 1)
            account.emulator.alarm(group="web", policy="cpu", desired=size - 3)  # Is stopped.
            return await task

    assert run(go()).status.value == "succeeded"
    check_balanced(account, "web-r2", size)


def test_an_adopted_group_is_deleted_when_that_was_said(account):
    result, _, before, after = replaced(account, Rolling(), size=4, on_replace="delete")
    assert result.status.value == "succeeded"
    assert after["groups"].keys() == {"web-r2"}
    assert after["templates"]["web-theirs"] == before["templates"]["web-theirs"]


@pytest.mark.slow
def test_the_next_rollout_replaces_what_the_last_one_made(account):
    account.group(4)
    third = account.stage.image("web-3")
    canary = Canary(stages=("50%", "100%"), bake=0.5)
    state = again(account, third, (canary, Rolling(), canary), (DOUBLE, LIMITS, DOUBLE))
    assert [(g.number, g.size) for g in state.groups] == [(4, 4)]
    after = account.everything()
    # r3 shared r2's pool, which has to outlive r2; after r4's canary nobody needs it.
    assert after["groups"].keys() == {"web", "web-r4"}
    assert after["target_groups"].keys() == {"web", "web-r4"}
    assert after["templates"].keys() == {"web-theirs", "web-r4"}
    assert after["listeners"] == {"front:80/default": {"web-r4": 1}}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "strategy", [Rolling(), Canary(stages=("10%", "100%"), bake=0.5), BlueGreen(bake=0.5)]
)
def test_a_hundred_servers_in_three_zones(account, strategy):
    account.emulator.laws(boot=1.0)
    result, _, before, after = replaced(account, strategy, size=100, limits=DOUBLE)
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=100)
    check_balanced(account, "web-r2", 100)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("strategy", "members"),
    [(Rolling(), 40), (Canary(stages=("10%", "100%"), bake=60), 10), (BlueGreen(bake=60), 70)],
)
def test_a_hundred_servers_come_back_in_three_zones(account, strategy, members):
    account.group(100)
    before = account.everything()
    end = aborted(account, strategy, DOUBLE, lambda: account.zones("web-r2").total() >= members)
    assert isinstance(end, RolledBack)
    assert account.everything() == before
    check_balanced(account, "web", 100)


@pytest.mark.parametrize(("kind", "answers"), [("application", 2), (None, 1)])
def test_groups_are_read_twice_only_to_be_of_one_moment_with_health(
    emulator, monkeypatch, kind, answers
):
    from backends.aws.tests.backend.account import Account
    from backends.aws.tests.emulator import Stage

    account = Account(emulator, Stage(emulator, kind), monkeypatch)
    account.group(2)
    emulator.fate(boot=None)
    emulator.resize(group="web", desired=3)
    emulator.skip(seconds=1)  # The third is there, and pending for good.

    async def go():
        async with account.fleet() as fleet:
            emulator.clear_calls()
            return await fleet.state()

    assert len(run(go()).instances) == 3
    assert emulator.calls()["autoscaling:DescribeAutoScalingGroups"] == answers
