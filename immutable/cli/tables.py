"""Fleets, images and histories as tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Group as Rows
from rich.table import Table
from rich.text import Text

from immutable.journal import Entry
from immutable.model import FleetState, Image, Instance, InstanceState, Slot, Status
from immutable.model.quantities import duration

__all__ = [
    "change_table",
    "fleet_table",
    "history_table",
    "image_table",
    "plain_table",
    "slot_table",
    "stamp",
]

STYLES = {
    Status.SUCCEEDED: "green",
    Status.ROLLED_BACK: "yellow",
    Status.FAILED: "red",
    Status.CANCELLED: "red",
}
_STATES = {
    InstanceState.STARTING: "cyan",
    InstanceState.READY: "green",
    InstanceState.UNREADY: "red",
    InstanceState.DRAINING: "yellow",
}


def stamp(seconds: float) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _table(*columns: str, title: str | None = None) -> Table:
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        # The first is what a row is called by, to be copied: the others make room for it.
        made.add_column(column, overflow="fold", no_wrap=number == 0)
    return made


def plain_table(
    rows: Iterable[Iterable[str | Text]], *columns: str, title: str | None = None
) -> Table:
    """Return rows of words as they are."""
    made = _table(*columns, title=title)
    made.show_header = any(columns)
    for row in rows:
        made.add_row(*(Text(word) if isinstance(word, str) else word for word in row))
    return made


def fleet_table(address: str, state: FleetState) -> Rows:
    """Return a fleet: a row for each group, then one for each instance."""
    weighted = any(group.weight is not None for group in state.groups)
    traffic = ["traffic"] if weighted else []
    groups = _table("revision", "image", "size", "ready", *traffic, "held by", title=address)
    for group in state.groups:
        ready = sum(each.state is InstanceState.READY for each in state.members(group.number))
        groups.add_row(
            f"r{group.number}",
            str(group.revision.image),
            str(group.size),
            str(ready),
            *(["" if group.weight is None else f"{group.weight:g} %"] * weighted),
            group.hold.rollout if group.hold else "",
        )
    instances = _table("instance", "revision", "state", "since", "zone", "address")
    for instance in sorted(state.instances, key=lambda each: (each.revision, each.id)):
        instances.add_row(
            instance.id,
            f"r{instance.revision}",
            Text(instance.state.value, style=_STATES.get(instance.state, "")),
            _age(instance, state.at),
            instance.zone,
            instance.address,
        )
    slots = (Text(""), slot_table(state.slots)) if state.slots else ()
    return Rows(groups, Text(""), instances, *slots)


def slot_table(slots: Iterable[Slot]) -> Table:
    """Return the slots of a stateful fleet, a row each."""
    made = _table("slot", "held by", "volumes", "saved as")
    for slot in slots:
        volumes = ", ".join(f"{name} {identity}" for name, identity in slot.volumes.items())
        saved = "being saved" if slot.saving else slot.saved
        made.add_row(slot.name, slot.holder or "free", volumes or "gone", saved)
    return made


def _age(instance: Instance, now: float) -> str:
    since = instance.ready_since or instance.launched_at
    return duration(max(0.0, round(now - since))) if since else ""


def history_table(entries: Iterable[Entry]) -> Table:
    """Return rollouts, a row each."""
    made = _table("rollout", "started (UTC)", "status", "from", "to", "image", "actor", "reason")
    for entry in entries:
        made.add_row(
            entry.rollout,
            stamp(entry.started_at),
            Text(entry.status.value, style=STYLES.get(entry.status, "cyan")),
            f"r{entry.plan.stable.number}",
            f"r{entry.plan.candidate.number}",
            str(entry.plan.candidate.image),
            entry.actor,
            entry.reason,
        )
    return made


def image_table(images: Iterable[Image]) -> Table:
    """Return images, a row each."""
    made = _table("name", "version", "digest", "assurance")
    for image in images:
        made.add_row(image.name, image.version, image.digest, image.assurance.value)
    return made


def change_table(changes: Iterable[dict[str, Any]]) -> Table:
    """Return change records, a row each."""
    made = _table("change", "fleet", "from", "to", "requested by", "approved by", "outcome", "log")
    for change in changes:
        outcome, log = change["outcome"]["status"], change["log"]
        approvals = [each["by"] for each in change["approved_by"]["given"]]
        made.add_row(
            change["change"],
            change["fleet"],
            change["from"]["image"],
            change["to"]["image"],
            change["requested_by"],
            ", ".join(approvals) or "nobody",
            Text(outcome, style=STYLES.get(outcome, "cyan")),
            f"{log['first']['index']}-{log['last']['index']}",
        )
    return made
