"""Where a cloud's buckets of launches and terminations are what a rollout waits for.

The real engine on a simulated cloud with the buckets that three clouds give by default, against
the least time that they leave: the tokens beyond those of the beginning, less the fifth of the
launches that the engine keeps for ways back, have to flow in, then the last instance boots, and
the last old one goes. No call may be one too many.

Sources of the buckets: EC2, "Request throttling for the Amazon EC2 API" (RunInstances: 1,000
instances, 2 a second; that of TerminateInstances is an assumption); Azure, "Compute throttling
limits" (create and delete: 1,500, 500 a minute); Compute Engine, "API rate quotas" (1,500 a minute,
one instance a call).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from benchmarks.bounds import DRAIN, MIN_READY, TERMINATE
from benchmarks.common import Benchmark, Row, say
from benchmarks.replacing import Case, Measured, measured
from immutable.backend import Rate
from immutable.planning.sharing import reserved

__all__ = ["BENCHMARK", "CLOUDS", "Buckets", "bound", "broken", "row", "rows"]


@frozen
class Buckets:
    """What a cloud bears.

    Attributes:
        launches: Instances that it launches.
        terminations: Instances that it terminates.
        most: How much longer than the bound a rollout may take.
    """

    launches: Rate
    terminations: Rate
    most: float


CLOUDS = {
    "ec2": Buckets(Rate(1000, 2), Rate(1000, 20), 1.03),
    "azure": Buckets(Rate(1500, 500 / 60), Rate(1500, 500 / 60), 1.03),
    "gce": Buckets(Rate(1500, 25), Rate(1500, 25), 1.10),
    # A hundredth of EC2's, for a hundredth of the instances: what a quick run can show.
    "small": Buckets(Rate(10, 0.02), Rate(10, 0.2), 1.03),
}


# EC2, 10,000 instances: (10,000 - 800) / 2 = 4,600 s, and the last one boots and replaces.
def bound(boots: tuple[float, ...], cloud: Buckets) -> float:
    """Return the least makespan that the buckets leave."""
    n, start, stop = len(boots), min(boots) + MIN_READY, DRAIN + TERMINATE
    first = cloud.launches.burst - reserved(cloud.launches)
    launching = max(0.0, n - first) / cloud.launches.per_second
    ending = max(0.0, n - cloud.terminations.burst) / cloud.terminations.per_second
    return max(launching, ending) + start + stop


def row(name: str, n: int, surge: str = "5%") -> Row:
    """Return one measured rollout."""
    cloud = CLOUDS[name]
    found: Measured = measured(
        Case("vm", n, surge, launches=cloud.launches, terminations=cloud.terminations)
    )
    work = found.work / Case("vm", n, surge).extra
    least = max(bound(found.boots, cloud), work)
    return {
        "cloud": name,
        "n": n,
        "surge": surge,
        "bound_s": round(least, 1),
        "makespan_s": round(found.makespan, 1),
        "ratio": round(found.makespan / least, 4),
        "most": cloud.most,
        "throttled": found.throttled,
        "calls_per_replacement": round(found.calls / n, 4),
    }


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield all rows."""
    large = (("ec2", 10_000), ("ec2", 100_000), ("azure", 100_000), ("gce", 100_000))
    for name, n in (("small", 100), ("small", 1_000), *(() if quick else large)):
        say(f"{name} n={n}")
        yield row(name, n)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for each in listed:
        name = f"{each['cloud']}, n={each['n']}"
        if each["ratio"] > each["most"]:
            found.append(f"{name}: {each['ratio']} x the bound, at most {each['most']}")
        if each["throttled"]:
            found.append(f"{name}: {each['throttled']} calls were too many")
    return found


BENCHMARK = Benchmark(
    "Where the cloud's rates are the limit",
    f"""\
One of each with a surge of 5 %, on clouds that launch and terminate no faster than these do by
default. The bound is the time until the last launch there is a token for, a fifth of the bucket
being kept for ways back, and one replacement. Ours has to be at most {CLOUDS["ec2"].most} (`gce`
{CLOUDS["gce"].most:.2f}) of it, and no call one too many. 100,000 instances in one account and
region of EC2 take half a day by any strategy; `plan` says so. `small` is a hundredth of EC2's
bucket.""",
    {
        "cloud": "cloud",
        "n": "instances",
        "bound_s": "bound, s",
        "makespan_s": "makespan, s",
        "ratio": "ours",
        "throttled": "calls too many",
        "calls_per_replacement": "calls each",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
