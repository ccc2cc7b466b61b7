"""Launch templates: found by id or name and version, as Auto Scaling and RunInstances name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, after, before, motos, ours
from .errors import AwsError, invalid

if TYPE_CHECKING:
    from .world import World

motos(
    "ec2", "CreateLaunchTemplate", "CreateLaunchTemplateVersion", "DescribeLaunchTemplates",
    "DescribeLaunchTemplateVersions", "DeleteLaunchTemplate", "ModifyLaunchTemplate",
)  # fmt: skip


class Templates:
    """moto's launch templates."""

    def __init__(self, region: str) -> None:
        self.region = region

    def find(self, given: dict[str, Any]) -> Any:
        """The version that a specification names; `$Default` where it names none.

        "LaunchTemplateSpecification": `$Latest`, `$Default` or a number
        (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateSpecification.html).

        Raises:
            AwsError: `ValidationError`, in the words of recorded answers.
        """
        kept = door.ec2(self.region).launch_templates
        wanted_id, name = given.get("LaunchTemplateId"), given.get("LaunchTemplateName")
        template = kept.get(wanted_id) if wanted_id else None
        if name:
            template = next((t for t in kept.values() if t.name == name), None)
        if template is None:
            which = f"template ID {wanted_id}" if wanted_id else f"template name {name}"
            raise invalid(
                "You must use a valid fully-formed launch template. The specified launch template, "
                f"with {which}, does not exist."
            )
        version = given.get("Version") or "$Default"
        numbers = {str(v.number) for v in template.versions} | {"$Latest", "$Default"}
        if version not in numbers:
            raise invalid(
                "You must use a valid fully-formed launch template. Could not find the specified "
                f"version {version} for the launch template with ID {template.id}."
            )
        return template.get_version(version)


def _asked(call: Call) -> dict[str, Any]:
    return {k: v for k, v in call.params.items() if k not in {"ClientToken", "DryRun"}}


@before("ec2", "CreateLaunchTemplate")
def create_once(world: World, call: Call) -> dict[str, Any] | None:
    """A repeated token gets the first template; another template under the name is refused.

    CreateLaunchTemplate, ClientToken
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html).
    """
    known = world.tokens.get(("CreateLaunchTemplate", call.get("ClientToken") or ""))
    if known is None:
        return None
    asked, template = known
    if asked != _asked(call):
        raise AwsError(
            "IdempotentParameterMismatch",
            "The request uses the same client token as a previous, but non-identical request.",
        )
    return {"LaunchTemplate": _told(template)}


def _told(template: Any) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in template.get_tags()],
    }


@after("ec2", "CreateLaunchTemplate")
def created(world: World, call: Call) -> None:
    """Remember the token; the template's own tags are no part of its data, where moto puts them."""
    name = call.params["LaunchTemplateName"]
    kept = door.ec2(world.region).launch_templates
    template = next(t for t in kept.values() if t.name == name)
    data = template.versions[0].data
    specs = [s for s in data.get("TagSpecifications", []) if s["ResourceType"] != "launch-template"]
    data.pop("TagSpecifications", None)
    if specs:
        data["TagSpecifications"] = specs
    if data.get("UserData", 0) is None:
        del data["UserData"]
    if token := call.get("ClientToken"):
        world.tokens["CreateLaunchTemplate", token] = (_asked(call), template)


@after("ec2", "CreateLaunchTemplateVersion")
def inherit(world: World, call: Call) -> None:
    """SourceVersion: the new version takes over what it does not say itself.

    CreateLaunchTemplateVersion
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html).
    """
    source = call.get("SourceVersion")
    if source is None:
        return
    newest = world.templates.find({**_named(call), "Version": "$Latest"})
    older = world.templates.find({**_named(call), "Version": source})
    newest.data = {**older.data, **newest.data}


def _named(call: Call) -> dict[str, Any]:
    return {k: v for k, v in call.params.items() if k in {"LaunchTemplateId", "LaunchTemplateName"}}


@ours("ec2", "DeleteLaunchTemplateVersions")
def delete_versions(world: World, call: Call) -> dict[str, Any]:
    """Not modelled: moto counts versions by their place."""
    raise AwsError("NotEmulated", "the emulator does not model ec2:DeleteLaunchTemplateVersions")
