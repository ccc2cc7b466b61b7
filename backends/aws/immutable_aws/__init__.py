"""Fleets on AWS: one Auto Scaling group and one launch template for each revision."""

from immutable_aws.backend import AwsBackend

__all__ = ["AwsBackend"]
