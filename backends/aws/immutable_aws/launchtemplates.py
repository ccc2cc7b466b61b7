"""Launch templates: reading the one that serves, making and finding those of revisions."""

from __future__ import annotations

from immutable.backend import Conflict, Context, Gone, Invalid, Revision, Transient, to_json
from immutable.toolkit.owning import taken
from immutable.toolkit.packing import pack
from immutable_aws.calls import Answer, Calls
from immutable_aws.hands import Hands
from immutable_aws.images import describe_images
from immutable_aws.launchdata import pruned, rerooted, template_data, template_of
from immutable_aws.looking import WHOLE
from immutable_aws.marks import FLEET, REVISION, ROLLOUT, tags_of
from immutable_aws.names import group_name, token
from immutable_aws.reading import Described

__all__ = ["find_template", "make_template", "read_template", "template_like"]

_MOST_TAGS = 45


async def read_template(calls: Calls, group: Described) -> Answer:
    """Return the version of the launch template that a group starts its members from.

    Raises:
        Invalid: It has none.
    """
    template = template_of(group.group)
    if template is None:
        raise Invalid(
            f"{group.name} starts its members from a launch configuration, which AWS has given up;"
            " copy it to a launch template (EC2 console, Launch configurations, Copy to launch"
            " template) and let the group use version 1 of that"
        )
    answer = await calls.ask(
        "ec2",
        "DescribeLaunchTemplateVersions",
        about=template.name or template.id,
        Versions=[template.version],
        **template.reference,
    )
    (version,) = answer["LaunchTemplateVersions"]
    return dict(version)


async def template_like(
    hands: Hands, fleet: str, revision: Revision, pattern: Described, ctx: Context
) -> str:
    """Make a revision's launch template after the pattern's; returns its identifier."""
    version = await read_template(hands.calls, pattern)
    shape = await hands.calls.shape("ec2", "RequestLaunchTemplateData")
    data = pruned(version["LaunchTemplateData"], shape)
    old, new = data.get("ImageId", ""), revision.image.artifact
    images = await describe_images(hands.calls, [each for each in (old, new) if each])
    if new not in images:
        raise Invalid(f"image {new} is not there (any more)")
    old_root = images.get(old, {}).get("RootDeviceName", "")
    data = rerooted(data, old_root, images[new].get("RootDeviceName", ""))
    return await make_template(hands, fleet, revision, data, ctx.rollout, ctx.token)


async def make_template(
    hands: Hands, fleet: str, revision: Revision, data: Answer, rollout: str, call: str
) -> str:
    """Make the launch template of a revision, version 1 for ever; returns its identifier.

    The whole revision is kept in its tags: members never need them, and they can't be cut off.

    Args:
        hands: How things are made.
        fleet: The fleet.
        revision: The revision.
        data: The pattern's data, as a request may hold it.
        rollout: Whose it is; empty for nobody's.
        call: The token of the call.

    Raises:
        Conflict: There is one of its name, of another rollout or of nobody.
        Invalid: The revision's settings are too long.
    """
    name = group_name(fleet, revision.number)
    identity = {FLEET: fleet, REVISION: str(revision.number)}
    whole = pack(WHOLE, to_json(revision))
    if len(whole) > _MOST_TAGS:
        raise Invalid(
            f"the settings of r{revision.number} are too long to be kept in the tags of a launch"
            " template; keep long values elsewhere and pass where they are"
        )
    tags = {**identity, ROLLOUT: rollout, **whole}
    try:
        answer = await hands.change(
            "ec2",
            "CreateLaunchTemplate",
            fleet,
            about=name,
            ClientToken=token(call, "template", name),
            LaunchTemplateName=name,
            LaunchTemplateData=template_data(data, revision, identity),
            TagSpecifications=[
                {
                    "ResourceType": "launch-template",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
    except Conflict as error:
        found = await find_template(hands.calls, name)
        if found is None:
            raise Transient(f"{name} can't be made nor seen: {error}") from error
        owner = tags_of(found).get(ROLLOUT)
        if owner == rollout and tags_of(found).get(FLEET) == fleet:
            return str(found["LaunchTemplateId"])
        raise taken(f"a launch template {name}", owner) from error
    return str(answer["LaunchTemplate"]["LaunchTemplateId"])


async def find_template(calls: Calls, name: str) -> Answer | None:
    """Return the launch template of a name, if there is one."""
    try:
        answer = await calls.ask(
            "ec2", "DescribeLaunchTemplates", about=name, LaunchTemplateNames=[name]
        )
    except Gone:
        return None
    return dict(answer["LaunchTemplates"][0]) if answer["LaunchTemplates"] else None
