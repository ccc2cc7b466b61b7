"""The conformance suite as a test class, for pytest."""

from __future__ import annotations

from collections.abc import Callable

from immutable.backend import Backend
from immutable.testing.accessors import Accessors
from immutable.testing.check import Check, run_check
from immutable.testing.checks import catalogue
from immutable.testing.outcome import Breach, Skipped

__all__ = ["BackendConformance"]


class BackendConformance(Accessors):
    """The checks of docs/contract.md on a backend; subclass it in the backend's tests.

    The fixture ``backend`` returns a backend that is not open: each check opens it on an event
    loop of its own, and closes it. Everything else is in `Accessors`, and may be left out: the
    checks that need it skip, and say what they need.

    .. code-block:: python

        import pytest
        from immutable.memory import Cloud, MemoryBackend
        from immutable.testing import BackendConformance, LoopClock

        class TestMine(BackendConformance):
            url = "memory://{fleet}"        # where Fleet.connect finds a fleet
            release = "0.1"                 # the checks that are known to pass
            virtual = True                  # nothing here takes real time
            images = ("v1", "v2")

            @pytest.fixture
            def backend(self):
                self.cloud = Cloud(LoopClock())
                self.cloud.images = {"v1", "v2"}
                return MemoryBackend(self.cloud)

            def second(self):
                return MemoryBackend(self.cloud)

            async def raw_members(self, fleet, revision):
                servers = self.cloud.fleets[fleet].servers.values()
                return {s.seen.id for s in servers if s.group.shown.number == revision}

            async def raw_kill(self, fleet, instance):
                self.cloud.kill(fleet, instance)

    ``pytest -k conformance`` runs them; the summary at the end tells them by rule.
    """


def _as_test(check: Check) -> Callable[[BackendConformance, Backend], None]:
    def test(self: BackendConformance, backend: Backend) -> None:
        import pytest  # Only who runs tests has it: extra `testing`.

        known, failure = self.expected_failures.get(check.name), ""
        try:
            run_check(check, self, backend)
        except Skipped as reason:
            pytest.skip(f"[{' '.join(check.rules)}] {reason}")
        except Breach as error:
            failure = f"{check.title}\n{error}"
        if known is not None and failure:
            pytest.xfail(known)
        if known is not None:
            failure = "it passes: take it out of expected_failures"
        if failure:
            pytest.fail(f"{check.name}: {failure}", pytrace=False)

    test.__name__ = test.__qualname__ = f"test_{check.name}"
    test.__doc__ = f"[{' '.join(check.rules)}] {check.title}"
    # `-k conformance` finds functions by such names; the plugin makes a marker of it.
    test.conformance = check  # type: ignore[attr-defined]
    return test


for _check in catalogue():
    setattr(BackendConformance, f"test_{_check.name}", _as_test(_check))
