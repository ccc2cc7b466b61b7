"""Tags of groups, some of which new members inherit.

"Tag Auto Scaling groups and instances": `PropagateAtLaunch` acts on instances launched later
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .errors import AwsError, invalid
from .groups import Group
from .paging import page

if TYPE_CHECKING:
    from .world import World


def put_tags(group: Group, tags: list[dict[str, Any]]) -> None:
    """Set tags; at most 50 ("Quotas for Amazon EC2 Auto Scaling")."""
    new = {t["Key"]: (t.get("Value", ""), bool(t.get("PropagateAtLaunch", False))) for t in tags}
    if reserved := [key for key in new if key.lower().startswith("aws:")]:
        raise invalid(f"Tag keys with the prefix aws: are reserved: {reserved[0]}")
    if len(group.tags | new) > 50:
        raise AwsError("LimitExceeded", "An AutoScalingGroup can have at most 50 tags.")
    group.tags |= new


def told_tags(group: Group) -> list[dict[str, Any]]:
    """As DescribeTags writes them."""
    return [
        {
            "ResourceId": group.name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": spread,
        }
        for key, (value, spread) in sorted(group.tags.items())
    ]


@ours("autoscaling", "CreateOrUpdateTags")
def create_or_update_tags(world: World, call: Call) -> dict[str, Any]:
    """Of one or several groups; all groups are found before anything is set."""
    for tag in call.params["Tags"]:
        world.groups.find(tag["ResourceId"])
    for tag in call.params["Tags"]:
        put_tags(world.groups.find(tag["ResourceId"]), [tag])
    return {}


@ours("autoscaling", "DeleteTags")
def delete_tags(world: World, call: Call) -> dict[str, Any]:
    """By key; a tag that isn't there is no error."""
    for tag in call.params["Tags"]:
        world.groups.find(tag["ResourceId"]).tags.pop(tag["Key"], None)
    return {}


@ours("autoscaling", "DescribeTags")
def describe_tags(world: World, call: Call) -> dict[str, Any]:
    """Of all groups, filtered."""
    tags = [tag for _, group in sorted(world.groups.all.items()) for tag in told_tags(group)]
    fields = {
        "auto-scaling-group": "ResourceId",
        "key": "Key",
        "value": "Value",
        "propagate-at-launch": "PropagateAtLaunch",
    }
    for wanted in call.get("Filters") or []:
        if wanted["Name"] not in fields:
            raise invalid(f"Filter type {wanted['Name']} is not correct")
        name, values = fields[wanted["Name"]], wanted.get("Values", [])
        tags = [t for t in tags if str(t[name]).lower() in {str(v).lower() for v in values}]
    shown, token = page(tags, call, most=100, usual=50)
    return {"Tags": list(shown)} | token
