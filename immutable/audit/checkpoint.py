"""Checkpoints: a few lines that stand for the whole log up to a size, signed and kept elsewhere.

The format is that of C2SP tlog-checkpoint, a signed note, so that other people's tools read it::

    immutable/journal
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — immutable/journal Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9

The lines are the log's name (its origin), how many records it had, and their Merkle root; below
an empty line come the signatures, each of everything above that line.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from enum import StrEnum

from attrs import evolve, frozen

from immutable.audit.keys import PrivateKey, PublicKey
from immutable.errors import InvalidValue

__all__ = ["ORIGIN", "Checkpoint", "Signature", "Standing"]

ORIGIN = "immutable/journal"
"""What a log is called unless it is given a name of its own."""

_DASH = "\u2014"


class Standing(StrEnum):
    """What a checkpoint's signatures are worth to the owner of one public key."""

    SIGNED = "signed"
    """Signed with that key, and unchanged since."""
    UNSIGNED = "unsigned"
    """Nobody signed it."""
    STRANGE = "strange"
    """Signed, but not with that key."""
    FORGED = "forged"
    """It says that it was signed with that key, and wasn't as it stands."""


@frozen
class Signature:
    """One line below a note.

    Attributes:
        name: The key's name.
        key: The four bytes that tell keys of one name apart.
        value: The signature.
    """

    name: str
    key: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {b64encode(self.key + self.value).decode()}"


@frozen
class Checkpoint:
    """What the log was at one size.

    Attributes:
        origin: The log's name: no space and no plus in it, so that it can be a key's name too.
        size: How many records it had.
        root: The Merkle root over them.
        extra: Further lines that other tools put there; signed, and not interpreted.
        signatures: Who vouches for it.
    """

    origin: str
    size: int
    root: bytes
    extra: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()

    def __attrs_post_init__(self) -> None:
        if not self.origin or re.search(r"[\s+\x00-\x1f]", self.origin):
            way_out = f"such as {ORIGIN} or example.com/journal"
            raise InvalidValue("origin", self.origin, "needs a name without space and +", way_out)

    @property
    def body(self) -> str:
        """What is signed: the lines above the empty one."""
        root = b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extra))

    def __str__(self) -> str:
        return self.body + "\n" + "".join(f"{each}\n" for each in self.signatures)

    def signed(self, key: PrivateKey) -> Checkpoint:
        """Return the checkpoint with one more signature, under the log's own name."""
        mine = key.public.identifier(self.origin)
        line = Signature(self.origin, mine, key.sign(self.body.encode()))
        return evolve(self, signatures=(*self.signatures, line))

    def standing(self, key: PublicKey) -> Standing:
        """Return what the signatures are worth to the owner of *key*.

        As C2SP signed-note wants it: signatures by other keys are passed over, and one by this key
        that doesn't hold spoils the whole note.
        """
        if not self.signatures:
            return Standing.UNSIGNED
        identity = (self.origin, key.identifier(self.origin))
        mine = [each for each in self.signatures if (each.name, each.key) == identity]
        if not mine:
            return Standing.STRANGE
        held = all(key.verifies(each.value, self.body.encode()) for each in mine)
        return Standing.SIGNED if held else Standing.FORGED

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in *text*; the signatures are read, not checked.

        Raises:
            InvalidValue: It is none. What was read would be written in the same way again, so that
                two texts never mean the same checkpoint.
        """
        body, _, below = text.strip("\n").partition("\n\n")
        try:
            origin, size, root, *extra = body.split("\n")
            signatures = tuple(map(_signature, below.split("\n") if below else ()))
            digest = b64decode(root, validate=True)
            made = cls(origin, int(size), digest, tuple(extra), signatures)
        except ValueError as error:  # An InvalidValue is one too.
            raise _unreadable(text) from error
        if str(made).strip("\n") != text.strip("\n") or len(digest) != 32 or made.size < 0:
            raise _unreadable(text)
        return made


def _signature(line: str) -> Signature:
    dash, name, value = line.split(" ")
    data = b64decode(value, validate=True)
    if dash != _DASH or not name or len(data) < 5:
        raise ValueError(line)
    return Signature(name, data[:4], data[4:])


def _unreadable(text: str) -> InvalidValue:
    way_out = "pass what `immutable audit checkpoint` wrote"
    return InvalidValue("checkpoint", text[:60], "not a checkpoint (C2SP tlog-checkpoint)", way_out)
