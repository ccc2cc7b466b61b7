"""Importing this registers every action that can be answered."""

from . import (
    asg_attachments,
    asg_groups,
    asg_launching,
    asg_members,
    asg_settings,
    asg_tags,
    ec2_instances,
    elb_actions,
    hooks,
    identity,
    images,
    metrics,
    parameters,
    quotas,
    templates,
)

MODULES = (
    asg_attachments, asg_groups, asg_launching, asg_members, asg_settings, asg_tags, ec2_instances, elb_actions, hooks, identity,
    images, metrics, parameters, quotas, templates,
)  # fmt: skip
