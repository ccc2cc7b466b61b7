"""What has a secret in it does not become an image; what was not looked at is said, on record."""

from __future__ import annotations

import asyncio

import pytest
from attrs import define

from immutable.builders import BuildRequest, Inputs
from immutable.builders.packer import PackerBuilder
from immutable.errors import SecretsFound
from immutable.model.builds import Built
from immutable.model.serial import from_json, to_json
from immutable.report.words import words
from immutable.scanning import Exceptions, scanned_tree
from immutable.scanning.exceptions import Allowed
from tests.images.conftest import Kiln

SECRET = "Tq7wZ" + "p2LxV9c"


@define
class OpenKiln(Kiln):
    """A kiln that says what goes in."""

    place: object = None

    async def inputs(self, request):
        return Inputs(self.place, frozenset({"cache"}))


@pytest.fixture
def web(tmp_path):
    place = tmp_path / "web"
    place.mkdir()
    (place / "app.py").write_text("print('ready')\n")
    return place


def leak(place, name="web.env"):
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text(f"DB_PASSWORD={SECRET}\n")


async def scan_of(journal, made):
    events = await journal.events(made.build, after=-1)
    (built,) = [each.record for each in events if isinstance(each.record, Built)]
    return built


def test_a_clean_source_is_built_and_what_the_scan_said_is_on_record(bench, web):
    async def main(journal):
        made = await bench.build(journal, kiln=OpenKiln(place=web))
        built = await scan_of(journal, made)
        assert built.scan == ("no secret found in 1 file",)
        assert words(built).endswith("; no secret found in 1 file")
        assert "no secret found in 1 file" in bench.log

    bench.run(main)


def test_a_source_with_a_secret_is_not_built_and_nothing_is_begun(bench, web):
    leak(web)

    async def main(journal):
        kiln = OpenKiln(place=web)
        with pytest.raises(SecretsFound) as caught:
            await bench.build(journal, kiln=kiln)
        said = str(caught.value)
        assert said.startswith("web:1 was not built:\n  - web.env:1: named like a secret\n")
        assert "excepted by its fingerprint" in said
        assert SECRET not in f"{said} {caught.value!r} {bench.log}"
        assert (kiln.jobs, await journal.builds()) == ([], [])

    bench.run(main)


def test_an_exception_lets_it_be_built_and_is_on_record_with_its_reason(bench, web):
    leak(web)

    async def main(journal):
        kiln = OpenKiln(place=web)
        skip = Exceptions(skip=(Allowed("*.env", "an example"),))
        made = await bench.build(journal, kiln=kiln, exceptions=skip, scanned=True)
        assert (await scan_of(journal, made)).scan == (
            "web.env: allowed, an example",
            "no secret found in 1 file",
        )

    bench.run(main)


def test_parameters_are_looked_at_since_everybody_can_read_them(bench, web):
    async def main(journal):
        asked = BuildRequest("./web", parameters={"admin_password": SECRET, "base": "ami-0abc"})
        with pytest.raises(SecretsFound, match="parameter admin_password:1: named like a secret"):
            await bench.build(journal, kiln=OpenKiln(place=web), request=asked)

    bench.run(main)


def test_what_a_builder_leaves_out_is_not_looked_at(bench, web):
    leak(web, "cache/web.env")

    async def main(journal):
        assert not (await bench.build(journal, kiln=OpenKiln(place=web))).reused

    bench.run(main)


def test_what_was_not_wholly_scanned_is_said_and_refused_on_request(bench, web):
    (web / "disk.img").write_bytes(bytes(2 << 20))

    async def main(journal):
        kiln = OpenKiln(place=web)
        with pytest.raises(SecretsFound, match=r"disk.img: too large.*\n.*partly scanned"):
            await bench.build(journal, kiln=kiln, scanned=True)
        made = await bench.build(journal, kiln=kiln)
        assert (await scan_of(journal, made)).scan[-1].startswith("partly scanned")

    bench.run(main)


@pytest.mark.parametrize("lacking", ["extra", "inputs"])
def test_what_nobody_can_scan_is_said_and_refused_on_request(bench, web, monkeypatch, lacking):
    kiln = OpenKiln(place=web) if lacking == "extra" else Kiln()
    if lacking == "extra":
        monkeypatch.setattr("immutable.scanning.scanner.installed", lambda: False)

    async def main(journal):
        with pytest.raises(SecretsFound, match="not scanned for secrets"):
            await bench.build(journal, kiln=kiln, scanned=True)
        made = await bench.build(journal, kiln=kiln)
        (said,) = (await scan_of(journal, made)).scan
        assert said.startswith("not scanned for secrets: ")

    bench.run(main)


def test_a_record_holds_no_more_sentences_than_it_should(bench, web):
    for number in range(40):
        (web / f"{number:02}.img").symlink_to("/etc/passwd")

    async def main(journal):
        made = await bench.build(journal, kiln=OpenKiln(place=web))
        scan = (await scan_of(journal, made)).scan
        assert len(scan) == 21
        assert scan[-2:] == (
            "and 21 more, in the build's log",
            "partly scanned: nothing in 1 file, 40 files skipped",
        )

    bench.run(main)


@pytest.mark.parametrize("source", ["", "web.json"])
def test_packers_inputs_are_all_files_beside_its_template(bench, web, source):
    (web / "web.json").write_text("{}")
    leak(web, "packer_cache/base.env")
    leak(web, "setup.env")
    request = BuildRequest(str(web / source))
    inputs = asyncio.run(PackerBuilder(None, None, None).inputs(request))
    report = asyncio.run(scanned_tree(inputs.place, left_out=inputs.left_out))
    assert [each.name for each in report.findings] == ["setup.env"]


def test_records_from_before_there_were_scans_are_read_and_stay_as_they_were():
    old = {"manifest": "{}"}
    assert to_json(from_json(Built, old)) == old
    assert from_json(Built, old) == Built("{}")
