"""Commands of a test to an emulator: by name, with keywords, JSON in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import asdict

from .faults import Bucket, Fault

Command = Callable[..., Any]


class Commands(dict[str, Command]):
    """Functions `(world, **words)` by their names; the usual ones are there from the beginning.

    The usual ones need a world with a `ledger`, `laws`, `chances`, `lives` and a `reset`.
    """

    def __init__(self) -> None:
        super().__init__()
        usual = (
            reset,
            skip,
            freeze,
            thaw,
            laws,
            clear_fates,
            fault,
            clear_faults,
            bucket,
            clear_buckets,
            calls,
            clear_calls,
            failures,
        )
        for function in usual:
            self.add(function)

    def add(self, function: Command) -> Command:
        """Make a function reachable by its name."""
        self[function.__name__] = function
        return function

    def find(self, name: str) -> Command:
        """A command by its name.

        Raises:
            LookupError: there is none; says which there are.
        """
        if name not in self:
            raise LookupError(f"no command {name!r}; there are {sorted(self)}")
        return self[name]


def reset(world: Any) -> None:
    """As on the first day."""
    world.reset()


def skip(world: Any, seconds: float) -> None:
    """So much time passes at once, with everything that falls due in it."""
    world.ledger.clock.skip(seconds)


def freeze(world: Any) -> None:
    """Time stands still from now on, until `thaw` or `reset`; `skip` moves it on all the same."""
    world.ledger.clock.freeze()


def thaw(world: Any) -> None:
    """Time goes on from where it stood."""
    world.ledger.clock.thaw()


def laws(world: Any, **knobs: Any) -> dict[str, Any]:
    """Turn knobs; all knobs as they stand."""
    world.laws.change(**knobs)
    if "seed" in knobs:
        world.chances.reseed(knobs["seed"])
    return asdict(world.laws)


def clear_fates(world: Any) -> None:
    """Machines are well again."""
    world.lives.fates.clear()


def fault(world: Any, **terms: Any) -> None:
    """Something that will go wrong; see `faults.Fault`."""
    world.ledger.faults.append(Fault(**terms))


def clear_faults(world: Any) -> list[dict[str, Any]]:
    """Nothing goes wrong any more; tells what had been set, and how often it happened."""
    had = [asdict(each) for each in world.ledger.faults]
    world.ledger.faults.clear()
    return had


def bucket(world: Any, **terms: Any) -> None:
    """Throttle by tokens; see `faults.Bucket`."""
    world.ledger.buckets.append(Bucket(**terms))


def clear_buckets(world: Any) -> None:
    """No call is throttled any more."""
    world.ledger.buckets.clear()


def calls(world: Any, log: bool = False) -> Any:
    """How often each method was called; with `log`, every call in order."""
    return world.ledger.log if log else dict(world.ledger.counts)


def clear_calls(world: Any) -> None:
    """Count from nothing."""
    world.ledger.counts.clear()
    world.ledger.log.clear()


def failures(world: Any) -> list[str]:
    """What nothing here could honour, and what broke; forgotten when it was told."""
    told: list[str] = world.ledger.told()
    return told
