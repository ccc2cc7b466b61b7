"""The Merkle tree against the definitions of RFC 6962, and against somebody else's tree."""

from __future__ import annotations

import hashlib

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.errors import InvalidValue
from immutable.journal.merkle import (
    Frontier,
    Tree,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
LEAVES = [leaf_hash(b"record %d" % number) for number in range(200)]

sizes = st.integers(0, len(LEAVES))


def split(leaves: list[bytes]) -> int:
    """The largest power of two below the number of leaves."""
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return k


def recursive(leaves: list[bytes]) -> bytes:
    """The root as RFC 6962, section 2.1, defines it, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    k = split(leaves)
    return hashlib.sha256(b"\x01" + recursive(leaves[:k]) + recursive(leaves[k:])).digest()


def subproof(first: int, leaves: list[bytes], *, known: bool = True) -> list[bytes]:
    """The proof of consistency as RFC 6962, section 2.1.2, defines it, word for word."""
    if first == len(leaves):
        return [] if known else [recursive(leaves)]
    k = split(leaves)
    if first <= k:
        return [*subproof(first, leaves[:k], known=known), recursive(leaves[k:])]
    return [*subproof(first - k, leaves[k:], known=False), recursive(leaves[:k])]


def other_tree(size: int) -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(size):
        tree.append_entry(b"record %d" % number)
    return tree


OTHER = other_tree(len(LEAVES))


def test_the_root_of_known_leaves_is_the_known_one():
    # The vectors that certificate transparency's own implementations are tested with.
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert Tree(leaves).root().hex() == Frontier().extended(leaves).root().hex() == root
    assert Tree([]).root() == Frontier().root() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(70))
def test_roots_are_those_of_the_definition(size):
    expected = recursive(LEAVES[:size])
    assert Frontier().extended(LEAVES[:size]).root() == expected
    assert Tree(LEAVES).root(size) == expected
    assert Tree(LEAVES[:size]).root() == expected
    if size:
        assert OTHER.get_root(size) == expected


@given(sizes, sizes)
def test_a_frontier_does_not_care_in_which_portions_leaves_come(cut, size):
    leaves = LEAVES[:size]
    whole = Frontier().extended(leaves)
    stored = Frontier.from_bytes(Frontier().extended(leaves[:cut]).to_bytes())
    assert stored.extended(leaves[cut:]) == whole
    assert whole.size == size
    assert len(whole.hashes) == size.bit_count()


@pytest.mark.parametrize(
    "data",
    [b"", bytes(7), bytes(8) + b"x", bytes(7) + b"\x01", bytes(7) + b"\x01" + bytes(31)],
    ids=["nothing", "half a size", "a hash too many", "a hash too few", "a short hash"],
)
def test_bytes_that_are_no_frontier_are_refused(data):
    with pytest.raises(InvalidValue):
        Frontier.from_bytes(data)


@given(st.integers(1, len(LEAVES)), st.data())
def test_inclusion_proofs_are_those_of_another_tree_and_verify(size, data):
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(LEAVES)
    proof = tree.inclusion(index, size)
    assert list(proof) == OTHER.prove_inclusion(index + 1, size).path[1:]
    assert verify_inclusion(LEAVES[index], index, size, proof, tree.root(size))


@given(st.integers(1, len(LEAVES)), st.data())
def test_consistency_proofs_are_those_of_the_definition_and_verify(second, data):
    first = data.draw(st.integers(1, second))
    proof = Tree(LEAVES).consistency(first, second)
    assert list(proof) == subproof(first, LEAVES[:second])
    before, after = OTHER.get_root(first), OTHER.get_root(second)
    assert verify_consistency(first, second, proof, before, after)


@given(st.integers(1, len(LEAVES)), st.data())
def test_a_proof_of_inclusion_holds_for_nothing_else(size, data):
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(LEAVES)
    root, proof = tree.root(size), tree.inclusion(index, size)
    other = data.draw(st.integers(-1, size).filter(lambda each: each != index))
    assert not verify_inclusion(LEAVES[index], other, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root)
    assert not verify_inclusion(LEAVES[index], index, size, (*proof, root), root)
    assert not verify_inclusion(LEAVES[index], index, size, proof, leaf_hash(b"other root"))
    for at in range(len(proof)):
        bent = (*proof[:at], leaf_hash(proof[at]), *proof[at + 1 :])
        assert not verify_inclusion(LEAVES[index], index, size, bent, root)
        assert not verify_inclusion(LEAVES[index], index, size, proof[:at], root)


@given(st.integers(2, len(LEAVES)), st.data())
def test_a_changed_past_has_no_proof_of_consistency(second, data):
    first = data.draw(st.integers(1, second - 1))
    changed = data.draw(st.integers(0, first - 1))
    before = Tree(LEAVES).root(first)
    rewritten = Tree([*LEAVES[:changed], leaf_hash(b"forged"), *LEAVES[changed + 1 :]])
    after = rewritten.root(second)
    for tree in (rewritten, Tree(LEAVES)):
        proof = tree.consistency(first, second)
        assert not verify_consistency(first, second, proof, before, after)
        assert not verify_consistency(first, second, proof[:-1], before, after)


def test_trees_of_equal_size_and_empty_ones_need_no_proof():
    tree = Tree(LEAVES)
    root, empty = tree.root(7), tree.root(0)
    assert tree.consistency(7, 7) == tree.consistency(0, 7) == ()
    assert verify_consistency(7, 7, (), root, root)
    assert verify_consistency(0, 7, (), empty, root)
    assert verify_consistency(0, 0, (), empty, empty)
    assert not verify_consistency(7, 7, (root,), root, root)
    assert not verify_consistency(7, 7, (), root, empty)
    assert not verify_consistency(0, 7, (), root, root)
    assert not verify_consistency(0, 0, (), empty, root)
    assert not verify_consistency(8, 7, (), root, root)
    assert not verify_consistency(3, 7, (), tree.root(3), root)


def test_a_tree_says_what_it_has_not():
    tree = Tree(LEAVES[:5])
    assert len(tree) == 5
    for wrong in (
        lambda: tree.root(6),
        lambda: tree.inclusion(5),
        lambda: tree.inclusion(-1),
        lambda: tree.inclusion(3, 3),
        lambda: tree.consistency(6),
        lambda: tree.consistency(4, 3),
    ):
        with pytest.raises(InvalidValue):
            wrong()
