"""The conformance suite in a real project; see README.md beside. Skipped unless it is asked for."""

from __future__ import annotations

import os

import pytest

from backends.gcp.tests.live.janitor import place_named, sweep
from immutable.backend import FrozenMap
from immutable.testing import BackendConformance
from immutable_gcp import GcpBackend

LIVE = os.environ.get("IMMUTABLE_LIVE_GCP") == "1"

pytestmark = [
    pytest.mark.skipif(not LIVE, reason="IMMUTABLE_LIVE_GCP=1 runs it in a real project"),
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]


class TestLive(BackendConformance):
    url = "gcp://my-project/europe-west1/{fleet}"
    release = "0.1"
    drain_timeout = 5.0
    short = 60.0

    @pytest.fixture
    def backend(self):
        self.place = place_named()
        self.url = f"gcp://{self.place.project}/{self.place.location}/{{fleet}}"
        self.images = tuple(os.environ["IMMUTABLE_LIVE_IMAGES"].split(","))
        service = os.environ["IMMUTABLE_LIVE_BACKEND_SERVICE"]
        self.template = FrozenMap({"machine_type": "e2-micro", "backend_service": service})
        yield self.second()
        sweep(self.place)

    def second(self):
        return GcpBackend(self.place.project, self.place.location)

    @property
    def managers(self):
        from google.cloud import compute_v1

        if self.place.regional:
            return compute_v1.RegionInstanceGroupManagersClient()
        return compute_v1.InstanceGroupManagersClient()

    def _where(self, group):
        named = {"instance_group_manager": group, **self.place.where}
        return {"project": self.place.project, **named}

    async def raw_members(self, fleet, revision):
        found = self.managers.list_managed_instances(request=self._where(f"{fleet}-r{revision}"))
        return {str(each.id) for each in found if each.id}

    async def raw_resize(self, fleet, revision, size):
        self.managers.resize_unary(request={**self._where(f"{fleet}-r{revision}"), "size": size})
