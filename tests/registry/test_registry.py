"""Backends are found by name, one at a time, and a broken one hurts nobody else."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from immutable import RegistryError
from immutable.backend import Backend
from immutable.memory import MemoryBackend
from immutable.registry import GROUP, _registered, backend_class, names, register


@pytest.fixture(autouse=True)
def _forget():
    before = dict(_registered)
    yield
    _registered.clear()
    _registered.update(before)


def install(folder: Path, name: str, entry: str, code: str) -> None:
    """Lay a distribution down as pip would."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")
    (folder / f"{name.replace('-', '_')}.py").write_text(code)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


GOOD = "from immutable.memory import MemoryBackend\nclass Mine(MemoryBackend): pass\n"
SILENT = "from immutable.backend import Backend\nclass Mine(Backend): pass\n"


def test_an_installed_backend_is_found_by_its_name(site):
    install(site, "immutable-mine", "mine = immutable_mine:Mine", GOOD)
    assert "mine" in names()
    assert "immutable_mine" not in sys.modules
    assert issubclass(backend_class("mine"), Backend)
    assert backend_class("memory") is MemoryBackend


def test_two_that_claim_one_name_are_an_error_that_names_both(site):
    install(site, "immutable-one", "twice = immutable_one:Mine", GOOD)
    install(site, "immutable-two", "twice = immutable_two:Mine", GOOD)
    with pytest.raises(RegistryError, match="immutable-one and immutable-two both claim twice"):
        backend_class("twice")


def test_a_broken_one_is_an_error_only_for_who_asks_for_it(site):
    install(site, "immutable-broken", "broken = immutable_broken:Mine", "import nowhere\n")
    assert "broken" in names()
    assert backend_class("memory") is MemoryBackend
    with pytest.raises(RegistryError, match="can't be imported: No module named 'nowhere'"):
        backend_class("broken")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Mine = 5\n", "not a Backend class"),
        ("class Mine: pass\n", "not a Backend class"),
        (f"{GOOD}Mine.contract = 99\n", "contract 99, this SDK has 1; upgrade the SDK"),
        (f"{GOOD}Mine.contract = 0\n", "upgrade the backend"),
        (SILENT, "states no contract; write contract = 1"),
    ],
)
def test_what_is_no_backend_for_this_contract_is_refused(site, code, message):
    install(site, "immutable-odd", "odd = immutable_odd_x:Mine", "")
    (site / "immutable_odd_x.py").write_text(code)
    sys.modules.pop("immutable_odd_x", None)
    with pytest.raises(RegistryError, match=message):
        backend_class("odd")


def test_a_missing_one_names_the_command_that_installs_it():
    with pytest.raises(RegistryError, match=r"memory.*pip install immutable-openstack"):
        backend_class("openstack")


def test_a_registered_one_is_used_before_any_installed_one():
    class Mine(MemoryBackend):
        pass

    register("memory", Mine)
    assert backend_class("memory") is Mine


def test_the_memory_backend_is_declared_by_the_core():
    point = EntryPoint("memory", "immutable.memory:MemoryBackend", GROUP)
    assert point.load() is MemoryBackend
