"""Statements: what is said about something, and about what exactly.

An in-toto Statement v1 (https://github.com/in-toto/attestation, spec/v1/statement.md): subjects by
name and digest, the type of what is said of them, and what is said, the predicate. In-toto lets a
reader ignore members that it doesn't know; here they are refused, since somebody signed them and
meant something by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from attrs import frozen

from immutable.errors import InvalidValue, NotTrusted
from immutable.model.serial import canonical
from immutable.trust.flaws import Flaw
from immutable.trust.strict import DuplicateName, strict_json

__all__ = ["STATEMENT_TYPE", "Statement", "Subject"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
"""The type of statements (statement.md, ``_type``)."""


@frozen
class Subject:
    """What something is said about.

    Attributes:
        name: Which one it is, such as an artifact's address.
        digest: Its digest: ``sha256:`` and 64 hexadecimal digits.
    """

    name: str
    digest: str


@frozen
class Statement:
    """Something that is said about subjects.

    Attributes:
        subjects: What it is about.
        predicate_type: What kind of thing is said, as a URI.
        predicate: What is said: plain data.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]

    def dump(self) -> bytes:
        """Return the statement as canonical JSON: what is signed."""
        return canonical(
            {
                "_type": STATEMENT_TYPE,
                "subject": [
                    {"name": each.name, "digest": {"sha256": each.digest.removeprefix("sha256:")}}
                    for each in self.subjects
                ],
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        )

    @classmethod
    def load(cls, payload: bytes) -> Statement:
        """Return the statement in a payload whose signatures were checked.

        Raises:
            NotTrusted: It is none, or could be read in two ways.
        """
        try:
            data = strict_json(payload, "statement")
        except DuplicateName as error:
            raise NotTrusted(Flaw.REPEATED_NAME, str(error)) from error
        except InvalidValue as error:
            raise NotTrusted(Flaw.PAYLOAD, str(error)) from error
        if not isinstance(data, dict) or data.get("_type") != STATEMENT_TYPE:
            kind = data.get("_type") if isinstance(data, dict) else None
            reason = f"what is signed is of the type {kind!r}, not {STATEMENT_TYPE!r}"
            raise NotTrusted(Flaw.STATEMENT_TYPE, reason)
        _members(data, ("_type", "subject", "predicateType", "predicate"), "the statement")
        kind, said, about = data["predicateType"], data["predicate"], data["subject"]
        if type(kind) is not str or type(said) is not dict or type(about) is not list:
            _misshapen("it needs a list of subjects, a type as text and an object as predicate")
        return cls(tuple(_subjects(about)), kind, said)


def _subjects(listed: list[Any]) -> Iterable[Subject]:
    for each in listed:
        _members(each, ("name", "digest"), "a subject")
        name, digest = each["name"], each["digest"]
        _members(digest, ("sha256",), f"the digest of {name!r}")
        value = digest["sha256"]
        if type(name) is not str or type(value) is not str or not _HEX.fullmatch(value):
            _misshapen(f"the digest of {name!r} is {value!r}, which is no sha256")
        yield Subject(name, f"sha256:{value}")


_HEX = re.compile(r"[0-9a-f]{64}")


def _members(data: Any, names: tuple[str, ...], what: str) -> None:
    if not isinstance(data, dict):
        _misshapen(f"{what} is no object")
    for name in names:
        if name not in data:
            _misshapen(f"{what} has no {name!r}")
    for name in data:
        if name not in names:
            _misshapen(f"{what} has {name!r}, which nothing here knows the meaning of")


def _misshapen(reason: str) -> NoReturn:
    raise NotTrusted(Flaw.STATEMENT, f"not a statement that can be judged: {reason}")
