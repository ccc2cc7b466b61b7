"""Removes what conformance checks have left on a real account: by tag, and by name."""

from __future__ import annotations

import os
import time

PREFIX = "conf"
TAG = "immutable:fleet"


def sweep(asg, ec2, elb):
    """Delete the groups of checks with their members, then templates and target groups."""
    groups = [
        group["AutoScalingGroupName"]
        for page in asg.get_paginator("describe_auto_scaling_groups").paginate(
            Filters=[{"Name": "tag-key", "Values": [TAG]}]
        )
        for group in page["AutoScalingGroups"]
        if group["AutoScalingGroupName"].startswith(PREFIX)
    ]
    for name in groups:
        asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    for page in ec2.get_paginator("describe_launch_templates").paginate(
        Filters=[{"Name": "tag-key", "Values": [TAG]}]
    ):
        for template in page["LaunchTemplates"]:
            if template["LaunchTemplateName"].startswith(PREFIX):
                ec2.delete_launch_template(LaunchTemplateId=template["LaunchTemplateId"])
    for page in elb.get_paginator("describe_target_groups").paginate():
        for group in page["TargetGroups"]:
            if group["TargetGroupName"].startswith(PREFIX) and _is_ours(elb, group):
                elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])
    return groups


def _is_ours(elb, group):
    told = elb.describe_tags(ResourceArns=[group["TargetGroupArn"]])["TagDescriptions"]
    return any(tag["Key"] == TAG for each in told for tag in each["Tags"])


def main():
    """Sweep until nothing is left."""
    import boto3

    region = os.environ["IMMUTABLE_LIVE_REGION"]
    asg, ec2, elb = (
        boto3.client(name, region_name=region) for name in ("autoscaling", "ec2", "elbv2")
    )
    while sweep(asg, ec2, elb):
        time.sleep(30)  # AWS ends instances meanwhile; there is nothing to be woken by.


if __name__ == "__main__":
    main()
