"""The conformance suite on a real subscription; see README.md beside. Skipped unless asked for."""

from __future__ import annotations

import asyncio
import os

import pytest

from backends.azure.tests.live.janitor import place_named, sweep
from immutable.backend import FrozenMap, SystemClock
from immutable.testing import BackendConformance
from immutable_azure import AzureBackend
from immutable_azure.calls import MEMBERS, SETS, Calls

LIVE = os.environ.get("IMMUTABLE_LIVE_AZURE") == "1"

pytestmark = [
    pytest.mark.skipif(not LIVE, reason="IMMUTABLE_LIVE_AZURE=1 runs it on a real subscription"),
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]


class TestLive(BackendConformance):
    url = "azure://00000000-0000-0000-0000-000000000000/group/{fleet}"
    release = "0.1"
    drain_timeout = 5.0
    short = 60.0
    missing = "gallery/none/9.9.9"
    credential = None

    @pytest.fixture
    def backend(self):
        names = ("LOCATION", "SUBNET", "SSH_KEY", "POOL", "IMAGES")
        given = {name: os.environ[f"IMMUTABLE_LIVE_{name}"] for name in names}
        self.place = place_named()
        self.url = f"azure://{self.place.subscription}/{self.place.group}/{{fleet}}"
        self.images = tuple(given["IMAGES"].split(","))
        self.template = FrozenMap(
            {
                "location": given["LOCATION"],
                "subnet": given["SUBNET"],
                "ssh_key": given["SSH_KEY"],
                "pool": given["POOL"],
                "vm_size": "Standard_B1s",
                "health_port": "80",
                "orchestration": os.environ.get("IMMUTABLE_LIVE_MODE", "uniform"),
            }
        )
        yield self.second()
        asyncio.run(self._with(sweep))

    def second(self):
        where = {"endpoint": self.place.endpoint, "ca_bundle": self.place.ca_bundle}
        place = self.place
        return AzureBackend(place.subscription, place.group, credential=self.credential, **where)

    async def _with(self, do):
        """Do something with a door of its own: a session is of the loop that it was made in."""
        calls = Calls(self.place, SystemClock(), self.credential)
        try:
            return await do(calls)
        finally:
            await calls.close()

    async def _members(self, group):
        flexible = self.template["orchestration"] == "flexible"
        name, words = (
            ("compute.virtual_machines.list", (self.place.group,))
            if flexible
            else (f"{MEMBERS}.list", (self.place.group, group))
        )
        found = await self._with(lambda calls: calls.pages(name, *words, about=group))
        return [each for each in found if each["name"].startswith(f"{group}_")]

    async def raw_members(self, fleet, revision):
        found = await self._members(f"{fleet}-r{revision}")
        return {f"{each['name']}.{each['properties']['vmId'][:8]}" for each in found}

    async def raw_resize(self, fleet, revision, size):
        name = f"{fleet}-r{revision}"
        words = (f"{SETS}.begin_update", self.place.group, name, {"sku": {"capacity": size}})
        await self._with(lambda calls: calls.begin(*words, about=name))
