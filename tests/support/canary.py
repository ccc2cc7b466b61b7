"""A canary: a secret that the whole test suite's runs are full of, and that may appear nowhere.

A plug-in of pytest, loaded by the conftest at the root. It makes a value for the session, puts it
where programs have secrets (variables of the environment that every process inherits, the
credentials that the clouds' emulators are called with, `canary` for tests that need a secret), and
looks for it after every test: in what was captured, in tracebacks, in the files under the test's
``tmp_path``, in every record and plan that is written down, in what commands print, and in what
emulators are sent. A test after which it is found has failed, whatever it showed.

It is looked for as it is, as a part of an address, in hex and in base64. What it is compressed or
encrypted in is not seen; neither are files elsewhere than under ``tmp_path``.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.canary_forms import LEAKS, VARIABLE, forms, new_value, seen_in

_PLANTED = ("PGPASSWORD", "VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET")
_MOST = 16 << 20
"""Bytes of a file that are looked at."""


class Canary:
    """The session's secret, for tests that need one.

    Attributes:
        value: The value.
    """

    def __init__(self, value: str) -> None:
        self.value = value
        self._excepted: set[Path] = set()

    def write(self, file: Path) -> Path:
        """Write a file that holds the secret, as an operator would have: it may be there."""
        file.write_text(self.value)
        return self.excepted(file)

    def excepted(self, file: Path) -> Path:
        """Say that the secret may be in this file, or in the files of this directory."""
        self._excepted.add(file)
        return file

    def may_be_in(self, file: Path) -> bool:
        """Whether somebody has said so."""
        return any(each == file or each in file.parents for each in self._excepted)


class Watch:
    """Looks for the canary, and keeps where it was seen until a test answers for it."""

    def __init__(self) -> None:
        self.canary = Canary(os.environ.get(VARIABLE) or new_value())
        self._forms = forms(self.canary.value)
        self._seen: list[str] = []
        # One for each process of pytest-xdist: what its emulators note is about its tests.
        self._file = Path(tempfile.gettempdir()) / f"canary-leaks-{secrets.token_hex(6)}"

    def plant(self) -> None:
        """Put the value where programs have secrets."""
        os.environ[VARIABLE] = self.canary.value
        os.environ[LEAKS] = str(self._file)
        for name in _PLANTED:
            os.environ[name] = self.canary.value

    def look(self, place: str, data: str | bytes) -> None:
        """Keep a place, if the canary is in what stands there."""
        found = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        if seen_in(found, self._forms):
            self._seen.append(place)

    def look_below(self, folder: Path) -> None:
        """Look at all files of a directory, but for those that may hold it."""
        for name, _, files in os.walk(folder):
            for each in files:
                path = Path(name, each)
                try:
                    if not path.is_file() or path.is_symlink() or self.canary.may_be_in(path):
                        continue
                    with path.open("rb") as file:
                        data = file.read(_MOST)
                except OSError:
                    continue  # It has gone, or belongs to somebody else.
                self.look(f"the file {path.relative_to(folder)}", data)

    def answered(self) -> list[str]:
        """Return where it was seen since the last time."""
        if self._file.exists():
            self._seen += self._file.read_text().splitlines()
            self._file.unlink(missing_ok=True)
        seen, self._seen = self._seen, []
        return list(dict.fromkeys(seen))


# -- the plug-in ----------------------------------------------------------------------------------

_WATCH = pytest.StashKey[Watch]()


def pytest_configure(config: pytest.Config) -> None:
    """Plant the canary before anything is collected, and watch what is written down."""
    watch = config.stash[_WATCH] = Watch()
    watch.plant()
    _watch_records(watch)
    _watch_commands(watch)


def _watch_records(watch: Watch) -> None:
    """Look at all that becomes canonical JSON: records of any journal, plans, manifests."""
    from json import JSONEncoder

    import rfc8785

    from immutable.model import serial

    made, dumped = serial._encoder, rfc8785.dumps

    class Watching(JSONEncoder):
        def encode(self, o: Any) -> str:
            text = made().encode(o)
            watch.look("a record or a plan", text)
            return text

    watching = Watching()

    def dumps(value: Any) -> bytes:
        data = dumped(value)
        watch.look("a record or a plan", data)
        return data

    serial._encoder = lambda: watching  # type: ignore[assignment]
    rfc8785.dumps = dumps


def _watch_commands(watch: Watch) -> None:
    """Look at what commands print, in this process and in others."""
    from click.testing import CliRunner

    invoke, run = CliRunner.invoke, subprocess.run

    def watched_invoke(self: CliRunner, *args: Any, **named: Any) -> Any:
        result = invoke(self, *args, **named)
        watch.look("the output of a command", result.output)
        if result.exception is not None:
            watch.look("a command's error", repr(result.exception))
        return result

    def watched_run(*args: Any, **named: Any) -> Any:
        done = run(*args, **named)
        for said in (done.stdout, done.stderr):
            if said:
                watch.look("the output of a process", said)
        return done

    CliRunner.invoke = watched_invoke  # type: ignore[method-assign]
    subprocess.run = watched_run  # type: ignore[assignment]


@pytest.fixture(scope="session")
def canary(pytestconfig: pytest.Config) -> Canary:
    """The session's secret: what is done with it, it must not be seen anywhere afterwards."""
    return pytestconfig.stash[_WATCH].canary


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Look everywhere once a test is over, and let it fail where the canary was seen."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    watch = item.config.stash[_WATCH]
    if call.excinfo is not None:
        watch.look("the traceback", report.longreprtext)
    if call.when != "teardown":
        return
    for name, text in report.sections:
        watch.look(name, text)
    folder = (getattr(item, "funcargs", None) or {}).get("tmp_path")
    if folder is not None:
        watch.look_below(folder)
    if seen := watch.answered():
        report.outcome = "failed"
        report.longrepr = f"the canary was seen in {', '.join(seen)}: a secret would have leaked"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a run fail in which the canary was seen after its last test."""
    if seen := session.config.stash[_WATCH].answered():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\nthe canary was seen in {', '.join(seen)}")  # noqa: T201
