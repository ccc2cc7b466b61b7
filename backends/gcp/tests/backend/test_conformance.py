"""The conformance suite on the emulated Compute Engine, in a zone and over a region's zones."""

from __future__ import annotations

import pytest

from backends.gcp.tests.backend.author import GcpAuthor
from immutable.testing import BackendConformance


class TestZonal(GcpAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, stage, request):
        return self.make(emulator, stage, request)


class TestRegional(GcpAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, region, request):
        return self.make(emulator, region, request)
