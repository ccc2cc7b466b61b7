"""The real asynchronous clients, waiting for what has to come, and the usual fleet."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

import pytest
import pytest_asyncio
from azure.core.exceptions import HttpResponseError

from tests.emulators.waiting import eventually

QUICK = {"polling_interval": 0.02, "retry_total": 0}
"""The clients repeat nothing by themselves, and look often where no header tells them when."""


@pytest.fixture
def until():
    """Wait until something is so."""
    return eventually


async def _to_its_end(call):
    found = await call
    return await found.result() if hasattr(found, "result") else found


@pytest.fixture
def refused():
    """A call ends with an error of this status and code; the error's message, headers and so on.

    A failed operation is told with status 200 (azure-core): `refused(200, "AllocationFailed", …)`.
    """

    async def check(status, code, call):
        with pytest.raises(HttpResponseError) as caught:
            await _to_its_end(call)
        assert (caught.value.status_code, caught.value.error.code) == (status, code)
        return caught.value

    return check


@pytest_asyncio.fixture
async def transport(emulator):
    """One session for all clients."""
    transport = emulator.transport()
    yield transport
    await transport.close()


@pytest_asyncio.fixture
async def compute(emulator, transport):
    """azure-mgmt-compute, asynchronous."""
    from azure.mgmt.compute.aio import ComputeManagementClient

    words = {"base_url": emulator.url, "transport": transport}
    yield ComputeManagementClient(emulator.credential(), emulator.subscription, **words, **QUICK)


@pytest_asyncio.fixture
async def network(emulator, transport):
    """azure-mgmt-network, asynchronous."""
    from azure.mgmt.network.aio import NetworkManagementClient

    words = {"base_url": emulator.url, "transport": transport}
    yield NetworkManagementClient(emulator.credential(), emulator.subscription, **words, **QUICK)


@pytest_asyncio.fixture
async def monitor(emulator, transport):
    """azure-mgmt-monitor, asynchronous."""
    from azure.mgmt.monitor.aio import MonitorManagementClient

    words = {"base_url": emulator.url, "transport": transport}
    yield MonitorManagementClient(emulator.credential(), emulator.subscription, **words, **QUICK)


class Fleet:
    """A scale set `web` behind a load balancer, and the usual questions about it."""

    laws = MappingProxyType(
        {"boot": 0.05, "answers": 0.02, "shutdown": 0.05, "settle": 0.01, "replicate": 0.01}
    )

    def __init__(self, emulator, stage, compute):
        self.emulator, self.stage, self.compute = emulator, stage, compute
        self.sets = compute.virtual_machine_scale_sets
        self.vms = compute.virtual_machine_scale_set_vms

    def freeze(self, **laws):
        """Let time stand still: what has no other law takes none, and happens all the same."""
        self.emulator.freeze()
        self.laws = dict.fromkeys(Fleet.laws, 0.0) | laws
        self.emulator.laws(**self.laws)

    def make(self, size=3, **words):
        """Make it, of image 1.0.0, quickly."""
        self.emulator.laws(**self.laws)
        self.image = self.stage.image()
        self.pools = self.stage.balancer()
        self.id = self.stage.group("web", size, self.image, pools=self.pools, **words)
        return self

    async def settled(self, size):
        """Wait until so many are sent requests."""

        def serving():
            return sum(bool(member["serving"]) for member in self.emulator.members())

        await eventually(serving, lambda count: count == size)
        return self

    async def told(self):
        return await self.sets.get("rg", "web")

    async def members(self):
        return [m async for m in self.vms.list("rg", "web", expand="instanceView")]

    async def ids(self):
        return [member.instance_id for member in await self.members()]

    async def healthy(self):
        """Numbers of members, by health."""
        return Counter(
            health.status.code
            for m in await self.members()
            if (health := m.instance_view.vm_health) is not None
        )

    async def patch(self, body, **words):
        """An update of the model, and its end."""
        poller = await self.sets.begin_update("rg", "web", body, **words)
        return await poller.result()

    async def remove(self, *ids):
        poller = await self.sets.begin_delete_instances("rg", "web", {"instanceIds": list(ids)})
        return await poller.result()


@pytest.fixture
def fleet(emulator, stage, compute):
    """Make a set `web`: `fleet.make(3)`."""
    return Fleet(emulator, stage, compute)
