"""Weights of revisions, and counters of their traffic, with real processes and real requests."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from contextlib import asynccontextmanager

import pytest
from attrs import define, evolve

from immutable.backend import (
    Conflict,
    Context,
    Gone,
    InstanceState,
    Invalid,
    Pool,
    Revision,
    SupportsTraffic,
    from_json,
    to_json,
)
from immutable_local import LocalBackend
from immutable_local.balancing import BOUNDS
from immutable_local.records import FleetRecord, save
from immutable_local.records import load as read

from .conftest import load, port_of, traffic, wait_until

READY = InstanceState.READY
BALANCERS = pytest.mark.parametrize(
    "balancer", ["haproxy", pytest.param("builtin", marks=pytest.mark.slow)]
)
pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def blockbuster():
    """The blocking calls here are the tests' own: killing, reading and writing records."""
    return


def by(rollout: str = "a", fence: int = 1) -> Context:
    return Context(rollout, "plan", fence, "token", 20.0)


@define
class Two:
    """A fleet of two revisions, driven as the engine would, step by step."""

    home: object
    backend: LocalBackend
    name: str = "web"

    async def state(self):
        return await self.backend.observe(self.name)

    async def weights(self):
        return {group.number: group.weight for group in (await self.state()).groups}

    async def candidate(self, pool: Pool = Pool.OWN, number: int = 2, **environment: str):
        image = await self.backend.resolve(self.home.image(str(number), **environment))
        revision = Revision(number, image)
        await self.backend.create_revision(self.name, revision, pool, time.time() + 600, by())

    async def size(self, revision: int, size: int):
        """Bring a revision to a size, up or down."""
        state = await self.state()
        here = [each.id for each in state.instances if each.revision == revision]
        if len(here) < size:
            found = next(group.size for group in state.groups if group.number == revision)
            await self.backend.grow(self.name, revision, size, expected=found, ctx=by())
        elif len(here) > size:
            gone = tuple(here[size:])
            await self.backend.retire(self.name, revision, gone, drain_timeout=5, ctx=by())

        async def there():
            mine = [i.state for i in (await self.state()).instances if i.revision == revision]
            return mine == [READY] * size

        await wait_until(there)

    async def route(self, stable: float, candidate: float):
        await self.backend.route(self.name, {1: stable, 2: candidate}, by())

    async def counted(self, revision: int):
        """Requests, errors and latencies of a revision, as the balancer counted them."""
        reading = await self.backend.traffic(self.name)
        assert reading.bounds == BOUNDS
        each = reading.revisions[revision].values()
        latencies = sum(sum(series.latency) for series in each)
        return sum(one.requests for one in each), sum(one.errors for one in each), latencies

    async def kill_supervisor(self):
        os.kill(self.home.pid_of("-m immutable_local "), signal.SIGKILL)
        await asyncio.sleep(0.1)  # Until nobody answers.


@asynccontextmanager
async def two(home, balancer="builtin", *, stable=1, candidate=None, **environment):
    """A fleet whose stable revision serves, beside a candidate of a size, if one is wanted."""
    backend = LocalBackend(home.places)
    fleet = Two(home, backend)
    image = await backend.resolve(home.image("1"))
    await backend.create_fleet("web", Revision(1, image, template={"balancer": balancer}))
    try:
        await fleet.size(1, stable)
        if candidate is not None:
            await fleet.candidate(**environment)
            await fleet.size(2, candidate)
        yield fleet
    finally:
        for group in (await fleet.state()).groups:
            if group.hold is not None:
                newest = evolve(by(group.hold.rollout), fence=group.hold.fence)
                await backend.release("web", group.number, newest)
            await fleet.size(group.number, 0)
        await backend.delete_fleet("web")


def near(answers: dict[str, object], percent: float) -> None:
    """Whether the candidate's part of some answers is its percentage, by five deviations."""
    each = {version: seen.answers for version, seen in answers.items()}
    total, share = sum(each.values()), percent / 100
    deviation = math.sqrt(total * share * (1 - share))
    assert abs(each.get("2", 0) - total * share) <= 5 * deviation, (each, percent)


async def shares(running, enough: int = 250):
    """Return the answers per version to requests from now on, when there are *enough*."""
    await running.turned_over()  # What was sent before is answered.
    mark = running.mark()
    while True:
        answers = running.since(mark).by_version
        if sum(seen.answers for seen in answers.values()) >= enough:
            return answers
        await asyncio.sleep(0.1)


FAST = {"rate": 600.0, "keepalive": 6, "fresh": 2}


# -- shares ---------------------------------------------------------------------------------------


@BALANCERS
async def test_each_revision_gets_its_share_whatever_the_sizes(home, balancer):
    async with two(home, balancer, stable=3, candidate=1) as web, load(web, **FAST) as running:
        await web.route(90, 10)
        near(await shares(running), 10)
        await web.size(2, 4)
        near(await shares(running), 10)
        await web.size(1, 2)
        await web.route(50, 50)
        near(await shares(running), 50)
        await web.route(0, 100)
        assert set(await shares(running, 100)) == {"2"}
        report = await running.stop()
        assert (report.failed, report.failures) == (0, ())


class Recorded(traffic.Traffic):
    """Traffic that remembers when each request was sent, and which version answered it."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.answers = []

    async def _exchange(self, client, link, number):
        sent = time.monotonic()
        try:
            await super()._exchange(client, link, number)
        finally:
            self.answers.append((sent, client, link.headers.get("x-version")))


@BALANCERS
async def test_a_candidate_gets_nothing_and_then_all_at_once_and_no_request_fails(home, balancer):
    """There and back again, with connections that stay open and requests that take long."""
    clients = {"keepalive": 8, "fresh": 2, "post": 1, "slow": 2, "stream": 1}
    seconds = {"slow": 0.4, "stream": 0.5}
    async with two(home, balancer, stable=2) as web:
        await web.state()
        running = Recorded("127.0.0.1", port_of(web), clients, rate=400, seconds=seconds)
        async with running:
            await web.candidate()
            await web.size(2, 3)
            await asyncio.sleep(0.3)
            reading = (await web.backend.traffic("web")).revisions[2]
            assert len(reading) == 3
            assert await web.counted(2) == (0, 0, 0)
            assert {version for *_, version in running.answers} == {"1"}
            switches = []
            for stable, candidate in ((0, 100), (100, 0), (0, 100)):
                begun = time.monotonic()
                await web.route(stable, candidate)
                switches.append((begun, time.monotonic(), "2" if candidate else "1"))
                await asyncio.sleep(0.5)
        report = await running.stop()
        assert (report.failed, report.failures) == (0, ())
    ends = [begun for begun, _, _ in switches[1:]] + [math.inf]
    for (_, switched, version), end in zip(switches, ends, strict=True):
        after = [answer for answer in running.answers if switched < answer[0] < end]
        assert {seen for _, client, seen in after if client == "keepalive"} == {version}
        assert {seen for *_, seen in after} == {version}
        assert len(after) > 50


async def test_who_dies_leaves_its_share_to_the_others_of_its_revision(home):
    async with two(home, stable=2, candidate=2) as web, load(web, **FAST) as running:
        await web.route(50, 50)
        state = await web.state()
        victim = next(each for each in state.instances if each.revision == 2)
        record = home.places.fleet("web").instances / f"{victim.id}.json"
        pid = json.loads(record.read_text())["identity"]["app"]["pid"]
        os.kill(pid, signal.SIGKILL)
        near(await shares(running), 50)


# -- crashes --------------------------------------------------------------------------------------


@BALANCERS
async def test_weights_survive_the_supervisor(home, balancer):
    async with two(home, balancer, stable=3, candidate=1) as web, load(web, **FAST) as running:
        await web.route(66.67, 33.33)
        await web.kill_supervisor()
        near(await shares(running), 33.33)
        assert await web.weights() == {1: 66.67, 2: 33.33}
        await web.size(2, 2)
        near(await shares(running), 33.33)
        # Killed between writing a table down and telling the balancer.
        await web.kill_supervisor()
        path, table = home.places.fleet("web").record, {1: 0.0, 2: 100.0}
        record = read(path, FleetRecord)
        groups = tuple(evolve(group, weight=table[group.number]) for group in record.groups)
        save(path, evolve(record, groups=groups))
        near(await shares(running), 33.33)
        assert await web.weights() == table
        assert set(await shares(running, 100)) == {"2"}
        report = await running.stop()
        assert (report.failed, report.failures) == (0, ())


# -- the table ------------------------------------------------------------------------------------


async def test_a_table_begins_with_a_pool_of_its_own_and_ends_with_its_last_neighbour(home):
    async with two(home) as web:
        assert await web.weights() == {1: None}
        await web.backend.route("web", {1: 100}, by())
        assert await web.weights() == {1: None}
        await web.candidate()
        assert await web.weights() == {1: 100.0, 2: 0.0}
        await web.candidate()  # Again: no change.
        await web.candidate(Pool.SHARED, 3)  # A rival's: it gets nothing either.
        assert await web.weights() == {1: 100.0, 2: 0.0, 3: 0.0}
        await web.backend.delete_revision("web", 3, by())
        assert await web.weights() == {1: 100.0, 2: 0.0}
        await web.size(2, 1)
        await web.route(0, 100)
        await web.size(1, 0)
        await web.backend.hold("web", 1, time.time() + 60, by())
        await web.backend.delete_revision("web", 1, by())
        assert await web.weights() == {2: None}
        assert (await web.state()).ready == 1
        await web.candidate(Pool.SHARED, 4)
        assert await web.weights() == {2: None, 4: None}
        with pytest.raises(Conflict, match="r2, r4 share a pool: r5 can't have a weight") as caught:
            await web.candidate(number=5)
        assert caught.value.owner == "a"
        await web.backend.delete_revision("web", 4, by())


async def test_who_is_left_alone_has_all_of_the_traffic_whatever_its_weight_was(home):
    async with two(home, "haproxy", candidate=1) as web:
        await web.route(0, 100)
        await web.size(2, 0)
        await web.backend.delete_revision("web", 2, by())
        async with load(web, keepalive=2) as running:
            await asyncio.sleep(0.2)
        report = await running.stop()
        assert (report.failed, set(report.by_version)) == (0, {"1"})


async def test_what_makes_no_sense_is_refused_and_changes_nothing(home):
    async with two(home, stable=1, candidate=0) as web:
        route = web.backend.route
        for weights, reason in (
            ({1: 100}, "the groups are r1, r2, and the weights are for r1"),
            ({1: 50, 2: 25, 3: 25}, "the weights are for r1, r2, r3"),
            ({}, "the weights are for none"),
            ({1: 120, 2: -20}, "r1 can't have 120 %"),
            ({1: 100, 2: math.nan}, "r2 can't have nan %"),
            ({1: 50, 2: 49.9}, r"50 \+ 49.9, which is not 100 %"),
            ({1: 90, 2: 10}, "no member of r2 is READY: it can't take 10 %"),
        ):
            with pytest.raises(Invalid, match=reason):
                await route("web", weights, by())
        with pytest.raises(Conflict, match="r2 is held by a") as caught:
            await route("web", {1: 100, 2: 0}, by("b"))
        assert caught.value.owner == "a"
        await web.backend.hold("web", 1, time.time() + 60, by("b"))
        with pytest.raises(Conflict, match="r1 is held by b"):
            await route("web", {1: 100, 2: 0}, by("a"))
        await web.backend.release("web", 1, by("b"))
        await web.backend.hold("web", 2, time.time() + 60, by("a", 7))
        with pytest.raises(Conflict, match="lease 6 is older than 7"):
            await route("web", {1: 100, 2: 0}, by("a", 6))
        assert await web.weights() == {1: 100.0, 2: 0.0}
        await route("web", {1: 100, 2: 0}, by("a", 7))


async def test_groups_that_share_a_pool_have_no_weights(home):
    async with two(home) as web:
        await web.candidate(Pool.SHARED)
        with pytest.raises(Invalid, match=r"r1, r2 share a pool .* make a candidate in Pool\.OWN"):
            await web.route(50, 50)
        assert await web.weights() == {1: None, 2: None}
        await web.backend.delete_revision("web", 2, by())


# -- counters -------------------------------------------------------------------------------------


@BALANCERS
async def test_counters_are_what_clients_saw(home, balancer):
    async with two(home, balancer, stable=2, candidate=2, APP_ERROR_RATE="0.25") as web:
        await web.route(60, 40)
        async with load(web, rate=500, keepalive=6, fresh=2, post=1) as running:
            await asyncio.sleep(0.8)
        report = await running.stop()
        seen = {version: each.answers for version, each in report.by_version.items()}
        assert report.by_reason == {"status": report.failed}
        assert report.failed > 10

        async def complete():
            # HAProxy's latencies come a moment later than its counts.
            counted = [await web.counted(number) for number in (1, 2)]
            return all(requests == latencies for requests, _, latencies in counted) and counted

        stable, candidate = await wait_until(complete)
        assert stable == (seen["1"], 0, seen["1"])
        assert candidate == (seen["2"], report.failed, seen["2"])
        assert report.requests == seen["1"] + seen["2"]

        # Another table and another supervisor begin no new count; another instance does.
        old = (await web.backend.traffic("web")).revisions[1]
        await web.route(90, 10)
        await web.kill_supervisor()
        assert (await web.counted(1))[:2] == stable[:2]
        assert (await web.counted(2))[:2] == candidate[:2]
        await web.size(1, 3)
        new = (await web.backend.traffic("web")).revisions[1]
        assert {name: each.requests for name, each in new.items() if name in old} == {
            name: each.requests for name, each in old.items()
        }
        assert [each.requests for name, each in new.items() if name not in old] == [0]
        await web.size(2, 0)

        async def gone():
            return (await web.backend.traffic("web")).revisions[2] == {}

        await wait_until(gone)


async def test_the_backend_says_what_it_can(home):
    backend = LocalBackend(home.places)
    assert isinstance(backend, SupportsTraffic)
    assert backend.capabilities.weighted_traffic
    assert backend.capabilities.traffic_stats
    with pytest.raises(Gone):
        await backend.traffic("nowhere")
    with pytest.raises(Gone):
        await backend.route("nowhere", {1: 100}, by())
    async with two(home) as web:
        reading = await web.backend.traffic("web")
        assert from_json(type(reading), json.loads(json.dumps(to_json(reading)))) == reading
