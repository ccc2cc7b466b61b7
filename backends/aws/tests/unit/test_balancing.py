"""What a rollout adds to target groups and load balancers is held against the account's quotas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import Image, Limits, Plan, Revision
from immutable.model.plan import Bounds, PlanKind
from immutable_aws.balancing import (
    BY_GROUP,
    DEFAULTS,
    Quotas,
    Scene,
    balancing_problems,
    target_problems,
)
from immutable_aws.marks import Marks
from immutable_aws.reading import Described
from tests.emulators.adopted import run

FRONT = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/x/front/1"


def planned(wanted, surge):
    image = Image.of_artifact("aws", "ami-1")
    return Plan(
        fleet="aws://eu-west-1/web",
        kind=PlanKind.REPLACE,
        stable=Revision(1, image),
        candidate=Revision(2, image),
        strategy="Rolling()",
        limits=Limits(),
        steps=(),
        bounds=Bounds(wanted, surge, 0, wanted, wanted + surge),
    )


def described(pools, zones=3):
    group = {
        "AutoScalingGroupName": "web",
        "TargetGroupARNs": pools,
        "AvailabilityZones": list(range(zones)),
    }
    return Described(group, {}, Marks("web", 1))


def scene(protocol, targets, across=()):
    told = {
        arn: {"TargetGroupName": arn, "Protocol": protocol, "LoadBalancerArns": [FRONT]}
        for arn in targets
    }
    return Scene(told, {a: frozenset(names) for a, names in targets.items()}, frozenset(across))


def names(problems):
    return [each.what.partition("(")[2].partition(";")[0].rstrip(")") for each in problems]


@given(
    wanted=st.integers(1, 20),
    surge=st.integers(1, 20),
    others=st.integers(0, 20),
    room=st.integers(1, 60),
)
def test_a_shared_target_group_holds_others_and_all_that_may_exist(wanted, surge, others, room):
    ours = frozenset(f"i-{n}" for n in range(wanted))
    there = scene("HTTP", {"a": ours | {f"o-{n}" for n in range(others)}})
    quotas = Quotas({"targets-per-target-group": room})
    found = target_problems(quotas, there, described(["a"]), planned(wanted, surge), ours)
    assert bool(found) == (others + wanted + surge > room)


def test_a_network_load_balancer_counts_a_target_once_for_each_of_its_target_groups():
    ours = frozenset({"i-1", "i-2"})
    targets = {"a": ours, "b": ours, "c": {"o-1", "o-2"}}
    group, plan = described(["a", "b"]), planned(2, 1)  # Three servers, in two of the groups.

    def told(protocol, total, **quotas):
        found = Quotas({**DEFAULTS, **quotas})
        return names(target_problems(found, scene(protocol, targets, total), group, plan, ours))

    total, zone = "targets-per-network-load-balancer", (
        "targets-per-availability-zone-per-network-load-balancer"
    )  # fmt: skip
    assert told("TCP", (), **{total: 7}) == [total]  # Six of ours, two of others'.
    assert told("TCP", (), **{total: 8}) == []
    assert told("TCP", (), **{zone: 1}) == [zone]  # Two of ours in each zone.
    assert told("TCP", (), **{zone: 2}) == []
    assert told("TCP", [FRONT], **{zone: 7}) == [zone]
    assert told("TCP", [FRONT], **{zone: 8, total: 1}) == []
    most = "targets-per-application-load-balancer"
    assert told("HTTP", (), **{most: 4}) == [most]  # Three and two, each once.
    assert told("HTTP", (), **{most: 5}) == []


def test_a_group_with_more_target_groups_than_a_new_one_may_have_is_told():
    class Nobody:
        async def pages(self, service, call, key, **params):
            return []

    pools = [f"p{n}" for n in range(BY_GROUP + 1)]
    group = described(pools)
    (told,) = run(balancing_problems(Nobody(), [group], group, planned(0, 0), None))
    assert f"web has {BY_GROUP + 1} target groups, a new group may have {BY_GROUP}" in told.what
    group = described(pools[1:])
    assert run(balancing_problems(Nobody(), [group], group, planned(0, 0), None)) == []
