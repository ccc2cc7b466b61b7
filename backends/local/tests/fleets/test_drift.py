"""Drift of fleets of real processes: what is changed under them is found, and named."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from immutable import PlanRefused, RuntimeConfig, Status
from immutable.drift import DriftCode, DriftVerdict
from immutable_local import pids, records
from immutable_local.images import ImageStore

from .conftest import LIMITS, load

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

OK, DRIFTED, UNKNOWN = DriftVerdict.OK, DriftVerdict.DRIFTED, DriftVerdict.UNKNOWN


@pytest.fixture(autouse=True)
def blockbuster():
    """The blocking calls here are the tests' own: editing files, starting processes."""
    return


def tree_of(home, fleet):
    """Where the files are that a fleet's instances run from."""
    record = records.load(home.places.fleet(fleet.name).record, records.FleetRecord)
    return ImageStore(home.places.images).unpack(record.groups[0].revision.image.digest)


@contextmanager
def edited(file, text):
    """A file of an image as somebody with a shell leaves it, who puts it back."""
    before, mode = file.read_bytes(), file.stat().st_mode
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.chmod(0o644)
    file.write_text(text)
    yield
    file.write_bytes(before)
    file.chmod(mode)
    os.utime(file, ns=times)


async def test_a_changed_file_of_a_running_instance_is_named_and_nothing_is_replaced_from_it(home):
    async with home.fleet("1", 2, isolation="none") as fleet:
        clean = await fleet.drift()
        assert clean.verdict is OK, str(clean)
        assert {DriftCode.FILES, DriftCode.PROCESS, DriftCode.TAINTED} <= set(clean.checked)
        with edited(tree_of(home, fleet) / "app.py", "raise SystemExit('mine now')\n"):
            found = await fleet.drift()
            assert [each.verdict for each in found.findings] == [DRIFTED, DRIFTED]
            (reason,) = found.findings[0].reasons
            assert (reason.code, reason.found) == (DriftCode.FILES, "changed: app.py")
            with pytest.raises(PlanRefused, match=r"changed on disk: app\.py"):
                await fleet.plan(home.image("2"))
        assert (await fleet.drift()).verdict is OK


@pytest.mark.parametrize("isolation", ["bubblewrap", "none"])
async def test_settings_and_process_are_as_given_and_a_login_is_marked(home, isolation):
    async with home.fleet("1", 1, isolation=isolation) as fleet:
        assert (await fleet.drift()).verdict is OK
        (member,) = (await fleet.state()).instances
        tainted = home.places.fleet(fleet.name).tainted
        tainted.mkdir()
        (tainted / member.id).touch()
        (finding,) = (await fleet.drift()).findings
        assert [reason.code for reason in finding.reasons] == [DriftCode.TAINTED]


async def test_other_settings_are_named_without_their_values_and_a_lost_process_is_unknown(
    home, monkeypatch
):
    given = {}
    monkeypatch.setattr("immutable_local.pids.variables", lambda _: dict(given))
    async with home.fleet("1", 1, isolation="none") as fleet:
        await fleet.replace(home.image("1"),
                            config=RuntimeConfig({"COLOUR": "hunter2-hunter2"}))  # fmt: skip
        found = await fleet.drift()
        assert found.verdict is UNKNOWN
        assert "environment" in found.findings[0].why
        (file,) = home.places.fleet(fleet.name).instances.glob("*.json")
        record = records.load(file, records.InstanceRecord)
        given.update(IMMUTABLE_ID=record.id, PORT=str(record.port), COLOUR="red")
        found = await fleet.drift()
        assert found.verdict is DRIFTED
        assert "COLOUR" in str(found)
        assert "hunter2" not in str(found)


@contextmanager
def rogue(state):
    """A process with a fleet's mark that nobody started; yields its number while it runs."""
    words = [sys.executable, "-c", "print(flush=True); input()"]
    mark = {"IMMUTABLE_ID": "i-rogue", "IMMUTABLE_STATE": str(state)}
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **mark}
    )
    try:
        assert process.stdout.readline()  # It runs.
        yield process.pid
    finally:
        process.kill()
        process.communicate()


async def test_a_process_with_the_fleets_mark_that_nobody_started_is_told(home):
    async with home.fleet("1", 1, isolation="none") as fleet:
        with rogue(home.places.fleet(fleet.name).state) as pid:
            found = await fleet.drift()
            assert (found.verdict, [each.id for each in found.strays]) == (DRIFTED, ["i-rogue"])
            assert str(pid) in found.strays[0].found
            assert not found.of(DRIFTED)
        assert not (await fleet.drift()).strays


@contextmanager
def writable(folder):
    """A directory of an image, opened for a change and closed as it was."""
    before = folder.stat()
    folder.chmod(0o755)
    yield
    folder.chmod(before.st_mode)
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextmanager
def added(tree, name):
    """A file more in an image's tree."""
    with writable(tree):
        (tree / name).write_text("mine")
        yield
        (tree / name).unlink()


@contextmanager
def moved(place, aside):
    """A file or a directory that somebody moves away, and back."""
    with writable(place.parent):
        place.rename(aside)
        yield
        aside.rename(place)


@contextmanager
def mode(file, bits):
    """A file with another mode for a while."""
    before = file.stat().st_mode
    file.chmod(bits)
    yield
    file.chmod(before)


@contextmanager
def linked(file, aside):
    """A file that is a link to its like elsewhere."""
    with writable(file.parent):
        file.rename(aside)
        file.symlink_to(aside)
        yield
        file.unlink()
        aside.rename(file)


@contextmanager
def marked(folder, name):
    """An instance that somebody has logged in to."""
    folder.mkdir(exist_ok=True)
    (folder / name).touch()
    yield
    (folder / name).unlink()


@contextmanager
def told(monkeypatch, **variables):
    """A process whose environment is another one."""
    real = pids.variables
    with monkeypatch.context() as patch:
        patch.setattr("immutable_local.pids.variables", lambda pid: real(pid) | variables)
        yield


@contextmanager
def said(monkeypatch, *words):
    """A process that goes by another command line."""
    with monkeypatch.context() as patch:
        patch.setattr("immutable_local.pids.command", lambda _: words)
        yield


FILES, CONFIG, TAINT = DriftCode.FILES, DriftCode.CONFIG, DriftCode.TAINTED
STRAY, UNSEEN = "a stray", "can't be seen"


async def test_the_matrix_of_what_others_do_on_this_machine(home, capsys, monkeypatch):
    """One mutation after the other, each undone; what can't be seen is in the report's words."""
    async with home.fleet("1", 1, isolation="none") as fleet:
        (member,) = (await fleet.state()).instances
        places, tree = home.places.fleet(fleet.name), tree_of(home, fleet)
        app, aside = tree / "app.py", home.folder / "aside"
        index = next(home.places.images.rglob("index.json"))
        matrix = [
            ("a file changed", edited(app, "mine"), FILES),
            ("a file added", added(tree, "extra.py"), FILES),
            ("a file moved away", moved(app, aside), FILES),
            ("a file made executable or not", mode(app, app.stat().st_mode ^ 0o111), FILES),
            ("a file that is a link now", linked(app, aside), FILES),
            ("the whole tree moved away", moved(tree, aside), FILES),
            ("the image gone from the store", moved(index, aside), None),
            ("another setting", told(monkeypatch, PORT="1"), CONFIG),
            ("another name", told(monkeypatch, IMMUTABLE_ID="i-other"), CONFIG),
            ("another command line", said(monkeypatch, "/bin/sh", "-i"), None),
            ("marked by a login", marked(places.tainted, member.id), TAINT),
            ("a process that nobody started", rogue(places.state), STRAY),
            ("a file outside of the tree", added(home.folder, "elsewhere"), UNSEEN),
        ]
        seen = []
        for name, mutation, due in matrix:
            assert (await fleet.drift()).verdict is OK, name
            with mutation:
                found = await fleet.drift()
            (finding,) = found.findings
            seen.append(f"{name:<32} {found.verdict.value:<8} {finding.why}")
            codes = [reason.code for reason in finding.reasons]
            if due is STRAY:
                assert (len(found.strays), finding.verdict) == (1, OK), name
            elif due is UNSEEN:
                assert found.verdict is OK, name
                assert any("files outside of the image's tree" in each for each in found.unseen)
            elif due is None:
                assert (found.verdict, codes) == (UNKNOWN, []), name
            else:
                assert (found.verdict, codes) == (DRIFTED, [due]), name
        with capsys.disabled():
            sys.stdout.write("\n" + "\n".join(seen) + "\n")
        assert len(matrix) >= 12
        assert (await fleet.drift()).verdict is OK


async def test_who_has_been_touched_is_replaced_and_the_others_stay(home):
    async with home.fleet("1", 3, isolation="none") as fleet:
        before = {each.id for each in (await fleet.state()).instances}
        touched = min(before)
        tainted = home.places.fleet(fleet.name).tainted
        tainted.mkdir()
        (tainted / touched).touch()
        async with load(fleet) as running:
            result = await fleet.repair(limits=LIMITS)
        assert result.status is Status.SUCCEEDED
        report = await running.stop()
        assert (report.failed, report.failures) == (0, ())
        after = {each.id for each in (await fleet.state()).instances}
        assert before - after == {touched}
        assert len(after) == 3
        assert (await fleet.drift()).verdict is OK
