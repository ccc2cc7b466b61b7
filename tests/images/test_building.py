"""An image is built once, by one at a time, and how each build ended is on record."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from urllib.parse import quote

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue, Status, open_journal
from immutable.audit.changes import changes
from immutable.backend import Invalid
from immutable.builders import BuildRequest
from immutable.errors import BuildBusy, BuildFailed, FleetBusy, LeaseLost
from immutable.images import redactor
from immutable.images.sweeping import sweep_builds
from immutable.journal import Build, Lease
from immutable.model.records import BuildAsked, BuildNoted, Claimed
from immutable.report.words import words
from immutable.trust import ImageManifest
from tests.images.conftest import Kiln


async def records(journal, build):
    return [event.record for event in await journal.events(build, after=-1)]


def test_a_build_is_on_record_from_who_asked_to_what_came_of_it(bench):
    async def main(journal):
        made = await bench.build(journal, reason="a new version")
        asked, claimed, built, ended = await records(journal, made.build)
        assert asked == BuildAsked(made.manifest.spec.digest, "web", "1", "kiln", "ada",
                                   "a new version")  # fmt: skip
        assert isinstance(claimed, Claimed)
        assert ImageManifest.load(built.manifest) == made.manifest
        assert (ended.status, ended.seconds) == (Status.SUCCEEDED, 5.0)
        assert dict(made.manifest.tools) == {"kiln": "7"}
        (listed,) = await journal.builds()
        assert (listed.status, listed.actor, listed.live) == (Status.SUCCEEDED, "ada", False)
        assert [words(each) for each in (asked, built)] == [
            "web:1 is to be built by kiln",
            f"built, with a manifest of {len(made.manifest.dump())} bytes; {built.scan[-1]}",
        ]

    bench.run(main)


def test_the_same_specification_is_not_built_twice_while_its_image_is_there(bench):
    async def main(journal):
        first = await bench.build(journal)
        again = await bench.build(journal)
        assert (again.reused, again.build) == (True, first.build)
        assert again.manifest == first.manifest
        assert "nothing to do" in bench.log[-1]
        other = await bench.build(journal, request=BuildRequest("./web", parameters={"a": "b"}))
        assert not other.reused
        anew = await bench.build(journal, again=True)
        assert (anew.reused, len(bench.kiln.jobs)) == (False, 3)
        bench.kiln.there = False
        assert not (await bench.build(journal)).reused

    bench.run(main)


def test_one_specification_is_built_by_one_at_a_time_however_long_it_takes(bench):
    async def main(journal):
        bench.kiln.seconds = 60.0  # Six lives of a lease.
        first = asyncio.create_task(bench.build(journal))
        for _ in range(5):
            await asyncio.sleep(10)
            with pytest.raises(BuildBusy, match=r"web:1 is being built by somebody else \(build"):
                await bench.build(journal)
        assert not (await first).reused
        assert len(bench.kiln.jobs) == 1

    bench.run(main)


def test_two_specifications_are_built_beside_each_other(bench):
    async def main(journal):
        both = await asyncio.gather(
            *(bench.build(journal, request=BuildRequest("x", name=name)) for name in ("a", "b"))
        )
        assert {made.manifest.name for made in both} == {"a", "b"}

    bench.run(main)


@pytest.mark.parametrize("error", [Invalid("no such package"), OSError(28, "No space left")])
def test_a_failed_build_is_cleaned_up_on_record_and_done_again(bench, error):
    async def main(journal):
        bench.kiln.error = error
        with pytest.raises(BuildFailed, match=r"web:1 was not built: .*o s.*\(build ") as caught:
            await bench.build(journal)
        assert caught.value.__cause__ is error
        (listed,) = await journal.builds()
        assert bench.kiln.cleaned == [listed.id]
        assert not bench.kiln.hot
        *_, ended = await records(journal, listed.id)
        assert (ended.status, ended.left) == (Status.FAILED, ())
        assert ended.reason == str(error)
        bench.kiln.error = None
        assert not (await bench.build(journal)).reused

    bench.run(main)


def test_what_could_not_be_removed_is_said_and_on_record(bench):
    async def main(journal):
        bench.kiln = Kiln(error=Invalid("no"), cleanup_error=Invalid("the cloud is away"))
        with pytest.raises(BuildFailed, match="still there: the cloud is away; immutable image sw"):
            await bench.build(journal)
        (listed,) = await journal.builds()
        assert "away" in (await records(journal, listed.id))[-1].left[0]

    bench.run(main)


def test_a_cancelled_build_leaves_nothing_and_is_no_image(bench):
    async def main(journal):
        building = asyncio.create_task(bench.build(journal))
        await asyncio.sleep(2)
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
        (listed,) = await journal.builds()
        assert (listed.status, listed.live) == (Status.CANCELLED, False)
        assert not bench.kiln.hot
        assert not (await bench.build(journal)).reused

    bench.run(main)


def test_a_build_that_takes_too_long_is_stopped(bench):
    async def main(journal):
        with pytest.raises(BuildFailed, match="it took longer than 3 s"):
            await bench.build(journal, timeout=3)
        assert not bench.kiln.hot

    bench.run(main)


def test_a_build_whose_process_was_killed_is_carried_on_under_the_same_name(bench):
    async def main(journal):
        dead = await _left_unfinished(bench, journal)
        with pytest.raises(BuildBusy):
            await bench.build(journal)
        await asyncio.sleep(journal.ttl)
        made = await bench.build(journal)
        assert (made.build, made.reused) == (dead, False)
        assert bench.kiln.jobs[-1].id == dead
        assert sum(isinstance(each, Claimed) for each in await records(journal, dead)) == 2

    bench.run(main)


async def _left_unfinished(bench, journal):
    """Enter a build that nobody does, as one whose process was killed."""
    spec = await bench.kiln.plan(BuildRequest("./web"))
    dead = Build("dead", spec.digest, "web", "1", "kiln", controller="killed")
    await journal.begin_build(dead)
    return dead.id


def test_who_has_lost_the_build_stops_and_touches_nothing(bench):
    async def main(journal):
        bench.kiln.seconds = 100.0
        building = asyncio.create_task(bench.build(journal))
        await asyncio.sleep(1)
        (build,) = await journal.builds(unfinished=True)
        await journal.release(_lease_of(build))
        await journal.claim(build.id, "somebody else")
        with pytest.raises(LeaseLost):
            await building
        assert not bench.kiln.cleaned
        assert [each.status for each in await journal.builds()] == [Status.RUNNING]

    bench.run(main)


def _lease_of(build):
    return Lease(build.id, build.controller, build.fence)


def test_a_build_is_no_rollout(bench):
    async def main(journal):
        building = asyncio.create_task(bench.build(journal))
        await asyncio.sleep(1)
        (build,) = await journal.builds()
        assert await journal.entries() == []
        assert await journal.entries(rollout=build.id) == []
        await journal.release(_lease_of(build))
        assert await journal.claim_some("a controller", 5) == []
        assert await changes(journal) == []
        with pytest.raises(FleetBusy):
            await journal.begin_build(evolve(build, id="another"))
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)

    bench.run(main)


# -- what builds leave -----------------------------------------------------------------------------


def test_what_a_build_notes_is_on_record_while_it_goes_on_and_is_told_to_who_cleans_up(bench):
    async def main(journal):
        bench.kiln.notes = ("packer_1", "packer_2", "packer_1")
        building = asyncio.create_task(bench.build(journal))
        await asyncio.sleep(2)
        (build,) = await journal.builds()
        heard = [each for each in await records(journal, build.id) if isinstance(each, BuildNoted)]
        assert heard == [BuildNoted("packer_1"), BuildNoted("packer_2")]
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)
        assert bench.kiln.known == ["packer_1", "packer_2"]

    bench.run(main)


def test_who_carries_a_build_on_removes_first_what_the_dead_one_has_noted(bench):
    async def main(journal):
        dead = await _left_unfinished(bench, journal)
        (build,) = await journal.builds()
        await journal.append(_lease_of(build), [BuildNoted("packer_9")])
        (build,) = await journal.builds()
        await asyncio.sleep(journal.ttl + 1)
        made = await bench.build(journal)
        assert (made.build, bench.kiln.cleaned, bench.kiln.known) == (dead, [dead], ["packer_9"])
        assert bench.kiln.span == (build.started_at, build.expires_at)

    bench.run(main)


def test_a_sweep_ends_what_nobody_works_on_and_leaves_the_rest_alone(bench):
    async def main(journal):
        def build(name, **how):
            spec = f"sha256:{name}"
            return Build(name, spec, "web", "1", "kiln", place="a://b", controller=name, **how)

        dead, alive, elsewhere = build("dead"), build("alive"), build("else")
        lease = await journal.begin_build(dead)
        await journal.append(lease, [BuildNoted("packer_9")])
        await journal.begin_build(evolve(elsewhere, place="a://c"))
        done = await bench.build(journal, place="a://b")
        await asyncio.sleep(journal.ttl + 1)
        await journal.begin_build(alive)
        gone = await sweep_builds(bench.kiln, "kiln", "a://b", journal, bench.log.append)
        assert gone == ("the fire of dead",)
        assert (bench.kiln.cleaned, bench.kiln.known) == (["dead"], ["packer_9"])
        stands = {each.id: each.status for each in await journal.builds()}
        assert stands == {"dead": Status.FAILED, "alive": Status.RUNNING, "else": Status.RUNNING,
                          done.build: Status.SUCCEEDED}  # fmt: skip
        assert any("build alive is under way" in line for line in bench.log)
        assert (await records(journal, "dead"))[-1].status is Status.FAILED

    bench.run(main)


@pytest.mark.parametrize("dead", [False, True], ids=["failed", "swept"])
def test_nobody_builds_what_somebody_still_clears_away_however_long_it_takes(bench, dead):
    """The next one would make it under the same name, and lose it to who clears away."""

    async def main(journal):
        bench.kiln = Kiln(seconds=0, error=Invalid("no"), cleanup_seconds=60)  # Six lives.
        if dead:
            build = await _left_unfinished(bench, journal)
            await asyncio.sleep(journal.ttl + 1)
            clearing = sweep_builds(bench.kiln, "kiln", "", journal, bench.log.append)
        else:
            clearing = bench.build(journal)
        task = asyncio.create_task(clearing)
        for _ in range(3):
            await asyncio.sleep(15)
            with pytest.raises(BuildBusy):
                await bench.build(journal)
        if dead:
            assert await task == (f"the fire of {build}",)
        else:
            with pytest.raises(BuildFailed):
                await task
        assert [each.status for each in await journal.builds()] == [Status.FAILED]

    bench.run(main)


# -- secrets ---------------------------------------------------------------------------------------

SECRET = "hunter2!/?pass word"


def test_the_value_of_a_secret_variable_is_in_no_log_record_or_error(bench, monkeypatch):
    monkeypatch.setenv("REGISTRY_PASSWORD", SECRET)
    spoken = (f"login {SECRET} ok", f"url {quote(SECRET, safe='')}",
              f"header {b64encode(SECRET.encode()).decode()}")  # fmt: skip

    async def main(journal):
        bench.kiln.says = spoken
        bench.kiln.error = Invalid(f"refused: {SECRET}")
        asked = BuildRequest("./web", environment=("REGISTRY_PASSWORD",))
        with pytest.raises(BuildFailed) as caught:
            await bench.build(journal, request=asked)
        said = [*bench.log, str(caught.value), *(leaf.text for leaf in await journal.leaves())]
        assert not [line for line in said if SECRET in line or quote(SECRET, safe="") in line]
        assert b64encode(SECRET.encode()).decode().rstrip("=") not in json.dumps(said)
        assert "login [REGISTRY_PASSWORD] ok" in bench.log
        assert "refused: [REGISTRY_PASSWORD]" in str(caught.value)

    bench.run(main)


def test_a_variable_that_is_not_set_is_said_before_anything_is_begun(bench, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)

    async def main(journal):
        with pytest.raises(InvalidValue, match=r"NOT_SET.*not set in this process"):
            await bench.build(journal, request=BuildRequest("x", environment=("NOT_SET",)))
        assert await journal.builds() == []

    bench.run(main)


@given(
    st.dictionaries(st.from_regex(r"[A-Z]{3,8}", fullmatch=True),
                    st.text("abcdefgh/+= \n", min_size=4).filter(lambda v: len(v.strip()) > 3)),
    st.lists(st.text("xyz ")),
)  # fmt: skip
def test_no_value_survives_redaction(secrets, between):
    text = "".join(f"{value}{word}" for value, word in zip(secrets.values(), between, strict=False))
    said = redactor(secrets)(text)
    assert not [value for value in secrets.values() if value.strip() in said]


def test_short_values_are_let_through():
    assert redactor({"DEBUG": "1"})("step 1 of 1") == "step 1 of 1"


# -- bills of materials ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "sound"),
    [("echo '{\"components\": []}'", True), ("exit 3", False), ("echo nonsense", False)],
)
def test_syft_makes_a_bill_of_materials_where_it_is_on_path(
    bench, tmp_path, monkeypatch, script, sound
):
    syft = tmp_path / "syft"
    syft.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{script}\n')
    syft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    async def main():
        journal = await open_journal(":memory:")
        try:
            kiln = Kiln(seconds=0, tree=tmp_path)
            made = await bench.build(journal, kiln=kiln)
            assert bool(made.sbom) is bool(made.manifest.sbom) is sound
            assert any("no bill of materials" in line for line in bench.log) is not sound
        finally:
            await journal.close()

    asyncio.run(main())
    assert f"scan dir:{tmp_path} -o cyclonedx-json" in (tmp_path / "asked").read_text()
