"""`immutable exec` within this process, up to where it would become its command."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from immutable.guest.command import FAILED, NOT_FOUND, NOT_RUN, run

CANARY = "canary-9b04c2"
SHM = Path("/dev/shm")
pytestmark = pytest.mark.skipif(not os.access(SHM, os.W_OK), reason="no /dev/shm here")


class Became(Exception):
    """What it would have become."""


@pytest.fixture
def place(monkeypatch):
    with tempfile.TemporaryDirectory(dir=SHM) as folder:
        for name in ("RUNTIME_DIRECTORY", "IMMUTABLE_SECRETS", "IMMUTABLE_SECRETS_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr("immutable.guest.command.signal.signal", lambda *_: None)
        monkeypatch.setattr(os, "execve", _become)
        yield Path(folder)


def _become(program, words, environ):
    raise Became(program, words, dict(environ))


@pytest.fixture
def became():
    def go(*words):
        with pytest.raises(Became) as caught:
            run(words)
        return caught.value.args

    return go


def refers(monkeypatch, **refs):
    monkeypatch.setenv("IMMUTABLE_SECRETS", json.dumps(refs))


def kept(place, value=CANARY):
    file = place / "kept"
    file.write_text(value)
    return f"file://{file}"


def test_files_of_its_own_in_memory(place, became, monkeypatch):
    refers(monkeypatch, DB=kept(place))
    program, words, environ = became("--", "true", "--flag")
    assert (Path(program).name, words) == ("true", ["true", "--flag"])
    folder = Path(os.fsdecode(environ[b"IMMUTABLE_SECRETS_DIR"]))
    assert environ[b"CREDENTIALS_DIRECTORY"] == os.fsencode(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "DB").stat().st_mode) == 0o400
    assert (folder / "DB").read_text() == CANARY
    stale = folder.with_name(folder.name.partition("-")[0] + "-4000000-1")
    stale.mkdir()
    became("--", "true")  # The same process again: what it had is made anew, what is dead goes.
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_systemds_own_directory_keeps_its_name(place, became, monkeypatch):
    refers(monkeypatch, DB=kept(place))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/web")
    _, _, environ = became("--directory", str(place), "--", "true")
    assert environ[b"CREDENTIALS_DIRECTORY"] == b"/run/credentials/web"


def test_as_its_environment(place, became, monkeypatch, tmp_path):
    file = tmp_path / "refs.json"
    file.write_text(json.dumps({"DB": kept(place)}))
    _, _, environ = became("--as", "environment", "--references", str(file), "--", "true")
    assert environ[b"DB"] == CANARY.encode()
    assert list(place.iterdir()) == [place / "kept"]


@pytest.mark.parametrize(
    ("words", "refs", "code", "said"),
    [
        (("--", "no-such-program-anywhere"), {}, NOT_FOUND, "there is no such command"),
        (("--", "/etc/passwd"), {}, NOT_RUN, "can not be executed"),
        (("--deadline", "0", "--", "true"), {"DB": "file:///nowhere/db"}, FAILED, "can't be had"),
        (("--as", "environment", "--", "true"), {"a.b": "env://HOME"}, FAILED, "use --as files"),
        (("--require", "DB", "--", "true"), {"A": "env://HOME"}, FAILED, "no reference of DB"),
        (("--references", "/nowhere.json", "--", "true"), None, FAILED, "there is no /nowhere"),
        (("--directory", "/proc", "--", "true"), {"A": "env://HOME"}, FAILED, "no place in mem"),
        (("--directory", "/nowhere", "--", "true"), {"A": "env://HOME"}, FAILED, "no directory"),
        (("--", "true"), {"../A": "env://HOME"}, FAILED, "immutable exec: "),
        (("--", "true"), {"A": "no reference"}, FAILED, "immutable exec: "),
    ],
)
def test_what_keeps_it_from_starting_is_said(place, monkeypatch, capsys, words, refs, code, said):
    if refs is not None:
        refers(monkeypatch, **refs)
    assert run(words) == code
    assert said in capsys.readouterr().err


def test_what_is_no_json_is_not_repeated(place, monkeypatch, capsys):
    monkeypatch.setenv("IMMUTABLE_SECRETS", f'{{"DB": {CANARY}')
    assert run(["--", "true"]) == FAILED
    told = capsys.readouterr().err
    assert "no JSON object" in told
    assert CANARY not in told


def test_a_byte_that_no_variable_can_hold(place, monkeypatch, capsys):
    refers(monkeypatch, DB=kept(place, "a\0b"))
    assert run(["--as", "environment", "--", "true"]) == FAILED
    assert "NUL byte" in capsys.readouterr().err


def test_a_directory_that_others_may_enter_is_refused(place, monkeypatch, capsys):
    refers(monkeypatch, DB=kept(place))
    folder = place / f"immutable-secrets-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o755)
    assert run(["--", "true"]) == FAILED
    assert "others may enter it" in capsys.readouterr().err


def test_a_command_that_goes_at_the_last_moment(place, monkeypatch, capsys):
    def gone(*_):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "execve", gone)
    assert run(["--", "true"]) == NOT_FOUND
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("true",), ("--deadline", "soon", "--", "true"), ("--",)])
def test_wrong_usage(place, words, capsys):
    with pytest.raises(SystemExit) as end:
        run(words)
    assert end.value.code == 2
    assert "immutable exec" in capsys.readouterr().err
