"""`immutable exec` as an instance runs it: a real process that becomes its command."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

CANARY = "canary-5e1d77"
SHM = Path("/dev/shm")
needs_memory = pytest.mark.skipif(not os.access(SHM, os.W_OK), reason="no /dev/shm here")


@pytest.fixture
def place():
    """A directory in memory."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=SHM) as folder:
        yield Path(folder)


def environment(place, refs=None, **more):
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG")
    given = {name: os.environ[name] for name in kept if name in os.environ}
    given["XDG_RUNTIME_DIR"] = str(place)
    if refs is not None:
        given["IMMUTABLE_SECRETS"] = json.dumps(refs)
    return {**given, **more}


def started(env, *words, **ways):
    # Not measured: what measures would be imported too, and lets nobody become another program.
    return subprocess.Popen(
        [sys.executable, "-m", "immutable", "exec", *words], env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **ways,
    )  # fmt: skip


def ran(env, *words):
    process = started(env, *words)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def kept(place, value=CANARY):
    file = place / "kept"
    file.write_text(value)
    return f"file://{file}"


SHOWS = (
    "import os, stat, json; d = os.environ['IMMUTABLE_SECRETS_DIR'];"
    "print(json.dumps({'dir': d, 'same': d == os.environ['CREDENTIALS_DIRECTORY'],"
    "'mode': oct(stat.S_IMODE(os.stat(d).st_mode)),"
    "'files': {n: [oct(stat.S_IMODE(os.stat(d + '/' + n).st_mode)), open(d + '/' + n).read()]"
    " for n in os.listdir(d)}, 'pid': os.getpid()}))"
)


@needs_memory
def test_files_are_private_in_memory_and_told_by_two_names(place):
    env = environment(place, {"DB": kept(place), "api.key": "env://TOKEN"}, TOKEN="t0")
    process = started(env, "--", sys.executable, "-c", SHOWS)
    out, err = process.communicate(timeout=60)
    shown = json.loads(out)
    assert (process.returncode, err) == (0, "")
    assert shown["pid"] == process.pid  # It became its command.
    assert shown["files"] == {"DB": ["0o400", CANARY], "api.key": ["0o400", "t0"]}
    assert (shown["mode"], shown["same"]) == ("0o700", True)
    assert shown["dir"].startswith(f"{place}/immutable-secrets-{os.getuid()}/")


@needs_memory
def test_what_a_command_left_is_removed_by_the_next_one_but_not_what_lives(place):
    env = environment(place, {"DB": kept(place)})
    living = started(
        env, "--", "sh", "-c", "echo $IMMUTABLE_SECRETS_DIR; cat", stdin=subprocess.PIPE
    )
    try:
        first = Path(living.stdout.readline().strip())
        _, gone, _ = ran(env, "--", "printenv", "IMMUTABLE_SECRETS_DIR")
        assert Path(gone.strip()).is_dir()
        assert ran(env, "--", "true")[0] == 0
        assert not Path(gone.strip()).exists()
        assert (first / "DB").read_text() == CANARY
    finally:
        living.communicate("", timeout=60)


def test_the_environment_gets_them_when_asked_to_and_fields_are_picked(place):
    value = json.dumps({"password": CANARY, "port": 5432})
    ref = kept(place, value)
    env = environment(place, {"DB": ref, "PW": f"{ref}#password", "PORT": f"{ref}#port"})
    code, out, _ = ran(env, "--as", "environment", "--", "printenv", "DB", "PW", "PORT")
    assert (code, out) == (0, f"{value}\n{CANARY}\n5432\n")


def test_signals_and_exit_codes_are_the_commands_own(place):
    env = environment(place, {})
    assert ran(env, "--as", "environment", "--", "sh", "-c", "exit 7")[0] == 7
    process = started(env, "--as", "environment", "--", "sh", "-c", "echo on; exec sleep 60")
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def test_a_broken_pipe_ends_the_command_as_it_would_without_us(place):
    shown = "grep SigIgn /proc/self/status"
    _, out, _ = ran(environment(place, {}), "--as", "environment", "--", "sh", "-c", shown)
    ignored = int(out.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))


def test_what_is_not_there_yet_is_waited_for(place):
    env = environment(place, {"DB": f"file://{place}/late"})
    process = started(env, "--as", "environment", "--", "printenv", "DB")
    told = process.stderr.readline()
    assert told == f"immutable exec: DB: file://{place}/late: there is no such file; trying again\n"
    (place / "late").write_text(CANARY)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, f"{CANARY}\n", "")


def test_the_deadline_names_every_reference_and_its_reason(place):
    refs = {"A": f"file://{place}/none", "B": kept(place), "C": "env://NONE", "D": "nobodys://x"}
    code, out, err = ran(
        environment(place, refs), "--deadline", "4s", "--", sys.executable, "-c", "print(1)"
    )
    assert (code, out) == (125, "")
    assert f"A (file://{place}/none) can't be had: file://{place}/none: there is no such" in err
    assert "C (env://NONE) can't be had" in err
    assert "D (nobodys://x) can't be had: no resolver for nobodys:// is installed" in err
    assert "B (" not in err
    assert CANARY not in err


@pytest.mark.parametrize(
    ("value", "ref"), [(CANARY, "#password"), ('{"a": "' + CANARY + '"}', "#b"), ("[1]", "#0")]
)
def test_a_field_that_is_not_there_stops_at_once_and_shows_nothing(place, value, ref):
    env = environment(place, {"DB": kept(place, value) + ref})
    code, _, err = ran(env, "--deadline", "1h", "--", "true")
    assert code == 125
    assert "no JSON object with a member" in err
    assert CANARY not in err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "write the command after --"),
        (("true",), 2, "write the command after --"),
        (("--as", "paper", "--", "true"), 2, "invalid choice: 'paper'"),
        (("--deadline", "soon", "--", "true"), 2, "write 90, 90s, 5m or 1.5h"),
        (("--", "no-such-command-anywhere"), 127, "there is no such command"),
        (("--", "/etc/passwd"), 126, "/etc/passwd"),
        (("--require", "DB", "--", "true"), 125, "$IMMUTABLE_SECRETS has no reference of DB"),
        (("--references", "/nowhere", "--", "true"), 125, "there is no /nowhere"),
        (("--directory", "/proc", "--", "true"), 125, "/proc"),
    ],
)
def test_wrong_use_says_which_and_how(place, words, code, told):
    found, out, err = ran(environment(place, {}), *words)
    assert (found, out) == (code, "")
    assert told in err


def test_a_nul_and_a_name_that_is_no_variable_are_refused_for_the_environment(place):
    env = environment(place, {"DB": kept(place, "a\0b")})
    code, _, err = ran(env, "--as", "environment", "--", "true")
    assert code == 125
    assert "NUL byte" in err
    env = environment(place, {"my.db": kept(place)})
    code, _, err = ran(env, "--as", "environment", "--", "true")
    assert (code, "my.db" in err) == (125, True)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"DB": 3}', '{"../x": "env://A"}', '{"D": "hunter2"}']
)
def test_references_that_are_none_are_refused_and_not_repeated(place, text):
    env = environment(place, None, IMMUTABLE_SECRETS=text)
    code, _, err = ran(env, "--", "true")
    assert code == 125
    assert "hunter2" not in err


def test_without_references_it_says_so_and_runs(place):
    file = place / "refs.json"
    env = environment(place, None, IMMUTABLE_SECRETS_FILE=str(file))
    code, _, err = ran(env, "--as", "environment", "--", "true")
    assert code == 0
    assert f"no references of secrets in $IMMUTABLE_SECRETS or {file}" in err
    assert ran(env, "--require", "DB", "--", "true")[0] == 125
    file.write_text(json.dumps({"DB": kept(place)}))
    code, out, err = ran(env, "--as", "environment", "--require", "DB", "--", "printenv", "DB")
    assert (code, out, err) == (0, f"{CANARY}\n", "")


@needs_memory
def test_no_other_user_may_prepare_the_directory(place):
    folder = place / f"immutable-secrets-{os.getuid()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    code, _, err = ran(environment(place, {"DB": kept(place)}), "--", "true")
    assert code == 125
    assert "others may enter it" in err
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_neither_the_engine_nor_an_extra_is_imported(place):
    code = (
        "import sys; sys.argv = ['immutable', 'exec', '--as', 'paper'];"
        "import immutable.cli\n"
        "try: immutable.cli.main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    env = environment(place, {})
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    heavy = {"click", "rich", "asyncio", "cattrs", "tenacity", "immutable.engine",
             "immutable.backend", "immutable.model", "importlib.metadata", "sqlite3"}  # fmt: skip
    assert loaded & heavy == set()
