"""The conformance suite on the simulated cloud."""

from __future__ import annotations

import pytest

from immutable.testing import BackendConformance
from tests.conformance.memory import MemoryAuthor


class TestMemory(MemoryAuthor, BackendConformance):
    @pytest.fixture
    def backend(self):
        return self.make()


class TestMemoryWithStaleReads(MemoryAuthor, BackendConformance):
    @pytest.fixture
    def backend(self):
        return self.make(stale=3.0)
