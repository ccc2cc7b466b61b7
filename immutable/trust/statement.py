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

from immutable.errors import NotTrusted
from immutable.model.serial import canonical
from immutable.trust.flaws import Flaw
from immutable.trust.members import members, signed_json

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
        data = signed_json(payload, "statement", Flaw.PAYLOAD)
        if not isinstance(data, dict) or data.get("_type") != STATEMENT_TYPE:
            kind = data.get("_type") if isinstance(data, dict) else None
            reason = f"what is signed is of the type {kind!r}, not {STATEMENT_TYPE!r}"
            raise NotTrusted(Flaw.STATEMENT_TYPE, reason)
        kinds = {"_type": str, "subject": list, "predicateType": str, "predicate": dict}
        members(data, kinds, "the statement", _misshapen)
        return cls(tuple(_subjects(data["subject"])), data["predicateType"], data["predicate"])


def _subjects(listed: list[Any]) -> Iterable[Subject]:
    for each in listed:
        members(each, {"name": str, "digest": dict}, "a subject", _misshapen)
        name, digest = each["name"], each["digest"]
        members(digest, {"sha256": str}, f"the digest of {name!r}", _misshapen)
        value = digest["sha256"]
        if not _HEX.fullmatch(value):
            _misshapen(f"the digest of {name!r} is {value!r}, which is no sha256")
        yield Subject(name, f"sha256:{value}")


_HEX = re.compile(r"[0-9a-f]{64}")


def _misshapen(reason: str) -> NoReturn:
    raise NotTrusted(Flaw.STATEMENT, f"not a statement that can be judged: {reason}")
