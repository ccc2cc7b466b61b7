"""A function of the user's as metric source, alone and judging a canary."""

from __future__ import annotations

import asyncio

import pytest

from immutable import Canary, PlanRefused, RolledBack, Status
from immutable.errors import InvalidValue, MetricError
from immutable.gates import Analysis, Verdict
from immutable.metrics.call import CallSource
from immutable.model import Traffic
from immutable.model.records import Judged
from immutable.registry import metric_source
from immutable.testing import run
from tests.support.world import whole, world

HERE = "tests.support.counters"


def read(name):
    source = metric_source(f"call:{HERE}:{name}")

    async def main():
        try:
            return await source.read("web", (1, 2))
        finally:
            await source.close()

    return asyncio.run(main())


@pytest.mark.parametrize(("name", "requests"), [("counter", 7), ("counter.method", 8)])
def test_what_can_be_awaited_is_asked(name, requests):
    assert read(name).revisions == {1: {"a": Traffic(requests)}}


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "no module:name"),
        ("metrics", "no module:name"),
        (":read", "no module:name"),
        ("nowhere.metrics:read", "can't be imported: ModuleNotFoundError: No module named"),
        (f"{HERE}:nobody", "can't be imported: AttributeError"),
        (f"{HERE}:plain", "is no async function; write async def read"),
        (f"{HERE}:HERE.x", "can't be imported"),
        (f"{HERE}:Counter", "is no async function"),
        (f"{HERE}:__name__", "is no async function"),
    ],
)
def test_what_can_not_be_called_is_refused(address, says):
    with pytest.raises(InvalidValue) as refused:
        CallSource.from_address(address)
    assert says in str(refused.value)
    assert f"call:{address}" in str(refused.value)


def test_a_module_that_breaks_when_it_is_imported_is_refused(tmp_path, monkeypatch):
    (tmp_path / "breaking_metrics.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidValue, match="can't be imported: ZeroDivisionError: division"):
        CallSource.from_address("breaking_metrics:read")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "broken failed: LookupError: the warehouse is closed"),
        ("wordy", "wordy returned a str, not an immutable.backend.Reading"),
        ("foreign", "knows revisions '1', '2'; 1 and 2 were asked for"),
        ("upside_down", "returned 2 errors in 1 requests for revision 1, a"),
        ("ragged", "returned 2 latency counts for 2 bounds for revision 1, a"),
    ],
)
def test_what_a_function_does_wrong_is_said(name, says):
    with pytest.raises(MetricError) as failed:
        read(name)
    assert str(failed.value).startswith(f"{HERE}:")
    assert says in str(failed.value)


# -- judging a canary -----------------------------------------------------------------------------


def canary(name):
    return Canary(("10%", "100%"), bake=600, gates=(Analysis(source=f"call:{HERE}:{name}"),))


def test_a_canary_whose_errors_the_function_sees_is_rolled_back():
    async def main():
        async with world(10) as w:
            before = w.truth.groups[1].shown
            with pytest.raises(RolledBack, match="worse than stable: errors"):
                await w.fleet.replace("v2", canary("bad"))
            whole(w, Status.ROLLED_BACK, before, None, 10)
            assert w.truth.clients.counted == {}, "the backend itself has counted nothing"

    run(main())


def test_a_canary_that_the_function_finds_good_is_carried_on():
    async def main():
        async with world(10) as w:
            rollout = w.fleet.replace("v2", Canary(("10%",), bake=300, gates=canary("good").gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(250)
            events = await w.journal.events(rollout.id)
            judged = [each.record for each in events if isinstance(each.record, Judged)]
            assert judged[-1].verdict is Verdict.PASS
            await rollout.abort()
            assert (await task).status is Status.ROLLED_BACK

    run(main())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "LookupError: the warehouse is closed"),
        ("wordy", "returned a str"),
        ("silent", "no requests"),
    ],
)
def test_a_function_that_knows_nothing_never_passes_and_somebody_is_asked(name, says):
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", canary(name))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(2_000)
            status = await rollout.status()
            assert (status.status, task.done()) == (Status.PAUSED, False)
            assert says in status.reason
            await rollout.abort()
            assert (await task).status is Status.ROLLED_BACK

    run(main())


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("call:nowhere:read", "No module named 'nowhere'"),
        ("call:read", "no module:name"),
        ("prometheus:https://prom", "requests and errors must say"),
        ("prometheus:https://me:s3cr3t@prom?requests=a&errors=b", "credentials in an address"),
    ],
)
def test_a_plan_with_a_source_that_can_not_work_is_refused(source, says):
    async def main():
        async with world(2) as w:
            gates = (Analysis(source=source),)
            with pytest.raises(PlanRefused) as refused:
                await w.fleet.plan("v2", Canary(("50%",), gates=gates))
            (problem,) = refused.value.problems
            assert says in problem.what
            assert "s3cr3t" not in str(refused.value)

    run(main())
