"""Replace a fleet in memory, look at the plan first, and see a bad image go back by itself.

Runs anywhere, in milliseconds: the cloud is simulated and time is virtual.
"""

from immutable import Fleet, Limits, RolledBack
from immutable.memory import Behaviour, Cloud, Laws, MemoryBackend, vm
from immutable.testing import LoopClock, run


async def main() -> None:
    """Make a fleet of 10, replace it twice, and go back once."""
    clock = LoopClock()
    cloud = Cloud(clock, laws=Laws(boot=vm(90)))
    cloud.behaviours["bad"] = Behaviour(ready=False)
    limits = Limits(max_surge=2, min_ready=30, boot_timeout=300)
    async with Fleet.create(
        "memory://web", "v1", 10, backend=MemoryBackend(cloud), journal=":memory:", clock=clock
    ) as web:
        plan = await web.plan("v2", limits=limits)
        print(plan, end="\n\n")
        print(f"v2: {(await web.apply(plan)).status}")
        try:
            await web.replace("bad", limits=limits)
        except RolledBack as end:
            print(f"bad: {end.result.status}, {end.result.reason}")
        state = await web.state()
        print(f"now: {state.ready} ready on {state.groups[0].revision}")


if __name__ == "__main__":
    run(main())
