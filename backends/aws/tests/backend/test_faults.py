"""What goes wrong between a rollout and AWS: lost answers, throttling, no room, sudden deaths."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from attrs import evolve

from backends.aws.tests.backend.account import DOUBLE, LIMITS, Account
from backends.aws.tests.backend.test_rollouts import check_balanced, check_moved
from backends.aws.tests.emulator import Stage
from immutable import Canary, RolledBack, Rolling
from tests.emulators.adopted import ended, killed_and_followed, replaced, run, taken_back
from tests.emulators.waiting import eventually

CHANGES = (
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:DeletePolicy",
    "autoscaling:DeleteScheduledAction",
    "autoscaling:DeleteTags",
    "autoscaling:EnableMetricsCollection",
    "autoscaling:PutScalingPolicy",
    "autoscaling:PutScheduledUpdateGroupAction",
    "autoscaling:ResumeProcesses",
    "autoscaling:SetDesiredCapacity",
    "autoscaling:SuspendProcesses",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "ec2:CreateLaunchTemplate",
    "ec2:DeleteLaunchTemplate",
    "elbv2:CreateTargetGroup",
    "elbv2:DeleteTargetGroup",
    "elbv2:ModifyListener",
    "elbv2:ModifyTargetGroupAttributes",
)
"""Every request that changes something."""

SHARES = Canary(stages=("50%", "100%"), bake=1)


def launched(account, image):
    """How many instances were ever launched from an image."""
    return sum(each["image"] == image for each in account.emulator.members())


def faults_fired(account):
    return Counter(each["action"] for each in account.emulator.clear_faults() if each["fired"])


@pytest.mark.slow
def test_all_changes_of_a_rollout_are_named_here(account):
    replaced(account, SHARES, size=2, limits=DOUBLE)
    third = account.stage.image("web-3")

    async def again():
        async with account.fleet(adopt=False) as fleet:
            await fleet.replace(third, SHARES, limits=DOUBLE)

    account.emulator.clear_calls()
    run(again())
    made = {name for name in account.emulator.calls() if "Describe" not in name}
    asked = {"ec2:RunInstances", "ec2:TerminateInstances", "sts:GetCallerIdentity"}
    asked |= {"iam:SimulatePrincipalPolicy", "service-quotas:GetServiceQuota"}
    assert made - asked <= set(CHANGES)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(Rolling(), marks=pytest.mark.slow, id="rolling"),
        pytest.param(SHARES, marks=pytest.mark.slow, id="canary"),
    ],
)
def test_the_first_answer_of_every_change_is_lost(account, strategy):
    """Each took effect and nobody knew: nothing is made twice, and the end is the same."""
    size = 6

    def lose():
        for action in CHANGES:
            account.emulator.fault(action=action, kind="lost")

    limits = DOUBLE if strategy is SHARES else LIMITS
    result, _, before, after = replaced(
        account, strategy, size=size, limits=limits, first=lose, late_effect=0.5
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=size)
    check_balanced(account, "web-r2", size)
    assert launched(account, account.images[1]) == size
    assert after["groups"].keys() == {"web", "web-r2"}
    assert after["templates"].keys() == {"web-theirs", "web-r2"}
    assert len(faults_fired(account)) >= 12


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", range(3))
def test_a_later_answer_of_every_change_is_lost(account, which):
    def lose():
        for action in CHANGES:
            account.emulator.fault(action=action, kind="lost", skip=which + 1)
            account.emulator.fault(action=action, kind="lost", skip=which + 3)

    result, _, before, after = replaced(
        account, SHARES, size=6, limits=DOUBLE, first=lose, late_effect=0.5
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=6)
    assert launched(account, account.images[1]) == 6


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_lost_answers_on_the_way_back_leave_no_trace(account):
    account.group(4)
    before = account.everything()
    account.emulator.fate(image=account.images[1], answers=None)
    limits = evolve(DOUBLE, boot_timeout=2, max_failures=1)

    def lose():
        for action in CHANGES:
            account.emulator.fault(action=action, kind="lost")

    taken_back(account, SHARES, limits, lose, late_effect=0.5)
    assert account.everything() == before


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_throttled_at_every_call_it_is_slower_and_ends_the_same(account):
    account.group(4)
    before = account.everything()

    async def go():
        async with account.fleet(poll=0.5, late_effect=0.5) as fleet:
            reads = ("autoscaling:Describe*", "elbv2:Describe*", "ec2:Describe*")
            for action in (*CHANGES, *reads):
                account.emulator.fault(action=action, kind="throttle")
            account.emulator.bucket(action="autoscaling:*", capacity=30, rate=15)
            return await fleet.replace(account.images[1], Rolling(), limits=LIMITS)

    result = run(go())
    assert result.status.value == "succeeded"
    troubles = Counter(each["trouble"] for each in account.emulator.calls(log=True))
    assert troubles["throttle"] >= 15
    check_moved(account, before, account.everything(), size=4)
    assert launched(account, account.images[1]) == 4


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_server_errors_and_dead_connections_are_repeated(account):
    account.group(4)
    before = account.everything()

    async def go():
        async with account.fleet(late_effect=0.5) as fleet:
            for action in CHANGES:
                account.emulator.fault(action=action, kind="reset")
                account.emulator.fault(action=action, kind="error", status=500)
            return await fleet.replace(account.images[1], Rolling(), limits=LIMITS)

    assert run(go()).status.value == "succeeded"
    check_moved(account, before, account.everything(), size=4)
    assert launched(account, account.images[1]) == 4


def test_one_zone_without_capacity_is_made_up_by_the_others(account):
    account.group(9)
    before = account.everything()
    account.emulator.capacity(zone=account.stage.zones[0], instances=0)

    async def go():
        async with account.fleet() as fleet:
            return await fleet.replace(account.images[1], Rolling(), limits=LIMITS)

    assert run(go()).status.value == "succeeded"
    counts = account.zones("web-r2")
    assert counts[account.stage.zones[0]] == 0
    assert sorted(counts[zone] for zone in account.stage.zones[1:]) == [4, 5]
    after = account.everything()
    assert after["groups"]["web"]["Members"] == []
    assert before["target_groups"]["web"]["targets"] == after["target_groups"]["web"]["targets"]


def test_without_any_room_it_goes_back_and_says_where(account):
    account.group(3)
    before = account.everything()
    limits = evolve(LIMITS, progress_deadline=3)

    def fill():
        for zone in account.stage.zones:
            account.emulator.capacity(zone=zone, instances=1)

    error = taken_back(account, Rolling(), limits, fill)
    assert "capacity" in str(error)
    assert "eu-west-1" in str(error)
    assert account.everything() == before


def test_a_launch_that_is_not_allowed_turns_back_at_once(account):
    """An image that is taken away after the plan was made: no deadline is waited for."""
    account.group(3)
    patient = evolve(LIMITS, boot_timeout=3600, progress_deadline=3600)
    before = account.everything()

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], Rolling(), limits=patient)
            running = asyncio.ensure_future(ended(rollout))
            await eventually(lambda: account.zones("web-r2").total() >= 1)
            account.stage.ec2.deregister_image(ImageId=account.images[1])
            assert isinstance(await running, RolledBack)

    run(go())
    assert account.everything() == before


def test_denied_in_the_middle_it_goes_back(account):
    account.group(3)
    before = account.everything()

    async def go():
        async with account.fleet() as fleet:
            plan = await fleet.plan(account.images[1], Rolling(), limits=LIMITS)
            account.emulator.fault(
                action="autoscaling:SetDesiredCapacity",
                kind="error",
                code="AccessDenied",
                status=403,
                times=None,
            )
            with pytest.raises(RolledBack) as caught:
                await fleet.apply(plan)
            return caught.value

    assert "AccessDenied" in str(run(go()))
    assert account.everything() == before


# -- killed controllers ----------------------------------------------------------------------------


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("strategy", "size", "members"),
    [
        ("rolling", 6, 1),
        pytest.param("rolling", 20, 13, marks=pytest.mark.slow),
        pytest.param("canary", 20, 10, marks=pytest.mark.slow),
        pytest.param("blue-green", 20, 2, marks=pytest.mark.slow),
        pytest.param("rolling", 100, 40, marks=pytest.mark.slow),
        pytest.param("blue-green", 100, 70, marks=pytest.mark.slow),
    ],
)
def test_a_killed_controller_is_followed_by_another_one(account, tmp_path, strategy, size, members):
    account.group(size)
    before = account.everything()
    journal = tmp_path / "journal.db"
    words = ["backends.aws.tests.backend.controller", str(journal), account.images[1], strategy]
    result = killed_and_followed(
        account,
        journal,
        words,
        account.emulator.environment(),
        lambda: account.zones("web-r2").total() >= members,
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, account.everything(), size=size)
    check_balanced(account, "web-r2", size)
    assert launched(account, account.images[1]) == size


def test_a_cut_off_settling_is_ended_by_the_next_call(account):
    """Processes that `settle` stops for a moment don't stay stopped when it is killed there."""
    account.group(2)

    async def go():
        async with account.fleet() as fleet:
            backend, ctx = fleet.backend, _context()
            for zone in account.stage.zones:
                account.emulator.capacity(zone=zone, instances=1)
            await backend.grow("web", 1, 4, expected=2, ctx=ctx)
            await eventually(lambda: account.zones("web").total() == 3)
            account.emulator.fault(
                action="autoscaling:UpdateAutoScalingGroup", kind="error", status=500
            )
            with pytest.raises(Exception, match="InternalFailure"):
                await backend.settle("web", 1, ctx)
            stopped = account.everything()["groups"]["web"]["SuspendedProcesses"]
            assert set(stopped) == {"Launch", "Terminate"}
            assert await backend.settle("web", 1, ctx) == 3

    run(go())
    assert account.everything()["groups"]["web"]["SuspendedProcesses"] == []


def _context():
    from immutable.backend import Context

    return Context("r", "p", 1, "t", 60)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_network_load_balancer_loses_answers_too(emulator, monkeypatch):
    account = Account(emulator, Stage(emulator, "network"), monkeypatch)

    def lose():
        for action in CHANGES:
            emulator.fault(action=action, kind="lost")

    result, _, before, after = replaced(account, Rolling(), size=4, first=lose, late_effect=0.5)
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=4)
