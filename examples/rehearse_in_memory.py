"""See a rollout before it happens: how long, how safe, how dear, and what if.

python examples/rehearse_in_memory.py
"""

from immutable import BlueGreen, Canary, Fleet, Image, Revision, Rolling
from immutable.backend import Group
from immutable.memory import Cloud, MemoryBackend
from immutable.report.rehearsing import summary_rows
from immutable.simulation import BadImage, NoRoom, Rehearsal, compare
from immutable.testing import LoopClock, run

CANARY = Canary(stages=("5%", "25%", "100%"), bake=300)


def line(made: Rehearsal) -> str:
    """Return a rehearsal in a line."""
    minutes, most = made.length(0.5) / 60, made.length(0.95) / 60
    return f"{made.ends}, {minutes:.0f} minutes, {most:.0f} at most 19 times in 20"


async def main() -> None:
    """Rehearse a canary on a fleet of twenty, then ask what if, then compare strategies."""
    clock = LoopClock()
    cloud = Cloud(clock)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), 20)
    async with Fleet.connect(
        "memory://web", backend=MemoryBackend(cloud), journal=":memory:", clock=clock
    ) as web:
        made = await web.rehearse("v2", CANARY, trials=20, traffic=200.0)
        for name, answer in summary_rows(made):
            print(f"{name:<17} {answer}")

        for what_if in (BadImage(errors="3%"), NoRoom(after=60, lasts=600)):
            told = await web.rehearse("v2", CANARY, trials=10, traffic=200.0, faults=[what_if])
            print(f"\n{what_if}:\n  {line(told)}")
            print(f"  requests that the new image failed: {told.failed(0.5):.0f}")

        ways = [Rolling(), BlueGreen(), CANARY]
        rehearsals = [await web.rehearse("v2", each, trials=10, traffic=200.0) for each in ways]
        print()
        for row in compare(*rehearsals):
            name = row["strategy"].partition("(")[0]
            print(f"{name:<10} {row['p50']:6.0f} s  {row['extra_hours']:5.1f} extra instance-hours")


if __name__ == "__main__":
    run(main())
