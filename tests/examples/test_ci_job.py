"""examples/ci: the very commands of the job are run here, on a fleet of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from immutable.cli.commands import cli
from tests.support.walking import ROOT, nowhere

JOB = ROOT / "examples" / "ci" / "plan-approve-replace.yml"
FLEET = "local://web"
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # GitHub's `shell: bash`.

pytest.importorskip("securesystemslib")


def workflow() -> dict:
    return yaml.safe_load(JOB.read_text(encoding="utf-8"))


def jobs(event: str) -> list[str]:
    """Return the jobs that an event starts, in their order."""
    conditions = {name: job.get("if", "") for name, job in workflow()["jobs"].items()}
    assert set(conditions.values()) == {"", "github.event_name == 'push'"}
    return [name for name, condition in conditions.items() if event == "push" or not condition]


def commands(job: str) -> list[dict]:
    """Return the steps of a job that run something, but for those that install."""
    steps = workflow()["jobs"][job]["steps"]
    return [each for each in steps if "run" in each and not each["run"].startswith("pip ")]


def test_a_pull_request_is_only_planned():
    assert jobs("pull_request") == ["plan"]
    assert jobs("push") == ["plan", "approve", "replace"]
    made = workflow()
    assert made["jobs"]["approve"]["environment"] == "production"
    assert made["jobs"]["approve"]["needs"] == "plan"
    assert made["jobs"]["replace"]["needs"] == "approve"
    assert made["defaults"]["run"]["shell"] == "bash"


def test_what_a_job_takes_was_left_by_the_one_before():
    left: dict[str, str] = {}
    for job in workflow()["jobs"].values():
        for step in job["steps"]:
            action = step.get("uses", "").split("@")[0]
            if action == "actions/upload-artifact":
                left[step["with"]["name"]] = step["with"]["path"]
            elif action == "actions/download-artifact":
                assert step["with"]["name"] in left
    assert left == {"plan": "plan.json", "approved": "plan.json*", "report": "report.html"}


def test_every_command_exists_with_its_options():
    found = re.findall(r"^\s*(?:- )?(?:run: )?immutable ([^|#\n]*)", JOB.read_text(), re.MULTILINE)
    assert len(found) == 5
    for line in found:
        name, *words = line.replace('"', " ").split()
        known = {option for each in cli.commands[name].params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="local fleets need Linux")
def test_nothing_is_replaced_that_nobody_has_approved_and_what_is_approved_is():
    with nowhere() as environment:
        home = Path(environment["HOME"])
        repository, place = home / "repository", home / "local"
        repository.mkdir()
        environment |= {
            "FLEET": FLEET,
            "IMMUTABLE_ACTOR": "ada",
            "IMMUTABLE_JOURNAL": str(place / "journal.db"),
            "IMMUTABLE_LOCAL_DIR": str(place),
            "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "shop/web",
            "GITHUB_SHA": "0123abc",
        }

        def run(text, code=0):
            done = subprocess.run(
                [*SHELL, text], env=environment, cwd=repository, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert done.returncode == code, text + done.stdout + done.stderr
            return done.stdout

        def step(job, name, code=0):
            (text,) = [each["run"] for each in commands(job) if each["name"] == name]
            return run(text, code)

        webapp = ROOT / "examples" / "webapp"
        run(f"immutable fleet create {FLEET} {webapp} --size 2")
        shutil.copytree(webapp, home / "web-2")
        recipe = (webapp / "immutable.toml").read_text().replace('version = "1"', 'version = "2"')
        (home / "web-2" / "immutable.toml").write_text(recipe)
        run(f"immutable image build {home}/web-2")
        trusted = run("immutable image keygen ../reviewers.pem")
        key = (home / "reviewers.pem").read_text()
        public = re.search(r"'''(.*?)'''", trusted, re.DOTALL)[1].strip()
        line = public.replace("\n", "\\n")
        (home / "policy.toml").write_text(
            '[[require]]\nrule = "approved"\ntrust = { threshold = 1, keys = '
            f'[ {{ id = "reviewers", public = "{line}\\n" }} ] }}\n'
        )
        run(f"immutable policy set {FLEET} ../policy.toml --reason agreed")

        # The pull request.
        (repository / "image.txt").write_text("web:2\n")
        for each in commands("plan"):
            run(each["run"])
        summary = (home / "summary.md").read_text()
        assert "to           r2 web:2" in summary
        assert summary.startswith("```\n")
        assert summary.endswith("```\n")
        # It is merged; nobody approves.
        for each in commands("plan"):
            run(each["run"])
        step("replace", "Replace", code=5)
        # Somebody does.
        environment["APPROVAL_KEY"] = key
        for each in commands("approve"):
            run(each["run"])
        del environment["APPROVAL_KEY"]
        assert not (repository / "approval.pem").exists()
        for each in commands("replace"):
            run(each["run"])
        seen = run(f"immutable fleet status {FLEET}")
        assert "r2        web:2" in seen
        assert "shop/web/commit/0123abc" in (repository / "report.html").read_text()
        run(f"immutable fleet delete {FLEET} --yes")
