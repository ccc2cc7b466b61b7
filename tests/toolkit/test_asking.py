"""Requests: who waits for whom, what a failed one says, what a process shares."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading

import pytest

from immutable.backend import Conflict, Denied, Gone, Throttled, Transient
from immutable.testing import run
from immutable.toolkit.deeds import Deed
from immutable.toolkit.perloop import PerLoop
from immutable.toolkit.requests import part_by_part, parts_of, read_listed, together
from immutable.toolkit.threads import Threads
from immutable.toolkit.turns import Turns


async def answering(answer=None):
    if isinstance(answer, Exception):
        raise answer
    return answer


# -- loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["immutable", "immutable.backend", "immutable.memory"])
def test_the_core_does_not_load_it(module):
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert module in found
    assert not [name for name in found if name.startswith("immutable.toolkit")]


# -- turns and threads -----------------------------------------------------------------------------


def test_changes_of_one_fleet_take_turns_and_those_of_others_do_not():
    async def go():
        turns, told = Turns(), []

        async def change(fleet, seconds):
            async with turns.of(fleet):
                told.append(f"{fleet} begins")
                await asyncio.sleep(seconds)
                told.append(f"{fleet} ends")

        await asyncio.gather(change("web", 3), change("web", 1), change("api", 1))
        assert told == [
            "web begins",
            "api begins",
            "api ends",
            "web ends",
            "web begins",
            "web ends",
        ]

    run(go())


def test_a_turn_waits_for_what_a_cancelled_one_has_left_under_way():
    async def go():
        turns = Turns()
        left = asyncio.get_running_loop().create_future()
        turns.leave("web", left)
        waiting = asyncio.ensure_future(turns.of("web").__aenter__())
        await asyncio.sleep(5)
        assert not waiting.done()
        left.set_exception(OSError("lost"))
        await waiting

    run(go())


def test_a_cancelled_call_leaves_its_thread_and_the_next_turn_waits_for_it():
    async def go():
        threads, over, told = Threads("test", 2), threading.Event(), []

        def work():
            over.wait(10)
            told.append("worked")

        async def change():
            async with threads.turns.of("web"):
                await threads.run(work, "web")

        async def next_one():
            async with threads.turns.of("web"):
                told.append("next")

        first = asyncio.ensure_future(change())
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.ensure_future(next_one())
        await asyncio.sleep(0.05)
        assert told == []
        over.set()
        await second
        assert told == ["worked", "next"]
        threads.close()
        with pytest.raises(Transient):
            await threads.run(work)

    asyncio.run(go())


# -- several requests ------------------------------------------------------------------------------


def test_the_first_that_fails_ends_the_others():
    async def go():
        ended = []

        async def slow():
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                ended.append(True)
                raise

        assert await together(answering(1), answering(2)) == [1, 2]
        with pytest.raises(Gone):
            await together(slow(), answering(Gone("x")))
        await asyncio.sleep(0)
        assert ended == [True]

    run(go())


@pytest.mark.parametrize(
    ("fails", "error", "kind"),
    [
        ([1], Denied("no"), Denied),
        ([3], Denied("no"), Transient),
        ([3], Throttled("slow"), Transient),
        ([1], Transient("?"), Transient),
    ],
)
def test_after_the_first_part_nobody_may_say_that_nothing_happened(fails, error, kind):
    async def go():
        sent = []

        async def send(part):
            if part[0] in fails:
                raise error
            sent.extend(part)

        with pytest.raises(kind) as caught:
            await part_by_part(parts_of([1, 2, 3, 4, 5], 2), send, "members")
        assert sent == ([] if fails == [1] else [1, 2])
        if sent:
            assert str(caught.value).startswith("2 of 5 members: ")

    run(go())


def test_parts_hold_everything_once_in_order():
    assert parts_of("abcde", 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert parts_of("", 2) == []


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ([None], "seen"),
        ([Gone("r1"), None], "seen"),
        ([Gone("r1"), Gone("r1"), None], "seen"),
        ([Gone("r1"), Gone("r1"), Gone("r1"), None], Transient),
        ([Denied("no"), None], Denied),
    ],
)
def test_what_goes_between_two_requests_is_listed_anew(said, end):
    lists, answers = [], iter(said)

    async def listed():
        lists.append(len(lists))
        return lists[-1]

    async def read(number):
        assert number == lists[-1]
        if (error := next(answers)) is not None:
            raise error
        return "seen"

    async def go():
        return await read_listed("web", listed, read, tries=3)

    if end == "seen":
        assert run(go()) == end
        assert len(lists) == len(said)
        return
    with pytest.raises(end, match=r"web changes.*r1" if end is Transient else "no"):
        run(go())
    assert len(lists) == (3 if end is Transient else 1)


def test_a_fleet_that_is_not_there_is_not_listed_anew():
    lists = []

    async def listed():
        lists.append(1)
        raise Gone("no fleet web")

    async def read(_):
        raise AssertionError

    with pytest.raises(Gone):
        run(read_listed("web", listed, read))
    assert lists == [1]


@pytest.mark.parametrize(
    ("before", "error", "stands", "kind"),
    [
        ([], Throttled("x"), False, Throttled),
        ([], Conflict("x"), False, Conflict),
        ([None], Throttled("x"), True, Transient),
        ([None], Conflict("x"), False, Transient),
        ([None], Conflict("x"), True, Conflict),
        ([None], Denied("x"), False, Denied),
        ([Transient("?")], Conflict("x"), False, Transient),
        ([Gone("no")], Conflict("x"), False, Conflict),
    ],
)
def test_an_error_says_truly_whether_something_was_changed(before, error, stands, kind):
    async def go():
        deed = Deed()
        for answer in before:
            with contextlib.suppress(Transient, Gone):
                await deed.request(answering(answer))
        with pytest.raises(kind) as caught, deed.told_truly(lambda _: stands):
            raise error
        assert type(caught.value) is kind

    run(go())


def test_a_process_shares_one_object_a_key_and_loop():
    shared = PerLoop(list)

    async def go():
        shared.of("a").append(1)
        assert shared.of("a") == [1]
        assert shared.of("b") == []

    run(go())
    run(go())
