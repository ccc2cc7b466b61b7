"""A fleet on AWS, beside a barrier roller: how long it takes, and how many calls.

Both replace the same Auto Scaling group on the same emulated AWS (``backends/aws/tests/emulator``):
boots of 20 s, no load balancer, ends at once, `LATENCY` for each call. The roller
(``benchmarks/roller.py``) is palantir/bouncer's loop written anew; before anything is compared it
has to come out where the tool itself did, within 15 %. Ours is `Fleet.replace` through the backend
as it is shipped. A row is one requirement: what is required, what was measured, whether it holds;
rows that require nothing are there to be read. Exits with 1 if one doesn't hold.

``bound`` is the least that a surge of S allows, N boots of 20 s, S at a time. ``whole`` is from the
call to its return; ``makespan`` from the first launch to the last end of a server. Every call that
is made in ``whole`` counts as one of the rollout, but for those of its plan: permissions, quotas,
images and room, which the roller doesn't look for. There are rows with them, too.

The roller takes each answer of AWS as true. Ours, as it is shipped, takes it as up to 20 s old, and
waits that long at the beginning and at the end for what nobody could be sure of before. So the
whole call is compared with both taking answers as true (``staleness 0``); as it is shipped, it is a
row that requires nothing.

Waits are skipped, by both sides at once, and nothing takes time but boots, waits and calls: the
figures are the same on every machine (``benchmarks/skipping.py``). ``--real`` waits in earnest.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from attrs import evolve, frozen

from backends.aws.tests.emulator import Emulator, Stage
from benchmarks.common import Benchmark, Row, options, say
from benchmarks.roller import Roller
from benchmarks.skipping import Time
from immutable import Fleet, Limits, Rolling, Status
from immutable_aws import AwsBackend
from immutable_aws.address import Place
from immutable_aws.backend import CAPABILITIES

__all__ = ["Case", "Measured", "ours", "rows", "theirs"]

BOOT = 20.0
LATENCY = 0.02
"""Seconds that each call takes: between the 9 and the 24 ms that calls took when the tool was
recorded, with 20 and with 100 servers."""


@frozen
class Case:
    """One size, and what is required there.

    Attributes:
        n: How many servers.
        batch: How many at a time: the roller's batch, our surge.
        recorded: The tool's time divided by the bound, and its calls for each server.
        faster: How many times faster ours has to be.
        fewer: By which factor ours has to make fewer calls.
        calls: How many calls ours may make for each server.
        boot: Seconds from launch to running.
    """

    n: int
    batch: int
    recorded: tuple[float, float] = (0.0, 0.0)
    faster: float = 0.0
    fewer: float = 0.0
    calls: float = 0.0
    boot: float = BOOT

    @property
    def bound(self) -> float:
        """The least possible makespan, in seconds."""
        return self.n * self.boot / self.batch


CASES = (
    Case(20, 5, recorded=(2.71, 38.25), faster=2.2, fewer=10, calls=4),
    Case(100, 10, recorded=(3.27, 73.49), faster=2.7, fewer=40, calls=2),
)


@frozen
class Measured:
    """One run.

    Attributes:
        whole: Seconds from the call to its return.
        makespan: Seconds from the first launch to the last end of a server.
        calls: Calls of AWS, by name.
        images: How many servers run which image at the end.
        planned: How many of the calls were made for the plan.
    """

    whole: float
    makespan: float
    calls: Counter[str]
    images: Counter[str]
    planned: int = 0

    @property
    def driven(self) -> int:
        """How many calls the rollout made."""
        return self.calls.total() - self.planned


@frozen
class _Scene:
    """What there is before a run."""

    emulator: Emulator
    stage: Stage
    template: dict[str, str]
    images: tuple[str, str]
    time: Time


@contextmanager
def _scene(case: Case, *, real: bool) -> Iterator[_Scene]:
    """Set up an AWS with the group ``web``, all in one zone, as where the tool was recorded.

    There nothing rebalances zones; in several, ends that leave them uneven make AWS launch and end
    further ones, which a roller waits for.
    """
    emulator = Emulator()
    before = {name: os.environ.get(name) for name in emulator.environment()}
    os.environ.update(emulator.environment())
    try:
        emulator.quota(code="L-1216C47A", value=10_000)
        emulator.laws(boot=case.boot, answers=0, shutdown=0, patrol=1)
        stage = Stage(emulator, None)
        images = stage.image("web-1"), stage.image("web-2")
        template = stage.template("web-theirs", images[0])
        zone, most = stage.subnets[0], case.n + case.batch
        stage.group("web", case.n, template, MaxSize=most, VPCZoneIdentifier=zone)
        emulator.skip(seconds=3 * case.boot)
        if real:
            emulator.laws(latency=LATENCY)
        time = Time(emulator, real=real)
        stage.asg.describe_auto_scaling_groups()
        # Launch times are told in whole seconds: each run begins at one.
        emulator.skip(seconds=-emulator.calls(log=True)[-1]["at"] % 1)
        yield _Scene(emulator, stage, template, images, time)
        emulator.assert_understood()
    finally:
        emulator.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _measured(scene: _Scene, whole: float) -> Measured:
    log = scene.emulator.calls(log=True)
    launches = [each["at"] for each in log if each["call"] == "autoscaling:SetDesiredCapacity"]
    ends = [each["at"] for each in log if "TerminateInstanceInAuto" in each["call"]]
    images = Counter(
        each["image"] for each in scene.emulator.members() if each["lifecycle"] == "InService"
    )
    calls = Counter(each["call"] for each in log)
    return Measured(whole, ends[-1] - launches[0], calls, images)


def theirs(case: Case, *, real: bool = False) -> Measured:
    """Measure the roller, whose group has been given a new version of its launch template."""
    with _scene(case, real=real) as scene:
        stage, name, time = scene.stage, scene.template["LaunchTemplateId"], scene.time
        stage.ec2.create_launch_template_version(
            LaunchTemplateId=name,
            SourceVersion="1",
            LaunchTemplateData={"ImageId": scene.images[1]},
        )
        stage.asg.update_auto_scaling_group(
            AutoScalingGroupName="web", LaunchTemplate={"LaunchTemplateId": name, "Version": "2"}
        )
        scene.emulator.clear_calls()
        if not real:
            for client in (stage.asg, stage.ec2):
                client.meta.events.register("before-send", lambda **_: time.sleep(LATENCY))
        began = time.now()
        Roller((stage.asg, stage.ec2), "web", case.n, case.batch, time.sleep).run()
        whole = time.now() - began
        return _measured(scene, whole)


def ours(case: Case, *, probe: bool = False, real: bool = False, **able: Any) -> Measured:
    """Measure a plan and its rollout on the group, which has been adopted before.

    Args:
        case: How large it is.
        probe: Whether the first server alone has to prove the image.
        real: Whether to wait in earnest.
        able: What the backend is told of its account, where that differs from what is usual.
    """
    with _scene(case, real=real) as scene:
        whole, planned = scene.time.run(_replaced(scene, case, Rolling(probe=probe), able))
        return evolve(_measured(scene, whole), planned=planned)


async def _replaced(
    scene: _Scene, case: Case, strategy: Rolling, able: Mapping[str, Any]
) -> tuple[float, int]:
    """Adopt the group and replace it; return how long the latter took, and its plan's calls."""
    limits, time = Limits(max_surge=case.batch, min_ready=0, drain_timeout=0), scene.time
    async with _connected(scene, able) as web:
        planned = await _planned(scene, limits, strategy, able)
        scene.emulator.clear_calls()
        began = time.now()
        end = await web.replace(scene.images[1], strategy, limits=limits)
        assert end.status is Status.SUCCEEDED
        return time.now() - began, planned


async def _planned(
    scene: _Scene, limits: Limits, strategy: Rolling, able: Mapping[str, Any]
) -> int:
    """Return how many calls a plan takes somebody who knows nothing of the fleet yet."""
    async with _connected(scene, able) as web:
        scene.emulator.clear_calls()
        await web.plan(scene.images[1], strategy, limits=limits)
        return len(scene.emulator.calls(log=True))


@asynccontextmanager
async def _connected(scene: _Scene, able: Mapping[str, Any]) -> AsyncIterator[Fleet]:
    """Connect to the group through a backend of its own; adopt it, if it isn't yet."""
    time, capabilities = scene.time, evolve(CAPABILITIES, **able)
    backend = AwsBackend(Place("eu-west-1"), clock=time, fleet="web", capabilities=capabilities)
    if not time.real:
        _slow_down(backend)
    await backend.open()
    try:
        async with Fleet.adopt(
            "aws://eu-west-1/web", backend=backend, journal=":memory:", clock=time
        ) as web:
            yield web
    finally:
        await backend.close()


def _slow_down(backend: AwsBackend) -> None:
    """Let each request take its time; those that are made together take it together."""
    calls: Any = backend.calls
    ask = calls.ask

    async def slow(*words: Any, **named: Any) -> Any:
        await asyncio.sleep(LATENCY)
        return await ask(*words, **named)

    calls.ask = slow


def rows(case: Case, they: Measured, we: Measured, fresh: Measured) -> Iterator[Row]:
    """Yield a row for each requirement of a case.

    Args:
        case: The case.
        they: The roller.
        we: Ours, as it is shipped.
        fresh: Ours, when it takes each answer as true, as the roller does.
    """
    time, calls = case.recorded
    measured, made = they.whole / case.bound, they.calls.total()
    yield _row(case, "roller: whole / bound", (0.85 * time, 1.15 * time), measured)
    yield _row(case, "roller: calls / server", (0.85 * calls, 1.15 * calls), made / case.n)
    yield _row(case, "times faster, makespan", (case.faster, None), they.makespan / we.makespan)
    yield _row(
        case, "staleness 0: times faster, whole", (case.faster, None), they.whole / fresh.whole
    )
    yield _row(case, "times fewer calls", (case.fewer, None), made / we.driven)
    yield _row(case, "ours: makespan / bound", (None, 1.15), we.makespan / case.bound)
    yield _row(case, "ours: calls / server", (None, case.calls), we.driven / case.n)


def further(case: Case, they: Measured, we: Measured, real: bool) -> Iterator[Row]:
    """Yield rows that require nothing: with the certainty, with the plan's calls, with a probe."""
    yield _row(case, "as shipped: times faster, whole", (None, None), they.whole / we.whole)
    with_plan = they.calls.total() / we.calls.total()
    yield _row(case, "with the plan: times fewer calls", (None, None), with_plan)
    yield _row(case, "with the plan: calls / server", (None, None), we.calls.total() / case.n)
    yield _row(case, "roller: whole, s", (None, None), they.whole)
    yield _row(case, "ours: whole, s", (None, None), we.whole)
    probed = ours(case, probe=True, real=real)
    yield _row(case, "with a probe: makespan / bound", (None, None), probed.makespan / case.bound)
    yield _row(case, "with a probe: times faster, whole", (None, None), they.whole / probed.whole)


def _row(
    case: Case, what: str, required: tuple[float | None, float | None], measured: float
) -> Row:
    low, high = required
    least = "" if low is None else f">= {low:.4g}"
    most = "" if high is None else f"<= {high:.4g}"
    holds = (low is None or measured >= low) and (high is None or measured <= high)
    return {
        "n": case.n,
        "batch": case.batch,
        "what": what,
        "required": f"{least} {most}".strip(),
        "measured": round(measured, 3),
        "holds": holds,
    }


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"n={row['n']}, {row['what']}: {row['measured']}, required {row['required']}"
        for row in listed
        if not row["holds"]
    ]


def compared(case: Case, *, real: bool = False) -> Iterator[Row]:
    """Yield all rows of a case."""
    say(f"n={case.n} batch={case.batch}: the roller")
    they = theirs(case, real=real)
    say(f"n={case.n} batch={case.batch}: ours")
    we = ours(case, real=real)
    fresh = ours(case, real=real, staleness=0.0)
    yield from rows(case, they, we, fresh)
    yield from further(case, they, we, real)


def all_rows(*, quick: bool, real: bool = False) -> Iterator[Row]:
    """Yield the rows of all cases."""
    for case in CASES[:1] if quick else CASES:
        yield from compared(case, real=real)


BENCHMARK = Benchmark(
    "Beside a barrier roller, on AWS",
    f"""\
The same Auto Scaling group on the same emulated AWS: boots of {BOOT:g} s, {1000 * LATENCY:g} ms for
each call. The roller looks at all, does a batch and sleeps, as a tool in use does, and has to come
out within 15 % of where the tool did when it was recorded. *Whole* is from the call to its return,
the *makespan* from the first launch to the last end of a server.""",
    {
        "n": "servers",
        "batch": "at a time",
        "what": "what",
        "required": "required",
        "measured": "measured",
    },
    all_rows,
    broken,
)


def main() -> None:
    """Print the table."""
    parser = options()
    parser.add_argument("--real", action="store_true", help="wait in earnest: half an hour")
    chosen = parser.parse_args()
    BENCHMARK.finish(all_rows(quick=chosen.quick, real=chosen.real), as_json=chosen.json)


if __name__ == "__main__":
    main()
