"""Checking the whole log: every record against its hash, all hashes against who vouches for them.

One pass in order. What a record's own hash, its number and its place tell is exact; where a record
was changed along with its hash, the checkpoints before and after tell between which two it lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field

from immutable.audit.checkpoint import ORIGIN
from immutable.audit.courses import Courses
from immutable.audit.finding import Finding, Report
from immutable.audit.keys import PublicKey
from immutable.audit.roots import Roots
from immutable.audit.stream import all_leaves, standing_hash
from immutable.audit.witness import Bench, Trust, Witness
from immutable.errors import InvalidValue
from immutable.journal import Journal, Leaf
from immutable.journal.merkle import Frontier, leaf_hash

__all__ = ["verify"]


async def verify(
    journal: Journal,
    *,
    checkpoints: Mapping[str, str] | None = None,
    key: PublicKey | None = None,
    origin: str = ORIGIN,
) -> Report:
    """Check a journal's log from its first record to its last.

    Args:
        journal: The journal; it may be in use meanwhile.
        checkpoints: Texts of checkpoints that were kept elsewhere, by a name for each.
        key: What their signatures, and those of the checkpoints in the journal, are checked with.
        origin: The log's name, which all checkpoints must bear.

    Raises:
        JournalError: It can't be read.
    """
    bench = Bench(origin, key)
    bench.hear(await journal.checkpoints(), checkpoints or {})
    reading = _Reading({each.size for each in bench.witnesses})
    try:
        frontier = await all_leaves(journal, reading.take)
        name, root = "the journal's own frontier", frontier.root()
        bench.witnesses.append(Witness(name, frontier.size, root, Trust.KEPT, whole=True))
    except InvalidValue as error:
        bench.findings.append(Finding(f"the journal's own frontier can't be read: {error}"))
    roots = Roots(reading.size, reading.roots, reading.gap)
    best = roots.best(bench.witnesses)
    return Report(
        size=reading.size,
        root=reading.grown.root(),
        findings=(*reading.findings, *roots.findings(bench.witnesses), *bench.findings),
        warnings=(*bench.warnings, *_unconfirmed(reading.size, best)),
        confirmed=best.size if best else 0,
        by=best.name if best else "",
    )


def _unconfirmed(size: int, best: Witness | None) -> tuple[str, ...]:
    """Return what has to be said about the records that no checkpoint from outside confirms."""
    if best is None:
        said = "no checkpoint from elsewhere, nor one signed with a key that was given, confirms"
        return (f"{said} the log: who administers the journal can have rewritten all of it",)
    if best.size < size:
        newer = f"records {best.size} to {size - 1} are newer than {best.name}"
        return (f"{newer}: who administers the journal can have rewritten those",)
    return ()


@define
class _Reading:
    """The pass over the leaves.

    Attributes:
        marks: The sizes at which the root is wanted.
        size: The index of the last leaf, plus one.
        grown: The tree over the leaves so far.
        roots: The root at each mark that was passed.
        findings: What the leaves themselves told.
        gap: The index of the first leaf that is missing between others; None for none.
    """

    marks: set[int]
    size: int = field(default=0, init=False)
    grown: Frontier = field(factory=Frontier, init=False)
    roots: dict[int, bytes] = field(factory=dict, init=False)
    findings: list[Finding] = field(factory=list, init=False)
    gap: int | None = field(default=None, init=False)
    _courses: Courses = field(factory=Courses, init=False)

    def __attrs_post_init__(self) -> None:
        self.roots[0] = self.grown.root()

    def take(self, leaves: Sequence[Leaf]) -> None:
        """Check leaves, and let the tree grow by them."""
        hashes = [self._checked(leaf) for leaf in leaves]
        start, end = self.grown.size, self.grown.size + len(hashes)
        for mark in [*sorted(each for each in self.marks if start < each < end), end]:
            self.grown = self.grown.extended(hashes[self.grown.size - start : mark - start])
            self.roots[mark] = self.grown.root()

    def _checked(self, leaf: Leaf) -> bytes:
        """Check one leaf, and return the hash that stands for it in the tree."""
        if leaf.index != self.size:
            self.gap = self.size if self.gap is None else self.gap
            self.findings.append(Finding("missing", self.size, leaf.index - 1))
        self.size = leaf.index + 1
        said = self._courses.follow(leaf.text)
        wrong = said.wrong
        if not wrong and (said.rollout, said.seq) != (leaf.rollout, leaf.seq):
            wrong = f"misfiled: the journal finds it as rollout {leaf.rollout}, seq {leaf.seq}"
        if leaf_hash(leaf.text.encode()) != leaf.hash:
            wrong = "changed: it does not have the hash with which it was written"
        if wrong:
            found = Finding(wrong, leaf.index, leaf.index, said.rollout, said.seq)
            self.findings.append(found)
        return standing_hash(leaf)
