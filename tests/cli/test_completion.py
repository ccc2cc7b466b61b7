"""Shells complete what can be typed: by the script that the command prints, in the shell itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest


def completed(*words: str, shell: str = "bash") -> list[str]:
    """Return what a shell would be told: what the last word may become."""
    variables = {
        **os.environ,
        "_IMMUTABLE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(("immutable", *words)),
        "COMP_CWORD": str(len(words)),
    }
    code = "from immutable.cli import main; import sys; sys.argv = ['immutable']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_options_and_their_values_are_completed():
    assert completed("rec") == ["recover"]
    assert completed("fleet", "s") == ["scale", "slots", "status"]
    assert "--max-surge" in completed("plan", "sim://web", "--max-")
    assert completed("replace", "sim://web", "v2", "--strategy", "b") == ["blue-green"]
    assert completed("completion", "z") == ["zsh"]


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_the_script_names_the_command(run, shell):
    script = run("completion", shell).stdout
    assert "_IMMUTABLE_COMPLETE" in script
    assert f"{shell}_complete" in script


def test_an_unknown_shell_is_said_with_those_that_are_known(run):
    assert "'bash', 'fish', 'zsh'" in run("completion", "csh", code=2).stderr


def test_bash_itself_completes(run, tmp_path):
    if not (bash := shutil.which("bash")):
        pytest.skip("there is no bash")
    here = tmp_path / "immutable"
    main = "from immutable.cli import main; main()"
    here.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{main}" "$@"\n')
    here.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(run("completion", "bash").stdout)
    typed = f"""
        source {script}
        COMP_WORDS=(immutable fleet st) COMP_CWORD=2
        _immutable_completion immutable
        echo "${{COMPREPLY[@]}}"
        """
    done = subprocess.run(
        [bash, "--norc", "-c", typed],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["status"], done.stderr


def test_a_list_of_commands_imports_none_of_them():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom immutable.cli.commands import cli\n"
        "told = CliRunner().invoke(cli, ['--help']).stdout\nassert 'recover' in told\n"
        "print(*(each for each in sys.modules if each.startswith('immutable.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = ("fleet", "engine", "trust", "catalog", "images", "admission", "simulation", "journal")
    assert loaded & {f"immutable.{name}" for name in heavy} == set()


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("history", {"immutable.simulation", "immutable.audit", "immutable.controller"}),
        ("config", {"immutable.fleet", "immutable.engine", "immutable.journal"}),
        ("completion", {"immutable.fleet", "immutable.engine", "immutable.journal"}),
    ],
)
def test_a_command_imports_what_it_needs(command, unneeded):
    code = (
        "import sys\nfrom immutable.cli.commands import cli\n"
        f"cli.commands[{command!r}]\n"
        "print(*(each for each in sys.modules if each.startswith('immutable.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & unneeded == set()
