"""Checks of looking for drift."""

from __future__ import annotations

from immutable.backend import Gone, Inspection, SupportsDrift
from immutable.testing.check import check
from immutable.testing.stage import Stage


async def _inspected(s: Stage) -> Inspection:
    assert isinstance(s.backend, SupportsDrift)
    return await s.backend.inspect(s.fleet)


@check("S5", size=2, needs=(SupportsDrift,))
async def members_as_they_were_launched_are_no_drift(s: Stage) -> None:
    """Every member is looked at, once, the newcomer too, and none is told to differ."""
    await s.ready(2)
    await s.grow(3, expected=2)
    there = {each.id for each in await s.ready(3)}
    await s.settle()
    found = await _inspected(s)
    seen = [each.id for each in found.instances]
    s.must(there <= set(seen), f"members that were not looked at: {sorted(there - set(seen))}")
    s.same(sorted(seen), sorted(set(seen)), "who was looked at, each once")
    for each in found.instances:
        s.must(not each.reasons, f"{each.id} is as it was launched, and is told to differ: {each}")
    s.same(found.strays, (), "what looks like a member and is none")
    s.must(found.checked, "the inspection doesn't say what was looked at")
    s.must(found.unseen, "the inspection doesn't say what can't be seen")
    await s.spared(there)


@check("S5", "E5", size=None, needs=(SupportsDrift,))
async def what_is_not_there_has_no_drift(s: Stage) -> None:
    """Gone, not an empty answer: nothing that was looked at would read as nothing found."""
    await s.refused(_inspected(s), Gone, "inspecting a fleet that isn't there")
