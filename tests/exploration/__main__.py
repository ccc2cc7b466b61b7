"""``python -m tests.exploration --seed 17 --events 1000000``: schedules that nobody has tried yet.

Stops at the first story in which a rule is broken, makes it as short as it can, and prints its seed
and what happened in it. ``--only`` tells the story of the seed, whether it fails or not.
"""

from __future__ import annotations

import argparse
import sys
from random import SystemRandom

from tests.exploration.exploring import explained, explore, shortest
from tests.exploration.playing import play
from tests.exploration.story import Story, drawn
from tests.support.matrix import workers


def _tell(story: Story) -> None:
    for line in explained(story, play(story, tell=True).lines):
        sys.stdout.write(f"{line}\n")


def main() -> int:
    """Explore; returns 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.exploration")
    parser.add_argument("--seed", type=int, help="the first seed; default: by chance")
    parser.add_argument("--events", type=int, default=1_000_000, help="for how long; 1,000,000")
    parser.add_argument("--only", action="store_true", help="tell the one story of the seed")
    chosen = parser.parse_args()
    seed = SystemRandom().randrange(1 << 32) if chosen.seed is None else chosen.seed
    if chosen.only:
        _tell(drawn(seed))
        return 0
    sys.stdout.write(f"from seed {seed}\n")
    sys.stdout.flush()
    with workers() as pool:
        report = explore(seed, chosen.events, pool)
    sys.stdout.write(f"{report}\n")
    for failed, what in sorted(report.failed.items()):
        sys.stdout.write(f"seed {failed}: {what}\n")
    if report.failed:
        sys.stdout.write("made shorter:\n")
        _tell(shortest(drawn(min(report.failed))))
    return bool(report.failed)


if __name__ == "__main__":
    sys.exit(main())
