"""The tests that an image can be given: booting, answering over HTTP, a command of the user's.

A test is a word, so that it can stand in a specification::

    boot                    an instance becomes READY within the limits of its backend
    http:/healthz           GET of that path through the fleet's front end answers 200
    http://10.0.0.7/health  the same for a whole address, of a fleet without one
    command:./smoke.sh      a command ends with 0; its surroundings say where the fleet is
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from attrs import field, frozen

from immutable.builders.contract import silent
from immutable.builders.programs import Program, basics, heard
from immutable.errors import InvalidValue

__all__ = ["BOOT", "Stand", "Trial", "trial"]

BOOT = "boot"
"""The test that comes first, and that every other needs."""

_PATIENCE = 30.0
"""Seconds for which an address is asked until it answers: a pool may be slower than its member."""
_REQUEST = 10.0
_SHOWN = 300


@frozen
class Stand:
    """What a test is run against.

    Attributes:
        fleet: The address of the fleet of one.
        front: Where it answers, such as ``http://127.0.0.1:26000``; empty where nobody knows.
        artifact: What was launched.
        environment: The variables that commands were promised, with their values.
        say: Takes what a command says, line by line.
    """

    fleet: str
    front: str
    artifact: str
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    say: Callable[[str], None] = silent


@frozen
class Trial:
    """A test that can be run.

    Attributes:
        word: What it is called, as in `immutable.trust.ImageSpec.tests`.
        kind: ``boot``, ``http`` or ``command``.
        rest: The address or path, or the command's words.
    """

    word: str
    kind: str
    rest: str = ""

    async def run(self, stand: Stand) -> tuple[bool, str]:
        """Return whether the image passes, and what was seen, in a sentence."""
        if self.kind == "http":
            return await _asked(self.rest, stand.front)
        if self.kind == "command":
            return await _commanded(tuple(shlex.split(self.rest)), stand)
        return True, "an instance became READY"


def trial(word: str) -> Trial:
    """Return the test that a word names.

    Raises:
        InvalidValue: It names none; says which there are.
    """
    kind, colon, rest = word.partition(":")
    if word == BOOT:
        return Trial(word, BOOT)
    if colon and kind in ("http", "https") and rest.startswith("/"):
        return Trial(word, "http", word if rest.startswith("//") else rest)
    if kind == "command" and rest.strip():
        try:
            shlex.split(rest)
        except ValueError as error:
            raise InvalidValue("test", word, f"not a command: {error}") from error
        return Trial(word, "command", rest)
    way_out = "write boot, http:/PATH, http://HOST/PATH or command:WORDS"
    raise InvalidValue("test", word, "no test", way_out)


async def _asked(place: str, front: str) -> tuple[bool, str]:
    """Ask an address until it has an answer that counts, or the patience is over.

    A pool that is slower than its member refuses, or answers 5xx; anything else is an answer.
    """
    if place.startswith("/") and not front:
        return False, "nobody knows where the fleet answers: write http://HOST/PATH"
    address = f"{front}{place}" if place.startswith("/") else place
    loop, seen = asyncio.get_running_loop(), ""
    until = loop.time() + _PATIENCE
    while True:
        status, seen = await asyncio.to_thread(_get, address)
        if 0 < status < 500 or loop.time() >= until:
            return status == 200, f"GET {address}: {seen}"
        await asyncio.sleep(0.5)


def _get(address: str) -> tuple[int, str]:
    # Without the proxies of the environment: what is tested is this fleet.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(address, timeout=_REQUEST) as answer:
            return answer.status, f"{answer.status}, {len(answer.read())} bytes"
    except HTTPError as error:
        with error:
            return error.code, f"{error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        return 0, f"no answer: {error}"


async def _commanded(words: tuple[str, ...], stand: Stand) -> tuple[bool, str]:
    """Run a command that knows the fleet by its surroundings."""
    environment = basics() | {
        **stand.environment,
        "IMMUTABLE_TEST_FLEET": stand.fleet,
        "IMMUTABLE_TEST_URL": stand.front,
        "IMMUTABLE_TEST_ARTIFACT": stand.artifact,
    }
    last = ""

    def hear(line: str) -> None:
        nonlocal last
        last = line.strip() or last
        stand.say(line)

    try:
        code = await heard(Program(words, environment, grace=5.0), hear)
    except OSError as error:
        return False, f"{words[0]} can't be started: {error.strerror}"
    said = f": {last[:_SHOWN]}" if last else ""
    return code == 0, f"exit code {code}{said}"
