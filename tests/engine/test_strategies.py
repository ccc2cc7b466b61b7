"""Blue/green and canary on a watched cloud: sizes, traffic, gates, ways back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from immutable import BlueGreen, Canary, Limits, PlanRefused, RolledBack, Status
from immutable.backend import Capabilities, InstanceState, Throttled
from immutable.gates import Analysis, Approval, Check, Health, Reaction, Reactions, Verdict
from immutable.memory import Behaviour, Fault, fixed
from immutable.model import Bake, Commit, Reroute, Route, Shift
from immutable.model.records import Committed, Intended, Judged, Paused, Turned
from immutable.testing import run
from tests.support.world import NAME, whole, world

READY, UNREADY = InstanceState.READY, InstanceState.UNREADY
ABLE = Capabilities(weighted_traffic=True, traffic_stats=True)
HEALTHY = (Health(),)


@asynccontextmanager
async def asked(size, rate=500.0, **facts):
    """A fleet that simulated clients ask."""
    async with world(size, **facts) as w:
        w.truth.clients.rate, w.truth.clients.at = rate, w.cloud.at
        yield w


async def records(w, rollout, kind):
    events = await w.journal.events(rollout.id)
    return [event.record for event in events if isinstance(event.record, kind)]


def routes(intended):
    return [dict(each.action.weights) for each in intended if isinstance(each.action, Reroute)]


def served(w, revision):
    w.cloud.advance()
    w.cloud.ask(w.truth)
    series = w.truth.clients.counted.get(revision, {})
    return sum(each.requests for each in series.values())


# -- what strategies compile to -------------------------------------------------------------------


def test_blue_green_grows_beside_stable_switches_once_and_keeps_stable():
    steps = BlueGreen(keep_stable=60, bake=30).steps(None, ABLE)
    assert steps == (
        Shift(100, 100, probe=True),
        Bake(0, HEALTHY),
        Route(100),
        Bake(30, HEALTHY),
        Commit(60),
    )


def test_blue_green_is_refused_where_traffic_cannot_be_switched_at_once():
    with pytest.raises(PlanRefused, match="can't switch all traffic at once"):
        BlueGreen().steps(None, Capabilities())


def test_a_weighted_canary_keeps_stable_whole_and_routes_each_share():
    steps = Canary(("10%", "100%"), bake=5, gates=HEALTHY).steps(None, ABLE)
    assert [step for step in steps if isinstance(step, Route)] == [Route(10), Route(100)]
    assert {step.stable for step in steps if isinstance(step, Shift)} == {100}


def test_a_canary_without_weights_takes_its_share_of_instances():
    steps = Canary(("10%",), bake=5).steps(None, Capabilities())
    assert steps == (
        Shift(10, 90, probe=True),
        Bake(5, HEALTHY),
        Shift(100, 0),
        Bake(5, HEALTHY),
        Commit(),
    )


@pytest.mark.parametrize("stages", [(), ("0%",), ("50%", "25%"), ("5%", "5%")])
def test_stages_that_do_not_rise_are_refused(stages):
    with pytest.raises(ValueError, match="shares rise"):
        Canary(stages)


def test_a_share_finer_than_the_weights_of_the_backend_is_refused():
    with pytest.raises(PlanRefused, match="weights go by 1 %"):
        Canary(("2.5%",)).steps(None, ABLE)
    assert Canary(("0.3%",)).steps(None, Capabilities(weighted_traffic=True, weight_step=0.1))


SWITCHES = Capabilities(weighted_traffic=True, weight_step=100.0)


def test_where_traffic_can_only_be_switched_a_canary_is_a_share_of_instances():
    assert Canary().steps(None, SWITCHES) == Canary().steps(None, Capabilities())
    assert BlueGreen().steps(None, SWITCHES) == BlueGreen().steps(None, ABLE)
    with pytest.raises(PlanRefused, match="keep_stable"):
        Canary(keep_stable=60).steps(None, SWITCHES)


def test_keeping_stable_needs_weights():
    with pytest.raises(PlanRefused, match="keep_stable"):
        Canary(keep_stable=60).steps(None, Capabilities())


def test_the_default_gates_say_health_only_where_nothing_is_counted():
    assert Canary().steps(None, ABLE)[2].gates == (Health(), Analysis())
    assert Canary().steps(None, Capabilities())[1].gates == (Health(),)


def test_a_surge_that_is_too_small_for_two_fleets_is_refused_when_planned():
    async def main():
        async with world(4) as w:
            with pytest.raises(PlanRefused, match="brings 4 servers above 4, max_surge allows 1"):
                await w.fleet.plan("v2", BlueGreen(), limits=Limits(max_surge=1))
            assert (await w.fleet.plan("v2", BlueGreen())).bounds.ceiling == 8

    run(main())


# -- blue/green -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 5])
def test_blue_green_switches_all_traffic_at_once_and_ends_whole(size):
    async def main():
        async with asked(size) as w:
            before = w.truth.groups[1].shown
            rollout = w.fleet.replace("v2", BlueGreen(bake=60))
            result = await rollout
            plan = (await w.journal.entries())[0].plan
            whole(w, result.status, before, plan, size)
            assert routes(await records(w, rollout, Intended)) == [{1: 0.0, 2: 100.0}]
            assert w.truth.groups[2].shown.weight is None
            assert w.truth.highest_total <= 2 * size

    run(main())


def test_the_candidate_gets_no_request_before_the_switch_and_stable_none_after_it():
    async def main():
        async with asked(4) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=600))
            task = asyncio.ensure_future(rollout.end())
            while w.truth.groups.get(2) is None or w.truth.groups[2].shown.weight != 100:
                assert served(w, 2) == 0
                await asyncio.sleep(1)
            before = served(w, 1)
            await asyncio.sleep(100)
            assert served(w, 1) == before
            assert served(w, 2) > 10_000
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_stable_is_kept_without_traffic_and_then_removed():
    async def main():
        async with asked(3) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=0, keep_stable=1_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(500)
            assert w.sizes() == {1: 3, 2: 3}
            assert (await rollout.status()).status is Status.BAKING
            assert w.truth.groups[2].shown.hold is None
            assert (await task).status is Status.SUCCEEDED
            assert w.sizes() == {2: 3}
            assert w.clock.now() - 1.8e9 > 1_000

    run(main())


def test_rollback_while_stable_is_kept_is_one_switch():
    async def main():
        async with asked(3) as w:
            first = w.fleet.replace("v2", BlueGreen(bake=0, keep_stable=10_000))
            task = asyncio.ensure_future(first.end())
            await asyncio.sleep(300)
            began = w.clock.now()
            back = w.fleet.rollback()
            switched = asyncio.ensure_future(back.end())
            while w.truth.groups[1].shown.weight != 100:
                await asyncio.sleep(0.1)
            assert w.clock.now() - began < 10
            assert (await switched).status is Status.SUCCEEDED
            result = await task
            assert result.status is Status.SUCCEEDED
            assert result.left == ("r1 of size 3 is kept, without traffic",)
            assert w.sizes() == {1: 3}
            assert w.truth.groups[1].shown.hold is None

    run(main())


def test_promote_ends_the_time_for_which_stable_is_kept():
    async def main():
        async with asked(2) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=0, keep_stable=100_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(300)
            await rollout.promote()
            assert (await task).status is Status.SUCCEEDED
            assert w.clock.now() - 1.8e9 < 1_000

    run(main())


def test_a_preview_that_fails_goes_back_before_any_request():
    async def main():
        async with asked(3) as w:
            w.cloud.behaviours["v2"] = Behaviour(boot=fixed(10))
            before = w.truth.groups[1].shown
            strategy = BlueGreen(preview=(Check("tests.support.checks:never"),))
            rollout = w.fleet.replace("v2", strategy)
            with pytest.raises(RolledBack, match="checks:never says fail"):
                await rollout
            whole(w, Status.ROLLED_BACK, before, None, 3)
            assert served(w, 2) == 0
            assert routes(await records(w, rollout, Intended)) == []

    run(main())


# -- canary ---------------------------------------------------------------------------------------


def test_a_canary_walks_through_its_shares_and_ends_whole():
    async def main():
        async with asked(8) as w:
            before = w.truth.groups[1].shown
            rollout = w.fleet.replace("v2", Canary(("10%", "50%", "100%"), bake=120))
            result = await rollout
            plan = (await w.journal.entries())[0].plan
            whole(w, result.status, before, plan, 8)
            shares = [table[2] for table in routes(await records(w, rollout, Intended))]
            assert shares == [10, 50, 100]

    run(main())


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_canary_by_instances_holds_its_share_and_ends_whole(size):
    async def main():
        async with world(size) as w:
            w.backend.capabilities = Capabilities(create_fleet=True, boot=20)
            before = w.truth.groups[1].shown
            w.backend.begin(Limits(max_surge=1), size)
            rollout = w.fleet.replace("v2", Canary(("10%",), bake=300), limits=Limits(max_surge=1))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            assert (await rollout.status()).status is Status.BAKING
            assert w.sizes() == {1: size - 1, 2: 1}
            result = await task
            plan = (await w.journal.entries())[0].plan
            assert plan.notes[-1].startswith("health only")
            whole(w, result.status, before, plan, size)
            assert not w.backend.breaches

    run(main())


def test_a_candidate_with_errors_is_rolled_back_and_few_requests_saw_it():
    async def main():
        async with asked(10) as w:
            w.cloud.behaviours["v2"] = Behaviour(errors=0.03)
            before = w.truth.groups[1].shown
            rollout = w.fleet.replace("v2", Canary(("5%", "100%"), bake=600))
            with pytest.raises(RolledBack, match="worse than stable: errors"):
                await rollout
            whole(w, Status.ROLLED_BACK, before, None, 10)
            assert served(w, 2) <= 0.06 * (served(w, 1) + served(w, 2))
            (table, back) = routes(await records(w, rollout, Intended))
            assert (table[2], back[2]) == (5, 0)

    run(main())


def test_traffic_leaves_the_candidate_before_its_instances_do():
    async def main():
        async with asked(4) as w:
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=1_000, gates=HEALTHY))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(300)
            assert w.truth.groups[2].shown.weight == 50
            began = w.clock.now()
            await rollout.abort(reason="enough")
            await asyncio.sleep(0.5)
            assert w.truth.groups[1].shown.weight == 100
            assert (await task).reason == f"abort by {w.fleet.actor}: enough"
            order = [type(each.action).__name__ for each in await records(w, rollout, Intended)]
            assert order[-4:-2] == ["Reroute", "Retire"]
            assert w.clock.now() - began < 60

    run(main())


def test_without_traffic_an_analysis_never_passes_and_asks_somebody():
    async def main():
        async with asked(3, rate=0.0) as w:
            rollout = w.fleet.replace("v2", Canary(("10%",), bake=120))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(1_000)
            status = await rollout.status()
            assert status.status is Status.PAUSED
            assert "no requests" in status.reason
            await rollout.promote(reason="I have looked")
            await asyncio.sleep(300)
            assert w.truth.groups[2].shown.weight == 100
            await rollout.promote()
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_a_latency_that_falls_behind_is_a_failure():
    async def main():
        async with asked(6) as w:
            w.cloud.behaviours["v2"] = Behaviour(latency=fixed(0.5))
            rollout = w.fleet.replace("v2", Canary(("10%",), bake=600))
            with pytest.raises(RolledBack, match="latency"):
                await rollout

    run(main())


# -- what peers got wrong -------------------------------------------------------------------------


def test_a_broken_stable_does_not_veto_a_good_candidate():
    async def main():
        async with asked(4) as w:
            for name in w.members()[:2]:
                w.cloud.set_state(w.truth, name, UNREADY)
            result = await w.fleet.replace("v2", Canary(("25%",), bake=60, gates=HEALTHY))
            assert result.status is Status.SUCCEEDED

    run(main())


def test_health_is_not_latched_a_fall_after_a_pass_counts():
    async def main():
        async with asked(4) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=1_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(300)
            assert (await records(w, rollout, Judged))[-1].verdict is Verdict.PASS
            for name in w.members(READY, 2)[:3]:
                w.cloud.set_state(w.truth, name, UNREADY)
            result = await task
            assert result.status is Status.ROLLED_BACK
            assert "1 of 4 READY" in result.reason

    run(main())


def test_a_failure_during_an_approval_wait_goes_back():
    async def main():
        async with asked(4) as w:
            gates = (Health(), Approval("the team"))
            rollout = w.fleet.replace("v2", Canary(("25%",), bake=30, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(5_000)
            assert not task.done()
            for name in w.members(READY, 2):
                w.cloud.set_state(w.truth, name, UNREADY)
            assert (await task).status is Status.ROLLED_BACK

    run(main())


def test_a_failure_while_paused_goes_back():
    async def main():
        async with asked(4) as w:
            rollout = w.fleet.replace("v2", Canary(("25%",), bake=30, gates=HEALTHY))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(60)
            await rollout.pause()
            await asyncio.sleep(5_000)
            assert not task.done()
            for name in w.members(READY, 2):
                w.cloud.set_state(w.truth, name, UNREADY)
            assert (await task).status is Status.ROLLED_BACK

    run(main())


def test_promote_does_not_pass_a_gate_that_fails():
    async def main():
        async with asked(4) as w:
            gates = (Check("tests.support.checks:never", reactions=Reactions(Reaction.FREEZE)),)
            rollout = w.fleet.replace("v2", Canary(("25%",), bake=30, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(100)
            await rollout.promote()
            await asyncio.sleep(10_000)
            assert w.truth.groups[2].shown.weight in (0, 25)
            await rollout.abort()
            assert (await task).status is Status.ROLLED_BACK

    run(main())


# -- gates and their reactions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "reactions", "end"),
    [
        ("always", Reactions(), Status.SUCCEEDED),
        ("never", Reactions(), Status.ROLLED_BACK),
        ("never", Reactions(fail=Reaction.CONTINUE), Status.SUCCEEDED),
        ("never", Reactions(fail=Reaction.PAUSE), Status.PAUSED),
        ("broken", Reactions(), Status.PAUSED),
        ("broken", Reactions(error=Reaction.ROLLBACK), Status.ROLLED_BACK),
        ("broken", Reactions(error=Reaction.CONTINUE), Status.SUCCEEDED),
        ("unsure", Reactions(), Status.PAUSED),
        ("unsure", Reactions(inconclusive=Reaction.ROLLBACK), Status.ROLLED_BACK),
        ("unsure", Reactions(inconclusive=Reaction.FREEZE), Status.BAKING),
        ("hangs", Reactions(), Status.PAUSED),
        ("missing", Reactions(), Status.PAUSED),
    ],
)
def test_each_verdict_has_its_reaction(function, reactions, end):
    async def main():
        async with world(2) as w:
            gates = (Check(f"tests.support.checks:{function}", reactions=reactions),)
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=120, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.wait({task}, timeout=3_000)
            assert (await rollout.status()).status is end

    run(main())


def test_one_error_of_a_gate_is_no_verdict():
    async def main():
        async with asked(4) as w:
            w.cloud.faults.add(Fault("traffic", times=2))
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=120))
            assert (await rollout).status is Status.SUCCEEDED
            assert await records(w, rollout, Paused) == []
            assert await records(w, rollout, Turned) == []

    run(main())


def test_a_certified_candidate_may_go_on_early():
    async def main():
        async with asked(4, rate=20_000.0) as w:
            w.cloud.behaviours["v1"] = w.cloud.behaviours["v2"] = Behaviour(errors=0.01)
            gates = (Analysis(early=True, strict=True),)
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=100_000, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.wait({task}, timeout=20_000)
            assert task.result().status is Status.SUCCEEDED

    run(main())


def test_evidence_is_carried_on_by_another_controller():
    async def main():
        async with asked(4) as w:
            rollout = w.fleet.replace("v2", Canary(("10%",), bake=300))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            await rollout.stop()
            assert task.done()
            first = (await records(w, rollout, Judged))[-1]
            async with w.other_process() as other:
                assert (await other.recover()).status is Status.SUCCEEDED
            judged = [each for each in await records(w, rollout, Judged) if each.gate == 1]
            at = judged.index(first)
            assert requests(judged[at + 1].detail) > requests(first.detail) > 0

    run(main())


def requests(detail):
    """How many requests a verdict says the canary had."""
    return int(detail.split(" of ")[1].split()[0].replace(",", ""))


def test_a_fleet_that_shrinks_to_nobody_in_a_bake_is_no_pass():
    async def main():
        async with asked(3) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=1_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(300)
            w.cloud.behaviours["v2"] = Behaviour(ready=False)
            for name in w.members(READY, 2):
                w.cloud.kill(NAME, name)
            assert (await task).status is Status.ROLLED_BACK

    run(main())


def test_who_takes_over_after_the_time_of_a_bake_gives_the_gates_their_looks_first():
    async def main():
        async with world(2) as w:
            gates = (Health(), Check("tests.support.checks:always"))
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=300, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(100)
            await rollout.stop()
            assert task.done()
            await asyncio.sleep(2_000)
            assert (await w.fleet.recover()).status is Status.SUCCEEDED
            assert await records(w, rollout, Paused) == []

    run(main())


@pytest.mark.parametrize(
    "strategy",
    [
        BlueGreen(bake=0, preview=(Health(dwell=6),), gates=(Health(dwell=6),)),
        BlueGreen(bake=1, preview=(Check("tests.support.checks:slow"),)),
    ],
)
def test_a_bake_lasts_until_its_gates_have_had_their_looks(strategy):
    async def main():
        async with world(1) as w:
            limits = Limits("100%", min_ready=0, boot_timeout=60, drain_timeout=30)
            rollout = w.fleet.replace("v2", strategy, limits=limits)
            assert (await rollout).status is Status.SUCCEEDED
            assert await records(w, rollout, Paused) == []

    run(main())


def test_a_check_that_is_under_way_when_somebody_resumes_is_asked_again():
    async def main():
        async with world(2) as w:
            gates = (Check("tests.support.checks:slow", interval=10, timeout=30),)
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=60, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            while w.truth.groups.get(2) is None or w.truth.groups[2].shown.weight != 50:
                await asyncio.sleep(1)
            await rollout.pause()
            await asyncio.sleep(200)
            for _ in range(10):  # One of these falls into the eight seconds that it takes.
                await rollout.resume()
                await asyncio.sleep(1)
                await rollout.pause()
                await asyncio.sleep(0.3)
            await rollout.resume()
            await asyncio.wait({task}, timeout=5_000)
            assert task.result().status is Status.SUCCEEDED

    run(main())


def test_a_check_that_takes_longer_than_its_interval_makes_nobody_look_oftener():
    async def main():
        async with world(2) as w:
            gates = (Check("tests.support.checks:hangs", interval=1, timeout=50),)
            rollout = w.fleet.replace("v2", Canary(("50%",), bake=300, gates=gates))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(100)
            before = w.cloud.calls["observe"]
            await asyncio.sleep(100)
            assert w.cloud.calls["observe"] - before < 150
            await rollout.abort()
            assert (await task).status is Status.ROLLED_BACK

    run(main())


def test_what_an_analysis_said_before_the_switch_is_no_answer_about_what_came_after():
    async def main():
        async with asked(4) as w, asyncio.timeout(1000):
            # While the switch waits, an analysis sees a candidate that nobody asks.
            w.cloud.faults.add(Fault("route", lambda: Throttled("busy", retry_after=40)))
            result = await w.fleet.replace("v2", Canary(("25%",), bake=30))
            assert result.status is Status.SUCCEEDED

    run(main())


def test_a_bake_lasts_from_when_its_traffic_was_there_though_the_switch_took_long():
    async def main():
        async with asked(4) as w:
            w.cloud.faults.add(Fault("route", lambda: Throttled("busy", retry_after=40)))
            rollout = w.fleet.replace("v2", BlueGreen(bake=30))
            await rollout
            events = await w.journal.events(rollout.id)
            switched = next(
                event.at
                for event in events
                if isinstance(event.record, Intended) and isinstance(event.record.action, Reroute)
            )
            committed = next(e.record.at for e in events if isinstance(e.record, Committed))
            assert committed - switched >= 40 + 30

    run(main())
