"""HAProxy's configuration and the language of its control socket: texts in, texts out, no effects.

A server's name in HAProxy is ``REVISION.ID``, so that whoever finds the process knows whose
members it has, and so that a line of its log does.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from attrs import frozen

from immutable_local.balancing.latency import Latency
from immutable_local.balancing.members import Member, Settings, Traffic

__all__ = [
    "BACKEND",
    "RING",
    "Server",
    "answered",
    "commands",
    "configuration",
    "lines",
    "revision_of",
    "server_name",
    "servers",
    "traffic",
]

BACKEND = "be"
"""The name of the backend section that all members are in."""

RING = "requests"
"""The name of the ring that requests are logged to."""

_LONGEST_LINE = 15_000
_MAINTENANCE = 0x01
_DRAIN = 0x08
_CONFIGURATION = """\
global
    description immutable
    nbthread 1
    noreuseport
    maxconn {maxconn}
    pidfile {pidfile}
    stats socket {socket} mode 600 level admin expose-fd listeners
    stats timeout 1d

ring {ring}
    format raw
    maxlen 256
    size 4194304

defaults
    mode http
    timeout connect {connect}ms
    timeout queue {connect}ms
    timeout check 2s
    timeout client {silence}ms
    timeout server {silence}ms
    timeout tunnel {tunnel}ms
    timeout http-request {header}ms
    timeout http-keep-alive {idle}ms
    option redispatch 1
    option forwardfor
    retries 3
    retry-on conn-failure

frontend fe
    bind {bind}
    option idle-close-on-response
    option dontlognull
    log ring@{ring} format raw local0
    log-format "%s %ST %Ta %ts"
    default_backend {backend}

backend {backend}
    balance roundrobin
{check}"""
# Said of each server: `default-server` doesn't hold for servers that are added to a process.
_CHECKED = "inter 200ms fastinter 50ms downinter 200ms rise 1 fall 2"
_CHECK = """\
    option httpchk
    http-check send meth GET uri {path} ver HTTP/1.1 hdr Host localhost hdr Connection close
    http-check expect status 200
"""


def configuration(
    bind: str, socket: Path, pidfile: Path, settings: Settings, *, descriptors: int
) -> str:
    """Return the configuration file.

    One thread: it makes every command atomic and what the control socket says exact (no request
    is between being given to a server and being counted), and gives some 35,000 requests/s.
    ``noreuseport``: without it a second process could share the port without anyone noticing.
    ``expose-fd listeners``: a later version can take the listener over without closing it.

    Args:
        bind: Where to listen.
        socket: The path of the control socket.
        pidfile: The path of the pidfile.
        settings: How patient it is.
        descriptors: How many files it may have open. A connection takes two, a member's idle
            connections and checks some more: a third of them is the number of connections.
    """
    return _CONFIGURATION.format(
        backend=BACKEND,
        ring=RING,
        bind=bind,
        socket=_quoted(socket),
        pidfile=_quoted(pidfile),
        maxconn=max(10, min(20_000, descriptors // 3)),
        connect=_milliseconds(settings.connect),
        header=_milliseconds(settings.header),
        idle=_milliseconds(settings.idle),
        silence=_milliseconds(settings.silence),
        tunnel=_milliseconds(settings.tunnel),
        check="" if settings.check is None else _CHECK.format(path=f"'{settings.check}'"),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("'", "'\\''")
    return f"'{escaped}'"


# -- membership -----------------------------------------------------------------------------------


@frozen
class Server:
    """A server as HAProxy has it.

    Attributes:
        host: Its address.
        port: Its port.
        weight: Its weight.
        draining: Whether it is forced to drain.
        maintenance: Whether it is out of use: being added, or being removed.
    """

    host: str
    port: int
    weight: int
    draining: bool
    maintenance: bool


def server_name(member: Member) -> str:
    """Return what a member is called in HAProxy."""
    return f"{member.revision}.{member.id}"


def revision_of(name: str) -> int | None:
    """Return the revision in HAProxy's name for a server; None when it is nobody's name."""
    number, dot, _ = name.partition(".")
    return int(number) if dot and number.isdecimal() else None


def servers(state: str) -> dict[str, Server]:
    """Read the answer to ``show servers state``."""
    found: dict[str, Server] = {}
    names: list[str] = []
    for line in state.splitlines():
        words = line.split(" ")
        if line.startswith("# "):
            names = words[1:]
        elif len(words) >= len(names) > 0:
            row = dict(zip(names, words, strict=False))
            admin = int(row["srv_admin_state"])
            found[row["srv_name"]] = Server(
                host=row["srv_addr"],
                port=int(row["srv_port"]),
                weight=int(row["srv_uweight"]),
                draining=bool(admin & _DRAIN),
                maintenance=bool(admin & _MAINTENANCE),
            )
    return found


def commands(current: Mapping[str, Server], members: Iterable[Member]) -> list[str]:
    """Return what leads from *current* to *members*, nothing when that is where it stands.

    What gives capacity comes before what takes it, so that at no moment there is less than
    before and after.
    """
    wanted = {server_name(member): member for member in members}
    give: list[str] = []
    take: list[str] = []
    for name, member in wanted.items():
        if name not in current:
            give += _addition(f"{BACKEND}/{name}", member)
            continue
        steps = list(_changes(f"{BACKEND}/{name}", current[name], member))
        (give if member.serving else take).extend(steps)
    for name, server in current.items():
        if name not in wanted:
            take += _removal(f"{BACKEND}/{name}", server)
    return give + take


def _addition(name: str, member: Member) -> list[str]:
    return [
        f"add server {name} {member.netloc} weight {member.weight} check {_CHECKED}",
        f"enable health {name}",
        f"set server {name} state {_state(member)}",
    ]


def _changes(name: str, server: Server, member: Member) -> Iterator[str]:
    if (ip_address(server.host), server.port) != (ip_address(member.host), member.port):
        yield f"set server {name} addr {member.host} port {member.port}"
    if server.weight != member.weight:
        yield f"set server {name} weight {member.weight}"
    if server.maintenance or server.draining != member.draining:
        yield f"set server {name} state {_state(member)}"


def _removal(name: str, server: Server) -> list[str]:
    # Deleting is refused while anything is open, and what is told to end doesn't end at once. So
    # that is for the next round, which also lets the last counts be read in between.
    last = f"del server {name}" if server.maintenance else f"set server {name} state maint"
    return [last, f"shutdown sessions server {name}"]


def _state(member: Member) -> str:
    return "drain" if member.draining else "ready"


def lines(steps: Iterable[str]) -> list[str]:
    """Join commands into as few lines as HAProxy reads: one, for up to about 80 servers."""
    joined: list[str] = []
    for step in steps:
        if joined and len(joined[-1]) + len(step) < _LONGEST_LINE:
            joined[-1] += f";{step}"
        else:
            joined.append(step)
    return joined


# -- traffic --------------------------------------------------------------------------------------


def traffic(stat: str, latencies: Mapping[str, Latency]) -> dict[str, Traffic]:
    """Read the answer to ``show stat``, by HAProxy's names for the servers.

    Args:
        stat: The answer, in CSV.
        latencies: What is known from elsewhere, by the same names.
    """
    rows = csv.DictReader(stat.removeprefix("# ").strip().splitlines())
    found = {}
    for row in rows:
        revision = revision_of(row["svname"])
        if revision is not None:
            found[row["svname"]] = _row(row, revision, latencies.get(row["svname"], Latency()))
    return found


def _row(row: Mapping[str, str], revision: int, latency: Latency) -> Traffic:
    def number(name: str) -> int:
        return int(row[name] or 0)

    one, two, three, four, five, others = (
        number(f"hrsp_{name}") for name in ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
    )
    # An attempt that was followed by another one is no request: `req_tot` counts only those
    # that were answered.
    requests = number("stot") - number("wretr") - number("wredis")
    unanswered = requests - one - two - three - four - five - others - number("econ")
    broken = _broken(
        unanswered,
        errors=number("eresp"),
        cut=number("srv_abrt"),
        excused=number("scur") + number("cli_abrt"),
    )
    return Traffic(
        revision=revision,
        in_flight=number("scur"),
        requests=requests,
        failed=five + number("econ") + broken,
        responses=(one, two, three, four, five),
        latency=latency,
    )


def _broken(unanswered: int, *, errors: int, cut: int, excused: int) -> int:
    """Return how many requests broke after they were sent, from counts that contradict.

    A member that closes without an answer counts as two errors in HAProxy 2.8 and as one in 2.6,
    and on a connection that has had an answer before as one in 2.8 and as none in 2.6. So the
    errors are held between what there is no other explanation for, and what there is room for.
    That is exact for each way to break; for several at once in 2.8 it can be too many.

    * closed at once, 2.8: 1 unanswered, 2 errors: 1
    * closed later, 2.6: 1 unanswered, no error: 1
    * cut within its answer: none unanswered, 1 error, 1 cut: 1
    * given up by the client: 1 unanswered, no error, 1 excused: 0

    Args:
        unanswered: Requests without even the head of an answer.
        errors: What HAProxy counts as errors of the member.
        cut: Answers that the member cut, or more.
        excused: Requests in flight, and those that clients gave up.
    """
    return min(max(errors, unanswered - excused, 0), unanswered + cut)


def answered(line: str) -> tuple[str, float] | None:
    """Read a line of the ring: HAProxy's name for the server, and the seconds that it took.

    None for what doesn't count as an answer of a member: a request that no server got, a tunnel,
    and what the client gave up (a termination state that begins with C). HAProxy tells whole
    milliseconds, rounded down; half of one is added:
    ``answered("3.web-1 200 12 --") == ("3.web-1", 0.0125)``.
    """
    words = line.split(" ")
    if len(words) != 4:
        return None
    server, status, time, termination = words
    if not (revision_of(server) is not None and time.isdecimal()):
        return None
    if status == "101" or termination.startswith("C"):
        return None
    return server, (int(time) + 0.5) / 1000
