"""The conformance suite of the SDK on Acme: ``pytest -k conformance``."""

from __future__ import annotations

import pytest
from accessors import AcmeAccessors

from immutable.testing import BackendConformance
from immutable_acme import AcmeBackend


class TestAcme(AcmeAccessors, BackendConformance):
    release = "0.1"  # The SDK whose checks are known to pass.
    images = ("v1", "v2")
    patience = 5.0
    poll = 0.02
    drain_timeout = 0.5
    short = 0.4
    late = 0.3

    @pytest.fixture
    def backend(self, acme):
        self.cloud, self.host = acme
        self.url = f"acme://{self.host}/{{fleet}}"
        yield self.second()
        self.cloud.faults.clear()
        self.cloud.room = 1000

    def second(self):
        return AcmeBackend(self.host)
