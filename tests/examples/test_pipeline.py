"""From commits to a fleet under traffic, by one command; and what the recipes for CI say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from immutable.cli.commands import cli

PIPELINE = Path(__file__).parents[2] / "examples" / "pipeline"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_commits_become_images_that_are_tested_signed_and_served_without_a_failed_request():
    hidden = ("IMMUTABLE_", "XDG_", "GIT_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    # Without network: what would be asked is an address where nobody answers.
    env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, PIPELINE / "pipeline.py", "--json"], env=env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stages = json.loads(done.stdout.splitlines()[-1])["stages"]
    assert [(each["code"], each["version"], each["failed"]) for each in stages] == [
        (0, "2", 0),
        (4, "2", 0),
        (5, "2", 0),
        (0, "5", 0),
    ]
    assert all(each["requests"] >= 200 for each in stages)


def commands(text: str) -> list[list[str]]:
    """The commands of this SDK in a recipe, each as words."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"^(?:[\s-]*)(?:\$immutable|immutable) ([^|\n#]*)", joined, re.MULTILINE)
    return [line.replace('"', " ").replace("'", " ").split() for line in found]


@pytest.mark.parametrize("name", ["deploy.sh", "github-actions.yml", "gitlab-ci.yml"])
def test_every_command_of_a_recipe_exists_with_its_options(name):
    found = commands((PIPELINE / name).read_text())
    assert len(found) >= 2
    for words in found:
        command = cli
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, words


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_options_that_a_recipe_hands_on_exist(name):
    text = (PIPELINE / name).read_text()
    for variable, command in (("IMAGE_OPTIONS", "build"), ("TEST_OPTIONS", "test")):
        for line in re.findall(rf"{variable}: (.*)", text):
            known = {
                o for each in cli.commands["image"].commands[command].params for o in each.opts
            }
            assert {word for word in line.split() if word.startswith("--")} <= known


def test_the_script_says_what_it_needs():
    script = PIPELINE / "deploy.sh"
    bare = {"PATH": os.environ["PATH"]}
    for words, message in (([], "write: deploy.sh SOURCE FLEET"), (["a", "b"], "is the key")):
        done = subprocess.run(
            ["sh", script, *words], env=bare, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert message in done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("source", ["image", "image/web.pkr.hcl"])
def test_what_is_deployed_is_the_commit_of_a_directory_or_of_a_template_in_it(source, tmp_path):
    """The commands are only said here; GitHub's recipe deploys a template, GitLab's a directory."""
    template = tmp_path / "image" / "web.pkr.hcl"
    template.parent.mkdir()
    template.write_text("")
    hidden = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def run(*words, **environment):
        done = subprocess.run(
            words, cwd=tmp_path, env=hidden | environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    run("git", "init", "-q")
    run("git", "add", "image")
    run("git", "-c", "user.name=ada", "-c", "user.email=ada@example.com", "commit", "-qm", "first")
    (commit,) = run("git", "rev-parse", "HEAD")
    (tmp_path / "image.json").write_text('{"artifacts": [{"id": "ami-1"}]}')
    said = run(
        "sh", str(PIPELINE / "deploy.sh"), source, "aws://eu-west-1/web", "--strategy", "canary",
        IMMUTABLE="echo", SIGNING_KEY="ci.pem", TRUST="trust.toml", WORK=str(tmp_path),
    )  # fmt: skip
    assert [line.split()[:2] for line in said[:-1]] == [
        ["image", "build"],
        ["image", "test"],
        ["image", "sign"],
        ["image", "verify"],
    ]
    assert said[0].startswith(f"image build {source} --committed --version {commit[:12]} ")
    asked = f"replace aws://eu-west-1/web ami-1 --reason commit {commit} --strategy canary"
    assert said[-1] == asked
