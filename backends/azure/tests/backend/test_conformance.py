"""The conformance suite on the emulated Azure, over HTTPS, on both kinds of scale sets."""

from __future__ import annotations

import pytest

from backends.azure.tests.backend.author import AzureAuthor
from immutable.testing import BackendConformance


class TestUniform(AzureAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, stage, request):
        return self.make(emulator, stage, request)


@pytest.mark.slow
class TestFlexible(AzureAuthor, BackendConformance):
    flexible = True

    @pytest.fixture
    def backend(self, emulator, stage, request):
        return self.make(emulator, stage, request)
