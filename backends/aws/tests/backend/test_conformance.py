"""The conformance suite on the emulated AWS, behind a load balancer and without one."""

from __future__ import annotations

import pytest

from backends.aws.tests.backend.author import AwsAuthor
from immutable.testing import BackendConformance


class TestBehindALoadBalancer(AwsAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, stage, monkeypatch):
        return self.make(emulator, stage, monkeypatch)
