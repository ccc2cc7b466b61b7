"""examples/service: rollouts by HTTP, on a cloud in memory and in virtual time."""

from __future__ import annotations

import asyncio
import json
import runpy
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import httpx

from immutable import Image, Revision
from immutable.backend import Group
from immutable.memory import Cloud, MemoryBackend
from immutable.testing import LoopClock, run

SERVICE = Path(__file__).parents[2] / "examples" / "service" / "service.py"
FLEET = "memory://web"


@pytest.fixture(scope="module")
def create_app():
    return runpy.run_path(str(SERVICE))["create_app"]


def cloud(clock):
    made = Cloud(clock)
    made.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), 4)
    return made


@asynccontextmanager
async def served(create_app, made, clock, journal):
    app = create_app(FLEET, journal=str(journal), backend=MemoryBackend(made), clock=clock)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield app, client


async def submitted(client, image="v2"):
    answer = await client.post(
        "/rollouts", json={"image": image, "reason": "a test"}, headers={"X-User": "ada"}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["rollout"]


def events(text):
    """Return server-sent events as their numbers and what they say."""
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    return [
        (int(id_.removeprefix("id: ")), json.loads(data.removeprefix("data: ")))
        for id_, data in blocks
    ]


async def until(client, rollout, **wanted):
    """Ask how it stands, as a caller does, until it does."""
    while True:
        status = (await client.get(f"/rollouts/{rollout}")).json()
        if all(status[name] == value for name, value in wanted.items()):
            return status
        await asyncio.sleep(1)


def test_what_is_handed_over_is_done_and_told(create_app, tmp_path):
    async def main():
        clock = LoopClock()
        made = cloud(clock)
        async with served(create_app, made, clock, tmp_path / "j.db") as (_, client):
            rollout = await submitted(client)
            told = events((await client.get(f"/rollouts/{rollout}/events")).text)
            assert [number for number, _ in told] == list(range(1, len(told) + 1))
            assert told[-1][1]["words"] == "succeeded"
            assert (await client.get(f"/rollouts/{rollout}")).json()["status"] == "succeeded"
            later = await client.get(
                f"/rollouts/{rollout}/events", headers={"Last-Event-ID": str(len(told) - 2)}
            )
            assert events(later.text) == told[-2:]
            seen = (await client.get("/fleet")).json()
            assert [group["revision"]["number"] for group in seen["groups"]] == [2]

    run(main())


def test_orders_go_to_the_controller(create_app, tmp_path):
    async def main():
        clock = LoopClock()
        async with served(create_app, cloud(clock), clock, tmp_path / "j.db") as (_, client):
            rollout = await submitted(client)
            await until(client, rollout, live=True)
            assert (await client.post(f"/rollouts/{rollout}/pause")).status_code == 202
            await until(client, rollout, status="paused")
            answer = await client.post(
                f"/rollouts/{rollout}/abort?reason=enough", headers={"X-User": "grace"}
            )
            assert answer.status_code == 202
            status = await until(client, rollout, status="rolled_back")
            assert "enough" in status["reason"]

    run(main())


def test_what_cannot_be_is_refused_with_the_reason(create_app, tmp_path):
    async def main():
        clock = LoopClock()
        async with served(create_app, cloud(clock), clock, tmp_path / "j.db") as (_, client):
            rollout = await submitted(client)
            again = await client.post("/rollouts", json={"image": "v3"})
            assert (again.status_code, again.json()["error"]) == (409, "FleetBusy")
            assert rollout in again.json()["detail"]
            unknown = await client.get("/rollouts/nobody/events")
            assert (unknown.status_code, unknown.json()["error"]) == (422, "InvalidValue")
            assert (await client.post(f"/rollouts/{rollout}/explode")).status_code == 422
            assert (await client.post("/rollouts", json={})).status_code == 422
            await until(client, rollout, status="succeeded")
            ended = await client.post(f"/rollouts/{rollout}/pause")
            assert (ended.status_code, ended.json()["error"]) == (503, "JournalError")

    run(main())


def test_a_service_that_is_stopped_goes_on_when_it_is_started_again(create_app, tmp_path):
    async def main():
        clock = LoopClock()
        made = cloud(clock)
        async with served(create_app, made, clock, tmp_path / "j.db") as (_, client):
            rollout = await submitted(client)
            await until(client, rollout, candidate=1)
        async with served(create_app, made, clock, tmp_path / "j.db") as (_, client):
            assert (await client.get(f"/rollouts/{rollout}")).json()["status"] != "succeeded"
            await until(client, rollout, status="succeeded")
            told = events((await client.get(f"/rollouts/{rollout}/events")).text)
            controllers = {each["words"] for _, each in told if "driven by" in each["words"]}
            assert len(controllers) == 2

    run(main())


def test_a_client_that_goes_away_ends_its_stream_and_nothing_else(create_app, tmp_path):
    async def main():
        clock = LoopClock()
        async with served(create_app, cloud(clock), clock, tmp_path / "j.db") as (app, client):
            rollout = await submitted(client)
            seen, gone = asyncio.Event(), asyncio.Event()

            async def receive():
                await gone.wait()
                return {"type": "http.disconnect"}

            async def send(message):
                if b"data: " in message.get("body", b""):
                    seen.set()

            path = f"/rollouts/{rollout}/events"
            scope = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
                "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
                "root_path": "", "headers": [], "client": None, "server": None,
            }  # fmt: skip
            streaming = asyncio.create_task(app(scope, receive, send))
            await seen.wait()
            gone.set()
            await streaming
            assert (await client.get(f"/rollouts/{rollout}")).json()["status"] != "succeeded"
            await until(client, rollout, status="succeeded")

    run(main())
