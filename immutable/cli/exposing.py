"""What is told, and done, about fleets that run an image: as a command, and by ``image revoke``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from immutable.cli.options import as_json, where
from immutable.cli.running import FAILED, command, console, fail, show_json
from immutable.cli.withdrawing import PLACES
from immutable.connecting import opened_journal
from immutable.images import Escape, Exposure, connecting, escapes, exposure, stop_rollouts
from immutable.journal import Journal
from immutable.model.serial import digest, dump_plan

__all__ = ["answer", "complain", "escape_options", "exposed"]

F = TypeVar("F", bound=Callable[..., Any])


def escape_options(function: F) -> F:
    """Add whether plans are made for fleets that run an image, and to what."""
    for option in (
        click.option(
            "--to", default="", metavar="IMAGE",
            help="What these plans go to; default the newest version that is not revoked.",
        ),
        click.option(
            "--plans", type=click.Path(file_okay=False, path_type=Path),
            help="Write a plan for each fleet that runs it into this directory.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command(name="exposure")
@click.argument("image")
@escape_options
@PLACES
@where
@as_json
@command
async def exposed(
    image: str,
    plans: Path | None,
    to: str,
    places: tuple[str, ...],
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """List the fleets and instances that run an IMAGE, or what was built on it.

    They are looked for among the fleets that the journal knows. With --plans there is a plan for
    each to get off it; nothing is changed. Exits with 4 if a fleet could not be looked at, or has
    no plan.
    """
    async with opened_journal(journal) as book:
        document = await answer(
            book, image, plans=plans, to=to, places=places, actor=actor, stop="", as_json=as_json
        )
    if as_json:
        show_json(document)
    complain(document)


async def answer(
    book: Journal,
    image: str,
    *,
    plans: Path | None,
    to: str,
    places: Sequence[str],
    actor: str | None,
    stop: str,
    as_json: bool,
) -> dict[str, Any]:
    """Look who runs an image, stop what goes to it, and make plans to get off it.

    Args:
        book: The journal.
        image: The image.
        plans: Where plans go; None for none.
        to: What they go to; empty for the newest version that is not revoked.
        places: How backends are reached.
        actor: On whose behalf.
        stop: Why rollouts that go to it are to go back; empty for not to tell them.
        as_json: Whether nothing is to be printed.

    Returns:
        What was found, as a JSON document.
    """
    connect = connecting(book, places=places, actor=actor)
    found = await exposure(book, image, connect)
    stopped = await stop_rollouts(found, connect, reason=stop) if stop else {}
    made = await escapes(book, found, connect, to=to) if plans is not None else ()
    files = await asyncio.to_thread(_write, plans, made) if plans is not None else {}
    document = _document(found, stopped, made, files)
    if not as_json:
        _tell(document)
    return document


def complain(document: dict[str, Any]) -> None:
    """Leave with an exit code of failure if something is unknown, or was not possible.

    Raises:
        SystemExit: It is so.
    """
    wrong = [each["fleet"] for each in document["unseen"]]
    wrong += [each["fleet"] for each in document["rollouts"] if each.get("problem")]
    wrong += [each["fleet"] for each in document["plans"] if each["problem"]]
    if wrong:
        names = ", ".join(dict.fromkeys(wrong))
        fail(FAILED, f"not all is known, or done, about {names}", "the same command tries again")


def _write(folder: Path, made: Sequence[Escape]) -> dict[str, str]:
    """Write plans into files named after their fleets; return where each is."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, each in enumerate(made, 1):
        if each.plan is not None:
            name = "".join(c if c.isalnum() or c in "._-" else "-" for c in each.fleet)
            place = folder / f"{number:03}-{name}.plan"
            place.write_text(dump_plan(each.plan), encoding="utf-8")
            files[each.fleet] = str(place)
    return files


def _document(
    found: Exposure, stopped: dict[str, str], made: Sequence[Escape], files: dict[str, str]
) -> dict[str, Any]:
    return {
        "image": found.image,
        "exposed": [
            {
                "fleet": each.fleet,
                "revision": each.revision,
                "artifact": each.artifact,
                "images": list(each.images),
                "instances": list(each.instances),
            }
            for each in found.found
        ],
        "rollouts": [
            {"fleet": each.fleet, "rollout": each.rollout}
            | ({"problem": stopped[each.rollout]} if each.rollout in stopped else {})
            for each in found.rollouts
        ],
        "unseen": [{"fleet": fleet, "reason": why} for fleet, why in found.unseen],
        "plans": [
            {
                "fleet": each.fleet,
                "file": files.get(each.fleet, ""),
                "digest": digest(each.plan) if each.plan is not None else "",
                "to": str(each.plan.candidate.image) if each.plan is not None else "",
                "problem": each.reason,
            }
            for each in made
        ],
    }


def _tell(document: dict[str, Any]) -> None:
    say = console().print
    for each in document["exposed"]:
        count, images = len(each["instances"]), ", ".join(each["images"])
        what = f"{count} instance{'' if count == 1 else 's'} of {images}"
        say(f"{each['fleet']} r{each['revision']} runs {what}", markup=False)
        for name in each["instances"]:
            say(f"  {name}", markup=False)
    for each in document["rollouts"]:
        told = {None: "is under way to it", "": "is told to go back"}
        problem = each.get("problem")
        say(f"{each['fleet']} rollout {each['rollout']} {told.get(problem, problem)}", markup=False)
    for each in document["unseen"]:
        say(f"{each['fleet']} can't be looked at: {each['reason']}", markup=False)
    for each in document["plans"]:
        way = f"immutable apply {each['file']}" if each["file"] else f"no plan: {each['problem']}"
        to = f" to {each['to']}" if each["to"] else ""
        say(f"{each['fleet']}{to}: {way}", markup=False)
    if not (document["exposed"] or document["rollouts"] or document["unseen"]):
        say("no fleet that this journal knows runs it", markup=False)
