"""Rollouts of an adopted fleet on an emulated cloud: what those tests share, whatever the cloud."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from immutable import Fleet, Limits, RolledBack

from .process import ROOT
from .waiting import LONG, eventually, until

LIMITS = Limits(
    max_surge="25%",
    min_ready=0,
    boot_timeout=30,
    drain_timeout=2,
    progress_deadline=60,
    max_failures=3,
)


class Account:
    """An adopted fleet ``web`` and how to replace it. A cloud says what these are there.

    Attributes:
        emulator: The cloud.
        images: The image that it runs, and the one that it is to run.
        address: Where the fleet is, as an address.
        made: How often each request was made by the last fleet that was got hold of.
    """

    emulator: Any
    images: tuple[str, str]
    address: str
    made: Mapping[Any, int]

    def group(self, size, **fields):
        """Make the group ``web`` of somebody else, and wait until it serves."""
        raise NotImplementedError

    def backend(self, **capabilities):
        """Return a backend, not open, for the fleet ``web``."""
        raise NotImplementedError

    def serving(self, group):
        """Return the members of a group that get requests, or would."""
        raise NotImplementedError

    def everything(self):
        """Return all that there is, without our marks."""
        raise NotImplementedError

    def settle(self, size):
        """Wait until so many members of ``web`` serve."""
        until(lambda: self.serving("web"), lambda there: len(there) == size)

    @asynccontextmanager
    async def fleet(self, journal=":memory:", *, adopt=True, on_replace="keep", **capabilities):
        """Get hold of the fleet, adopted."""
        backend = self.backend(**capabilities)
        await backend.open()
        given = {"backend": backend, "journal": journal}
        try:
            if adopt:
                opened = Fleet.adopt(self.address, on_replace=on_replace, **given)
            else:
                opened = Fleet.connect(self.address, **given)
            async with opened as fleet:
                yield fleet
        finally:
            await backend.close()
            self.made = backend.calls.made


def run(coroutine):
    """Carry out a coroutine in a loop of its own."""
    return asyncio.run(coroutine)


async def ended(rollout):
    """Return a rollout's result, or the error with which it was rolled back."""
    try:
        return await rollout
    except RolledBack as error:
        return error


def replaced(account, strategy, *, size, limits=LIMITS, first=lambda: None, group=(), **options):
    """Replace the fleet, after *first*; the result, its end, the account before and after.

    Args:
        account: Whose.
        strategy: How.
        size: How many servers ``web`` has.
        limits: Of the rollout.
        first: What is done before it begins.
        group: What ``web`` is made with, by name.
        options: What `Account.fleet` takes.
    """
    account.group(size, **dict(group))
    before = account.everything()

    async def go():
        async with account.fleet(**options) as fleet:
            first()
            result = await fleet.replace(account.images[1], strategy, limits=limits)
            return result, await fleet.state()

    result, state = run(go())
    return result, state, before, account.everything()


def aborted(account, strategy, limits, far_enough: Callable[[], object]):
    """Abort a rollout once it is *far_enough*; how it ended.

    The cloud's time passes only as this looks, so that the rollout is never over before.
    """

    def a_moment_later():
        account.emulator.skip(seconds=0.1)
        return far_enough()

    async def go():
        async with account.fleet() as fleet:
            account.emulator.freeze()
            rollout = fleet.replace(account.images[1], strategy, limits=limits)
            task = asyncio.ensure_future(ended(rollout))
            await eventually(a_moment_later, every=0.05)
            await rollout.abort(reason="enough")
            account.emulator.thaw()
            return await task

    return run(go())


def taken_back(account, strategy, limits, first=lambda: None, **options):
    """Roll out what can't succeed, after *first*; the error with which it was rolled back."""

    async def go():
        async with account.fleet(**options) as fleet:
            first()
            return await ended(fleet.replace(account.images[1], strategy, limits=limits))

    end = run(go())
    assert isinstance(end, RolledBack), end
    return end


def again(account, third, strategies, limits):
    """Replace the fleet by each strategy: to the second image, a *third*, the first; its state."""
    images = (account.images[1], third, account.images[0])[: len(strategies)]

    async def go():
        async with account.fleet() as fleet:
            for image, strategy, limit in zip(images, strategies, limits, strict=True):
                await fleet.replace(image, strategy, limits=limit)
            return await fleet.state()

    return run(go())


def killed_and_followed(
    account, journal, words, environment, far_enough: Callable[[], object], **capabilities
):
    """Kill a controller once its rollout is *far_enough*, and let another one end it: the result.

    The cloud's time passes only as this looks, so that the controller is never quicker.

    Args:
        account: Whose fleet.
        journal: The file that both share.
        words: The controller's module, and its arguments.
        environment: What it needs besides.
        far_enough: When it is killed.
        capabilities: Of the backend that the second one has.
    """

    async def adopt():
        async with account.fleet(journal):
            pass

    async def recover():
        async with account.fleet(journal, adopt=False, **capabilities) as fleet:
            return await fleet.recover()

    def a_moment_later():
        account.emulator.skip(seconds=0.1)
        return far_enough() or process.poll() is not None

    run(adopt())
    account.emulator.freeze()
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, env={**os.environ, **environment}
    )
    try:
        until(a_moment_later, seconds=2 * LONG, every=0.05)
        assert process.poll() is None, "it has ended by itself"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    account.emulator.thaw()
    return run(recover())


def immutable(tmp_path, *words, **environment):
    """Carry out the command as its users type it; what it answers with ``--json``."""
    done = subprocess.run(
        [sys.executable, "-m", "immutable", *words],
        env={**os.environ, **environment, "IMMUTABLE_JOURNAL": str(tmp_path / "journal.db")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
