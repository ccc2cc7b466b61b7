"""Envelopes: what is signed, and who signed it (DSSE v1.0, https://github.com/secure-systems-lab/dsse).

What a signature covers is the payload with its type, by lengths, so that nothing that was signed as
one thing is read as another (protocol.md, PAE). Here an envelope is read more strictly than DSSE
asks for: members that it doesn't name, and text that is not written as this module would, are
refused, since no signature covers them. Several envelopes are a bundle: a file of JSON Lines that
ends in ``.intoto.jsonl`` (in-toto attestation framework, bundle.md).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any, NoReturn

from attrs import frozen

from immutable.errors import NotTrusted
from immutable.model.serial import canonical
from immutable.trust.flaws import Flaw
from immutable.trust.members import members, signed_json

__all__ = ["PAYLOAD_TYPE", "Envelope", "Signature", "dump_bundle", "load_bundle"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""What an in-toto statement is called in an envelope."""

_AGAIN = "get it again from whoever signed it"


@frozen
class Signature:
    """One signature of an envelope.

    Attributes:
        keyid: Which key it claims to be by: a hint, which nothing vouches for.
        value: The signature itself.
    """

    keyid: str
    value: bytes


@frozen
class Envelope:
    """Something that was signed, as it was handed over; nothing of it is believed yet.

    Attributes:
        payload: What is signed.
        payload_type: What it says it is.
        signatures: The signatures.
    """

    payload: bytes
    payload_type: str = PAYLOAD_TYPE
    signatures: tuple[Signature, ...] = ()

    @property
    def signed_bytes(self) -> bytes:
        """What signatures cover: the pre-authentication encoding (DSSE, PAE)."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def dump(self) -> str:
        """Return the envelope as one line of JSON."""
        signatures = [
            {"keyid": each.keyid, "sig": b64encode(each.value).decode()} for each in self.signatures
        ]
        payload = b64encode(self.payload).decode()
        return canonical(
            {"payload": payload, "payloadType": self.payload_type, "signatures": signatures}
        ).decode()

    @classmethod
    def load(cls, text: str | bytes) -> Envelope:
        """Return the envelope in *text*. No signature is checked here.

        Raises:
            NotTrusted: It is none, or is not written as an envelope is.
        """
        data = signed_json(text, "envelope", Flaw.ENVELOPE)
        kinds = {"payload": str, "payloadType": str, "signatures": list}
        members(data, kinds, "the envelope", _misshapen)
        kind = data["payloadType"]
        if kind != PAYLOAD_TYPE:
            reason = f"the envelope's payload is {kind!r}, not {PAYLOAD_TYPE!r}"
            raise NotTrusted(Flaw.PAYLOAD_TYPE, reason, "pass a signed in-toto statement")
        payload = _decoded(data["payload"], "payload")
        return cls(payload, kind, tuple(_signatures(data["signatures"])))


def _signatures(listed: list[Any]) -> Iterable[Signature]:
    seen: set[str] = set()
    for number, each in enumerate(listed):
        name = f"signatures[{number}]"
        # DSSE lets the key's identifier be left out, which says the same as an empty one.
        given = {"keyid": "", **each} if isinstance(each, dict) else each
        members(given, {"keyid": str, "sig": str}, name, _misshapen)
        if given["keyid"] in seen:
            reason = f"two signatures of one envelope claim to be by key {given['keyid']!r}"
            raise NotTrusted(Flaw.REPEATED_SIGNATURE, reason, _AGAIN)
        seen.add(given["keyid"])
        yield Signature(given["keyid"], _decoded(given["sig"], f"{name}.sig"))


def _misshapen(reason: str) -> NoReturn:
    raise NotTrusted(Flaw.ENVELOPE, f"not a DSSE envelope: {reason}", _AGAIN)


def _decoded(text: str, name: str) -> bytes:
    """Return what base64 stands for; both alphabets are taken (DSSE, envelope.md), no loose end."""
    usual = text.replace("-", "+").replace("_", "/")
    try:
        found = b64decode(usual, validate=True)
    except ValueError:
        found = None
    if found is None or b64encode(found).decode() != usual:
        raise NotTrusted(Flaw.ENCODING, f"{name} of the envelope is not base64", _AGAIN)
    return found


def load_bundle(text: str) -> tuple[Envelope, ...]:
    """Return the envelopes of a bundle, one a line.

    Raises:
        NotTrusted: One of them is none; an empty line is none either.
    """
    return tuple(Envelope.load(line) for line in text.removesuffix("\n").split("\n") if text)


def dump_bundle(envelopes: Iterable[Envelope]) -> str:
    """Return envelopes as the text of a bundle, which `load_bundle` reads."""
    return "".join(f"{each.dump()}\n" for each in envelopes)
