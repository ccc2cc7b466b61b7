"""Directories become images by the builder: planned by content, packed once, compared."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest

from immutable.backend import FleetURL, Invalid, SystemClock
from immutable.builders import BuildContext, BuildJob, BuildRequest
from immutable.errors import InvalidValue
from immutable.memory import MemoryBackend
from immutable.registry import builder_class
from immutable_local import LocalBackend
from immutable_local.builder import LocalBuilder
from immutable_local.images import ImageStore

PLACE = FleetURL("local", "", "*")


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "web"
    (folder / "static").mkdir(parents=True)
    recipe = 'name = "web"\nversion = "1"\ncommand = ["sh", "-c", "sleep 9"]\nhealth = "/"\n'
    (folder / "immutable.toml").write_text(recipe)
    (folder / "static" / "index.html").write_text("hello")
    return folder


@pytest.fixture
def builder(tmp_path):
    return LocalBuilder(ImageStore(tmp_path / "images"))


def plan(builder, source, **wanted):
    return asyncio.run(builder.plan(BuildRequest(str(source), **wanted)))


def made(builder, source, spec, say=lambda line: None):
    job = BuildJob("b1", spec, BuildRequest(str(source)))
    return asyncio.run(builder.build(job, BuildContext(say)))


def test_planning_makes_nothing_and_names_the_layer_that_packing_makes(builder, web, tmp_path):
    spec = plan(builder, web)
    assert not (tmp_path / "images").exists()
    said = []
    (artifact,) = made(builder, web, spec, said.append).artifacts
    assert artifact.stable["layer"] == spec.materials["layer"]
    layer = spec.materials["layer"].removeprefix("sha256:")
    assert (tmp_path / "images" / "blobs" / "sha256" / layer).exists()
    assert any("packed web:1" in line for line in said)


def test_twice_and_elsewhere_it_is_the_same_specification_and_the_same_image(
    builder, web, tmp_path
):
    twin = tmp_path / "elsewhere" / "other name"
    shutil.copytree(web, twin)
    other = LocalBuilder(ImageStore(tmp_path / "images of another machine"))
    one, two = plan(builder, web), plan(other, twin)
    assert one.digest == two.digest
    first, second = made(builder, web, one), made(other, twin, two)
    assert first.artifacts == second.artifacts
    blobs = [
        {path.name: path.read_bytes() for path in (root / "blobs" / "sha256").iterdir()}
        for root in (tmp_path / "images", tmp_path / "images of another machine")
    ]
    assert blobs[0] == blobs[1]


@pytest.mark.parametrize("change", ["content", "mode", "name", "recipe", "version"])
def test_every_input_is_in_the_specification(builder, web, change):
    before = plan(builder, web).digest
    page, wanted = web / "static" / "index.html", {}
    if change == "content":
        page.write_text("hellp")
    elif change == "mode":
        page.chmod(0o755)
    elif change == "name":
        page.rename(web / "static" / "other.html")
    elif change == "recipe":
        file = web / "immutable.toml"
        file.write_text(file.read_text().replace('"/"', '"/health"'))
    else:
        wanted = {"version": "2"}
    assert plan(builder, web, **wanted).digest != before


def test_what_changed_between_planning_and_packing_is_no_image_of_that_plan(builder, web):
    spec = plan(builder, web)
    (web / "static" / "index.html").write_text("other")
    with pytest.raises(Invalid, match="was changed while it was packed"):
        made(builder, web, spec)


def test_an_image_is_present_while_it_is_whole(builder, web, tmp_path):
    product = made(builder, web, plan(builder, web))
    assert asyncio.run(builder.present(product.artifacts))
    page = product.tree / "static" / "index.html"
    page.chmod(0o644)
    page.write_text("edited")
    assert not asyncio.run(builder.present(product.artifacts))
    index = tmp_path / "images" / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"manifests": []}))
    assert not asyncio.run(builder.present(product.artifacts))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"name": "shop"}, "not the name in immutable.toml, web"),
        ({"base": "sha256:" + "0" * 64}, "nothing that packing uses"),
        ({"parameters": {"a": "b"}}, "nothing that packing uses"),
        ({"environment": ("HOME",)}, "nothing that packing uses"),
        ({"version": "a b"}, "version"),
    ],
)
def test_what_a_directory_can_t_be_given_is_refused(builder, web, wanted, message):
    with pytest.raises((InvalidValue, Invalid), match=message):
        plan(builder, web, **wanted)


def test_it_is_found_by_its_name_and_is_for_local_backends_only():
    kind = builder_class("local")
    assert kind is LocalBuilder
    kind.for_backend(LocalBackend.from_url(PLACE, clock=SystemClock()), PLACE)
    other = FleetURL("memory", "", "*")

    async def elsewhere():
        kind.for_backend(MemoryBackend.from_url(other, clock=SystemClock()), other)

    with pytest.raises(InvalidValue, match="not for memory://; it makes images for local"):
        asyncio.run(elsewhere())
