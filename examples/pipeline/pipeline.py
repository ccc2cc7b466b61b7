"""From commits to a fleet under traffic, on one machine and without network; a minute.

A git repository, a key that signs, a fleet of three, clients that never retry. Then commits, and
for each of them what CI would do (``deploy.sh``): a good one is built, tried out, signed, checked
and deployed; one that does not boot is stopped by its tests; one that is signed with a key nobody
trusts is refused.

    python examples/pipeline/pipeline.py [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from attrs import asdict, define, frozen

from immutable import Fleet, NothingToRecover

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # The load generator is an example of its own, no package.

from traffic import Traffic  # noqa: E402

FLEET = "local://web"
QUICK = ("--max-surge", "1", "--min-ready", "300ms", "--boot-timeout", "60s")
ENOUGH = 200


@frozen
class Stage:
    """What became of one commit.

    Attributes:
        commit: What it was.
        code: The exit code of its pipeline.
        expected: The exit code that it should have.
        version: What the fleet runs afterwards, as its clients are told.
        requests: How many requests were made meanwhile.
        failed: How many of them failed.
    """

    commit: str
    code: int
    expected: int
    version: str
    requests: int
    failed: int

    @property
    def good(self) -> bool:
        """Whether it went as it should."""
        return self.code == self.expected and not self.failed and self.requests >= ENOUGH


@define
class Site:
    """A repository, keys, and what CI knows."""

    folder: Path

    @property
    def repository(self) -> Path:
        """Where the repository is."""
        return self.folder / "web"

    def run(self, *words: str, **environment: str) -> str:
        """Run a program to its end, and return what it said."""
        done = subprocess.run(
            words, cwd=self.folder, env={**os.environ, **environment}, text=True,
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        return done.stdout

    def git(self, *words: str) -> str:
        """Run git in the repository."""
        return self.run("git", "-C", str(self.repository), *words)

    def immutable(self, *words: str) -> str:
        """Run a command of this SDK."""
        print("$ immutable", *words, file=sys.stderr)
        return self.run(sys.executable, "-m", "immutable", *words)

    def begin(self) -> None:
        """Make the repository with its first commit, a key that is trusted, and one that isn't."""
        self.run("git", "init", "-q", "-b", "main", str(self.repository))
        shutil.copy(HERE.parent / "webapp" / "app.py", self.repository)
        shutil.copy(HERE.parent / "webapp" / "immutable.toml", self.repository)
        self.commit("1", "first")
        trusted = self.immutable("image", "keygen", "ci.pem")
        (self.folder / "trust.toml").write_text(f"threshold = 1\n\n{trusted}")
        self.immutable("image", "keygen", "stranger.pem")

    def commit(self, version: str, message: str, environment: str = "") -> None:
        """Commit another version."""
        (self.repository / "VERSION").write_text(version)
        recipe = (HERE.parent / "webapp" / "immutable.toml").read_text()
        (self.repository / "immutable.toml").write_text(f"{recipe}\n[environment]\n{environment}\n")
        self.git("add", ".")
        self.git("commit", "-qm", message)

    async def deploy(self, key: str, patience: str) -> int:
        """Do what CI does on a commit, and return its exit code."""
        environment = {
            "IMMUTABLE": f"{sys.executable} -m immutable",
            "IMAGE_OPTIONS": "--test http:/healthz",
            "TEST_OPTIONS": f"--boot-timeout {patience} --min-ready 300ms",
            "SIGNING_KEY": str(self.folder / key),
            "TRUST": str(self.folder / "trust.toml"),
            "WORK": str(self.folder),
        }
        process = await asyncio.create_subprocess_exec(
            HERE / "deploy.sh", self.repository, FLEET, *QUICK, env={**os.environ, **environment},
            stdout=sys.stderr,
        )  # fmt: skip
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
                await process.wait()


async def stages(site: Site) -> list[Stage]:
    """Let commits come, one after the other, while clients ask all the time."""
    await asyncio.to_thread(site.begin)
    create = ("fleet", "create", FLEET, str(site.repository), "--size", "3", "--min-ready", "300ms")
    await asyncio.to_thread(site.immutable, *create)
    async with Fleet.connect(FLEET) as fleet:
        try:
            await fleet.state()
            port = int(fleet.backend.notes(fleet.name)[0].split()[0].rpartition(":")[2])
            kinds = {"keepalive": 4, "fresh": 1, "post": 1, "slow": 2}
            async with Traffic(
                "127.0.0.1", port, clients=kinds, rate=100.0, seconds={"slow": 0.5}
            ) as clients:
                return [await stage(site, clients, *each) for each in COMMITS]
        finally:
            with suppress(NothingToRecover):
                await fleet.recover()
            await fleet.delete()


COMMITS = (
    ("2", "a good one", "", "ci.pem", "60s", 0),
    ("3", "one that does not boot", 'APP_HEALTHY = "0"', "ci.pem", "3s", 4),
    ("4", "one that a stranger has signed", "", "stranger.pem", "60s", 5),
    ("5", "another good one", "", "ci.pem", "60s", 0),
)
"""Each commit: version, message, the application's settings, who signs, how long it may take to
boot when it is tried out, and how its pipeline is to end."""


async def stage(
    site: Site,
    clients: Traffic,
    version: str,
    message: str,
    environment: str,
    key: str,
    patience: str,
    expected: int,
) -> Stage:
    """Commit, deploy, and see what the clients saw."""
    mark = clients.mark()
    await asyncio.to_thread(site.commit, version, message, environment)
    print(f"-- {message}", file=sys.stderr)
    code = await site.deploy(key, patience)
    while clients.since(mark).requests < ENOUGH:
        await asyncio.sleep(0.05)
    settled = clients.mark()
    while clients.since(settled).requests < ENOUGH // 10:
        await asyncio.sleep(0.05)
    served = "+".join(clients.since(settled).by_version)
    report = clients.since(mark)
    return Stage(message, code, expected, served, report.requests, report.failed)


def main() -> int:
    """Run all of it in directories of its own, and leave nothing behind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    chosen = parser.parse_args()
    if shutil.which("git") is None:
        parser.error("git is needed")
    with tempfile.TemporaryDirectory(prefix="im-pipeline-") as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "ada"), ("EMAIL", "ada@example.com"))}  # fmt: skip
        os.environ |= who | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "IMMUTABLE_LOCAL_DIR": str(folder / "local"),
            "IMMUTABLE_JOURNAL": str(folder / "journal.db"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        ends = asyncio.run(stages(Site(folder)))
    if chosen.json:
        print(json.dumps({"stages": [asdict(end) | {"good": end.good} for end in ends]}))
    for end in ends if not chosen.json else ():
        what = f"exit code {end.code}, clients see version {end.version}"
        print(f"{end.commit}: {what}, {end.failed} of {end.requests} requests failed")
    return 0 if all(end.good for end in ends) else 1


if __name__ == "__main__":
    sys.exit(main())
