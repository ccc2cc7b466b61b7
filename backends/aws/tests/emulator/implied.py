"""IAM actions that a call needs: its own, and those that AWS checks along with it."""

from __future__ import annotations

from typing import Any

PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
"""Prefixes of IAM actions that are not botocore's names of services."""

LAUNCHES = {"CreateAutoScalingGroup", "UpdateAutoScalingGroup"}


def permissions(name: str, params: dict[str, Any]) -> set[str]:
    """The IAM actions for one call.

    - A group that is given a template: ec2:RunInstances ("Control Amazon EC2 launch template usage in
      Auto Scaling groups",
      https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html).
    - LaunchInstances: ec2:CreateFleet, ec2:DescribeLaunchTemplateVersions ("Launching instances with
      synchronous provisioning",
      https://docs.aws.amazon.com/autoscaling/ec2/userguide/launching-instances-synchronous-provisioning.html).
    - Tags at creation: ec2:CreateTags ("Grant permission to tag Amazon EC2 resources during creation",
      https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html),
      elasticloadbalancing:AddTags ("Tag resources during creation",
      https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/tagging-resources-during-creation.html).
    - A profile for instances: iam:PassRole ("Use an IAM role to grant permissions to applications
      running on Amazon EC2 instances",
      https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2.html).
    """
    service, action = name.split(":")
    found = {f"{PREFIXES.get(service, service)}:{action}"}
    if action in LAUNCHES and {"LaunchTemplate", "MixedInstancesPolicy"} & set(params):
        found.add("ec2:RunInstances")
    if action == "LaunchInstances":
        found |= {"ec2:CreateFleet", "ec2:DescribeLaunchTemplateVersions"}
    if service == "ec2" and params.get("TagSpecifications"):
        found.add("ec2:CreateTags")
    if service == "elbv2" and action.startswith("Create") and params.get("Tags"):
        found.add("elasticloadbalancing:AddTags")
    data = params.get("LaunchTemplateData", params)
    if service == "ec2" and data.get("IamInstanceProfile"):
        found.add("iam:PassRole")
    return found
