"""What would stop a plan, all at once, each with a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from immutable.backend import BackendError, Denied, Plan, Problem
from immutable.toolkit.requests import together
from immutable.toolkit.weights import needs_weights
from immutable_azure.adopting import LEAST_ROOM, image_of
from immutable_azure.creating import pattern_of
from immutable_azure.hands import Hands
from immutable_azure.images import launchable_here, plain
from immutable_azure.marks import MOST_TAGS, owners_tags
from immutable_azure.names import key
from immutable_azure.ownpools import hinder_switch
from immutable_azure.permissions import ACTIONS, SWITCHING, missing
from immutable_azure.reading import Described, is_husk
from immutable_azure.scaling import bounds_of

__all__ = ["preflight"]

_SINGLE = 100
"""Most members of a set with singlePlacementGroup ("Working with large scale sets")."""
_MOST = 1000
"""Most members of a set ("Virtual Machine Scale Sets FAQ", "Azure subscription limits")."""


async def preflight(hands: Hands, fleet: str, plan: Plan) -> tuple[Problem, ...]:
    """Return everything that can be found beforehand."""
    groups = await hands.eyes.groups(fleet)
    pattern = pattern_of(groups)
    pattern = await hands.eyes.whole(fleet, pattern.marks.revision)
    sku = await _sku(hands, pattern)
    found = await together(
        _images(hands, pattern, plan),
        _permissions(hands, plan),
        _room(hands, pattern, plan, sku),
        _traffic(hands, pattern),
        _switch(hands, pattern, plan),
        _bounds(hands, pattern, plan),
    )
    problems = [each for part in found for each in part]
    return (*problems, *_zones(pattern, sku), *_settings(pattern), *_members(pattern))


def _region(pattern: Described) -> str:
    return plain(str(pattern.group.get("location", "")))


def _size(pattern: Described) -> str:
    return str((pattern.group.get("sku") or {}).get("name", ""))


async def _images(hands: Hands, pattern: Described, plan: Plan) -> list[Problem]:
    region, problems = str(pattern.group.get("location", "")), []
    candidate, stable = plan.candidate.image.artifact, image_of(pattern)
    for artifact, way in (
        (candidate, "replicate it, or name another one"),
        (stable, "restore it: without it there is no way back"),
    ):
        why = await launchable_here(hands.calls, artifact, region)
        if why is not None:
            problems.append(Problem(why, way))
    return problems


async def _permissions(hands: Hands, plan: Plan) -> list[Problem]:
    place = hands.calls.place.group
    try:
        told = await hands.eyes.permissions(place)
    except Denied:
        return [
            Problem(
                f"whether everything is permitted in {place} can't be read",
                "permit Microsoft.Authorization/permissions/read",
            )
        ]
    except BackendError:
        return []
    needed = (*ACTIONS, *SWITCHING) if needs_weights(plan) else ACTIONS
    lacking = missing(told, needed)
    if not lacking:
        return []
    return [Problem(f"not permitted in {place}: {', '.join(lacking)}", "see docs/azure.md")]


async def _room(
    hands: Hands, pattern: Described, plan: Plan, sku: Mapping[str, Any] | None
) -> list[Problem]:
    """Return what of the subscription's quotas is too little for the plan's ceiling."""
    region, more = _region(pattern), plan.bounds.ceiling - len(pattern.members)
    if sku is None or more <= 0:
        return []
    cores = next(
        (int(c["value"]) for c in sku.get("capabilities") or () if c["name"] == "vCPUs"), 0
    )
    usages = await hands.calls.pages("compute.usage.list", region, about=region)
    needs = {str(sku.get("family", "")).lower(): cores * more, "cores": cores * more}
    needs["virtualmachines"] = more
    problems = []
    for each in usages:
        need = needs.get(str(each["name"]["value"]).lower())
        free = int(each["limit"]) - int(each["currentValue"])
        if need is not None and need > free:
            name = each["name"]["value"]
            problems.append(
                Problem(
                    f"quota {name} in {region}: {need} more are needed, {free} are left",
                    "lower max_surge, or ask for a higher quota",
                )
            )
    return problems


async def _sku(hands: Hands, pattern: Described) -> Mapping[str, Any] | None:
    """Return what is on offer of the set's size: one long list, so it is asked for once."""
    region, size = _region(pattern), _size(pattern)
    found = await hands.calls.pages(
        "compute.resource_skus.list", about=region, filter=f"location eq '{region}'"
    )
    for each in found:
        if each.get("resourceType") == "virtualMachines" and each.get("name") == size:
            told: Mapping[str, Any] = each
            return told
    return None


def _zones(pattern: Described, sku: Mapping[str, Any] | None) -> list[Problem]:
    """Return what of the set's size can't be had, in a zone or at all."""
    region, size = _region(pattern), _size(pattern)
    if sku is None:
        return [Problem(f"size {size} is not on offer in {region}", "use another size")]
    problems = []
    for each in sku.get("restrictions") or ():
        zones = (each.get("restrictionInfo") or {}).get("zones") or ()
        mine = sorted(set(zones) & set(pattern.group.get("zones") or ()))
        if str(each.get("type", "")).lower() == "location":
            problems.append(
                Problem(f"size {size} can't be had in {region}", "use another size or region")
            )
        elif mine:
            problems.append(
                Problem(
                    f"size {size} can't be had in zone {', '.join(mine)} of {region}",
                    "use another size, or take the zone out of the set",
                )
            )
    return problems


async def _traffic(hands: Hands, pattern: Described) -> list[Problem]:
    pools = pattern.pools
    probed = await together(*(hands.eyes.pools.is_probed(pool) for pool in pools))
    problems = [
        Problem(
            f"no rule with a probe sends to pool {pool.rsplit('/', 1)[-1]}:"
            " members can't be taken out of the traffic before they end",
            "give its rule a health probe",
        )
        for pool, fine in zip(pools, probed, strict=True)
        if not fine
    ]
    if not pattern.watched and not pools:
        problems.append(
            Problem(
                f"{pattern.name} has neither the Application Health extension nor a probe: nobody"
                " can tell whether a member serves",
                "add the extension to its model",
            )
        )
    return problems


async def _switch(hands: Hands, pattern: Described, plan: Plan) -> list[Problem]:
    return await hinder_switch(hands, pattern) if needs_weights(plan) else []


async def _bounds(hands: Hands, pattern: Described, plan: Plan) -> list[Problem]:
    setting = (await hands.eyes.scaling()).get(key(pattern.id))
    maximum = bounds_of(setting, pattern.marks, hands.calls.now())[1]
    single = bool(pattern.properties.get("singlePlacementGroup"))
    most = _SINGLE if single else _MOST
    problems = []
    if maximum is not None and plan.bounds.wanted > maximum:
        problems.append(
            Problem(
                f"{plan.bounds.wanted} servers are wanted, {pattern.name} may have {maximum}",
                "raise its autoscale setting's maximum",
            )
        )
    if plan.bounds.wanted > most:
        problems.append(
            Problem(
                f"{plan.bounds.wanted} servers are wanted, a set like {pattern.name} has {most}"
                " at most",
                "use a set without singlePlacementGroup" if single else "divide the fleet",
            )
        )
    return problems


def _settings(pattern: Described) -> list[Problem]:
    """Return what of a set can't be copied, or what else replaces its members."""
    found = []
    identity = str((pattern.group.get("identity") or {}).get("type", ""))
    if re.search("systemassigned", identity.replace(" ", ""), re.IGNORECASE):
        found.append(
            Problem(
                f"{pattern.name} has a system-assigned identity, which a new set can't have: what"
                " was permitted to it would be missing",
                "use a user-assigned identity",
            )
        )
    policy = pattern.properties.get("upgradePolicy") or {}
    mode = str(policy.get("mode", "Manual"))
    automatic = (policy.get("automaticOSUpgradePolicy") or {}).get("enableAutomaticOSUpgrade")
    if mode.lower() != "manual" or automatic:
        found.append(
            Problem(
                f"Azure replaces members of {pattern.name} by itself (upgrade policy {mode})",
                "az vmss update --set upgradePolicy.mode=Manual",
            )
        )
    rebalancing = (pattern.properties.get("resiliencyPolicy") or {}).get(
        "automaticZoneRebalancingPolicy"
    ) or {}
    if rebalancing.get("enabled"):
        found.append(
            Problem(
                f"{pattern.name} is rebalanced over its zones by Azure, which can't be held",
                "turn automatic zone rebalancing off for the rollout",
            )
        )
    linux = (pattern.profile.get("osProfile") or {}).get("linuxConfiguration")
    if linux is None or not linux.get("disablePasswordAuthentication"):
        found.append(
            Problem(
                f"{pattern.name} has an administrator's password, which nobody can read to copy it",
                "use SSH keys alone",
            )
        )
    if len(owners_tags(pattern.tags)) + LEAST_ROOM > MOST_TAGS:
        found.append(
            Problem(f"{pattern.name} has {len(pattern.tags)} of {MOST_TAGS} tags", "remove some")
        )
    return found


def _members(pattern: Described) -> list[Problem]:
    """Return what of the members is neither in nor out."""
    problems, names = [], []
    for member in pattern.members:
        view = (member.get("properties") or {}).get("instanceView") or {}
        codes = {str(each.get("code", "")) for each in view.get("statuses") or ()}
        if codes & {"PowerState/stopped", "PowerState/deallocated"} and not is_husk(member):
            names.append(str(member["name"]))
    if names:
        problems.append(
            Problem(f"members that are stopped: {', '.join(names[:5])}", "start or delete them")
        )
    return problems
