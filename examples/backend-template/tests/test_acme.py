"""What the suite can't see from outside: errors, credentials, requests, calls that are cut off."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from cloud import Cloud, serve

from immutable.backend import (
    CapacityShortage,
    Conflict,
    Context,
    Denied,
    FleetURL,
    Gone,
    Invalid,
    QuotaExceeded,
    Revision,
    SystemClock,
    Throttled,
    Transient,
)
from immutable.errors import InvalidValue
from immutable_acme import AcmeBackend
from immutable_acme.calls import TIMEOUT, meaning

CTX = Context("rollout", "plan", 1, "token", 60)


@pytest.fixture
def alone():
    """Return a cloud that no other test uses, and its host."""
    cloud = Cloud()
    server = serve(cloud)
    yield cloud, f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@asynccontextmanager
async def fleet(host, size=2):
    backend = AcmeBackend(host)
    try:
        await backend.open()
        await backend.create_fleet("web", Revision(1, await backend.resolve("v1")))
        await backend.grow("web", 1, size, expected=0, ctx=CTX)
        yield backend
    finally:
        await backend.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "no-room", CapacityShortage),  # The code decides, not the status.
        (403, "quota", QuotaExceeded),
        (409, "busy", Throttled),
        (429, "", Throttled),
        (403, "", Denied),
        (404, "", Gone),
        (412, "", Conflict),
        (400, "bounds", Invalid),
        (500, "", Transient),
        (418, "something-new", Transient),
    ],
)
def test_an_error_means_to_the_engine_what_its_code_says(status, code, kind):
    assert type(meaning(status, code, "what happened")) is kind


def test_a_token_that_opens_nothing_is_denied_and_not_told(alone, monkeypatch):
    cloud, host = alone
    cloud.token = "right"
    monkeypatch.setenv("ACME_TOKEN", "wrong-and-secret")

    async def main():
        backend = AcmeBackend(host)
        try:
            with pytest.raises(Denied, match="GET /images") as caught:
                await backend.open()
        finally:
            await backend.close()
        assert "secret" not in str(caught.value)

    asyncio.run(main())


def test_who_is_not_there_is_transient():
    async def main():
        backend = AcmeBackend("127.0.0.1:9")
        try:
            with pytest.raises(Transient):
                await backend.open()
        finally:
            await backend.close()

    asyncio.run(main())


@pytest.mark.parametrize("address", ["acme://web", "acme://host/web?no-such=1"])
def test_an_address_that_makes_no_sense_is_refused(address):
    with pytest.raises(InvalidValue):
        AcmeBackend.from_url(FleetURL.parse(address), clock=SystemClock())


def test_a_look_costs_the_same_whatever_the_size(alone):
    cloud, host = alone

    async def main():
        async with fleet(host, 2) as backend:
            costs = []
            for size in (20, 200):
                state = await backend.observe("web")
                await backend.grow("web", 1, size, expected=state.groups[0].size, ctx=CTX)
                cloud.requests.clear()
                assert len((await backend.observe("web")).instances) == size
                costs.append(cloud.requests["GET"])
        assert costs[0] == costs[1]

    asyncio.run(main())


def test_a_change_is_refused_when_somebody_was_quicker(alone):
    cloud, host = alone

    async def main():
        async with fleet(host) as backend:
            read = backend._calls.ask("GET", "/groups/web-r1")
            await backend.hold("web", 1, read["now"] + 60, CTX)
            with pytest.raises(Conflict, match="version"):
                backend._set(read, {"size": 3})
            assert cloud.groups["web-r1"]["size"] == 2

    asyncio.run(main())


def test_a_call_is_not_repeated_by_the_backend(alone):
    cloud, host = alone

    async def main():
        async with fleet(host) as backend:
            cloud.requests.clear()
            cloud.fail("PATCH", 500)
            with pytest.raises(Transient):
                await backend.grow("web", 1, 3, expected=2, ctx=CTX)
            assert cloud.requests["PATCH"] == 1

    asyncio.run(main())


def test_the_next_change_waits_for_one_that_was_cut_off(alone):
    cloud, host = alone

    async def main():
        async with fleet(host) as backend:
            cloud.lock.acquire()  # Acme hangs; not for longer than the client waits.
            cut = asyncio.ensure_future(backend.grow("web", 1, 3, expected=2, ctx=CTX))
            await asyncio.sleep(0.1)
            cut.cancel()
            following = asyncio.ensure_future(backend.grow("web", 1, 4, expected=3, ctx=CTX))
            await asyncio.sleep(0.1)
            assert not following.done()
            cloud.lock.release()
            assert await following == 4  # It was expected to find 3: the first one came before.

    assert AcmeBackend.capabilities.late_effect > TIMEOUT
    asyncio.run(main())


@pytest.mark.parametrize("tag", ["hold", "revision"])
def test_a_mark_that_somebody_changed_is_said_without_what_it_holds(alone, tag):
    cloud, host = alone

    async def main():
        async with fleet(host) as backend:
            cloud.groups["web-r1"]["tags"][tag] = "{'a-secret': 1}"
            with pytest.raises(Invalid, match=f"web-r1.*{tag}") as caught:
                await backend.observe("web")
            assert "a-secret" not in str(caught.value)

    asyncio.run(main())


def test_a_second_request_that_is_refused_leaves_a_doubt(alone):
    cloud, host = alone

    async def main():
        async with fleet(host) as backend:
            cloud.fail("PATCH /groups/.*launching.*true", 429, "busy")
            cloud.room = len(cloud.servers)
            await backend.grow("web", 1, 3, expected=2, ctx=CTX)
            with pytest.raises(Transient, match="done in part"):
                await backend.settle("web", 1, CTX)
            assert not cloud.groups["web-r1"]["launching"]
            assert await backend.settle("web", 1, CTX) == 2
            assert cloud.groups["web-r1"]["launching"]

    asyncio.run(main())
