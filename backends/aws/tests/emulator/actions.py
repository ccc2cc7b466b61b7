"""Importing this registers every action that can be answered."""

from __future__ import annotations

from . import (
    alarms,
    asg_attachments,
    asg_groups,
    asg_launching,
    asg_members,
    asg_policies,
    asg_settings,
    asg_tags,
    door,
    ebs,
    ec2_instances,
    elb_actions,
    hooks,
    identity,
    images,
    metrics,
    notifications,
    parameters,
    quotas,
    quotas_elb,
    templates,
)
from .calls import AFTER, BEFORE, MOTO, OURS, UNHEEDED
from .wire import model, operation

MODULES = (
    alarms, asg_attachments, asg_groups, asg_launching, asg_members, asg_policies, asg_settings,
    asg_tags, ebs, ec2_instances, elb_actions, hooks, identity, images, metrics, notifications,
    parameters, quotas, quotas_elb, templates,
)  # fmt: skip


def check() -> list[str]:
    """What is registered and isn't there: actions without a model, or passed on to nothing."""
    named = {*OURS, *((service, action) for service, all_ in MOTO.items() for action in all_)}
    wrong = [
        f"{service}:{action} is not in botocore's model"
        for service, action in named
        if action not in model(service).operation_names
    ]
    wrong += [
        f"{service}:{action} is not passed on"
        for service, action in {*BEFORE, *AFTER}
        if action not in MOTO.get(service, ())
    ]
    wrong += [f"moto has no {each}" for each in door.missing(MOTO)]
    for name, params in UNHEEDED.items():
        known = operation(*name.split(":")).input_shape
        wrong += [f"{name} takes no {p}" for p in params if known is None or p not in known.members]
    return sorted(wrong)
