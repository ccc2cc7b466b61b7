"""The Merkle tree over the journal's records: one hash that stands for all of them, in order.

The hashing is that of RFC 6962, section 2.1: a leaf is hashed behind a zero byte and an inner node
behind a one, so that neither can pass for the other; a tree of n leaves splits at the largest power
of two below n. Proofs are checked as RFC 9162 says. All hashes are SHA-256, 32 bytes.

Three views of the same tree: `Frontier` is the little that has to be kept to add leaves, `Tree`
knows every node and makes proofs, and the functions check a proof with nothing but roots at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from attrs import frozen

from immutable.errors import InvalidValue

__all__ = ["Frontier", "Tree", "leaf_hash", "verify_consistency", "verify_inclusion"]

_WIDTH = 32
_EMPTY = hashlib.sha256().digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf that holds *data*."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@frozen
class Frontier:
    """What a tree needs to remember of its leaves so that it can grow: a compact range.

    A tree of 11 leaves is one of 8, one of 2 and one of 1: a perfect subtree for each bit of its
    size. Their roots are enough to add leaves and to know the root of the whole; a million
    leaves need seven of them.

    Attributes:
        size: How many leaves the tree has.
        hashes: The roots of its perfect subtrees, the largest first.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            reason = f"{len(self.hashes)} subtrees don't make a tree of that size"
            raise InvalidValue("size", self.size, reason)
        if any(len(each) != _WIDTH for each in self.hashes):
            raise InvalidValue("hashes", self.hashes, f"each must be {_WIDTH} bytes long")

    def extended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """Return the frontier after leaves with these hashes were added, in order."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaf_hashes:
            node, rest = leaf, size
            # As in adding one to a binary number: each 1 at the end is carried.
            while rest & 1:
                node = _node(hashes.pop(), node)
                rest >>= 1
            hashes.append(node)
            size += 1
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        if not self.hashes:
            return _EMPTY
        *larger, node = self.hashes
        for each in reversed(larger):
            node = _node(each, node)
        return node

    def to_bytes(self) -> bytes:
        """Return the size in 8 bytes, the highest first, and then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Return the frontier that `to_bytes` wrote.

        Raises:
            InvalidValue: *data* is no such thing.
        """
        if len(data) < 8:
            raise InvalidValue("data", data, "too short to be a frontier")
        hashes = tuple(data[at : at + _WIDTH] for at in range(8, len(data), _WIDTH))
        return cls(int.from_bytes(data[:8], "big"), hashes)


class Tree:
    """Every perfect subtree over a sequence of leaves, so that anything can be proved of it.

    Building takes time and room in proportion to the leaves (64 bytes each); then each root and
    each proof costs their logarithm.

    Args:
        leaf_hashes: The hashes of the leaves, in order.
    """

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        level = b"".join(leaf_hashes)
        self._levels = [level]
        while len(level) >= 2 * _WIDTH:
            ends = range(2 * _WIDTH, len(level) + 1, 2 * _WIDTH)
            level = b"".join(
                hashlib.sha256(b"\x01" + level[end - 2 * _WIDTH : end]).digest() for end in ends
            )
            self._levels.append(level)

    def __len__(self) -> int:
        return len(self._levels[0]) // _WIDTH

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree of the first *size* leaves; of all by default.

        Raises:
            InvalidValue: There are not so many.
        """
        size = self._checked(size)
        return self._root(0, size) if size else _EMPTY

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that leaf *index*, from 0, is in the tree of the first *size* leaves.

        It is the PATH of RFC 6962, section 2.1.1: the siblings on the way from the leaf up.

        Raises:
            InvalidValue: There is no such leaf in it, or there are not so many.
        """
        start, end = 0, self._checked(size)
        if not 0 <= index < end:
            raise InvalidValue("index", index, f"the tree has {end} leaves")
        proof = []
        while end - start > 1:
            middle = _split(start, end)
            if index < middle:
                proof.append(self._root(middle, end))
                end = middle
            else:
                proof.append(self._root(start, middle))
                start = middle
        return tuple(reversed(proof))

    def consistency(self, first: int, second: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that the tree of *second* leaves begins with that of *first*.

        It is the PROOF of RFC 6962, section 2.1.2; empty when there is nothing to prove, which is
        so for trees of equal size and for an empty first one.

        Raises:
            InvalidValue: There are not so many leaves, or *first* is above *second*.
        """
        start, end = 0, self._checked(second)
        if not 0 <= first <= end:
            raise InvalidValue("first", first, f"must lie between 0 and {end}")
        proof = []
        while 0 < first < end:
            middle = _split(start, end)
            if first <= middle:
                proof.append(self._root(middle, end))
                end = middle
            else:
                proof.append(self._root(start, middle))
                start = middle
        if start:
            proof.append(self._root(start, end))
        return tuple(reversed(proof))

    def _checked(self, size: int | None) -> int:
        if size is None:
            return len(self)
        if not 0 <= size <= len(self):
            raise InvalidValue("size", size, f"the tree has {len(self)} leaves")
        return size

    def _root(self, start: int, end: int) -> bytes:
        """Return the root over the leaves from *start* to before *end*, as the tree splits them.

        All that is left of a split is perfect, so only the right edge has to be put together.
        """
        height = (end - start).bit_length() - 1
        if end - start == 1 << height:
            at = (start >> height) * _WIDTH
            return self._levels[height][at : at + _WIDTH]
        middle = _split(start, end)
        return _node(self._root(start, middle), self._root(middle, end))


def _split(start: int, end: int) -> int:
    """Return where a tree over more than one leaf splits: 11 leaves into 8 and 3."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return whether *proof* shows that a leaf is in a tree (RFC 9162, section 2.1.3.2).

    Args:
        leaf: The leaf's hash.
        index: Its place, from 0.
        size: How many leaves the tree has.
        proof: The siblings on the way up.
        root: The tree's root.
    """
    if not 0 <= index < size:
        return False
    here, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = _node(sibling, node)
            here, last = _risen(here, last)
        else:
            node = _node(node, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Return whether *proof* shows that a tree only grew (RFC 9162, section 2.1.4.2).

    Args:
        first: How many leaves it had.
        second: How many it has.
        proof: What `Tree.consistency` returned.
        first_root: Its root at first.
        second_root: Its root now.
    """
    if first == 0:
        return not proof and first_root == _EMPTY and (second > 0 or second_root == _EMPTY)
    if first == second:
        return not proof and first_root == second_root
    path = (first_root, *proof) if first & (first - 1) == 0 else tuple(proof)
    if not 0 < first < second or not path:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = _node(sibling, old), _node(sibling, new)
            here, last = _risen(here, last)
        else:
            new = _node(new, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _risen(here: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the rightmost node has no sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last
