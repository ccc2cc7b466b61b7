"""Checks of addresses, images, plans, and of what a backend may be able to do besides."""

from __future__ import annotations

import ast
import asyncio
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from attrs import evolve

from immutable.backend import (
    Backend,
    Conflict,
    FleetURL,
    Gone,
    Invalid,
    Origin,
    SupportsAdopt,
    SupportsChanges,
    SupportsCreate,
    SupportsImages,
    SupportsTraffic,
    SupportsVolumes,
    SystemClock,
)
from immutable.errors import InvalidValue
from immutable.testing.check import check
from immutable.testing.checks.fleets import connected
from immutable.testing.outcome import Skipped
from immutable.testing.stage import Stage

_DOORS = ("immutable.backend", "immutable.builders", "immutable.errors", "immutable.toolkit")


@check("S1", size=None)
async def abilities_are_offered_as_they_are(s: Stage) -> None:
    """What capabilities say, and what is implemented, is the same."""
    able, kind = s.backend.capabilities, type(s.backend)
    offered = {
        "create_fleet": isinstance(s.backend, SupportsCreate),
        "traffic_stats": isinstance(s.backend, SupportsTraffic),
        "volumes": isinstance(s.backend, SupportsVolumes),
        "weighted_traffic": kind.route is not Backend.route,
    }
    for name, implemented in offered.items():
        s.same(getattr(able, name), implemented, f"capabilities.{name}, and what is implemented")
    # Whether it is on may depend on where the fleets are.
    told = not able.changes or isinstance(s.backend, SupportsChanges)
    s.must(told, "capabilities.changes is True, and `changed` is not implemented")


@check("S1", size=None)
async def without_weights_route_is_invalid(s: Stage) -> None:
    """A backend without weighted traffic says so."""
    if s.backend.capabilities.weighted_traffic:
        raise Skipped("capabilities.weighted_traffic is True")
    await s.refused(s.backend.route(s.fleet, {1: 100}, s.ctx()), Invalid, "route")


@check("E14", size=None)
async def only_the_doors_are_imported(s: Stage) -> None:
    """A backend in a distribution of its own imports what third parties may, and nothing else."""
    package = type(s.backend).__module__.partition(".")[0]
    if package == "immutable":
        raise Skipped("the backend is a part of the SDK")
    entries = await asyncio.to_thread(entry_points, group="immutable.backends")
    if package not in {entry.module.partition(".")[0] for entry in entries}:
        raise Skipped(f"no installed entry point of immutable.backends leads to {package}")
    found = await asyncio.to_thread(_imports, package)
    wrong = sorted(name for name in found if not name.startswith(_DOORS))
    s.must(not wrong, f"{package} imports {', '.join(wrong)}")


def _imports(package: str) -> set[str]:
    """Return the modules of the SDK that a package imports, as they are written."""
    spec = find_spec(package)
    roots: list[str] = []
    if spec is not None:
        roots = list(spec.submodule_search_locations or [spec.origin or ""])
    found = set()
    for place in map(Path, roots):
        for file in place.rglob("*.py") if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "immutable"}


@check("P1", "E5", size=None, uses=("url",))
async def addresses_are_checked(s: Stage) -> None:
    """from_url takes the author's address, and refuses an option that means nothing."""
    address = s.author.url.format(fleet=s.fleet)
    type(s.backend).from_url(FleetURL.parse(address), clock=SystemClock())
    wrong = f"{address}{'&' if '?' in address else '?'}no-such-option=1"
    try:
        type(s.backend).from_url(FleetURL.parse(wrong), clock=SystemClock())
    except InvalidValue:
        return
    s.must(False, f"from_url took {wrong}: a misspelt option would be another fleet")


@check("S2", "D5", size=None, needs=("create_fleet",))
async def a_fleet_is_made_once(s: Stage) -> None:
    """An empty group of revision 1, without a hold; a second creation is a Conflict."""
    assert isinstance(s.backend, SupportsCreate)
    revision = await s.revision(1)
    await s.backend.create_fleet(s.fleet, revision)
    state = await s.look()
    s.same(state.instances, (), "the members of a new fleet")
    s.same(len(state.groups), 1, "the number of its groups")
    group = state.groups[0]
    s.same((group.revision, group.size, group.hold), (revision, 0, None), "its group")
    what = "making a fleet of a name that is taken"
    await s.refused(s.backend.create_fleet(s.fleet, revision), Conflict, what)
    await s.grow(1, expected=0)
    (member,) = await s.ready(1)
    what = "deleting a fleet with a member"
    await s.refused(s.backend.delete_fleet(s.fleet), Conflict, what)
    await s.spared({member.id})
    await s.see_off(member.id)
    await s.backend.delete_fleet(s.fleet)
    await s.refused(s.backend.observe(s.fleet), Gone, "observing a deleted fleet")
    await s.refused(s.backend.delete_fleet(s.fleet), Gone, "deleting it again")
    s.must(s.fleet not in await s.backend.fleets(), "a deleted fleet is listed")


async def _adopted(s: Stage, *, delete: bool) -> None:
    assert isinstance(s.backend, SupportsAdopt)
    await s.author.raw_foreign_group(s.fleet, 1)
    await s.backend.adopt_fleet(s.fleet, delete_when_replaced=delete)


@check("S3", size=None, needs=(SupportsAdopt,), uses=("raw_foreign_group",))
async def adopting_changes_marks_only(s: Stage) -> None:
    """The group of somebody else is revision 1, with the members that it had."""
    assert isinstance(s.backend, SupportsAdopt)
    await s.author.raw_foreign_group(s.fleet, 2)
    before = await s.members()
    await s.backend.adopt_fleet(s.fleet, delete_when_replaced=False)
    state = await s.look()
    s.same(len(state.groups), 1, "the number of its groups")
    group = state.groups[0]
    told = (group.number, group.size, group.origin, group.rollout, group.hold)
    s.same(told, (1, 2, Origin.ADOPTED, "", None), "number, size, origin, rollout and hold")
    await s.ready(2)
    await s.spared(before)
    what = "adopting a group that isn't there"
    await s.refused(s.backend.adopt_fleet(f"{s.fleet}x", delete_when_replaced=False), Gone, what)


@check("S3", needs=(SupportsAdopt,))
async def a_fleet_of_ours_is_not_adopted(s: Stage) -> None:
    """What isn't one group of somebody else can't be taken over."""
    assert isinstance(s.backend, SupportsAdopt)
    what = "adopting a fleet that the SDK has made"
    await s.refused(s.backend.adopt_fleet(s.fleet, delete_when_replaced=True), Invalid, what)


async def _replaced(s: Stage) -> None:
    """Empty an adopted group and delete it, as a rollout does after its commit."""
    (old,) = await s.ready(1)
    await s.hold()
    await s.create()
    await s.see_off(old.id)
    await s.delete(1)
    s.same([group.number for group in (await s.look()).groups], [2], "the groups that are left")


@check("D4", size=None, needs=(SupportsAdopt,), uses=("raw_foreign_group", "raw_kept"))
async def an_adopted_group_is_kept(s: Stage) -> None:
    """Without delete_when_replaced it stays at size 0, and is none of the fleet's."""
    await _adopted(s, delete=False)
    await _replaced(s)
    s.same(await s.author.raw_kept(s.fleet), 0, "the size of the adopted group that is kept")


@check("D4", size=None, needs=(SupportsAdopt,), uses=("raw_foreign_group", "raw_kept"))
async def an_adopted_group_is_deleted_when_that_was_said(s: Stage) -> None:
    """With delete_when_replaced nothing is left."""
    await _adopted(s, delete=True)
    await _replaced(s)
    s.same(await s.author.raw_kept(s.fleet), None, "the adopted group")


@check("F3", "F4", "E13", size=None)
async def images_are_pinned(s: Stage) -> None:
    """A name gives the same image each time; what isn't there is Invalid, and says what is."""
    one, two = [await s.backend.resolve(each) for each in s.author.images]
    s.must(one != two, f"both of {s.author.images} are {one}")
    s.must(one.artifact and two.artifact, "an image without an artifact")
    s.same(await s.backend.resolve(s.author.images[0]), one, "the same name, resolved again")
    s.same(await s.backend.resolve(one.artifact), one, "the artifact, resolved")
    what = f"resolving {s.author.missing!r}"
    error = await s.refused(s.backend.resolve(s.author.missing), Invalid, what)
    s.must(s.author.missing in str(error), f"{what}: the error doesn't name it: {error}")


@check("F1", "E13", size=3, uses=("url",))
async def plans_are_looked_through(s: Stage) -> None:
    """A sound plan has no problem; one for an image that isn't there has, with a way out."""
    async with connected(s) as fleet:
        plan = await fleet.plan(s.author.images[1])
    before = await s.group()
    s.same(tuple(await s.backend.preflight(s.fleet, plan)), (), "the problems of a sound plan")
    missing = s.author.missing
    image = evolve(plan.candidate.image, artifact=missing, digest=missing)
    broken = evolve(plan, candidate=evolve(plan.candidate, image=image))
    problems = await s.backend.preflight(s.fleet, broken)
    s.must(problems, f"a plan for the image {missing} has no problem")
    for problem in problems:
        s.must(problem.way_out, f"a problem without a way out: {problem.what}")
    s.same(await s.group(), before, "the group after preflight")


@check("F3", "S1", size=None, needs=(SupportsImages,), uses=("image_source",))
async def images_are_built_once(s: Stage) -> None:
    """The same source gives the same image, which is then listed."""
    assert isinstance(s.backend, SupportsImages)
    source = await s.author.image_source()
    image = await s.backend.build_image(source)
    s.same(await s.backend.build_image(source), image, "an image built again")
    s.must(image in await s.backend.images(), f"{image} was built, and is not listed")
