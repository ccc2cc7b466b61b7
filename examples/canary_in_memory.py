"""A canary that is good and one that is not, on a cloud in memory and in virtual time.

python examples/canary_in_memory.py
"""

from immutable import Canary, Fleet, Image, Revision, RolledBack
from immutable.backend import Group
from immutable.memory import Behaviour, Cloud, MemoryBackend
from immutable.testing import LoopClock, run

CANARY = Canary(stages=("5%", "25%", "100%"), bake=120)


async def main() -> None:
    """Replace v1 by v2, which is no worse, and then by v3, of which 3 % of requests fail."""
    clock = LoopClock()
    cloud = Cloud(clock)
    cloud.behaviours["v3"] = Behaviour(errors=0.03)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), 10)
    cloud.fleet("web").clients.rate = 500.0
    async with Fleet.connect(
        "memory://web", backend=MemoryBackend(cloud), journal=":memory:", clock=clock
    ) as web:
        print(await web.plan("v2", CANARY))
        result = await web.replace("v2", CANARY)
        print(f"\nv2: {result.status.value} after {result.seconds:.0f} s")
        try:
            await web.replace("v3", CANARY)
        except RolledBack as end:
            print(f"v3: {end}")


if __name__ == "__main__":
    run(main())
