"""What the backend is permitted to do has to cover, by feature; ``docs/aws-iam.md`` is made of it.

Tests hold the table against the requests that were really made: one that is missing here fails
them, and so does one that nobody makes any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

__all__ = [
    "CHECK_SECRETS",
    "FEATURES",
    "IMPLIED",
    "READ_SECRETS",
    "SPARED",
    "action",
    "document",
    "policy",
]

_PREFIX = {
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
    "cloudwatch": "cloudwatch",
}


def action(service: str, call: str) -> str:
    """Return the IAM action of a request: ``elbv2``'s are ``elasticloadbalancing:…``."""
    return f"{_PREFIX.get(service, service)}:{call}"


FEATURES: Mapping[str, tuple[str, ...]] = {
    "look": (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribePolicies",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeScheduledActions",
        "ec2:DescribeInstanceStatus",
        "ec2:DescribeInstances",
        "elasticloadbalancing:DescribeTargetHealth",
    ),
    "drift": (
        "autoscaling:DescribeAutoScalingGroups",
        "ec2:DescribeImages",
        "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeVolumes",
    ),
    "adopt": (
        "autoscaling:CreateOrUpdateTags",
        "ec2:DescribeImages",
        "ec2:DescribeLaunchTemplateVersions",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
    ),
    "create": (
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:DeleteAutoScalingGroup",
        "ec2:CreateLaunchTemplate",
        "ec2:DeleteLaunchTemplate",
        "ec2:DescribeLaunchTemplates",
    ),
    "images": (
        "ec2:DescribeImages",
        "ssm:GetParameter",
    ),
    "replace": (
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DeletePolicy",
        "autoscaling:DeleteScheduledAction",
        "autoscaling:DeleteTags",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeLifecycleHooks",
        "autoscaling:DescribeNotificationConfigurations",
        "autoscaling:EnableMetricsCollection",
        "autoscaling:PutScalingPolicy",
        "autoscaling:PutScheduledUpdateGroupAction",
        "autoscaling:ResumeProcesses",
        "autoscaling:SetDesiredCapacity",
        "autoscaling:SuspendProcesses",
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:CreateLaunchTemplate",
        "ec2:DeleteLaunchTemplate",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeSubnets",
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "elasticloadbalancing:DescribeAccountLimits",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "iam:SimulatePrincipalPolicy",
        "servicequotas:GetServiceQuota",
        "sts:GetCallerIdentity",
    ),
    "weights": (
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
    ),
    "extras": (
        "autoscaling:PutNotificationConfiguration",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricAlarm",
    ),
    "baking": (
        "ec2:DeleteKeyPair",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "ec2:DeregisterImage",
        "ec2:DescribeImages",
        "ec2:DescribeInstances",
        "ec2:DescribeKeyPairs",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
        "ec2:TerminateInstances",
    ),
    "withdraw": (
        "ec2:DescribeImages",
        "ec2:DisableImage",
        "ec2:DisableImageDeprecation",
        "ec2:EnableImage",
        "ec2:EnableImageDeprecation",
    ),
    "volumes": (
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DescribeLifecycleHooks",
        "ec2:CreateSnapshot",
        "ec2:CreateVolume",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "ec2:DescribeSnapshots",
        "ec2:DescribeSubnets",
        "ec2:DescribeVolumes",
    ),
    "members": (
        "autoscaling:CompleteLifecycleAction",
        "autoscaling:DescribeAutoScalingInstances",
        "ec2:AttachVolume",
        "ec2:CreateTags",
        "ec2:DescribeInstances",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
    ),
    "account": ("sts:GetCallerIdentity",),
    "metrics": (
        "cloudwatch:GetMetricData",
        "elasticloadbalancing:DescribeTargetGroups",
    ),
}
"""The actions that each feature needs, as requests are made."""

SPARED = frozenset(
    {
        "elasticloadbalancing:DescribeAccountLimits",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "iam:SimulatePrincipalPolicy",
        "servicequotas:GetServiceQuota",
        "sts:GetCallerIdentity",
    }
)
"""Actions without which a plan knows less, and can be carried out all the same."""

IMPLIED: Mapping[str, str] = {
    "ec2:CreateTags": "launch templates, volumes and snapshots that are made with tags; launches"
    " from templates that tag",
    "iam:PassRole": "a launch template with an instance profile; a lifecycle hook with a role",
    "iam:CreateServiceLinkedRole": "the first Auto Scaling group of an account",
}
"""Actions that AWS asks for beside the request's own, each with the reason."""

CHECK_SECRETS: tuple[str, ...] = ("secretsmanager:DescribeSecret", "ssm:DescribeParameters")
"""What whoever makes plans needs to check and pin secrets; it tells no value."""

READ_SECRETS: tuple[str, ...] = ("secretsmanager:GetSecretValue", "ssm:GetParameter")
"""What the instance profile needs to read the instance's own secrets; no controller does."""


def policy(features: Iterable[str]) -> dict[str, object]:
    """Return the least policy document for some features."""
    actions = sorted({each for name in features for each in FEATURES[name]} | set(IMPLIED))
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


_ABOUT = {
    "look": "`fleet list`, `fleet status`: seeing a fleet. All others need it too.",
    "drift": "`drift`: whether instances are what they were launched as.",
    "adopt": "`fleet adopt`.",
    "create": "`fleet create`, `fleet delete`.",
    "images": "Naming an image: by id, by name, by parameter.",
    "replace": "`plan`, `replace`, `scale`, `recover`, `rollback`, `sweep`: everything by shares of"
    " instances.",
    "weights": "The same by weights of an Application Load Balancer; beside `replace`.",
    "extras": "Groups with alarms of step or simple scaling policies, or with notifications.",
    "baking": "`image sweep`, and a build that ends early: what Packer left is removed. What Packer"
    " itself needs is in its own documentation.",
    "withdraw": "`image revoke --withdraw`, `image restore --withdrawn`. An image's owner only.",
    "volumes": "Fleets with volumes: slots, snapshots, `fleet slots --remove`; beside `create` and"
    " `replace`.",
    "members": "**Not the controller's**: the instance profile of a fleet with volumes, for"
    " `immutable-aws-slot`. Narrow `ec2:AttachVolume` and `ec2:CreateTags` to volumes and instances"
    " with the tag `immutable:fleet`.",
    "account": "`?account=` in an address.",
    "metrics": "The metric source `cloudwatch`.",
}


def document() -> str:
    """Return the page ``docs/aws-iam.md``."""
    parts = [_HEAD]
    for name, actions in FEATURES.items():
        parts.append(f"## {name}\n\n{_ABOUT[name]}\n\n{_listed(actions)}")
    beside = "".join(f"- `{each}`: {why}\n" for each, why in IMPLIED.items())
    parts.append(f"## What AWS asks for beside these\n\n{beside}")
    parts.append(_SECRETS.format(*map(_listed, (CHECK_SECRETS, READ_SECRETS))))
    whole = json.dumps(policy(name for name in FEATURES if name != "members"), indent=2)
    parts.append(f"## All of it but for members, as a policy\n\n```json\n{whole}\n```\n")
    return "\n".join(parts)


def _listed(actions: Iterable[str]) -> str:
    return "".join(f"- `{each}`\n" for each in actions)


_SECRETS = """## Secrets

Whoever makes plans, to check `aws-sm://` and `aws-ssm://` and to pin their versions; without it a
plan says that it could not look. No value is told by these, and none is decrypted:

{}
The instance profile, to read them at the instance's start; narrow it to the secrets' own names:

{}
Where a secret's key is one of yours, the instance profile needs `kms:Decrypt` of that key, too. No
controller reads secrets: `ssm:GetParameter` in the policy below is for images that are named by a
parameter, and better narrowed to those, or left out.
"""

_HEAD = """# What the AWS backend has to be permitted

This page is made of a table (`immutable_aws.permissions`). Tests hold that against the requests
that each feature really makes, on an emulated AWS: a request that isn't here fails them, and so
does a line that nothing needs.

Where AWS knows conditions, narrow them to what carries the tag `immutable:fleet`, or to names that
begin with your fleet's: groups, templates and target groups are named `FLEET-rNUMBER`. `Describe…`
actions know no resource. Without `iam:SimulatePrincipalPolicy`, `sts:GetCallerIdentity`,
`servicequotas:GetServiceQuota`, `elasticloadbalancing:DescribeAccountLimits` and
`elasticloadbalancing:DescribeLoadBalancerAttributes` a rollout works too; `plan` then can't say
beforehand what isn't permitted, or that a quota is too small, or goes by AWS's defaults.
"""
