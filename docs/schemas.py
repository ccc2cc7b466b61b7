"""The JSON that commands print: its schema and its page, made of the values' own declarations.

    python docs/schemas.py

writes docs/command.schema.json (JSON Schema, draft 2020-12) and docs/json.md. The tests of the
command hold against the schema whatever it prints for --json.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from attrs import fields, has
from writing import write

from immutable.catalog import Assignment
from immutable.checkup import Finding as CheckedThing
from immutable.model import (
    Bounds,
    Group,
    Image,
    Instance,
    Record,
    Result,
    Revision,
    RolloutStatus,
    Slot,
)
from immutable.model.actions import Action
from immutable.model.drift import Finding as Drifted
from immutable.model.drift import Stray
from immutable.model.frozenmap import FrozenMap
from immutable.model.gates import Gate
from immutable.model.preview import Preview
from immutable.model.records import Ended
from immutable.model.serial import _UNUSED, _tag
from immutable.model.steps import Step
from immutable.planning.sweeping import Leftover
from immutable.report.course import Course
from immutable.scanning import Report as Scan
from immutable.simulation import Point

HERE = Path(__file__).parent
SCHEMA, PAGE = HERE / "command.schema.json", HERE / "json.md"
UNIONS = {Action: "action", Gate: "gate", Step: "step", Record: "record"}
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
TEXT, NUMBER, COUNT = {"type": "string"}, {"type": "number"}, {"type": "integer"}
TRUTH, ANY = {"type": "boolean"}, {}
TEXTS = {"type": "array", "items": TEXT}


def many(items: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of a list."""
    return {"type": "array", "items": items}


def maybe(what: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of what may be null."""
    return {"anyOf": [what, {"type": "null"}]}


def by_name(values: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of an object with any names."""
    return {"type": "object", "additionalProperties": values}


def record(optional: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of an object with these members."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


class Shapes:
    """Definitions of values, made as they are needed."""

    def __init__(self) -> None:
        self.defs: dict[str, dict[str, Any]] = {}
        self._kinds: dict[str, type] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a declared type."""
        if kind in UNIONS:
            return self._tagged(UNIONS[kind], get_args(kind))
        if kind in PLAIN:
            return {"type": PLAIN[kind]}
        origin, args = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(each) for each in args]}
        if origin in (tuple, list):
            return many(self.of(args[0]))
        if origin is FrozenMap or origin is dict:
            return by_name(self.of(args[1]))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"enum": [each.value for each in kind]}
        if has(kind):
            return self._value(kind)
        raise TypeError(kind)

    def _value(self, kind: type, tag: str = "") -> dict[str, Any]:
        name = kind.__name__
        if self._kinds.get(name, kind) is not kind:
            name = kind.__module__.rpartition(".")[2].title() + name
        if not tag and any(kind in get_args(each) for each in UNIONS):
            name = f"Plain{name}"  # Its kind stands in JSON only where it may be another one.
        if name not in self.defs:
            self._kinds[name] = kind
            self.defs[name] = {}  # It may refer to itself.
            hints, said = get_type_hints(kind), meanings(kind)
            properties = {"type": {"const": tag}} if tag else {}
            for each in fields(kind):
                words = {"description": said[each.name]} if each.name in said else {}
                properties[each.name] = self.of(hints[each.name]) | words
            left_out = _UNUSED.get(kind, ())
            self.defs[name] = {"description": first_line(kind)} | record(left_out, **properties)
        return {"$ref": f"#/$defs/{name}"}

    def _tagged(self, name: str, kinds: tuple[type, ...]) -> dict[str, Any]:
        if name not in self.defs:
            self.defs[name] = {}
            self.defs[name] = {"anyOf": [self._value(each, _tag(each)) for each in kinds]}
        return {"$ref": f"#/$defs/{name}"}

    def named(self, name: str, what: str, shape: dict[str, Any]) -> dict[str, Any]:
        """Name a shape that is no value's."""
        self.defs[name] = {"description": what} | shape
        return {"$ref": f"#/$defs/{name}"}


def first_line(kind: type) -> str:
    """Return what a class is, in its own words."""
    return plain((inspect.getdoc(kind) or "").partition("\n\n")[0])


def plain(text: str) -> str:
    """Return the words of a docstring as Markdown, on one line."""
    return " ".join(text.replace("``", "`").split())


def meanings(kind: type) -> dict[str, str]:
    """Return what a class's docstring says of its attributes."""
    _, _, listed = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |^\S|\Z)", listed, re.MULTILINE | re.DOTALL)
    return {name: plain(words) for name, words in found}


def shapes() -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Return which kinds of lines each command prints, and the definitions."""
    known = Shapes()
    of, named = known.of, known.named
    event = named(
        "RolloutEvent",
        "Something that happened in a rollout, as it is written down.",
        record(rollout=TEXT, seq=COUNT, at=NUMBER, words=TEXT, record=of(Record)),
    )
    fleet = record(
        ("notes",),
        fleet=TEXT,
        at=NUMBER,
        size=COUNT,
        states=by_name(COUNT),
        groups=many(of(Group)),
        instances=many(of(Instance)),
        notes=TEXTS,
    )
    fleet = named("Fleet", "A fleet as it is now; `states` counts instances by their state.", fleet)
    status, result = of(RolloutStatus), of(Result)
    order = named(
        "GivenOrder",
        "What became of an order that was given to a rollout.",
        record(
            order=TEXT,
            reason=TEXT,
            taken_up_by=maybe(TEXT),
            taken_over=TRUTH,
            status=status,
            result=maybe(result),
        ),
    )
    entry = named(
        "HistoryEntry",
        "A rollout as a row of a fleet's history.",
        record(
            **dict.fromkeys(
                ("rollout", "fleet", "status", "actor", "reason", "image", "strategy", "plan"), TEXT
            ),
            started_at=NUMBER,
            **{"from": COUNT, "to": COUNT},
        ),
    )
    signed = named(
        "Signed",
        "What was signed, by which key, and where that is kept.",
        record(digest=TEXT, keyid=TEXT, keys=COUNT, signed=TEXT),
    )
    stream, ended = [event, result], [event, result, order]
    lines = {
        "plan": [of(Preview)],
        "apply": [*stream, status],
        "replace": stream, "rollback": stream, "recover": stream, "watch": stream,
        "repair": [*stream, of(Preview)],
        "history": [many(entry)],
        **dict.fromkeys(("pause", "resume", "promote", "abort", "cancel"), ended),
        "fleet create": [fleet], "fleet adopt": [fleet], "fleet status": [fleet],
        "fleet list": [TEXTS],
        "fleet scale": [result],
        "fleet delete": [named("Deleted", "A fleet that is deleted.",
                               record(fleet=TEXT, deleted=TRUTH))],
        "fleet restore-slot": [named("SlotRestored", "A slot that is as a snapshot has it.",
                                     record(fleet=TEXT, slot=TEXT, snapshot=TEXT))],
        "fleet slots": [many(of(Slot))],
        "drift": [named("Drift", "How far a fleet is what its revision says.",
                        record(fleet=TEXT, at=NUMBER, verdict=TEXT, instances=many(of(Drifted)),
                               strays=many(of(Stray)), checked=TEXTS, unseen=TEXTS,
                               max_age=maybe(NUMBER)))],
        "sweep": [by_name(many({"anyOf": [TEXT, of(Leftover)]}))],
        "config": [by_name(record(value={"anyOf": [TEXT, COUNT]}, source=TEXT))],
        "doctor": [record(findings=many(of(CheckedThing)))],
        "approve": [signed], "image sign": [signed],
        "approvals": [record(digest=TEXT, by=TEXTS, approvals=many(ANY))],
        **_of_images(known), **_of_the_catalog(known), **_of_audits(known),
        **_of_courses(known),
    }  # fmt: skip
    return lines, _needed(lines, known.defs)


def _needed(lines: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions that something refers to."""
    needed, asked = {}, [json.dumps(lines)]
    while asked:
        found = set(re.findall(r"#/\$defs/(\w+)", asked.pop())) - needed.keys()
        needed |= {name: defs[name] for name in found}
        asked += [json.dumps(defs[name]) for name in found]
    return needed


def _of_images(known: Shapes) -> dict[str, list[dict[str, Any]]]:
    image = known.of(Image)
    withdrawn = record(image=TEXT, artifact=TEXT, outcome=TEXT, reason=TEXT)
    exposure = known.named(
        "Exposure", "Who runs an image, or what was built on it.",
        record(
            image=TEXT,
            exposed=many(record(fleet=TEXT, revision=COUNT, artifact=TEXT, images=TEXTS,
                                instances=TEXTS)),
            rollouts=many(record(("problem",), fleet=TEXT, rollout=TEXT, problem=TEXT)),
            unseen=many(record(fleet=TEXT, reason=TEXT)),
            plans=many(record(fleet=TEXT, file=TEXT, digest=TEXT, to=TEXT, problem=TEXT)),
        ),
    )  # fmt: skip
    texts = ("name", "version", "artifact", "manifest", "spec", "commit", "sbom", "build")
    return {
        "image list": [many(image)], "image collect": [many(image)],
        "image build": [record(**dict.fromkeys(texts, TEXT), artifacts=many(ANY), tests=many(ANY),
                               reused=TRUTH)],
        "image test": [record(image=TEXT, manifest=TEXT, passed=TRUTH, tests=many(ANY))],
        "image scan": [_with(known.of(Scan), known, verdict=TEXT)],
        "image sweep": [TEXTS],
        "image retire": [many(record(image=TEXT, digest=TEXT))],
        "image exposure": [exposure],
        "image revoke": [record(("withdrawn",), digest=TEXT, at=NUMBER, affected=TEXTS,
                                channels=TEXTS, withdrawn=many(withdrawn), exposure=exposure)],
        "image restore": [record(("withdrawn",), digest=TEXT, reason=TEXT,
                                 withdrawn=many(withdrawn))],
        "image keygen": [record(key=TEXT, public=TEXT, keyid=TEXT)],
        "image verify": [record(digest=TEXT, signers=TEXTS, artifacts=TEXTS)],
    }  # fmt: skip


def _of_the_catalog(known: Shapes) -> dict[str, list[dict[str, Any]]]:
    texts = dict.fromkeys(("name", "version", "digest", "parent"), TEXT)
    there = dict.fromkeys(("artifacts", "lineage", "descendants", "channels"), TEXTS)
    revoked = {name: maybe(by_name(ANY)) for name in ("revoked", "revoke_at")}
    version = known.named("Version", "A version in the catalog of images, and what is around it.",
                          record(("manifest",), **texts, added_at=NUMBER, **there, **revoked,
                                 manifest=TEXT))  # fmt: skip
    assigned = known.named(
        "Assigned", "Where a channel points, or pointed.",
        _with(known.of(Assignment), known, image=TEXT),
    )  # fmt: skip
    policy = record(
        ("set_at", "actor", "reason"), fleet=TEXT, require=maybe(many(ANY)), set_at=NUMBER,
        actor=TEXT, reason=TEXT, bypass=maybe(record(until=NUMBER, actor=TEXT, reason=TEXT)),
    )  # fmt: skip
    policy = known.named("FleetPolicy", "The policy that a fleet carries.", policy)
    follower = record(fleet=TEXT, following=maybe(TEXT))
    offer = record(fleet=TEXT, channel=TEXT, to=TEXT, digest=TEXT, file=TEXT)
    return {
        "image add": [version], "image show": [version], "image versions": [many(version)],
        "channel assign": [assigned], "channel rollback": [assigned],
        "channel list": [many(assigned)], "channel history": [many(assigned)],
        **{f"policy {name}": [policy] for name in ("set", "show", "clear", "break-glass")},
        "follow set": [follower], "follow stop": [follower], "follow list": [many(follower)],
        "follow offers": [many(offer)],
    }  # fmt: skip


def _of_audits(known: Shapes) -> dict[str, list[dict[str, Any]]]:
    texts = (
        "change",
        "type",
        "fleet",
        "plan",
        "strategy",
        "reason",
        "requested_by",
        "requested_at",
        "started_at",
        "finished_at",
        "security_impact",
        "emergency",
    )
    parts = (
        "where",
        "from",
        "to",
        "instances",
        "approved_by",
        "executed_by",
        "tests",
        "outcome",
        "way_back",
        "log",
    )
    change = known.named(
        "ChangeRecord", "Who wanted what, who approved it, what came of it, and the proof.",
        record(**dict.fromkeys(texts, TEXT), **dict.fromkeys(parts, by_name(ANY)),
               orders=many(by_name(ANY)), policy={"anyOf": [TEXT, by_name(ANY)]}),
    )  # fmt: skip
    lack = record(change=TEXT, place=COUNT, field=TEXT, why=TEXT)
    return {
        "audit verify": [record(size=COUNT, root=TEXT, findings=many(ANY), warnings=TEXTS,
                                confirmed=COUNT, by=TEXT)],
        "audit checkpoint": [record(checkpoint=TEXT, size=COUNT, key=TEXT)],
        "audit changes": [many(change)],
        "audit pack": [record(directory=TEXT, changes=COUNT, lacks=many(lack))],
    }  # fmt: skip


def _of_courses(known: Shapes) -> dict[str, list[dict[str, Any]]]:
    texts = ("rollout", "fleet", "status", "reason", "actor", "why", "plan")
    lists = ("sizes", "shares", "marks", "steps", "decisions", "gates")
    hints = get_type_hints(Course)
    report = known.named(
        "Report", "How a rollout went: all times in seconds since it began.",
        record(**dict.fromkeys(texts, TEXT), started_at=NUMBER, seconds=NUMBER,
               **{name: known.of(Revision) for name in ("from", "to")}, bounds=known.of(Bounds),
               records=COUNT, end=maybe(known.of(Ended)),
               **{name: known.of(hints[name]) for name in lists}),
    )  # fmt: skip
    spread = record(p50=NUMBER, p95=NUMBER, worst=NUMBER)
    spreads = ("seconds", "extra_instance_hours", "requests_to_candidate", "failed_requests")
    rehearsal = known.named(
        "Rehearsal", "How a rollout would go, from many trials on a simulated twin.",
        record(**dict.fromkeys(("fleet", "strategy", "image", "plan"), TEXT),
               **dict.fromkeys(("wanted", "trials", "seed", "lowest_ready"), COUNT),
               faults=many(by_name(ANY)), traffic=NUMBER,
               laws=record(**dict.fromkeys(("boot", "drain", "terminate", "known"), TEXT),
                           boots=COUNT),
               assumed=TEXTS, ends=by_name(COUNT), reasons=by_name(COUNT),
               **dict.fromkeys(spreads, spread), calls=by_name(NUMBER), lowest_share=NUMBER,
               lengths=many(NUMBER), course=many(known.of(Point))),
    )  # fmt: skip
    fleet = {"$ref": "#/$defs/Fleet"}
    return {"report": [report, fleet], "rehearse": [rehearsal, many(rehearsal)]}


def _with(base: dict[str, Any], known: Shapes, **more: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with more members."""
    found = known.defs[base["$ref"].rpartition("/")[2]]
    return record(**found["properties"], **more)


def schema() -> dict[str, Any]:
    """Return the whole as JSON Schema: ``$defs``, and under ``commands`` what each prints."""
    lines, defs = shapes()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the immutable command prints for --json, line by line",
        "commands": {name: {"anyOf": kinds} for name, kinds in sorted(lines.items())},
        "$defs": dict(sorted(defs.items())),
    }


# -- the page ----------------------------------------------------------------------------------


def spelled(shape: dict[str, Any]) -> str:
    """Return a shape in words, with links to what is defined."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](#json-{name.lower()})"
    if "anyOf" in shape:
        return " or ".join(spelled(each) for each in shape["anyOf"])
    if "enum" in shape:
        return ", ".join(f"`{each}`" for each in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    if shape.get("type") == "array":
        return f"list of {spelled(shape['items'])}"
    if shape.get("type") == "object" and "properties" not in shape:
        return f"{spelled(shape['additionalProperties'])} by name"
    if shape.get("type") == "object":
        members = ", ".join(f"`{n}`: {spelled(s)}" for n, s in shape["properties"].items())
        return f"{{{members}}}"
    return {"string": "text"}.get(shape.get("type", "anything"), shape.get("type", "anything"))


def _defined(name: str, shape: dict[str, Any]) -> list[str]:
    rows = [f"(json-{name.lower()})=", f"### {name}", "", shape.get("description", ""), ""]
    if "properties" not in shape:
        return [*rows, f"One of: {spelled(shape)}", ""]
    rows += ["| member | what | meaning |", "| --- | --- | --- |"]
    for member, each in shape["properties"].items():
        often = "" if member in shape["required"] else " (may be missing)"
        words = each.get("description", "").replace("|", "\\|")
        rows.append(f"| `{member}`{often} | {spelled(each)} | {words} |")
    return [*rows, ""]


PREFACE = """# What `--json` prints

Each line of what a command prints for `--json` is a JSON document of one of these shapes: one line, but for commands that follow a rollout, which print a line for
each event as it happens and one for how it ended. Members may be added in later versions; none goes, and none changes its meaning, without a new major version.
Messages for people go to standard error. Times are seconds since 1970, unless something else is said.

The same as JSON Schema (draft 2020-12), for programs: {download}`command.schema.json`. This page and that file are made of the declarations of the values, and the tests of the command hold
whatever it prints against them.

`controller` writes a log, `exec` becomes the command that it starts, and what `audit export` writes is [a format of its own](audit.md): they have no `--json`.

## By command

| command | a line is |
| --- | --- |
"""


def page() -> str:
    """Return the page."""
    lines, defs = shapes()
    rows = [
        f"| `{name}` | {' or '.join(spelled(each) for each in kinds)} |"
        for name, kinds in sorted(lines.items())
    ]
    parts = [line for name in sorted(defs) for line in _defined(name, defs[name])]
    return PREFACE + "\n".join([*rows, "", "## By name", "", *parts]).rstrip() + "\n"


def files() -> dict[Path, str]:
    """Return what is written where."""
    return {SCHEMA: json.dumps(schema(), indent=1, sort_keys=True) + "\n", PAGE: page()}


if __name__ == "__main__":
    write(files())
