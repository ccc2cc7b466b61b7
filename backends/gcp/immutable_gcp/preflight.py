"""Everything that would stop a plan, found before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import Gone, Invalid, Plan, Problem
from immutable.toolkit.requests import together
from immutable.toolkit.weights import needs_weights
from immutable_gcp import marks as marking
from immutable_gcp.adopting import unmanageable
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.copying import boot_image
from immutable_gcp.creating import pattern_of
from immutable_gcp.hands import Hands
from immutable_gcp.images import describe, parse, unusable
from immutable_gcp.names import group_name, last_part, scope_of
from immutable_gcp.permissions import permission_problems
from immutable_gcp.pools import service_call
from immutable_gcp.reading import Described
from immutable_gcp.room import MOST_BACKENDS, most_members, needs_of, quota_problems
from immutable_gcp.routing import dividing, serving_service
from immutable_gcp.sizing import maximum_of

__all__ = ["preflight"]

_ASIDE = ("SUSPENDED", "STOPPED", "TERMINATED", "SUSPENDING")


async def preflight(hands: Hands, fleet: str, plan: Plan) -> tuple[Problem, ...]:
    """Return all problems at once, each with the way out; changes nothing."""
    groups = await hands.eyes.groups(fleet)
    group = next((g for g in groups if g.marks.revision == plan.stable.number), pattern_of(groups))
    weighted = needs_weights(plan)
    reasons = unmanageable(group.group)
    if not group.template:
        return tuple(Problem(f"{group.name}: {reason}", "see there") for reason in reasons)
    template = await hands.eyes.template(group.template)
    properties = template["properties"]
    (services,) = (await hands.eyes.pools.of([group.instance_group], anew=True)).values()
    machine = await _machine(hands.calls, group, properties)
    found = await together(
        _image_problems(hands.calls, plan, machine),
        _group_problems(hands, group, plan),
        _weight_problems(hands, group, weighted=weighted),
        _name_problems(hands, fleet, plan, weighted=weighted),
        _quota_problems(hands.calls, plan, properties, machine, weighted=weighted),
        _permissions(hands.calls, group, plan, services),
    )
    told = [Problem(f"{group.name}: {reason}", "see there") for reason in reasons]
    told += _template_problems(group, properties)
    told += [problem for service in services for problem in _service_problems(service, plan)]
    return tuple(dict.fromkeys(problem for part in (told, *found) for problem in part))


# -- images ----------------------------------------------------------------------------------------


async def _machine(calls: Calls, group: Described, properties: Mapping[str, Any]) -> Answer:
    """Return the machine type that a template's VMs are of; empty for one that can't be had."""
    name = last_part(str(properties.get("machine_type", "")))
    zones = group.group.get("distribution_policy", {}).get("zones", ())
    zone = last_part(str(zones[0]["zone"] if zones else group.group.get("zone", "")))
    try:
        return await calls.ask("machine_types", "get", about=name, machine_type=name, zone=zone)
    except (Gone, Invalid):
        return {}


async def _image_problems(calls: Calls, plan: Plan, machine: Answer) -> list[Problem]:
    problems: list[Problem] = []
    for image, whose, out in (
        (plan.candidate.image, "the image", "name one that is there"),
        (plan.stable.image, "the image of the way back", "restore it, or there is none"),
    ):
        parsed = parse(image.artifact, calls.place.project)
        try:
            described = await describe(calls, parsed) if parsed is not None else None
        except Gone:
            described = None
        if described is None:
            problems.append(Problem(f"{whose} {image} is not there, or not shared with you", out))
        elif why := unusable(described):
            problems.append(Problem(f"{whose} {image}: {why}", out))
        elif whose == "the image":
            problems += _architecture_problems(described, machine)
    return problems


def _architecture_problems(image: Answer, machine: Answer) -> list[Problem]:
    wanted, has = image.get("architecture"), machine.get("architecture")
    if not wanted or not has or wanted == has:
        return []
    return [
        Problem(
            f"image {image['name']} is for {wanted}, machine type {machine['name']} is {has}",
            "name an image of that architecture",
        )
    ]


# -- the group -------------------------------------------------------------------------------------


def _template_problems(group: Described, properties: Mapping[str, Any]) -> list[Problem]:
    """Return whether a rollout could give the group's template another image."""
    source = boot_image(properties)
    parsed = parse(source, "") if source else None
    if parsed is None:
        return [
            Problem(
                f"the template of {group.name} makes its boot disk of no image",
                "let the group use one with disks[].initializeParams.sourceImage",
            )
        ]
    if parsed[1]:
        return [
            Problem(
                f"the template of {group.name} starts whatever the family {parsed[2]} means",
                "let it use a template that names an image: the way back would be another one",
            )
        ]
    return []


async def _group_problems(hands: Hands, group: Described, plan: Plan) -> list[Problem]:
    problems: list[Problem] = []
    wanted = plan.bounds.wanted
    most = await maximum_of(hands, group)
    limit = most_members(regional=hands.calls.place.regional)
    for bound, out in ((most, "raise the maximum"), (limit, "divide the fleet")):
        if bound is not None and wanted > bound:
            what = f"{wanted} servers are wanted, {group.name} can have {bound} at most"
            problems.append(Problem(what, out))
    aside = [
        last_part(member["instance"])
        for member in await hands.eyes.members(group)
        if member.get("instance_status") in _ASIDE
    ]
    if aside:
        problems.append(
            Problem(
                f"members of {group.name} stand still: {', '.join(aside)}",
                "start them, or delete them from the group",
            )
        )
    return problems


def _service_problems(service: Answer, plan: Plan) -> list[Problem]:
    name, problems = service["name"], []
    delay = float(service.get("connection_draining", {}).get("draining_timeout_sec", 0))
    if delay < plan.limits.drain_timeout:
        problems.append(
            Problem(
                f"backend service {name} cuts requests off after {delay:g} s of draining, the plan"
                f" allows {plan.limits.drain_timeout:g} s",
                f"set drain_timeout to {delay:g} s, or raise connectionDraining.drainingTimeoutSec",
            )
        )
    if not service.get("health_checks"):
        out = "give it one: nobody could tell whether a candidate serves"
        problems.append(Problem(f"backend service {name} has no health check", out))
    if len(service.get("backends", ())) >= MOST_BACKENDS:
        what = f"backend service {name} has {MOST_BACKENDS} backends, the most that it can have"
        problems.append(Problem(what, "remove one that isn't used"))
    return problems


async def _weight_problems(hands: Hands, group: Described, *, weighted: bool) -> list[Problem]:
    if not weighted:
        return []
    try:
        await dividing(hands.eyes.pools, await serving_service(hands.eyes.pools, group))
    except Invalid as error:
        return [Problem(f"weights: {error}", "connect with ?traffic=instances, or see there")]
    return []


async def _name_problems(hands: Hands, fleet: str, plan: Plan, *, weighted: bool) -> list[Problem]:
    """Return which names that will be needed are taken."""
    if plan.kept or plan.candidate.number == plan.stable.number:
        return []
    name = group_name(fleet, plan.candidate.number)
    taken: list[str] = []
    there = await hands.eyes.named(name)
    if there is not None and not there.marks.rollout:
        taken.append(f"managed instance group {name}")
    found: list[tuple[str, Sequence[Answer]]] = []
    templates = await hands.calls.listed("instance_templates", filter=f'name = "{name}"')
    found.append(("instance template", templates))
    if weighted:
        services = await hands.eyes.pools.services()
        found.append(("backend service", [s for s in services if s["name"] == name]))
    for kind, there_are in found:
        taken += [
            f"{kind} {name}"
            for each in there_are
            if not marking.read(str(each.get("description", ""))).rollout
        ]
    return [
        Problem(f"there is a {each} already, and it isn't ours", "rename or remove it")
        for each in taken
    ]


# -- room and permissions --------------------------------------------------------------------------


async def _quota_problems(
    calls: Calls,
    plan: Plan,
    properties: Mapping[str, Any],
    machine: Answer,
    *,
    weighted: bool,
) -> list[Problem]:
    region, project = await together(
        calls.ask("regions", "get", region=calls.place.region), calls.ask("projects", "get")
    )
    cards = properties.get("network_interfaces", ())
    needs = needs_of(
        str(machine.get("name", "")),
        int(machine.get("guest_cpus", 0)),
        max(0, plan.bounds.ceiling - plan.bounds.wanted),
        public=any(card.get("access_configs") for card in cards),
        preemptible=bool(properties.get("scheduling", {}).get("preemptible")),
    )
    made = {"INSTANCE_TEMPLATES": 1.0} | ({"BACKEND_SERVICES": 1.0} if weighted else {})
    if plan.kept or plan.candidate.number == plan.stable.number:
        made = {}
    place = calls.place
    return quota_problems(region.get("quotas", ()), needs, place.region) + quota_problems(
        project.get("quotas", ()), made, place.project
    )


async def _permissions(
    calls: Calls, group: Described, plan: Plan, services: Sequence[Answer]
) -> list[Problem]:
    """Return what is not permitted on what there is; managed groups themselves can't be asked."""
    where = calls.place.where
    kind = "region_instance_groups" if calls.place.regional else "instance_groups"
    asked: list[tuple[str, str, Mapping[str, Any], Sequence[str]]] = [
        (kind, group.name, where, ("instanceGroups",)),
        (kind, group.name, where, ("instanceGroupManagers",)),
    ]
    if not scope_of(group.template):
        name = last_part(group.template)
        asked.append(("instance_templates", name, {}, ("instanceTemplates",)))
    parsed = parse(plan.candidate.image.artifact, calls.place.project)
    if parsed is not None:
        project, _, image = parsed
        asked.append(("images", image, {"project": project}, ("images",)))
    for service in services:
        client, place = service_call(service["self_link"])
        asked.append((client, service["name"], place, ("backendServices",)))
    return await permission_problems(calls, asked)
