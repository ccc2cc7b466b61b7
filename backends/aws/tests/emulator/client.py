"""The emulator for a test: started, spoken to, stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


class Emulator:
    """A process of its own that answers as AWS would, on a loopback port.

    Every command of `control.py` is a method: `emulator.laws(boot=2)`, `emulator.members()`.

    Args:
        region: the region that it is.
    """

    def __init__(self, region: str = "eu-west-1") -> None:
        self.region = region
        # It is no part of what is tested: it need not be slowed down by measuring coverage.
        clean = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        words = [sys.executable, "-m", "backends.aws.tests.emulator", "--region", region]
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=clean,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith("http://"):
            raise RuntimeError(f"the emulator did not start; it ended with {self._process.wait()}")
        self.url = said.strip()

    def environment(self) -> dict[str, str]:
        """What a process needs to talk to it by boto3 alone."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "none",
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

    def order(self, name: str, /, **words: Any) -> Any:
        """A command of `control.py`.

        Raises:
            RuntimeError: it failed; says why.
        """
        request = urllib.request.Request(
            f"{self.url}/_emulator/{name}", json.dumps(words).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["error"]) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **words: self.order(name, **words)

    def assert_understood(self) -> None:
        """Fail if a call was made that nothing here models, or that broke the emulator."""
        if failures := self.order("failures"):
            raise AssertionError("\n".join(failures))

    def close(self) -> None:
        """End the process: it ends by itself when nobody holds its input any more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=10)
        self._process.stdout.close()


def inherit_environment(emulator: Emulator) -> dict[str, str]:
    """This process's environment, with the emulator as AWS."""
    return {**os.environ, **emulator.environment()}
