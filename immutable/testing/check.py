"""A check of the conformance suite: which rules it proves, since when it exists, how it is run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from inspect import cleandoc

from attrs import frozen

from immutable.backend import Backend
from immutable.errors import ImmutableError
from immutable.testing.accessors import Accessors, undeclared
from immutable.testing.outcome import Breach, Skipped
from immutable.testing.rules import RULES, described
from immutable.testing.scrutiny import Scrutiny
from immutable.testing.stage import Stage
from immutable.virtual import VirtualLoop

__all__ = ["KNOWN", "Body", "Check", "check", "is_due", "run_check"]

Body = Callable[[Stage], Awaitable[None]]
KNOWN: dict[str, Check] = {}
"""Every check whose module has been imported, by its name."""
_LONGEST = 40.0
"""A check that isn't over after so many times the patience hangs."""


@frozen
class Check:
    """One check.

    Attributes:
        name: What it shows, as a name.
        rules: The numbers of the rules that it proves.
        since: The minor release of the SDK that brought it.
        size: How many READY servers its fleet begins with; None for no fleet.
        needs: The capabilities, and the protocols, without which there is nothing to check.
        uses: The accessors without which it can't be done.
        body: What it does.
    """

    name: str
    rules: tuple[str, ...]
    since: str
    size: int | None
    needs: tuple[str | type, ...]
    uses: tuple[str, ...]
    body: Body

    @property
    def title(self) -> str:
        """What it shows, as a sentence."""
        return cleandoc(self.body.__doc__ or self.name).split("\n")[0]


def check(
    *rules: str,
    size: int | None = 2,
    since: str = "0.1",
    needs: tuple[str | type, ...] = (),
    uses: tuple[str, ...] = (),
) -> Callable[[Body], Body]:
    """Make a coroutine a check of these rules; the arguments are those of `Check`."""

    def made(body: Body) -> Body:
        unknown = [number for number in rules if number not in RULES]
        assert rules, f"{body.__name__} proves no rule"
        assert not unknown, f"no rules {unknown}"
        assert body.__name__ not in KNOWN, f"two checks {body.__name__}"
        KNOWN[body.__name__] = Check(body.__name__, rules, since, size, needs, uses, body)
        return body

    return made


# Checks of 0.3 in SDK 0.3: due for authors who state release 0.3. In SDK 0.4: due for everybody.
def is_due(since: str, release: str, current: str) -> bool:
    """Return whether a check is to be run.

    Args:
        since: The minor release that brought it.
        release: The one whose checks the author says to pass; empty for the oldest.
        current: The version of the SDK that runs.
    """
    return _minor(since) < _minor(current) or _minor(since) <= _minor(release or "0.1")


def _minor(text: str) -> tuple[int, int]:
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def run_check(check: Check, author: Accessors, backend: Backend) -> None:
    """Run a check on a loop of its own.

    Args:
        check: The check.
        author: Attributes and accessors.
        backend: The backend, not open.

    Raises:
        Breach: The backend breaks a rule.
        Skipped: There is nothing to check; says why.
    """
    current = version("immutable-sdk")
    if not is_due(check.since, author.release, current):
        raise Skipped(
            f"new in {check.since}: state `release = {check.since!r}` to run it,"
            " it will be run for everybody in the next minor release"
        )
    factory = VirtualLoop if author.virtual else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_open(check, author, backend))


def _missing(check: Check, author: Accessors, backend: Backend) -> str | None:
    """Return why there is nothing to check, as far as that can be told before a fleet is made."""
    for need in check.needs:
        if isinstance(need, type) and not isinstance(backend, need):
            return f"the backend is no {need.__name__}"
        if isinstance(need, str) and not getattr(backend.capabilities, need):
            return f"capabilities.{need} is False"
    missing = [undeclared(author, name) for name in check.uses]
    return next(filter(None, missing), None)


async def _open(check: Check, author: Accessors, backend: Backend) -> None:
    try:
        await backend.open()
        reason = _missing(check, author, backend)
        if reason is not None:
            raise Skipped(reason)
        lagging = backend.capabilities.staleness > 0
        stage = Stage(author, backend, check.rules, author.fleet_name(), Scrutiny(lagging))
        await _play(check, stage)
    finally:
        await backend.close()


async def _play(check: Check, stage: Stage) -> None:
    try:
        async with asyncio.timeout(stage.patience * _LONGEST):
            if check.size is not None:
                revision = await stage.revision(1)
                make = stage.author.make_fleet
                stage.fleet = await make(stage.backend, stage.fleet, revision, check.size)
                await stage.ready(check.size)
            await check.body(stage)
    except (Breach, Skipped):
        raise
    except TimeoutError as error:
        raise Breach(f"it hangs\n{described(check.rules)}") from error
    except ImmutableError as error:
        raise Breach(
            f"raised {type(error).__name__}({error}) where it has to work\n{described(check.rules)}"
        ) from error
    except Exception as error:
        raise Breach(
            f"raised {type(error).__name__}({error})\n{described(('E5', *check.rules))}"
        ) from error
    finally:
        await stage.author.remove_fleet(stage.backend, stage.fleet)
