"""Secrets of real instances: references travel, and each instance reads the value itself."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from immutable import Fleet, PlanRefused, RuntimeConfig, Status, open_journal
from immutable.backend import Invalid
from immutable_local import LocalBackend

from .conftest import LIMITS, port_of

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

OLD, NEW = "canary-old-91c4", "canary-new-03fe"
START = (
    "APP_VERSION=$(sha256sum < $IMMUTABLE_SECRETS_DIR/DB | cut -c1-12) exec python3 -I -S app.py"
)


@pytest.fixture(autouse=True)
def blockbuster():
    """The blocking calls here are the tests' own: reading /proc, asking the fleet."""
    return


def image(home):
    place = Path(home.image("1"))
    recipe = place / "immutable.toml"
    command = json.dumps(["immutable", "exec", "--deadline", "20s", "--", "sh", "-c", START])
    lines = recipe.read_text().splitlines()
    recipe.write_text(
        "\n".join(f"command = {command}" if x.startswith("command") else x for x in lines)
    )
    return str(place)


def kept(home, name, value):
    file = home.folder / name
    file.write_text(value)
    file.chmod(0o600)
    return f"file://{file}"


@asynccontextmanager
async def fleet(home, config, isolation, *, source=None):
    journal = await open_journal(home.journal)
    try:
        async with Fleet.create(
            "local://web", source or image(home), 2, limits=LIMITS, config=config,
            template={"isolation": isolation}, backend=LocalBackend(home.places), journal=journal,
        ) as made:  # fmt: skip
            try:
                yield made
            finally:
                await made.delete()
    finally:
        await journal.close()


async def served(web):
    """What instances make of their secret."""
    await web.state()
    return await asyncio.to_thread(got, f"http://127.0.0.1:{port_of(web)}/")


def got(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def memory_of(ids):
    places = [Path(f"/dev/shm/immutable-{os.getuid()}-{each}") for each in ids]
    return [place.is_dir() for place in places]


def known_as(value):
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def everything_kept(home, *but):
    """All that is on disk below the home, and the words and environments of all its processes."""
    for file in home.folder.rglob("*"):
        if file.is_file() and file not in but:
            yield str(file), file.read_bytes()
    for pid in home.processes():
        for what in ("cmdline", "environ"):
            try:
                yield f"{pid} {what}", Path(f"/proc/{pid}/{what}").read_bytes()
            except OSError:
                continue


@pytest.mark.parametrize("isolation", ["bubblewrap", "none"])
async def test_the_reference_rolls_over_and_the_value_is_nowhere_but_in_the_instance(
    home, isolation
):
    first, second = kept(home, "old", OLD), kept(home, "new", NEW)
    async with fleet(home, RuntimeConfig(secrets={"DB": first}), isolation) as web:
        assert known_as(OLD) in await served(web)
        plan = await web.plan(config=RuntimeConfig(secrets={"DB": second}))
        assert plan.candidate.image == plan.stable.image
        assert "in an instance only" not in " ".join(plan.notes)
        result = await web.replace(config=RuntimeConfig(secrets={"DB": second}), limits=LIMITS)
        assert (result.status, {each.revision for each in (await web.state()).instances}) == (
            Status.SUCCEEDED, {2},
        )  # fmt: skip
        assert known_as(NEW) in await served(web)
        back = await web.rollback(limits=LIMITS)
        assert back.status is Status.SUCCEEDED
        assert known_as(OLD) in await served(web)
        texts = [("plan", str(plan).encode()), ("result", repr(result).encode())]
        texts += everything_kept(home, home.folder / "old", home.folder / "new")
        assert len(texts) > 10
        named = [name for name, text in texts if OLD.encode() in text or NEW.encode() in text]
        assert named == []
        ids = [each.id for each in (await web.state()).instances]
        if isolation == "none":
            assert all(memory_of(ids))
    assert not any(memory_of(ids))


async def test_what_runs_by_immutable_exec_is_no_drift(home):
    place = Path(image(home))
    recipe = place / "immutable.toml"
    start = json.dumps(["immutable", "exec", "--", "python3", "-I", "-S", "app.py"])
    lines = recipe.read_text().splitlines()
    recipe.write_text("\n".join(f"command = {start}" if x[:7] == "command" else x for x in lines))
    config = RuntimeConfig(secrets={"DB": kept(home, "old", OLD)})
    async with fleet(home, config, "none", source=str(place)) as web:
        found = await web.drift()
        assert [each.why for each in found.findings] == ["", ""]


async def test_a_file_that_is_not_there_stops_the_plan_and_the_fleet(home):
    first = kept(home, "old", OLD)
    async with fleet(home, RuntimeConfig(secrets={"DB": first}), "none") as web:
        gone = RuntimeConfig(secrets={"DB": f"file://{home.folder}/gone"})
        with pytest.raises(PlanRefused, match="gone: there is no such file"):
            await web.plan(config=gone)
    with pytest.raises(Invalid, match="gone: there is no such file"):
        async with fleet(home, gone, "none"):
            raise AssertionError
