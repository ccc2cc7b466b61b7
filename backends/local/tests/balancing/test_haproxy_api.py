"""What HAProxy is told and what is understood of what it says, without HAProxy."""

from pathlib import Path

import pytest
from attrs import evolve

from immutable_local.balancing import Latency, Member, Settings
from immutable_local.balancing.haproxy_api import (
    Server,
    answered,
    commands,
    configuration,
    lines,
    servers,
    traffic,
)

A = Member("a", "127.0.0.1", 81, 1)
B = Member("b", "::1", 82, 2, weight=50)
HERE = {
    "1.a": Server("127.0.0.1", 81, 100, draining=False, maintenance=False),
    "2.b": Server("::1", 82, 50, draining=False, maintenance=False),
}


def test_where_everything_stands_as_wanted_nothing_is_said() -> None:
    assert commands(HERE, (A, B)) == []
    assert commands({}, ()) == []


def test_a_new_member_is_added_checked_and_made_ready() -> None:
    first, second, third = commands({}, (B,))
    assert first.startswith("add server be/2.b [::1]:82 weight 50 check inter 200ms ")
    assert second == "enable health be/2.b"
    assert third == "set server be/2.b state ready"
    assert commands({}, (evolve(B, draining=True),))[2] == "set server be/2.b state drain"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight": 7}, ["set server be/1.a weight 7"]),
        ({"draining": True}, ["set server be/1.a state drain"]),
        ({"port": 83}, ["set server be/1.a addr 127.0.0.1 port 83"]),
        ({"host": "127.0.0.2"}, ["set server be/1.a addr 127.0.0.2 port 81"]),
    ],
)
def test_what_differs_is_set(changes: dict[str, object], said: list[str]) -> None:
    assert commands(HERE, (evolve(A, **changes), B)) == said


def test_a_half_added_member_is_made_ready() -> None:
    half = HERE | {"1.a": evolve(HERE["1.a"], maintenance=True)}
    assert commands(half, (A, B)) == ["set server be/1.a state ready"]


def test_what_is_no_longer_wanted_is_taken_out_and_then_deleted() -> None:
    assert commands(HERE, (A,)) == [
        "set server be/2.b state maint",
        "shutdown sessions server be/2.b",
    ]
    out = HERE | {"2.b": evolve(HERE["2.b"], maintenance=True)}
    assert commands(out, (A,))[0] == "del server be/2.b"


def test_capacity_is_given_before_it_is_taken() -> None:
    green = [Member(f"g{n}", "127.0.0.1", 90 + n, 2) for n in range(4)]
    blue = [evolve(A, draining=True)]
    said = commands({"1.a": HERE["1.a"]}, (*blue, *green))
    assert said[-1] == "set server be/1.a state drain"
    assert len(lines(said)) == 1


def test_lines_are_no_longer_than_haproxy_reads() -> None:
    said = commands({}, [Member(f"m{n}", "127.0.0.1", 80, 1) for n in range(500)])
    joined = lines(said)
    assert ";".join(joined).split(";") == said
    assert 2 <= len(joined) <= 8
    assert max(map(len, joined)) < 16_000


def test_the_state_of_servers_is_read() -> None:
    names = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight"
    text = f"1\n{names} srv_port\n3 be 1 1.a 127.0.0.1 2 8 100 81\n3 be 2 2.b ::1 0 1 50 82\n\n"
    assert servers(text) == {
        "1.a": evolve(HERE["1.a"], draining=True),
        "2.b": evolve(HERE["2.b"], maintenance=True),
    }
    assert servers(f"1\n{names} srv_port\n\n") == {}


COLUMNS = ["scur", "stot", "wretr", "wredis", "econ", "eresp", "srv_abrt", "cli_abrt"]
ANSWERS = [f"hrsp_{name}" for name in ("1xx", "2xx", "3xx", "4xx", "5xx", "other")]


def stat(**values: int) -> str:
    columns = [*COLUMNS, *ANSWERS]
    row = ",".join(str(values.get(name, "")) for name in columns)
    return f"# pxname,svname,{','.join(columns)},\nbe,3.web-1.a,{row},\n\n"


@pytest.mark.parametrize(
    ("values", "requests", "failed"),
    [
        ({"stot": 5, "hrsp_2xx": 5}, 5, 0),
        ({"stot": 5, "hrsp_2xx": 3, "hrsp_5xx": 2}, 5, 2),
        ({"stot": 5, "hrsp_2xx": 3, "scur": 2}, 5, 0),
        ({"stot": 3, "wretr": 2, "wredis": 1}, 0, 0),
        ({"stot": 2, "wredis": 1, "econ": 1}, 1, 1),
        ({"stot": 1, "eresp": 2}, 1, 1),
        ({"stot": 1, "eresp": 1}, 1, 1),
        ({"stot": 2, "hrsp_2xx": 1}, 2, 1),
        ({"stot": 2, "hrsp_2xx": 1, "eresp": 1, "srv_abrt": 1}, 2, 1),
        ({"stot": 1, "hrsp_2xx": 1, "eresp": 1, "srv_abrt": 1}, 1, 1),
        ({"stot": 1, "cli_abrt": 1}, 1, 0),
        ({"stot": 1, "hrsp_2xx": 1, "cli_abrt": 1}, 1, 0),
        ({"stot": 2, "eresp": 1, "scur": 1}, 2, 1),
    ],
)
def test_requests_and_failures_are_told_apart(
    values: dict[str, int], requests: int, failed: int
) -> None:
    seen = traffic(stat(**values), {})["3.web-1.a"]
    assert (seen.revision, seen.requests, seen.failed) == (3, requests, failed)
    assert seen.in_flight == values.get("scur", 0)


def test_latencies_are_joined_by_name() -> None:
    known = Latency([1] + [0] * 32)
    assert traffic(stat(stot=1, hrsp_2xx=1), {"3.web-1.a": known})["3.web-1.a"].latency == known


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("3.web-1.a 200 12 --", ("3.web-1.a", 0.0125)),
        ("3.web-1.a 504 501 sH", ("3.web-1.a", 0.5015)),
        ("3.web-1.a 101 60000 --", None),
        ("3.web-1.a 200 12 CD", None),
        ("3.web-1.a -1 12 CH", None),
        ("<NOSRV> 503 0 SC", None),
        ("3.web-1.a 200 -1 SD", None),
        ("", None),
        ("a line that is cut", None),
    ],
)
def test_lines_of_the_ring_are_read(line: str, seen: tuple[str, float] | None) -> None:
    assert answered(line) == seen


def test_the_configuration_follows_the_settings() -> None:
    path = Path("/run/it's")
    settings = Settings(check="/healthz", silence=0.25)
    text = configuration("[::1]:80", path, path, settings, descriptors=1000)
    assert "bind [::1]:80\n" in text
    assert "timeout server 250ms\n" in text
    assert "uri '/healthz'" in text
    assert "pidfile '/run/it'\\''s'\n" in text
    assert "maxconn 333\n" in text
    assert "httpchk" not in configuration("a", path, path, Settings(), descriptors=1000)
