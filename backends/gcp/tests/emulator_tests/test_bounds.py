"""Managed groups under a virtual clock: thousands of orders, and what must hold after each.

Without HTTP: what is fuzzed is the behaviour of groups against the bounds that Google documents
(updatePolicy.maxSurge and maxUnavailable, targetSize, names and ids of members).
"""

from __future__ import annotations

import random
import uuid

import pytest

from backends.gcp.tests.emulator import actions, schema
from backends.gcp.tests.emulator.calls import METHODS, Call
from backends.gcp.tests.emulator.errors import GoogleError
from backends.gcp.tests.emulator.world import World

assert actions  # Imported for the methods that it registers.


@pytest.fixture(scope="module")
def known():
    return schema.load()


class Cloud:
    """A world whose time a test moves."""

    def __init__(self, known):
        self.known, self.now = known, 1_000_000.0
        self.world = World(source=lambda: self.now)
        self.zone = self.world.zones[0]

    def call(self, method, body=None, name="web", **query):
        found = self.known.methods[method]
        values = {"project": "acme", "zone": self.zone, "region": self.world.region}
        path = {part[1:-1]: values.get(part[1:-1], name) for part in found.path if part[0] == "{"}
        call = Call(found, path, query, body or {}, uuid.uuid4().hex)
        return METHODS[method](self.world, call)

    def pass_(self, seconds):
        self.now += seconds
        self.world.clock.catch_up()
        assert not self.world.ledger.told()

    @property
    def group(self):
        return self.world.groups.find("web")

    def settle(self, seconds=60.0):
        for _ in range(int(seconds / 0.1)):
            self.pass_(0.1)
            if self.group.stable():
                return
        raise AssertionError([(m.action, m.vm and m.vm.status) for m in self.group.live])


def template(cloud, name):
    properties = {
        "machineType": "e2-micro",
        "disks": [{"boot": True, "initializeParams": {"sourceImage": "global/images/web"}}],
        "networkInterfaces": [{"network": "global/networks/default"}],
    }
    cloud.call("instanceTemplates.insert", {"name": name, "properties": properties}, name)
    cloud.pass_(1)
    return f"global/instanceTemplates/{name}"


def begin(known, size, policy, chance=None, **fields):
    cloud = Cloud(known)
    if chance is not None:
        cloud.world.chances.reseed(chance.randrange(10**6))
    cloud.world.laws.change(
        boot={"uniform": [0.5, 3]}, answers={"uniform": [0.1, 1]}, shutdown={"uniform": [0.2, 2]}
    )
    cloud.call("images.insert", {"name": "web"})
    cloud.pass_(1)
    body = {
        "name": "web",
        "targetSize": size,
        "versions": [{"instanceTemplate": template(cloud, "r1")}],
        "updatePolicy": policy,
        **fields,
    }
    cloud.call("instanceGroupManagers.insert", body)
    cloud.pass_(1)
    cloud.settle()
    return cloud


def available(group):
    return sum(m.vm is not None and m.vm.status == "RUNNING" and not m.going for m in group.live)


@pytest.mark.parametrize("seed", range(40))
def test_an_update_stays_inside_its_bounds(known, seed):
    chance = random.Random(seed)
    size, recreate = chance.randint(1, 12), chance.random() < 0.4
    surge = 0 if recreate else chance.randint(0, 4)
    gap = chance.randint(0 if surge else 1, 4)
    policy = {
        "type": "PROACTIVE",
        "replacementMethod": "RECREATE" if recreate else "SUBSTITUTE",
        "maxSurge": {"fixed": surge},
        "maxUnavailable": {"fixed": gap},
    }
    cloud = begin(known, size, policy, chance)
    newer = {"instanceTemplate": template(cloud, "r2")}
    cloud.call("instanceGroupManagers.setInstanceTemplate", newer)
    names = {m.name for m in cloud.group.live}
    for _ in range(2000):
        cloud.pass_(0.05)
        here = sum(vm.owner is not None for vm in cloud.world.lives.all.values())
        assert here <= size + surge
        assert available(cloud.group) >= size - gap
        if cloud.group.stable() and not cloud.group.outdated():
            break
    assert {m.vm.template for m in cloud.group.live} == {"r2"}
    assert len(cloud.group.members) == size
    assert (names == {m.name for m in cloud.group.live}) == recreate


class Orders:
    """Whatever a controller or somebody else may do to an OPPORTUNISTIC group."""

    def __init__(self, cloud, chance):
        self.cloud, self.chance, self.target = cloud, chance, cloud.group.target
        self.made = 0

    def links(self, count):
        live = self.cloud.group.live
        some = self.chance.sample(live, min(count, len(live)))
        return [f"zones/{m.zone}/instances/{m.name}" for m in some]

    def resize(self):
        self.target = self.chance.randint(0, 8)
        self.cloud.call("instanceGroupManagers.resize", size=self.target)

    def delete(self):
        if links := self.links(self.chance.randint(1, 3)):
            self.target -= len(links)
            self.cloud.call("instanceGroupManagers.deleteInstances", {"instances": links})

    def create(self):
        self.made += 1
        self.target += 1
        body = {"instances": [{"name": f"named-{self.made}"}]}
        self.cloud.call("instanceGroupManagers.createInstances", body)

    def recreate(self):
        if links := self.links(1):
            self.cloud.call("instanceGroupManagers.recreateInstances", {"instances": links})

    def kill(self):
        if vms := list(self.cloud.world.lives.all.values()):
            self.cloud.world.lives.delete(self.chance.choice(vms))

    def stop(self):
        vms = [v for v in self.cloud.world.lives.all.values() if v.status == "RUNNING"]
        if vms:
            self.cloud.world.lives.stop(self.chance.choice(vms))

    def squeeze(self):
        self.cloud.world.supply.capacity = {self.cloud.zone: self.chance.randint(0, 8)}

    def loosen(self):
        self.cloud.world.supply.capacity = {}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_ordered_ends_at_the_target_size(known, seed):
    chance = random.Random(seed)
    cloud = begin(known, chance.randint(0, 6), {"type": "OPPORTUNISTIC"}, chance)
    orders, ids = Orders(cloud, chance), {}
    every = [getattr(orders, name) for name in vars(Orders) if not name.startswith(("_", "links"))]
    for _ in range(60):
        chance.choice(every)()
        cloud.pass_(0.06)  # An operation is over; what follows from it has only begun.
        assert cloud.group.target == orders.target
        assert len(cloud.group.live) == orders.target
        for vm in cloud.world.lives.all.values():
            assert ids.setdefault(vm.id, vm.name) == vm.name  # An id is never given again.
        cloud.pass_(chance.random() * 2)
    orders.loosen()
    cloud.settle()
    assert len(cloud.world.lives.all) == orders.target
    assert all(m.vm.status == "RUNNING" for m in cloud.group.live)


def test_a_refused_order_changes_nothing(known):
    cloud = begin(known, 2, {"type": "OPPORTUNISTIC"})
    before = cloud.world.everything()
    for method, body in (
        ("deleteInstances", {"instances": ["web-1"]}),
        ("createInstances", {"instances": [{"name": "UPPER"}]}),
        ("patch", {"versions": []}),
        ("patch", {"fingerprint": "AAAAAAAAAAA="}),
    ):
        with pytest.raises(GoogleError):
            cloud.call(f"instanceGroupManagers.{method}", body)
    cloud.pass_(5)
    assert cloud.world.everything() == before
