"""An image is tried out on a fleet of one that is gone afterwards, whatever happens."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from attrs import evolve, frozen

from immutable import InvalidValue, Limits, open_journal
from immutable.backend import Denied
from immutable.images import TryOrder, try_image
from immutable.images.trials import Stand, trial
from immutable.images.trying import expiry, remove_fleet
from immutable.memory import Behaviour, Cloud, Laws, MemoryBackend, fixed
from immutable.testing import LoopClock, run
from immutable.trust import Artifact, ImageManifest, ImageSpec, TestResult

NEW = Artifact("memory", "", "v2")
LIMITS = Limits(1, min_ready=5, boot_timeout=60, drain_timeout=5)


def manifest(*tests: str, **known) -> ImageManifest:
    spec = ImageSpec("web", "2", "kiln:test", tests=tests)
    return ImageManifest(spec, (NEW,), datetime(2026, 1, 1, tzinfo=UTC), **known)


@frozen
class Range:
    """A simulated cloud and a journal to try images out with."""

    cloud: Cloud
    backend: MemoryBackend
    journal: object
    log: list[str]

    async def tried(self, image=None, **how):
        order = TryOrder(limits=LIMITS, say=self.log.append, lifetime=how.pop("lifetime", 1800))
        return await try_image(
            image or manifest(), NEW, self.backend, lambda name: f"memory://{name}", self.journal,
            LoopClock(), order=order, **how,
        )  # fmt: skip


async def acted(program, hear):
    """Take a command's time on the loop's clock, of which real processes know nothing."""
    name, *rest = program.words
    await asyncio.sleep(float(rest[0]) if rest else 0)
    return int(name == "false")


def on_range(main):
    async def opened():
        cloud = Cloud(LoopClock(), laws=Laws(boot=fixed(20), drain=fixed(2), terminate=fixed(2)))
        journal = await open_journal(":memory:", clock=LoopClock())
        try:
            await main(Range(cloud, MemoryBackend(cloud), journal, []))
        finally:
            await journal.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("immutable.images.trials.heard", acted)
        run(opened())


def test_what_the_tests_said_is_in_the_manifest_and_the_fleet_is_gone():
    async def main(range_):
        seen = []
        range_.cloud.watchers.append(lambda *_: seen.append(tuple(range_.cloud.fleets)))
        image = manifest("command:true", "command:false")
        tried = await range_.tried(image)
        assert [(each.name, each.passed, each.artifact) for each in tried.tests] == [
            ("boot", True, "memory:///v2"),
            ("command:true", True, "memory:///v2"),
            ("command:false", False, "memory:///v2"),
        ]
        assert tried.spec == image.spec
        assert tried.digest != image.digest
        assert any(expiry(name) for names in seen for name in names)
        assert not range_.cloud.fleets
        assert "is gone" in range_.log[-1]

    on_range(main)


def test_results_of_other_artifacts_stay_and_those_of_this_one_are_replaced():
    async def main(range_):
        other = TestResult("boot", True, "aws://eu-west-1/ami-1")
        stale = TestResult("boot", False, NEW.address)
        tried = await range_.tried(manifest(tests=(other, stale)))
        assert tried.tests[0] == other
        assert [(each.passed, each.artifact) for each in tried.tests[1:]] == [(True, NEW.address)]

    on_range(main)


def test_an_image_that_does_not_boot_passes_nothing_and_is_given_up_soon():
    async def main(range_):
        range_.cloud.behaviours["v2"] = Behaviour(ready=False)
        began = asyncio.get_running_loop().time()
        tried = await range_.tried(manifest("command:true"))
        assert [each.passed for each in tried.tests] == [False, False]
        assert tried.tests[1].detail == "it did not boot"
        assert asyncio.get_running_loop().time() - began < 2 * LIMITS.boot_timeout
        assert not range_.cloud.fleets

    on_range(main)


@pytest.mark.parametrize("after", [0.0, 1.0, 19.0, 22.0, 24.9, 25.1, 30.0, 200.0])
def test_a_trial_that_is_cancelled_at_any_moment_leaves_no_fleet(after):
    async def main(range_):
        trying = asyncio.create_task(range_.tried(manifest("command:sleep 600")))
        await asyncio.sleep(after)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        assert not range_.cloud.fleets

    on_range(main)


def test_tests_that_take_longer_than_the_fleet_may_live_have_failed():
    async def main(range_):
        tried = await range_.tried(manifest("command:sleep 600"), lifetime=60)
        assert [each.passed for each in tried.tests] == [True, False]
        assert "longer than 60 s" in tried.tests[1].detail
        assert not range_.cloud.fleets

    on_range(main)


def test_a_fleet_that_could_not_be_removed_is_said_with_its_name():
    class Stubborn(MemoryBackend):
        async def delete_fleet(self, fleet):
            raise Denied(f"no leave to delete {fleet}")

    async def main(range_):
        range_ = evolve(range_, backend=Stubborn(range_.cloud))
        with pytest.raises(Denied):
            await range_.tried()
        (name,) = range_.cloud.fleets
        assert f"immutable sweep memory://{name} removes it when its time is over" in range_.log[-1]

    on_range(main)


@pytest.mark.parametrize("known", [True, False], ids=["known", "journal lost"])
@pytest.mark.parametrize("after", [1.0, 22.0, 100.0])
def test_what_a_killed_process_has_left_is_told_by_its_name_and_removed(known, after, tmp_path):
    """The journal of who was killed is there, or not; its lease and its holds end by themselves."""

    async def main(range_):
        journal = await open_journal(tmp_path / "killed.db", clock=LoopClock())
        killed = evolve(range_, journal=journal)
        trying = asyncio.create_task(killed.tried(manifest("command:sleep 600")))
        await asyncio.sleep(after)
        # As if by SIGKILL: nothing that it does any more has an effect.
        alive = dict(vars(killed.backend))
        vars(killed.backend).clear()
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        vars(killed.backend).update(alive)
        (name,) = range_.cloud.fleets
        assert expiry(name) > LoopClock().now()
        await asyncio.sleep(expiry(name) - LoopClock().now() + 1)
        book = journal if known else range_.journal
        assert await remove_fleet(f"memory://{name}", range_.backend, book, LoopClock())
        assert not range_.cloud.fleets
        assert not await remove_fleet(f"memory://{name}", range_.backend, book, LoopClock())
        await journal.close()

    on_range(main)


@pytest.mark.parametrize(
    "name", ["web", "image-test", "image-test-0000000g-abcdef", "image-test-00000001-abcdefa"]
)
def test_no_other_fleet_is_taken_for_a_throw_away_one(name):
    assert expiry(name) is None
    assert expiry("image-test-0000000f-abcdef") == 15.0


# -- single tests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["", "boots", "boot:", "http", "http:", "http:x", "command:", "command: ",
             "command:'", "ftp://x"],
)  # fmt: skip
def test_a_word_that_names_no_test_is_refused(word):
    with pytest.raises(InvalidValue, match=r"test=.*(no test; write boot|not a command)"):
        trial(word)


@pytest.fixture
def server():
    """What answers 503 twice, then as its path says."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            code = 503 if len(asked) < 3 else int(self.path.strip("/"))
            self.send_response(code)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", asked
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "passes"), [("/200", True), ("/404", False)])
@pytest.mark.parametrize("whole", [True, False])
def test_an_address_is_asked_until_it_has_an_answer_that_counts(server, path, passes, whole):
    front, asked = server
    word = f"{front}{path}" if whole else f"http:{path}"
    stand = Stand("memory://x", "" if whole else front, "v2")
    passed, detail = asyncio.run(trial(word).run(stand))
    assert (passed, len(asked)) == (passes, 3)
    assert f"GET {front}{path}: {path[1:]}" in detail


def test_a_path_of_a_fleet_that_nobody_knows_the_front_of_is_no_answer():
    passed, detail = asyncio.run(trial("http:/health").run(Stand("memory://x", "", "v2")))
    assert not passed
    assert detail == "nobody knows where the fleet answers: write http://HOST/PATH"


def test_a_command_is_told_where_the_fleet_is_and_sees_nothing_else(monkeypatch):
    monkeypatch.setenv("CLOUD_TOKEN", "hidden")
    said: list[str] = []
    stand = Stand("local://t", "http://h:1", "sha256:1", {"GIVEN": "yes"}, said.append)
    passed, _ = asyncio.run(trial("command:env").run(stand))
    assert passed
    seen = dict(line.split("=", 1) for line in said if "=" in line)
    assert (seen["IMMUTABLE_TEST_URL"], seen["GIVEN"]) == ("http://h:1", "yes")
    assert seen["IMMUTABLE_TEST_FLEET"] == "local://t"
    assert seen["IMMUTABLE_TEST_ARTIFACT"] == "sha256:1"
    assert "CLOUD_TOKEN" not in seen
    assert seen["PATH"] == os.environ["PATH"]


def test_a_command_that_is_not_there_fails_the_test():
    passed, detail = asyncio.run(trial("command:/nowhere/x").run(Stand("a://b", "", "v2")))
    assert (passed, detail) == (False, "/nowhere/x can't be started: No such file or directory")
