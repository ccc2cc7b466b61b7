"""The real Packer bakes on the emulated AWS; what it leaves when it is killed is removed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backends.aws.tests.backend.leavings import leave, there
from immutable import Status, open_journal
from immutable.backend import FleetURL, Invalid, SystemClock
from immutable.builders import BuildRequest, Traces
from immutable.builders.packer import PackerBuilder
from immutable.errors import BuildFailed, InvalidValue
from immutable.images import BuildOrder, build_image
from immutable.images.sweeping import sweep_builds
from immutable.memory import Cloud, MemoryBackend
from immutable_aws import AwsBackend
from immutable_aws.baking import remove_bake, stray
from tests.emulators.waiting import until

PACKER = shutil.which("packer")
# Packer is no Python package, and not everybody has it: what drives it can't be tried without it.
# CI has it: .ci/run unpacks Debian's.
real = pytest.mark.skipif(
    PACKER is None, reason="packer is not on PATH; on Debian: apt install packer"
)
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_POLL_DELAY_SECONDS",
               "ENDPOINT", "SOURCE_AMI")  # fmt: skip
SECRET = "known-to-packer-alone"
PACKED = "packer_000003e8-1111-2222-3333-444444444444"
"""Named at second 1000."""
MOMENTS = (
    "Prevalidating AMI Name",
    "Creating temporary keypair",
    "Creating temporary security group",
    "Launching a source",
    "Waiting for instance",
    "Stopping the source",
    "Creating AMI web",
    "Waiting for AMI",
)
QUICK = ("Waiting for instance",)
CHECKED = ("Creating temporary security group", "Creating AMI web")
"""Moments of the whole check; `make soak` plays all."""


def moments(quick=QUICK, checked=CHECKED):
    """Moments as parameters: some quick, some slow, all of them where there is time."""
    chosen = MOMENTS if os.environ.get("SOAK") == "full" else (*quick, *checked)
    marks = {each: () if each in quick else pytest.mark.slow for each in chosen}
    return pytest.mark.parametrize("moment", [pytest.param(m, marks=marks[m]) for m in chosen])


def traces(build: str, names=()) -> Traces:
    return Traces(build, names, 1.0, 1.0)


class Site:
    """A template, and builds of it on the emulated AWS."""

    def __init__(self, emulator, folder: Path) -> None:
        self.emulator, self.folder = emulator, folder
        self.template = folder / "image" / "web.json"
        self.journal = str(folder / "journal.db")
        self.log: list[str] = []

    def lay_out(self) -> None:
        tag = {"immutable:build": "{{user `build`}}"}
        builder = {
            "type": "amazon-ebs", "region": "eu-west-1", "communicator": "none",
            "custom_endpoint_ec2": "{{user `endpoint`}}", "skip_region_validation": True,
            "skip_metadata_api_check": True, "instance_type": "t3.small",
            "source_ami": "{{user `source`}}", "ami_name": "web-{{user `build`}}",
            "run_tags": tag, "run_volume_tags": tag, "tags": tag, "snapshot_tags": tag,
        }  # fmt: skip
        variables = {name: f"{{{{env `{env}`}}}}" for name, env in (
            ("build", "IMMUTABLE_BUILD"), ("endpoint", "ENDPOINT"), ("source", "SOURCE_AMI"),
        )}  # fmt: skip
        self.template.parent.mkdir()
        self.template.write_text(json.dumps({"variables": variables, "builders": [builder]}))

    @property
    def place(self) -> str:
        return f"aws://eu-west-1/*?endpoint={self.emulator.url}"

    async def build(self, moment: str = "", act=None, **order):
        """Build; when the log comes to a moment, something is done about it."""
        url = FleetURL.parse(self.place)
        backend = AwsBackend.from_url(url, clock=SystemClock())
        await backend.open()
        journal = await open_journal(self.journal)
        task = asyncio.current_task()

        def say(line: str) -> None:
            self.log.append(line)
            if moment and moment in line:
                act(task)

        try:
            asked = BuildRequest(
                str(self.template), name="web", version="1", environment=CREDENTIALS
            )
            made = BuildOrder(builder="packer", place="aws://eu-west-1", say=say, **order)
            builder = PackerBuilder.for_backend(backend, url)
            return await build_image(builder, asked, journal, SystemClock(), made)
        finally:
            await journal.close()
            await backend.close()

    async def sweep(self) -> tuple[str, ...]:
        url = FleetURL.parse(self.place)
        backend = AwsBackend.from_url(url, clock=SystemClock())
        await backend.open()
        journal = await open_journal(self.journal)
        try:
            builder = PackerBuilder.for_backend(backend, url)
            (build,) = await journal.builds()
            return await sweep_builds(builder, "packer", build.place, journal, self.log.append)
        finally:
            await journal.close()
            await backend.close()

    async def ends(self) -> list[Status]:
        journal = await open_journal(self.journal)
        try:
            return [each.status for each in await journal.builds()]
        finally:
            await journal.close()

    def packers(self) -> list[int]:
        """The Packers that run for this test."""
        return [
            pid for pid, words in _processes(f"ENDPOINT={self.emulator.url}") if "packer" in words
        ]

    def kill(self, _=None) -> None:
        """Kill every process of Packer at once, as a machine that is lost does."""
        while pids := self.packers():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def _processes(mark: str):
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
                if mark.encode() in (entry / "environ").read_bytes():
                    yield int(entry.name), words
            except OSError:
                continue


@pytest.fixture
def site(emulator, stage, monkeypatch, tmp_path):
    emulator.laws(boot=0.2, shutdown=0.1)
    made = Site(emulator, tmp_path)
    made.lay_out()
    environment = emulator.environment() | {
        "ENDPOINT": emulator.url, "SOURCE_AMI": stage.image("base"), "AWS_POLL_DELAY_SECONDS": "1",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("immutable_aws.baking._POLL", 0.1)
    return made


# -- what a build has left -------------------------------------------------------------------------


def test_what_a_build_has_left_is_removed_and_nothing_of_another(site):
    async def main():
        backend = AwsBackend.from_url(FleetURL.parse(site.place), clock=SystemClock())
        await backend.open()
        try:
            left = leave(site.emulator, "b1")
            before = there(site.emulator)
            leave(site.emulator, "b2")
            both = there(site.emulator)
            removed = await backend.remove_bake(traces("b1", left.names))
            assert len(removed) == sum(map(len, before.values())) == 7
            others = {
                kind: [e for e in some if e not in before.get(kind, [])]
                for kind, some in both.items()
            }
            assert there(site.emulator) == others
            assert await backend.remove_bake(traces("b1", left.names)) == ()
            assert await backend.remove_bake(traces("b3", ["default", "web"])) == ()
        finally:
            await backend.close()

    asyncio.run(main())


def test_what_was_never_noted_is_removed_when_nobody_uses_it_for_an_hour(site):
    """By the time in its name: that of another build, or what is used, stays."""

    async def main():
        backend = AwsBackend.from_url(FleetURL.parse(site.place), clock=SystemClock())
        await backend.open()
        now = int(backend.calls.now())
        begun = now - 5000
        ec2 = site.emulator.client("ec2")

        def make(second: int, tail: str) -> str:
            name = f"packer_{second:08x}-0000-0000-0000-{tail:>012}"
            ec2.create_key_pair(KeyName=name)
            ec2.create_security_group(GroupName=name, Description="Temporary group for Packer")
            return name

        lost = make(begun + 5, "a")
        before, after = make(begun - 5, "b"), make(begun + 70, "c")
        used = make(begun + 6, "d")
        group = ec2.describe_security_groups(GroupNames=[used])["SecurityGroups"][0]["GroupId"]
        base = ec2.register_image(Name="users", Architecture="x86_64", RootDeviceName="/dev/sda1",
                                  VirtualizationType="hvm")["ImageId"]  # fmt: skip
        ec2.run_instances(ImageId=base, InstanceType="t3.small", MinCount=1, MaxCount=1,
                          KeyName=used, SecurityGroupIds=[group])  # fmt: skip
        try:
            removed = await backend.remove_bake(Traces("b1", (), begun, begun + 60))
            assert removed == (f"key pair {lost}", f"security group {lost}")
            left = there(site.emulator)
            for kind in ("keys", "groups"):
                assert sorted(left[kind]) == sorted([before, after, used])
            young = Traces("b2", (), now - 3000, now)
            made = make(now - 2900, "e")
            assert await backend.remove_bake(young) == ()
            assert made in there(site.emulator)["groups"]
        finally:
            await backend.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "now", "is_one"),
    [
        (PACKED, 4700, True),
        (PACKED, 4600, False),  # Younger than an hour.
        (PACKED.replace("000003e8", "000003e3"), 9000, False),  # Named before.
        (PACKED.replace("000003e8", "00000425"), 9000, False),  # Named after it had ended.
        (PACKED + "0", 9000, False),
        ("web", 9000, False),
        ("packer_web", 9000, False),
    ],
)
def test_a_stray_was_named_while_the_build_ran_and_long_ago(name, now, is_one):
    assert stray(name, Traces("b1", (), 1000, 1060), now) is is_one


class Account:
    """An account with one finished image; the emulator's images have one disk each, this has two.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_BlockDeviceMapping.html
    """

    def __init__(self) -> None:
        disks = [{"DeviceName": f"/dev/sd{n}", "Ebs": {"SnapshotId": f"snap-{n}"}} for n in "ab"]
        disks.append({"DeviceName": "/dev/sdc", "VirtualName": "ephemeral0"})
        image = {"ImageId": "ami-1", "State": "available", "BlockDeviceMappings": disks}
        snapshots = [{"SnapshotId": f"snap-{n}"} for n in "abz"]
        self.there = {"Images": [image], "Snapshots": snapshots}
        self.asked: list[dict[str, str]] = []

    def now(self):
        return 0.0

    async def pages(self, service, call, key, **_):
        return self.there.get(key, [])

    async def ask(self, service, call, *, about, **params):
        self.asked.append({"call": call, **params})


def test_a_finished_image_keeps_all_its_disks():
    account = Account()
    assert asyncio.run(remove_bake(account, traces("b1"))) == ("snapshot snap-z",)
    assert account.asked == [{"call": "DeleteSnapshot", "SnapshotId": "snap-z"}]


# -- the real Packer -------------------------------------------------------------------------------


@real
def test_an_image_is_baked_once_and_nothing_is_left(site):
    made = asyncio.run(site.build())
    (artifact,) = made.manifest.artifacts
    (image,) = site.emulator.client("ec2").describe_images(ImageIds=[artifact.id])["Images"]
    assert {"Key": "immutable:build", "Value": made.build} in image["Tags"]
    assert (artifact.backend, artifact.region) == ("aws", "eu-west-1")
    assert artifact.stable["digest"].startswith("sha256:")
    assert made.manifest.tools["packer"]
    assert there(site.emulator) == {}
    again = asyncio.run(site.build())
    assert (again.reused, again.manifest) == (True, made.manifest)
    site.emulator.client("ec2").deregister_image(ImageId=artifact.id)
    assert not asyncio.run(site.build()).reused
    assert not [line for line in site.log if SECRET in line]


@real
@moments()
def test_a_build_that_is_cancelled_at_any_moment_leaves_nothing(site, moment):
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(site.build(moment, lambda task: task.cancel()))
    assert there(site.emulator) == {}
    assert not site.packers()
    assert asyncio.run(site.ends()) == [Status.CANCELLED]


@real
@moments()
def test_a_packer_that_is_killed_at_any_moment_leaves_nothing(site, moment):
    with pytest.raises(BuildFailed, match=r"packer ended with exit code -?9"):
        asyncio.run(site.build(moment, site.kill))
    assert there(site.emulator) == {}
    assert asyncio.run(site.ends()) == [Status.FAILED]


@real
@moments((), ("Creating temporary keypair", "Waiting for instance"))
@pytest.mark.timeout(180)
def test_when_everything_is_killed_the_janitor_leaves_nothing(site, moment, monkeypatch):
    where = ("--backend", site.place.replace("/*", ""), "--journal", site.journal)
    words = ["image", "build", str(site.template), "--builder", "packer", *where]
    words += ["--name", "web", "--version", "1"]
    for name in CREDENTIALS:
        words += ["--pass-env", name]
    log = site.folder / "log"
    with log.open("wb") as file:
        running = subprocess.Popen([sys.executable, "-m", "immutable", *words], stderr=file)
    said = until(
        log.read_text, lambda text: moment in text or running.poll() is not None, seconds=100
    )
    assert moment in said
    running.kill()
    site.kill()
    running.wait()

    def swept():
        words = [sys.executable, "-m", "immutable", "image", "sweep", *where]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    # Until the lease of who was killed is over.
    until(swept, lambda said: "is under way" not in said, every=0.5)
    # Packer may have named what nobody lived to write down: an hour later nobody can be using it.
    unheard = there(site.emulator)
    assert set(unheard) <= {"keys", "groups"}
    monkeypatch.setattr("immutable_aws.baking._LONG", 0)
    assert len(asyncio.run(site.sweep())) == sum(map(len, unheard.values()))
    assert there(site.emulator) == {}
    assert asyncio.run(site.ends()) == [Status.FAILED]


@real
@pytest.mark.slow
def test_what_a_build_writes_beside_its_template_is_said_and_what_it_changes_is_refused(site):
    recipe = json.loads(site.template.read_text())
    recipe["post-processors"] = [{"type": "manifest", "output": "made.json"}]
    site.template.write_text(json.dumps(recipe))
    asyncio.run(site.build())
    assert any("has written made.json beside its template" in line for line in site.log)
    extra = site.template.parent / "setup.sh"
    extra.write_text("one")
    with pytest.raises(BuildFailed, match="was changed while the image was baked"):
        asyncio.run(site.build("Waiting for instance", lambda _: extra.write_text("two")))


@real
def test_a_template_that_packer_refuses_is_said_in_its_words(site):
    site.template.write_text(site.template.read_text().replace("amazon-ebs", "amazon-abacus"))
    with pytest.raises(BuildFailed, match="amazon-abacus"):
        asyncio.run(site.build())


# -- without Packer --------------------------------------------------------------------------------


def planned(site, **wanted):
    async def main():
        url = FleetURL.parse(site.place)
        backend = AwsBackend.from_url(url, clock=SystemClock())
        builder = PackerBuilder.for_backend(backend, url)
        return await builder.plan(BuildRequest(str(site.template), "web", "1", **wanted))

    return asyncio.run(main())


def test_every_file_beside_the_template_is_an_input(site):
    before = planned(site).digest
    assert planned(site).digest == before
    script = site.template.parent / "setup.sh"
    script.write_text("apt-get install nginx")
    with_script = planned(site).digest
    script.chmod(0o755)
    assert (
        len(
            {before, with_script, planned(site).digest, planned(site, parameters={"a": "b"}).digest}
        )
        == 4
    )


def test_a_template_whose_leftovers_could_not_be_found_is_refused_with_what_to_write(site):
    site.template.write_text(site.template.read_text().replace("IMMUTABLE_BUILD", "BUILD_ID"))
    with pytest.raises(Invalid, match="could not be found again; let it tag"):
        planned(site)
    site.template.unlink()
    with pytest.raises(Invalid, match="no template"):
        planned(site)


def test_without_packer_on_path_it_says_so(site, monkeypatch):
    monkeypatch.setenv("PATH", str(site.folder))
    with pytest.raises(BuildFailed, match="packer is not on PATH"):
        asyncio.run(site.build())


def test_it_is_for_clouds_on_which_leftovers_can_be_found():
    async def main():
        PackerBuilder.for_backend(MemoryBackend(Cloud(SystemClock())), FleetURL("memory", "", "*"))

    with pytest.raises(
        InvalidValue, match="what a killed build leaves on memory:// can't be found"
    ):
        asyncio.run(main())
