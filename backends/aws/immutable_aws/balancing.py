"""Whether target groups and load balancers have room for a rollout: quotas."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from immutable.backend import Denied, Invalid, Plan, Problem
from immutable.toolkit.requests import together
from immutable_aws.asking import healths_of
from immutable_aws.calls import Answer, Calls
from immutable_aws.reading import Described
from immutable_aws.traffic import table_of

__all__ = [
    "BY_GROUP",
    "DEFAULTS",
    "Own",
    "Quotas",
    "Scene",
    "balancing_problems",
    "pool_problems",
    "target_problems",
]

# "Quotas for your Application Load Balancers"
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
# "Quotas for your Network Load Balancers"
# https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html; the
# names are those of DescribeAccountLimits
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeAccountLimits.html
DEFAULTS: Mapping[str, int] = {
    "target-groups": 3000,
    "targets-per-target-group": 1000,
    "target-groups-per-application-load-balancer": 100,
    "target-groups-per-action-on-application-load-balancer": 5,
    "targets-per-application-load-balancer": 1000,
    "targets-per-network-load-balancer": 3000,
    "targets-per-availability-zone-per-network-load-balancer": 500,
}
"""What an account may have where it can't be asked, by the names of Elastic Load Balancing."""

BY_GROUP = 50
"""How many target groups an Auto Scaling group may have; no API tells it, and it is the same in all
accounts: "Quotas for Amazon EC2 Auto Scaling",
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html."""

_ZONE = "targets-per-availability-zone-per-network-load-balancer"
_ACROSS = "load_balancing.cross_zone.enabled"


@frozen
class Quotas:
    """What an account may have.

    Attributes:
        told: What AWS said of this account.
    """

    told: Mapping[str, int] = field(factory=dict)

    def check(self, name: str, needed: int, what: str) -> list[Problem]:
        """Return that something exceeds a quota, if it does.

        Args:
            name: The quota's.
            needed: How many there are going to be.
            what: What would have so many of what.
        """
        most = self.told.get(name, DEFAULTS[name])
        if needed <= most:
            return []
        known = "" if name in self.told else "; AWS's default, this account's can't be asked for"
        return [
            Problem(
                f"{what}: {needed}, {most} are allowed ({name}{known})",
                "raise that quota of Elastic Load Balancing if AWS lets you, or make room",
            )
        ]


@frozen
class Own:
    """The target group that a candidate gets of its own.

    Attributes:
        name: Its name; nothing is added where it is there already.
        rules: Those that will forward to it too.
    """

    name: str
    rules: tuple[Answer, ...] = ()


@frozen
class Scene:
    """What there is beside a fleet.

    Attributes:
        groups: Every target group of the region, by ARN.
        targets: Who is registered, by target group.
        across: The load balancers that balance across zones.
    """

    groups: Mapping[str, Answer]
    targets: Mapping[str, frozenset[str]] = field(factory=dict)
    across: frozenset[str] = frozenset()

    def used_by(self, balancer: str) -> list[str]:
        """Return the target groups of a load balancer, each once."""
        return [a for a, each in self.groups.items() if balancer in _balancers(each)]


def _balancers(target_group: Answer) -> Sequence[str]:
    arns: Sequence[str] = target_group.get("LoadBalancerArns", ())
    return arns


_APPLICATION, _NETWORK = ("HTTP", "HTTPS"), ("TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC")


# -- a target group more ---------------------------------------------------------------------------


def pool_problems(quotas: Quotas, scene: Scene, own: Own, serving: Iterable[str]) -> list[Problem]:
    """Return what a revision's own target group would exceed.

    Args:
        quotas: What the account may have.
        scene: What there is.
        own: The target group.
        serving: Those that it will share the traffic with.
    """
    there = (a for a, each in scene.groups.items() if each["TargetGroupName"] == own.name)
    arn = next(there, own.name)
    found = quotas.check(
        "target-groups", len({*scene.groups, arn}), f"target groups of the region with {own.name}"
    )
    known = [scene.groups[pool] for pool in serving if pool in scene.groups]
    for balancer in {each for pool in known for each in _balancers(pool)}:
        found += quotas.check(
            "target-groups-per-application-load-balancer",
            len({*scene.used_by(balancer), arn}),
            f"target groups of load balancer {_name(balancer)} with {own.name}",
        )
    for rule in own.rules:
        found += quotas.check(
            "target-groups-per-action-on-application-load-balancer",
            len({*table_of(rule["Actions"]), arn}),
            f"target groups that {rule['RuleArn']} forwards to with {own.name}",
        )
    return found


# -- targets more ----------------------------------------------------------------------------------


# 4 of ours and 2 of others in a target group, at most 6 of ours: 8 targets. With a target group of
# its own the candidate leaves that one as it is, and the load balancer still gets the 8.
def target_problems(
    quotas: Quotas,
    scene: Scene,
    group: Described,
    plan: Plan,
    ours: frozenset[str],
    own: Own | None = None,
) -> list[Problem]:
    """Return which target groups and load balancers would get too many targets.

    A Network Load Balancer counts who is in two of its target groups twice. AWS says nothing like
    it of an Application Load Balancer: there it counts once, so that nothing is refused wrongly.

    Args:
        quotas: What the account may have.
        scene: What there is.
        group: The group that serves.
        plan: What is planned.
        ours: The members of the fleet.
        own: The target group that the candidate gets, if it doesn't join those that there are.
    """
    most = plan.bounds.ceiling
    found: list[Problem] = []
    balancers: dict[str, list[str]] = {}
    if own is not None:
        what = f"targets of target group {own.name}"
        found += quotas.check("targets-per-target-group", plan.bounds.wanted, what)
    for arn in (arn for arn in group.target_groups if arn in scene.groups):
        if own is None:
            needed = len(scene.targets.get(arn, frozenset()) - ours) + most
            what = f"targets of target group {scene.groups[arn]['TargetGroupName']}"
            found += quotas.check("targets-per-target-group", needed, what)
        for balancer in _balancers(scene.groups[arn]):
            balancers.setdefault(balancer, []).append(arn)
    for balancer, arns in balancers.items():
        protocol = scene.groups[arns[0]].get("Protocol")
        if protocol in _NETWORK:
            found += _network_problems(quotas, scene, group, balancer, len(arns) * most, ours)
        elif protocol in _APPLICATION:
            used = [scene.targets.get(arn, frozenset()) for arn in scene.used_by(balancer)]
            found += quotas.check(
                "targets-per-application-load-balancer",
                len(frozenset().union(*used) - ours) + most,
                f"targets of load balancer {_name(balancer)}",
            )
    return found


def _network_problems(
    quotas: Quotas, scene: Scene, group: Described, balancer: str, mine: int, ours: frozenset[str]
) -> list[Problem]:
    """Return what a Network Load Balancer would have too many of.

    Across zones it may have as many as otherwise in one. Of others' targets AWS doesn't say in
    which zone they are: there only ours are counted.
    """
    used = scene.used_by(balancer)
    total = sum(len(scene.targets.get(arn, frozenset()) - ours) for arn in used) + mine
    name = f"targets of load balancer {_name(balancer)}"
    if balancer in scene.across:
        return quotas.check(_ZONE, total, f"{name}, which balances across zones")
    zones = max(1, len(group.group.get("AvailabilityZones", ())))
    found = quotas.check("targets-per-network-load-balancer", total, name)
    return found + quotas.check(_ZONE, math.ceil(mine / zones), f"{name} in a zone, ours alone")


# arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/front/50dc6c495c0c9188 is front.
def _name(balancer: str) -> str:
    parts = balancer.split("/")
    return parts[-2] if len(parts) > 2 else balancer


# -- asking ----------------------------------------------------------------------------------------


async def balancing_problems(
    calls: Calls, groups: Sequence[Described], group: Described, plan: Plan, own: Own | None
) -> list[Problem]:
    """Return every quota of load balancing that a plan would exceed; changes nothing.

    Args:
        calls: The door to AWS.
        groups: The fleet's groups.
        group: The one that serves.
        plan: What is planned.
        own: The target group that the candidate gets, if it doesn't join those that there are.
    """
    found = _by_group(group)
    if not group.target_groups:
        return found
    ours = frozenset(member["InstanceId"] for each in groups for member in each.members)
    grows = plan.bounds.ceiling > len(ours)
    quotas, scene = await together(_quotas(calls), _scene(calls, group, grows=grows))
    if own is not None:
        found += pool_problems(quotas, scene, own, group.target_groups)
    if grows:
        found += target_problems(quotas, scene, group, plan, ours, own)
    return found


def _by_group(group: Described) -> list[Problem]:
    count = len(group.target_groups)
    if count <= BY_GROUP:
        return []
    return [
        Problem(
            f"{group.name} has {count} target groups, a new group may have {BY_GROUP} (AWS's fixed"
            " quota; no API tells it)",
            "detach what it doesn't need",
        )
    ]


async def _quotas(calls: Calls) -> Quotas:
    try:
        limits = await calls.pages("elbv2", "DescribeAccountLimits", "Limits")
    except (Denied, Invalid):
        return Quotas()
    return Quotas({each["Name"]: int(each["Max"]) for each in limits if each.get("Max")})


async def _scene(calls: Calls, group: Described, *, grows: bool) -> Scene:
    listed = await calls.pages("elbv2", "DescribeTargetGroups", "TargetGroups")
    scene = Scene({each["TargetGroupArn"]: each for each in listed})
    if not grows:
        return scene  # Nobody's targets become more.
    mine = [arn for arn in group.target_groups if arn in scene.groups]
    balancers = sorted({each for arn in mine for each in _balancers(scene.groups[arn])})
    used = {arn for balancer in balancers for arn in scene.used_by(balancer)}
    network = {
        each
        for arn in mine
        for each in _balancers(scene.groups[arn])
        if scene.groups[arn].get("Protocol") in _NETWORK
    }
    healths, across = await together(
        healths_of(calls, {*used, *mine}), _across(calls, sorted(network))
    )
    targets = {arn: frozenset(told) for arn, told in healths.items()}
    return Scene(scene.groups, targets, across)


async def _across(calls: Calls, balancers: Sequence[str]) -> frozenset[str]:
    """Return which load balancers balance across zones, of those that may be asked."""
    told = await together(*(_is_across(calls, arn) for arn in balancers))
    return frozenset(arn for arn, so in zip(balancers, told, strict=True) if so)


async def _is_across(calls: Calls, arn: str) -> bool:
    try:
        answer = await calls.ask(
            "elbv2", "DescribeLoadBalancerAttributes", about=arn, LoadBalancerArn=arn
        )
    except Denied:
        return False  # The larger quotas are checked then.
    return {"Key": _ACROSS, "Value": "true"} in answer["Attributes"]
