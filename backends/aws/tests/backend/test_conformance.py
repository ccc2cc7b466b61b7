"""The conformance suite on the emulated AWS, behind a load balancer and without one."""

from __future__ import annotations

import pytest

from backends.aws.tests.backend.author import AwsAuthor
from backends.aws.tests.emulator import Stage
from immutable.testing import BackendConformance


class TestBehindALoadBalancer(AwsAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, stage, monkeypatch, request):
        # Only who sends requests that arrive late gives up on them soon.
        self.timeout = 1.0 if "late" in request.node.name else 10.0
        return self.make(emulator, stage, monkeypatch)


@pytest.mark.slow
class TestWithoutALoadBalancer(AwsAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, monkeypatch, request):
        self.timeout = 1.0 if "late" in request.node.name else 10.0
        return self.make(emulator, Stage(emulator, None), monkeypatch)
