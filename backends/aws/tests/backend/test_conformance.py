"""The conformance suite on the emulated AWS: in three zones behind a load balancer, and in one."""

from __future__ import annotations

from typing import ClassVar

import pytest

from backends.aws.tests.backend.author import AwsAuthor
from backends.aws.tests.backend.guests import Guests
from backends.aws.tests.emulator import Stage
from immutable.testing import Accessors, BackendConformance


class TestBehindALoadBalancer(AwsAuthor, BackendConformance):
    @pytest.fixture
    def backend(self, emulator, stage, monkeypatch, request):
        # One check wants a group of whose processes its owner has stopped none: it has one zone.
        # A fleet with volumes has one zone, and something runs on its instances.
        words = ("settings_here", "slot", "volume", "snapshot", "stateful")
        self.zones = 1 if any(word in request.node.name for word in words) else 3
        # Only who sends requests that arrive late gives up on them soon.
        self.timeout = self.hasty if "late" in request.node.name else 10.0
        made = self.make(emulator, stage, monkeypatch)
        with Guests(emulator):
            yield made


@pytest.mark.slow
class TestWithoutALoadBalancer(AwsAuthor, BackendConformance):
    traffic = "instances"
    expected_failures: ClassVar = {
        **AwsAuthor.expected_failures,
        "abilities_are_offered_as_they_are": (
            "whether traffic can be weighted is up to the fleet's load balancer (P4)"
        ),
    }
    lost_page = "autoscaling:DescribePolicies"
    send = Accessors.send  # Nobody sends them requests.
    slow_drains = Accessors.slow_drains

    async def raw_serving(self, fleet):
        there = self.emulator.members()
        return {e["id"] for e in there if e["lifecycle"] == "InService"}

    async def raw_fail_health(self, fleet, instance):
        self.emulator.impair(instance=instance)

    @pytest.fixture
    def backend(self, emulator, monkeypatch, request):
        self.timeout = self.hasty if "late" in request.node.name else 10.0
        made = self.make(emulator, Stage(emulator, None), monkeypatch)
        with Guests(emulator):
            yield made
