"""A real log to tamper with: rollouts on the simulated cloud, and a journal anybody may edit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import cache

from attrs import define, evolve, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from immutable import BlueGreen, Fleet
from immutable.audit.checkpoint import ORIGIN, Checkpoint
from immutable.audit.keys import PrivateKey
from immutable.gates import Approval, Health
from immutable.journal import Leaf
from immutable.journal.merkle import Frontier, leaf_hash
from immutable.memory import Behaviour
from immutable.testing import run
from tests.support.world import LIMITS, URL, world

MARKS = (10, 30)
"""The sizes of the checkpoints that lie in the journal."""


@frozen
class Keys:
    """A pair of keys, as PEM files hold them."""

    private: bytes
    public: bytes

    @classmethod
    def made(cls) -> Keys:
        key = Ed25519PrivateKey.generate()
        return cls(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )


KEYS, OTHER_KEYS = Keys.made(), Keys.made()


@define
class Book:
    """What a journal has of its log, in the open: the part of `Journal` that an audit reads."""

    rows: list[Leaf]
    tip: Frontier
    kept: list[str]

    async def leaves(self, *, after: int = -1, limit: int = 10_000) -> list[Leaf]:
        return [leaf for leaf in self.rows if leaf.index > after][:limit]

    async def frontier(self) -> Frontier:
        return self.tip

    async def checkpoints(self) -> list[str]:
        return self.kept

    # -- tampering -----------------------------------------------------------------------------

    def copy(self) -> Book:
        return Book(list(self.rows), self.tip, list(self.kept))

    def edit(self, index: int, change: Callable[[dict], object], *, along: bool = False) -> Book:
        """A copy in which a record was changed, and its hash along with it or not."""
        book, document = self.copy(), json.loads(self.rows[index].text)
        change(document)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert text != self.rows[index].text
        hashed = leaf_hash(text.encode()) if along else self.rows[index].hash
        book.rows[index] = evolve(self.rows[index], text=text, hash=hashed)
        return book

    def without(self, *indices: int, renumbered: bool = False) -> Book:
        """A copy in which records are missing."""
        book = self.copy()
        book.rows = [leaf for leaf in self.rows if leaf.index not in indices]
        return book.renumbered() if renumbered else book

    def renumbered(self) -> Book:
        self.rows = [evolve(leaf, index=n) for n, leaf in enumerate(self.rows)]
        return self

    def swapped(self, one: int, other: int) -> Book:
        """A copy in which two records have changed places."""
        book = self.copy()
        book.rows[one], book.rows[other] = book.rows[other], book.rows[one]
        return book.renumbered()

    def recomputed(self, *, forget: bool = False) -> Book:
        """The book with everything that can be reckoned from its records reckoned anew.

        It is what whoever has the database can do, and no key: checkpoints in the journal become
        unsigned ones that fit, or are forgotten.
        """
        self.rows = [evolve(leaf, hash=leaf_hash(leaf.text.encode())) for leaf in self.rows]
        hashes = [leaf.hash for leaf in self.rows]
        self.tip = Frontier().extended(hashes)
        fitting = [] if forget else [mark for mark in MARKS if mark <= len(hashes)]
        self.kept = [str(checkpoint(hashes[:mark])) for mark in fitting]
        return self


def checkpoint(hashes: Sequence[bytes], origin: str = ORIGIN) -> Checkpoint:
    tip = Frontier().extended(hashes)
    return Checkpoint(origin, tip.size, tip.root())


def signed(hashes: Sequence[bytes], keys: Keys = KEYS, origin: str = ORIGIN) -> str:
    return str(checkpoint(hashes, origin).signed(PrivateKey.from_pem(keys.private)))


@cache
def _honest() -> Book:
    async def main() -> Book:
        async with world(3) as w:
            await w.fleet.replace("v2", limits=LIMITS, reason="CVE-1").end()
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            await w.fleet.replace("bad", limits=LIMITS).end()
            guarded = BlueGreen(bake=60, gates=(Health(), Approval("two people")))
            rollout = w.fleet.replace("v3", guarded, reason="new prices")
            driven = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(400)
            async with Fleet.connect(
                URL, backend=w.backend, journal=w.journal, clock=w.clock, actor="grace"
            ) as other:
                await (await other.rollout()).promote(reason="tried it")
            await driven
            await w.fleet.scale(2)
            return Book(await w.journal.leaves(), await w.journal.frontier(), [])

    book = run(main())
    hashes = [leaf.hash for leaf in book.rows]
    assert len(hashes) > MARKS[-1] + 10
    book.kept = [signed(hashes[:mark]) for mark in MARKS]
    return book


def honest() -> Book:
    """A log of four rollouts: one went well, one back, one was approved, one changed the size."""
    return _honest().copy()
