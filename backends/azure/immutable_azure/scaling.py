"""Autoscale settings: what they are like now, held, restored, on another set. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from immutable_azure.marks import PREFIX, Marks, owners_tags
from immutable_azure.names import key

__all__ = [
    "ENABLED",
    "bounds_of",
    "enabled",
    "handed_over",
    "minimum_of",
    "settings_of",
    "target_of",
    "with_minimum",
    "with_switch",
]

Setting = Mapping[str, Any]

ENABLED = f"{PREFIX}enabled"
"""On a setting that was handed over and is off: whether it is to be on."""
OFF_BY = f"{PREFIX}off-by"


def target_of(setting: Setting) -> str:
    """Return what a setting scales, to be compared."""
    return key(str(setting["properties"].get("targetResourceUri", "")))


def enabled(setting: Setting) -> bool:
    """Return whether a setting is on."""
    return bool(setting["properties"].get("enabled"))


def _capacities(setting: Setting) -> list[Mapping[str, Any]]:
    return [each["capacity"] for each in setting["properties"].get("profiles") or ()]


def minimum_of(setting: Setting | None) -> int:
    """Return the least that a setting may make of its set."""
    found = _capacities(setting) if setting else []
    return max((int(each["minimum"]) for each in found), default=0)


def bounds_of(setting: Setting | None, marks: Marks, at: float) -> tuple[int, int | None]:
    """Return automatic scaling's bounds as they stand; under an expired hold, as restored.

    Args:
        setting: The set's autoscale setting, if it has one.
        marks: What is written on the set.
        at: The time.
    """
    found = _capacities(setting) if setting else []
    most = max((int(each["maximum"]) for each in found), default=None)
    expired = marks.hold is not None and marks.hold.until <= at
    if setting is None or not found:
        return 0, marks.maximum
    if enabled(setting):
        return minimum_of(setting), most
    if expired and marks.saved is not None and marks.saved.enabled:
        return marks.saved.minimum, most
    return 0, most


def settings_of(setting: Setting | None, marks: Marks, repairs: str) -> dict[str, str]:
    """Return what of a set has to be as before at the end, as text.

    Args:
        setting: Its autoscale setting, if it has one.
        marks: What is written on the set: the saved originals stand for what a hold changed.
        repairs: State of automatic repairs; empty without any.
    """
    told: dict[str, str] = {}
    if setting is not None:
        said = copy.deepcopy(dict(setting["properties"]))
        target = key(str(said.pop("targetResourceUri", "")))
        for name in ("name", "targetResourceLocation", "provisioningState"):
            said.pop(name, None)
        held = marks.saved is not None and marks.saved.enabled
        waits = (setting.get("tags") or {}).get(ENABLED) == "true"
        said["enabled"] = bool(said.get("enabled")) or held or waits
        for profile in said.get("profiles") or ():
            profile["capacity"].pop("minimum", None)
        told["autoscale"] = _same(json.dumps(said, sort_keys=True), target, "this")
    if repairs:
        suspended = marks.saved is not None and marks.saved.repairs
        told["repairs"] = "Running" if suspended else repairs
    return told


def _same(text: str, old: str, new: str) -> str:
    """Return *text* with one long name in place of another, whatever its case is."""
    low, start = text.lower(), 0
    parts: list[str] = []
    while (found := low.find(old.lower(), start)) >= 0 and old:
        parts += [text[start:found], new]
        start = found + len(old)
    return "".join([*parts, text[start:]])


def _body(setting: Setting) -> dict[str, Any]:
    kept = {name: copy.deepcopy(setting[name]) for name in ("location", "tags") if name in setting}
    kept["properties"] = copy.deepcopy(dict(setting["properties"]))
    return kept


def with_switch(setting: Setting, on: bool, *, by: str = "") -> dict[str, Any]:
    """Return the request that turns a setting on or off.

    Args:
        setting: The setting.
        on: Whether it is on afterwards.
        by: Who turned it off, and until when; written on it, so that its owner knows.
    """
    body = _body(setting)
    body["properties"]["enabled"] = on
    tags = owners_tags(body.get("tags") or {})
    body["tags"] = {**tags, OFF_BY: by} if by else tags
    return body


def with_minimum(setting: Setting, minimum: int) -> dict[str, Any]:
    """Return the request that lowers a setting's minima to *minimum* at most."""
    body = _body(setting)
    for profile in body["properties"].get("profiles") or ():
        capacity = profile["capacity"]
        capacity["minimum"] = str(min(int(capacity["minimum"]), minimum))
    return body


def handed_over(setting: Setting, name: str, target: str, *, wanted: bool) -> dict[str, Any]:
    """Return the request that makes a setting another set's, off for now.

    What it measures of its old set it measures of the new one.

    Args:
        setting: The setting.
        name: The new one's name.
        target: The long name of the set that it is to scale.
        wanted: Whether it is to be on in the end.
    """
    text = json.dumps(_body(setting))
    body: dict[str, Any] = json.loads(_same(text, target_of(setting), target))
    body["properties"] |= {"name": name, "targetResourceUri": target, "enabled": False}
    body["tags"] = {**owners_tags(body.get("tags") or {}), ENABLED: str(wanted).lower()}
    return body
