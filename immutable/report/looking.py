"""A fleet as a page: what runs where, from which commit, since when. Pure, from one look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from immutable.journal import Entry
from immutable.model import FleetState, Group, Instance, InstanceState
from immutable.report.charts import moment
from immutable.report.telling import stamp, table

__all__ = ["page"]

_COLUMNS = ("instance", "runs", "state, since", "zone", "age")


def page(address: str, state: FleetState, entries: Sequence[Entry] = ()) -> str:
    """Return a fleet as one HTML file.

    Args:
        address: Its address.
        state: One look at it.
        entries: Its rollouts, the oldest first; the page names the newest.
    """
    from immutable.report.page import rendered  # It loads Jinja.

    wanted = sum(group.size for group in state.groups)
    whole = state.ready >= wanted and len(state.groups) == 1
    by_place = sorted(state.instances, key=lambda each: (each.revision, each.zone, each.id))
    rows = [_instance(each, state) for each in by_place]
    return rendered(
        "fleet.html",
        title=f"{address}: what runs where",
        fleet=address,
        mood="good" if whole else "mild",
        state=f"{state.ready} READY of {wanted}, in {_many(len(state.groups), 'group')}",
        made=stamp(state.at),
        rollout=list(_rollout(entries[-1])) if entries else [],
        groups=[_group(group, state) for group in state.groups],
        instances=table(f"{_many(len(rows), 'instance')}", _COLUMNS, rows, "  s s"),
    )


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _rollout(entry: Entry) -> Iterator[tuple[str, str]]:
    status = entry.status.value.replace("_", " ")
    yield "newest rollout", f"{entry.rollout}, {status}, begun {stamp(entry.started_at)}"
    yield "by", entry.actor or "nobody said"
    yield "why", entry.reason or "nobody said"


def _group(group: Group, state: FleetState) -> dict[str, Any]:
    return {"name": str(group.revision), "facts": list(_facts(group, state))}


def _facts(group: Group, state: FleetState) -> Iterator[tuple[str, str]]:
    members, image = state.members(group.number), group.revision.image
    counts = [(each, sum(one.state is each for one in members)) for each in InstanceState]
    yield "size", f"{group.size} asked for, {len(members)} exist"
    yield "states", ", ".join(f"{many} {each.value}" for each, many in counts if many) or "none"
    yield "image", image.artifact
    yield "commit", image.commit or "not known"
    yield "digest", f"{image.digest or 'not known'} ({image.assurance.value})"
    if group.weight is not None:
        yield "traffic", f"{group.weight:g} % of the fleet's"
    if group.hold is not None:
        yield "held by", f"rollout {group.hold.rollout}, until {stamp(group.hold.until)}"
    if group.lapsed is not None:
        yield "lapsed hold", f"of rollout {group.lapsed.rollout}: immutable sweep undoes it"
    if group.trouble is not None:
        yield "trouble", f"{group.trouble.kind.value}: {group.trouble.message}"
    if members:
        ages = [state.at - each.launched_at for each in members if each.launched_at]
        yield "age", f"{moment(max(ages))} the oldest" if ages else "not known"


def _instance(each: Instance, state: FleetState) -> tuple[str, ...]:
    group = state.group(each.revision)
    runs = str(group.revision) if group is not None else f"r{each.revision}"
    since = f", {moment(max(0.0, state.at - each.ready_since))}" if each.ready_since else ""
    age = moment(max(0.0, state.at - each.launched_at)) if each.launched_at else ""
    name = f"{each.id} {each.address}".strip()
    return name, runs, f"{each.state.value}{since}", each.zone, age
