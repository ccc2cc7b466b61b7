"""What launch templates say, and the next one's data after a pattern's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from immutable.backend import Revision
from immutable_aws.marks import PREFIX
from immutable_aws.userdata import with_config

__all__ = ["Template", "pruned", "rerooted", "template_data", "template_of"]

Description = Mapping[str, Any]

_TAGGED = ("volume", "network-interface")
"""What Auto Scaling's own tags don't reach."""


@frozen
class Template:
    """The launch template that a group starts its members from.

    Attributes:
        id: Its identifier; empty when it is named only.
        name: Its name.
        version: The version, a number, ``$Latest`` or ``$Default``.
    """

    id: str
    name: str
    version: str

    @property
    def reference(self) -> dict[str, str]:
        """How requests name it, without the version."""
        if self.id:
            return {"LaunchTemplateId": self.id}
        return {"LaunchTemplateName": self.name}

    @property
    def floats(self) -> bool:
        """Whether its version can change by itself."""
        return not self.version.isdigit()


def template_of(group: Description) -> Template | None:
    """Return what a group starts its members from; None for a launch configuration."""
    spec = group.get("LaunchTemplate")
    if spec is None:
        mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        spec = mixed.get("LaunchTemplateSpecification")
    if spec is None:
        return None
    # "If no version is given, the default version is used" (LaunchTemplateSpecification).
    return Template(
        spec.get("LaunchTemplateId", ""),
        spec.get("LaunchTemplateName", ""),
        str(spec.get("Version") or "$Default"),
    )


def pruned(data: Any, shape: Any) -> Any:
    """Return *data* without what a request of that shape can't hold.

    What is described is a little more than what can be asked for, such as the state of metadata
    options.

    Args:
        data: A part of an answer.
        shape: botocore's description of the request's part.
    """
    if shape.type_name == "structure":
        return {
            name: pruned(value, shape.members[name])
            for name, value in data.items()
            if name in shape.members
        }
    if shape.type_name == "list":
        return [pruned(value, shape.member) for value in data]
    return data


# Pattern: /dev/sda1 of 50 GiB from snap-1. New image's root is /dev/xvda: /dev/xvda of 50 GiB.
def rerooted(data: Description, old_root: str, new_root: str) -> dict[str, Any]:
    """Return a template's data with its root volume on another image's root device.

    Args:
        data: The template's data.
        old_root: The root device of the image that it was written for; empty when unknown.
        new_root: That of the new image.
    """
    new = dict(data)
    mappings = []
    for mapping in data.get("BlockDeviceMappings", ()):
        if mapping.get("DeviceName") in (old_root, new_root):
            ebs = {k: v for k, v in mapping.get("Ebs", {}).items() if k != "SnapshotId"}
            mappings.append({**mapping, "DeviceName": new_root, **({"Ebs": ebs} if ebs else {})})
        else:
            mappings.append(dict(mapping))
    if mappings:
        new["BlockDeviceMappings"] = mappings
    return new


def template_data(data: Description, revision: Revision, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the data of a revision's launch template.

    Args:
        data: The pattern's, as a request may hold it.
        revision: The revision.
        tags: Our tags for what Auto Scaling's don't reach.
    """
    new = dict(data)
    new["ImageId"] = revision.image.artifact
    user_data = with_config(new.pop("UserData", "") or "", revision.config)
    if user_data:
        new["UserData"] = user_data
    new["TagSpecifications"] = _tagged(new.get("TagSpecifications", ()), tags)
    return new


def _tagged(specifications: Iterable[Description], tags: Mapping[str, str]) -> list[dict[str, Any]]:
    by_type: dict[str, list[Any]] = {}
    for each in specifications:
        theirs = [tag for tag in each.get("Tags", ()) if not tag["Key"].startswith(PREFIX)]
        by_type.setdefault(each["ResourceType"], []).extend(theirs)
    ours = [{"Key": key, "Value": value} for key, value in tags.items()]
    for kind in _TAGGED:
        by_type[kind] = [*by_type.get(kind, ()), *ours]
    return [{"ResourceType": kind, "Tags": each} for kind, each in by_type.items() if each]
