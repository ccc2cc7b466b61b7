"""What the journal does to its tables, said once for every database.

Each function here is one change or one look, written as a generator: it yields statements, and is
sent their rows. It knows no driver, waits for nothing and can be run again from the start, as after
a lost connection. Statements are in the SQL that SQLite and PostgreSQL share; ``?`` stands for a
value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from attrs import define, field, frozen

from immutable.errors import FleetBusy, JournalError, LeaseLost
from immutable.journal.base import Lease
from immutable.journal.merkle import Frontier, leaf_hash
from immutable.model import Order, Record
from immutable.model.records import Claimed
from immutable.model.serial import canonical, to_json

__all__ = [
    "BUILDS",
    "Many",
    "Row",
    "Run",
    "Statement",
    "Transaction",
    "Work",
    "append",
    "beat",
    "begin",
    "claim",
    "claim_some",
    "keep_checkpoint",
    "order",
    "renew",
    "seal",
]

T = TypeVar("T")

BUILDS = "image "
"""What the subject of a build begins with: a word and a blank, which no fleet's address has."""

_FLEETS = f"fleet NOT LIKE '{BUILDS}%'"
"""What is true of rollouts alone: builds are done by whoever asked for them."""


class Row(Protocol):
    """What is entered: a rollout, or the build of an image."""

    @property
    def rollout(self) -> str:
        """Its identifier."""

    @property
    def fleet(self) -> str:
        """What it changes; one unfinished at a time."""

    @property
    def started_at(self) -> float:
        """When it was begun."""

    @property
    def controller(self) -> str:
        """Who drives it."""

    @property
    def fence(self) -> int:
        """The number of its lease."""


@frozen
class Statement:
    """One statement with its values.

    Attributes:
        sql: What to do.
        values: What its question marks stand for.
    """

    sql: str
    values: Sequence[Any] = ()


@frozen
class Many:
    """One statement for many rows; its rows are of no interest.

    Attributes:
        sql: What to do.
        rows: The values of each time.
    """

    sql: str
    rows: Sequence[Sequence[Any]]


Run = Generator[Statement | Many, list[Any], T]
"""Yields statements, is sent their rows, and returns what came of them."""


@frozen
class _Fresh:
    lease: Lease
    seq: int
    text: str


@define
class Transaction:
    """One transaction, which many share.

    Attributes:
        now: When it began: by the database's clock where it has one.
        ttl: Seconds that a lease lasts.
        lock: What lets a row that is read not change until the end; empty where nothing else can.
        controllers: Those whose leases it has found to be good.
    """

    now: float
    ttl: float
    lock: str = ""
    controllers: set[str] = field(factory=set)
    _fresh: list[_Fresh] = field(factory=list)

    def add(self, lease: Lease, first: int, texts: Iterable[str]) -> None:
        """Let records be added to the log when the transaction ends."""
        self._fresh.extend(_Fresh(lease, seq, text) for seq, text in enumerate(texts, first))

    def take(self) -> list[_Fresh]:
        """Return the records that were added, once."""
        fresh, self._fresh = self._fresh, []
        return fresh


@frozen
class Work:
    """Something that is wanted from the journal.

    Attributes:
        run: Does it.
        key: What it locks. Transactions lock in the order of keys, so that none waits for another
            in a circle.
        reads: Whether it changes nothing.
    """

    run: Callable[[Transaction], Run[Any]]
    key: str = ""
    reads: bool = False


# -- leases ------------------------------------------------------------------------------------

_ALIVE = (
    "held = 1 AND EXISTS (SELECT 1 FROM controllers"
    " WHERE controllers.controller = rollouts.controller AND expires_at > ?)"
)


def begin(
    tx: Transaction, entry: Row, texts: Sequence[str], *, held: bool, ends: str | None = None
) -> Run[Lease]:
    """Enter a rollout with its first records.

    Args:
        tx: The transaction.
        entry: What to enter.
        texts: The records, the first of which is number 0.
        held: Whether its controller takes the lease.
        ends: How it has ended by them, if it has.

    Raises:
        FleetBusy: The fleet has an unfinished one.
        JournalError: There is a rollout of that name.
    """
    lease = Lease(entry.rollout, entry.controller, max(1, entry.fence))
    entered = yield Statement(
        "INSERT INTO rollouts (rollout, fleet, started_at, status, controller, fence, held, seq,"
        " orders) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING"
        " RETURNING rollout",
        (
            entry.rollout,
            entry.fleet,
            entry.started_at,
            ends or "running",
            entry.controller,
            lease.fence,
            int(held),
            len(texts) - 1,
        ),
    )
    if not entered:
        running = yield Statement(
            "SELECT rollout FROM rollouts WHERE fleet = ? AND status = 'running'", (entry.fleet,)
        )
        if running:
            raise FleetBusy(entry.fleet, running[0][0])
        raise JournalError(f"there is a rollout {entry.rollout} already")
    if held:
        tx.controllers.add(entry.controller)
    tx.add(lease, 0, texts)
    return lease


def claim(tx: Transaction, rollout: str, controller: str) -> Run[Lease]:
    """Take over a rollout whose lease has ended.

    Raises:
        FleetBusy: Its lease is alive.
        JournalError: It is unknown or has ended.
    """
    # Locked first: what is asked next is then newer than any other claim.
    rows = yield Statement(
        f"SELECT fleet, status FROM rollouts WHERE rollout = ?{tx.lock}", (rollout,)
    )
    if not rows or rows[0][1] != "running":
        raise JournalError(f"rollout {rollout} {'has ended' if rows else 'is unknown'}")
    taken = yield from _take(tx, rollout, controller)
    if taken is None:
        raise FleetBusy(rows[0][0], rollout, "its controller is alive; wait for it")
    return taken


def claim_some(tx: Transaction, controller: str, most: int, but: Sequence[str]) -> Run[list[Lease]]:
    """Take over rollouts that nobody drives, the oldest first, but some.

    A controller takes its share of all that there is, so that one of them that dies does not take
    everything with it; but one at least, since there may be rollouts that only it can drive.
    """
    fair = yield from _fair_share(tx, controller)
    others = f" AND rollout NOT IN ({', '.join('?' * len(but))})" if but else ""
    skip = f"{tx.lock} SKIP LOCKED" if tx.lock else ""
    found = yield Statement(
        f"SELECT rollout FROM rollouts WHERE status = 'running' AND {_FLEETS}"
        f" AND NOT ({_ALIVE}){others}"
        f" ORDER BY started_at, rollout LIMIT ?{skip}",
        (tx.now, *but, min(most, max(1, fair))),
    )
    leases = []
    for (rollout,) in found:
        taken = yield from _take(tx, rollout, controller)
        leases += [taken] if taken else []
    return leases


def _fair_share(tx: Transaction, controller: str) -> Run[int]:
    """Return how many more rollouts a controller should have."""
    yield _heard(controller, tx.now + tx.ttl, shares=True)
    rows = yield Statement(
        "SELECT (SELECT count(*) FROM controllers WHERE shares = 1 AND expires_at > ?),"
        f" (SELECT count(*) FROM rollouts WHERE status = 'running' AND {_FLEETS}),"
        " (SELECT count(*) FROM rollouts WHERE status = 'running' AND held = 1 AND controller = ?)",
        (tx.now, controller),
    )
    ((live, unfinished, mine),) = rows
    return -(-int(unfinished) // int(live)) - int(mine)


def _heard(controller: str, until: float, *, shares: bool = False) -> Statement:
    """Let the leases of a controller last until then."""
    also = ", shares = 1" if shares else ""
    return Statement(
        "INSERT INTO controllers (controller, expires_at, shares) VALUES (?, ?, ?)"
        f" ON CONFLICT (controller) DO UPDATE SET expires_at = excluded.expires_at{also}",
        (controller, until, int(shares)),
    )


def _take(tx: Transaction, rollout: str, controller: str) -> Run[Lease | None]:
    """Take a lease if nobody has it; that it was taken goes on record with it."""
    taken = yield Statement(
        "UPDATE rollouts SET controller = ?, fence = fence + 1, held = 1, seq = seq + 1"
        f" WHERE rollout = ? AND status = 'running' AND NOT ({_ALIVE}) RETURNING fence, seq",
        (controller, rollout, tx.now),
    )
    if not taken:
        return None
    ((fence, seq),) = taken
    tx.controllers.add(controller)
    claimed = canonical(to_json(Claimed(controller, fence), Record)).decode()
    lease = Lease(rollout, controller, fence)
    tx.add(lease, seq, [claimed])
    return lease


def beat(tx: Transaction, controller: str) -> Run[dict[str, int]]:
    """Let all leases of a controller last; returns the count of orders of each rollout."""
    tx.controllers.add(controller)
    rows = yield Statement(
        "SELECT rollout, orders FROM rollouts"
        " WHERE controller = ? AND held = 1 AND status = 'running'",
        (controller,),
    )
    return dict(rows)


def renew(tx: Transaction, lease: Lease, *, held: bool = True) -> Run[int]:
    """Make sure that a lease is the newest; returns how many orders there were.

    Raises:
        LeaseLost: There is a newer one.
    """
    _, orders = yield from _touch(tx, lease, 0, held=held)
    return orders


def _touch(
    tx: Transaction, lease: Lease, records: int, *, held: bool, status: str | None = None
) -> Run[tuple[int, int]]:
    """Count records; returns the counters of records and orders."""
    rows = yield Statement(
        "UPDATE rollouts SET seq = seq + ?, held = ?, status = COALESCE(?, status)"
        " WHERE rollout = ? AND fence = ? AND controller = ? RETURNING seq, orders",
        (records, int(held), status, lease.rollout, lease.fence, lease.controller),
    )
    if not rows:
        raise LeaseLost(f"rollout {lease.rollout} has another controller now")
    if held:
        tx.controllers.add(lease.controller)
    return rows[0][0], rows[0][1]


# -- records and orders ------------------------------------------------------------------------


def append(tx: Transaction, lease: Lease, texts: Sequence[str], ends: str | None) -> Run[int]:
    """Add records to a rollout; returns how many orders it was given.

    Raises:
        LeaseLost: There is a newer lease.
    """
    last, orders = yield from _touch(tx, lease, len(texts), held=ends is None, status=ends)
    tx.add(lease, last - len(texts) + 1, texts)
    return orders


def order(tx: Transaction, rollout: str, word: Order, actor: str, reason: str) -> Run[None]:
    """Give a rollout an order.

    Raises:
        JournalError: The rollout is unknown or has ended.
    """
    rows = yield Statement(
        "UPDATE rollouts SET orders = orders + 1 WHERE rollout = ? AND status = 'running'"
        " RETURNING orders",
        (rollout,),
    )
    if not rows:
        raise JournalError(f"rollout {rollout} has ended, or is unknown")
    yield Statement(
        "INSERT INTO orders (rollout, number, at, word, actor, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (rollout, rows[0][0], tx.now, word.value, actor, reason),
    )


def keep_checkpoint(tx: Transaction, size: int, note: str) -> Run[None]:
    """Keep a checkpoint."""
    yield Statement(
        "INSERT INTO checkpoints (size, at, note) VALUES (?, ?, ?)", (size, tx.now, note)
    )


# -- the end of a transaction ------------------------------------------------------------------


def seal(tx: Transaction) -> Run[None]:
    """Let the leases that were used last, and add the new records to the log."""
    for controller in sorted(tx.controllers):
        yield _heard(controller, tx.now + tx.ttl)
    fresh = tx.take()
    if not fresh:
        return
    # What everybody writes, and so waits for: last, that it is held for the shortest time.
    rows = yield Statement(f"SELECT frontier FROM log{tx.lock}")
    frontier = Frontier.from_bytes(rows[0][0])
    at = canonical(tx.now).decode()
    leaves = [_leaf(at, each) for each in fresh]
    hashes = [leaf_hash(text.encode()) for text in leaves]
    yield Many(
        "INSERT INTO records (leaf, rollout, seq, text, hash) VALUES (?, ?, ?, ?, ?)",
        [
            (leaf, each.lease.rollout, each.seq, text, hashed)
            for leaf, (each, text, hashed) in enumerate(
                zip(fresh, leaves, hashes, strict=True), frontier.size
            )
        ],
    )
    yield Statement("UPDATE log SET frontier = ?", (frontier.extended(hashes).to_bytes(),))


def _leaf(at: str, fresh: _Fresh) -> str:
    """Return a record as it stands in the log: canonical JSON, names in order (RFC 8785)."""
    lease = fresh.lease
    return (
        f'{{"at":{at},"controller":{_canonical(lease.controller)},"fence":{lease.fence},'
        f'"record":{fresh.text},"rollout":{_canonical(lease.rollout)},"seq":{fresh.seq}}}'
    )


@lru_cache(maxsize=4096)
def _canonical(name: str) -> str:
    return canonical(name).decode()
