"""What a new revision's template and group take over from those that serve. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import Invalid, Revision, RuntimeConfig, to_json
from immutable.toolkit.environment import environment_file, secrets_file

__all__ = ["REVISION_KEY", "boot_image", "group_body", "settings_of", "template_properties"]

REVISION_KEY = "immutable-revision"
"""Under this key a template's metadata keeps the whole revision."""
_ENVIRONMENT = "immutable-environment"
_SECRETS = "immutable-secrets"
_OURS = (REVISION_KEY, _ENVIRONMENT, _SECRETS)
_LABELS = ("immutable-fleet", "immutable-revision")
_LONGEST = 256 * 1024
"""What a value of metadata may have at most ("Set and remove custom metadata")."""
_OUTPUTS = ("calculated", "fingerprint", "kind")
_COPIED = (
    "all_instances_config",
    "auto_healing_policies",
    "distribution_policy",
    "instance_flexibility_policy",
    "instance_lifecycle_policy",
    "named_ports",
    "resource_policies",
    "target_pools",
    "target_size_policy",
)


def boot_image(properties: Mapping[str, Any]) -> str:
    """Return the image that a template's boot disk is made of; empty for none."""
    for disk in properties.get("disks", ()):
        if disk.get("boot"):
            return str(disk.get("initialize_params", {}).get("source_image", ""))
    return ""


def template_properties(
    pattern: Mapping[str, Any], fleet: str, revision: Revision
) -> dict[str, Any]:
    """Return the properties of a revision's template: the pattern's, with another image.

    Args:
        pattern: The properties of the template that serves.
        fleet: The fleet.
        revision: The revision; its settings go into metadata, which every VM can read.

    Raises:
        Invalid: The pattern has no boot disk, or the settings are too long.
    """
    new: dict[str, Any] = _without_outputs(dict(pattern))
    if not boot_image(new):
        raise Invalid(
            "the template that serves makes its boot disk of no image: let the group use one with"
            " disks[].initializeParams.sourceImage"
        )
    new["disks"] = [_disk(disk, revision.image.artifact) for disk in new["disks"]]
    new["metadata"] = {"items": _items(new.get("metadata", {}).get("items", ()), revision)}
    ours = dict(zip(_LABELS, (fleet, str(revision.number)), strict=True))
    new["labels"] = {**new.get("labels", {}), **ours}
    return new


def _without_outputs(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_outputs(v) for k, v in value.items() if k not in _OUTPUTS}
    return [_without_outputs(each) for each in value] if isinstance(value, list) else value


def _disk(disk: Mapping[str, Any], image: str) -> dict[str, Any]:
    if not disk.get("boot"):
        return dict(disk)
    given = {**disk.get("initialize_params", {}), "source_image": image}
    return {**disk, "initialize_params": given}


def _items(items: Sequence[Mapping[str, str]], revision: Revision) -> list[dict[str, str]]:
    kept = [dict(each) for each in items if each["key"] not in _OURS]
    ours = {REVISION_KEY: json.dumps(to_json(revision), sort_keys=True)}
    ours |= _configured(revision.config)
    for key, value in ours.items():
        if len(value.encode()) > _LONGEST:
            raise Invalid(
                f"{key} of r{revision.number} would have {len(value.encode())} bytes, {_LONGEST} at"
                " most; keep long values elsewhere and pass where they are"
            )
    return kept + [{"key": key, "value": value} for key, value in ours.items()]


def _configured(config: RuntimeConfig) -> dict[str, str]:
    """Return a revision's settings as VMs find them: a file for systemd, and references."""
    told: dict[str, str] = {}
    if config.environment:
        told[_ENVIRONMENT] = environment_file(config)
    if config.secrets:
        told[_SECRETS] = secrets_file(config)
    return told


def settings_of(pattern: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a new group takes over from the one that serves.

    Nothing replaces or moves its members by itself: redistribution is off until it is released.
    """
    policy = dict(pattern.get("update_policy", {}))
    policy["type_"] = "OPPORTUNISTIC"
    if "region" in pattern:
        policy["instance_redistribution_type"] = "NONE"
    kept: dict[str, Any] = {name: pattern[name] for name in _COPIED if name in pattern}
    settings: dict[str, Any] = _without_outputs({**kept, "update_policy": policy})
    return settings


def group_body(
    settings: Mapping[str, Any], name: str, template: str, description: str
) -> dict[str, Any]:
    """Return the request that makes an empty group.

    Args:
        settings: What isn't said below.
        name: The new group's name.
        template: The link of its template.
        description: Our marks.
    """
    return {
        **settings,
        "name": name,
        "base_instance_name": name,
        "description": description,
        "versions": [{"instance_template": template}],
        "target_size": 0,
        "list_managed_instances_results": "PAGINATED",
    }
