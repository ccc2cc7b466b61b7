"""Functions of the user's as gates: found by name, called, understood."""

from __future__ import annotations

import asyncio

import pytest

from immutable.errors import InvalidValue
from immutable.gates import Check, CheckLook, Verdict, check
from immutable.gates.checks import call, find
from tests.support import checks

LOOK = CheckLook("memory://web", "r", 0, 1, 2, 10.0, 3)


def answer(name):
    return asyncio.run(call(Check(f"tests.support.checks:{name}"), LOOK))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("always", Verdict.PASS), ("never", Verdict.FAIL), ("unsure", Verdict.INCONCLUSIVE)],
)
def test_what_a_function_says_is_its_verdict(name, verdict):
    assert answer(name) == (verdict, "")


def test_what_it_raises_is_an_error_with_its_words():
    verdict, detail = answer("broken")
    assert verdict is Verdict.ERROR
    assert detail == "RuntimeError: the smoke test's server is down"


@pytest.mark.parametrize(
    "name", ["tests.support.checks:absent", "no.such.module:name", "tests.support.checks:asyncio"]
)
def test_what_cannot_be_found_is_an_error_that_says_so(name):
    verdict, detail = asyncio.run(call(Check(name), LOOK))
    assert verdict is Verdict.ERROR
    assert "can't be imported" in detail or "is no function" in detail


@pytest.mark.parametrize("call_", ["nothing", ":name", "module:"])
def test_a_name_that_names_nothing_is_refused(call_):
    with pytest.raises(InvalidValue, match="no module:name"):
        Check(call_)


def test_a_function_at_the_top_of_a_module_is_named_after_it():
    gate = check(checks.always)
    assert gate.call == "tests.support.checks:always"
    assert find(gate) is checks.always
    assert "not resumable" not in str(gate)


def test_a_closure_needs_local_and_the_plan_says_what_that_costs():
    wanted = 3

    async def enough(look):
        return look.ready >= wanted

    with pytest.raises(InvalidValue, match="pass local=True"):
        check(enough)
    gate = check(enough, local=True)
    assert str(gate).endswith("(not resumable elsewhere)")
    assert asyncio.run(call(gate, LOOK)) == (Verdict.PASS, "")


def test_another_process_reads_an_error_from_a_closure():
    verdict, detail = asyncio.run(call(Check("local:enough#99"), LOOK))
    assert verdict is Verdict.ERROR
    assert "only in the process" in detail
