"""The emulator for a test: started, spoken to, stopped."""

from __future__ import annotations

import os
from typing import Any

from tests.emulators.process import Process


class Emulator(Process):
    """A process of its own that answers as AWS would, on a loopback port.

    Every command of `control.py`, and of `tests/emulators/commands.py`, is a method:
    `emulator.laws(boot=2)`, `emulator.members()`.

    Args:
        region: the region that it is.
    """

    def __init__(self, region: str = "eu-west-1") -> None:
        super().__init__("backends.aws.tests.emulator", "--region", region)
        self.region = region

    def environment(self) -> dict[str, str]:
        """What a process needs to talk to it by boto3 alone."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            # A secret that must be seen nowhere, where the tests plant one.
            "AWS_SECRET_ACCESS_KEY": os.environ.get("IMMUTABLE_TEST_CANARY", "none"),
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client of a service that repeats nothing by itself."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.url,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="none",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


def inherit_environment(emulator: Emulator) -> dict[str, str]:
    """This process's environment, with the emulator as AWS."""
    return {**os.environ, **emulator.environment()}
