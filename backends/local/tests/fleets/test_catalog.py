"""From a channel to a retired image, by the commands that people type, on real processes.

An image is promoted and a fleet that follows goes to it by a canary; what it was built on turns out
to be bad; the fleets that run it, and no others, get plans; somebody approves; what nobody needs is
retired.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, evolve

pytest.importorskip("securesystemslib")

from immutable.trust import ImageManifest

QUICK = ("--min-ready", "300ms", "--boot-timeout", "60s")
CANARY = ("--strategy", "canary", "--stages", "50%,100%", "--bake", "1s", "--no-analysis")


@define
class Typist:
    """Somebody who types commands in a home."""

    home: object

    def run(self, *words, code=0, actor="carol"):
        """Run a command, and return what it printed."""
        environment = {**self.home.environment(), "IMMUTABLE_ACTOR": actor, "COLUMNS": "300"}
        done = subprocess.run(
            [sys.executable, "-m", "immutable", *words], cwd=self.home.folder, env=environment,
            text=True, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def build(self, name: str, version: str, base: str = "") -> dict:
        """Build an image, and put it into the catalog."""
        recipe = Path(self.home.image(version, name=name), "immutable.toml")
        recipe.write_text(recipe.read_text().replace('name = "web"', f'name = "{name}"'))
        place = Path(self.home.folder, f"{name}-{version}.json")
        self.run("image", "build", str(recipe.parent), "--manifest", str(place))
        if base:  # The builder of local images knows of none; others say what they built on.
            made = ImageManifest.load(place.read_bytes())
            place.write_bytes(evolve(made, spec=evolve(made.spec, base=base)).dump())
        added = json.loads(self.run("image", "add", str(place), "--json"))
        return {"digest": added["digest"], "id": added["artifacts"][0].rpartition("/")[2]}

    @contextmanager
    def controller(self):
        """A controller at work."""
        process = subprocess.Popen(
            [sys.executable, "-m", "immutable", "controller"], cwd=self.home.folder,
            env=self.home.environment(), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0

    def offered(self) -> dict:
        """Wait for the plan that a fleet is offered."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            if found := json.loads(self.run("follow", "offers", "--out", "offers", "--json")):
                return found[0]
        raise TimeoutError("no plan is offered")

    def runs(self, url: str) -> set[str]:
        """What a fleet was started from."""
        state = json.loads(self.run("fleet", "status", url, "--json"))
        return {group["revision"]["image"]["artifact"] for group in state["groups"]}


@pytest.fixture
def typist(home):
    made = Typist(home)
    try:
        yield made
    finally:
        listed = json.loads(made.run("fleet", "list", "local", "--json"))
        for url in listed:
            made.run("fleet", "delete", url, "--yes")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_a_channel_to_a_retired_image(typist):
    base, patched = (typist.build("base", version) for version in "12")
    one, two = (typist.build("web", version, base["digest"]) for version in "12")
    three = typist.build("web", "3", patched["digest"])
    for name, image in (("web", one), ("new", three)):
        typist.run("fleet", "create", f"local://{name}", image["id"], "--size", "2", *QUICK)
    trusted = typist.run("image", "keygen", "bob.pem").replace("[[keys]]", "[[require.trust.keys]]")
    policy = f'[[require]]\nrule = "approved"\n[require.trust]\nthreshold = 1\n{trusted}'
    Path(typist.home.folder, "policy.toml").write_text(policy)
    typist.run("policy", "set", "local://web", "policy.toml", "--reason", "as agreed")

    # Promoted: the fleet that follows is offered a canary, which somebody else has to approve.
    typist.run("channel", "assign", "web@production", "web:1")
    typist.run("follow", "set", "local://web", "web@production", *CANARY, *QUICK)
    typist.run("channel", "assign", "web@production", "web:2", "--reason", "passed staging")
    with typist.controller():
        offer = typist.offered()
    assert (offer["fleet"], offer["channel"]) == ("local://web", "web@production")
    assert "nobody has approved" in typist.run("apply", offer["file"], code=5)
    typist.run("approve", offer["file"], "--key", "bob.pem", actor="bob")
    typist.run("apply", offer["file"])
    assert typist.runs("local://web") == {two["id"]}

    # What it was built on is bad: exactly the fleets that run it get a plan, to what is not.
    assert "is what web@production has" in typist.run(
        "image", "revoke", base["digest"], "--reason", "CVE-1", code=5
    )  # fmt: skip
    typist.run("channel", "assign", "web@production", "web:3", "--reason", "patched")
    answer = json.loads(typist.run(
        "image", "revoke", base["digest"], "--reason", "CVE-1", "--plans", "off", "--json"
    ))["exposure"]  # fmt: skip
    assert {each["fleet"] for each in answer["exposed"]} == {"local://web"}
    assert {each["images"][0] for each in answer["exposed"]} == {"web:2"}
    assert sum(len(each["instances"]) for each in answer["exposed"]) == 2
    (way,) = answer["plans"]
    assert "web:2 is revoked: CVE-1" in typist.run("replace", "local://new", two["id"], code=5)

    # Approved, carried out, and what nobody needs any more is retired.
    typist.run("approve", way["file"], "--key", "bob.pem", actor="bob")
    typist.run("apply", way["file"])
    assert typist.runs("local://web") == {three["id"]} == typist.runs("local://new")
    nobody = json.loads(typist.run("image", "exposure", base["digest"], "--json"))
    assert nobody["exposed"] == []
    keep_none = ("--older", "0", "--newest", "0", "--back", "0")
    retired = json.loads(typist.run("image", "retire", "web", *keep_none, "--json"))
    assert [each["image"] for each in retired] == ["web:1", "web:2"]
    assert "as they were written" in typist.run("audit", "verify")
