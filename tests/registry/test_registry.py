"""Backends are found by name, one at a time, and a broken one hurts nobody else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from immutable import InvalidValue, RegistryError
from immutable.backend import Backend
from immutable.memory import MemoryBackend
from immutable.registry import (
    BUILDERS,
    GROUP,
    METRICS,
    _registered,
    backend_class,
    builder_class,
    metric_source,
    names,
    register,
)


@pytest.fixture(autouse=True)
def _forget():
    before = dict(_registered)
    _registered.clear()  # What other tests have looked up is known from then on.
    yield
    _registered.clear()
    _registered.update(before)


def install(folder: Path, name: str, entry: str, code: str, group: str = GROUP) -> None:
    """Lay a distribution down as pip would."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    (folder / f"{name.replace('-', '_')}.py").write_text(code)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


GOOD = "from immutable.memory import MemoryBackend\nclass Mine(MemoryBackend): pass\n"
SILENT = "from immutable.backend import Backend\nclass Mine(Backend):\n    __slots__ = ()\n"
SOURCE = """
class Mine:
    @classmethod
    def from_address(cls, address):
        made = cls()
        made.address = address
        return made

    async def read(self, fleet, revisions): ...

    async def close(self): ...
"""


def forget(module: str) -> None:
    """Let a module be imported anew: each test has one of its own under the same name."""
    sys.modules.pop(module, None)


def test_an_installed_backend_is_found_by_its_name(site):
    forget("immutable_mine")
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


BROKEN = {
    "missing": ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'"),
    "unnamed": ("Other = 1\n", "AttributeError: .*has no attribute 'Mine'"),
    "unreadable": ("def (:\n", "SyntaxError: "),
    "leaving": ("raise SystemExit(3)\n", "SystemExit: 3"),
    "silent": ("import sys; sys.exit()\n", "SystemExit"),
    "strange": ("class Odd(BaseException): pass\nraise Odd('so')\n", "Odd: so"),
    "endless": ("def f(): f()\nf()\n", "RecursionError: "),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_one_is_an_error_only_for_who_asks_for_it(site, kind):
    code, reason = BROKEN[kind]
    install(site, f"immutable-{kind}", f"{kind} = immutable_{kind}:Mine", code)
    install(site, "immutable-whole", "whole = immutable_whole:Mine", GOOD)
    forget("immutable_whole")
    assert {kind, "whole", "memory"} <= set(names())
    assert backend_class("memory") is MemoryBackend
    message = rf"{kind}:// can't be used: immutable-{kind} can't be imported: {reason}"
    for _ in range(2):  # Whoever asks again is told again.
        with pytest.raises(RegistryError, match=message):
            backend_class(kind)
    assert issubclass(backend_class("whole"), MemoryBackend)


def test_a_user_who_stops_a_slow_import_is_obeyed(site):
    install(site, "immutable-slow", "slow = immutable_slow:Mine", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        backend_class("slow")


@pytest.mark.parametrize("entry", ["bad = ", "bad = not a module", "bad = immutable_x:a:b"])
def test_an_entry_point_that_names_nothing_hurts_nobody_else(site, entry):
    install(site, "immutable-bad", entry, "")
    assert backend_class("memory") is MemoryBackend
    with pytest.raises(RegistryError, match="bad:// can't be used: immutable-bad"):
        backend_class("bad")


def test_a_list_of_entry_points_that_cant_be_read_hurts_nobody_else(site):
    install(site, "immutable-garbled", "no equals sign", "")
    install(site, "immutable-mine", "mine = immutable_mine:Mine", GOOD)
    forget("immutable_mine")
    assert {"memory", "mine"} <= set(names())
    assert backend_class("memory") is MemoryBackend
    assert issubclass(backend_class("mine"), MemoryBackend)
    with pytest.raises(InvalidValue):  # Of its own, so the source was found.
        metric_source("call:")


def test_a_distribution_without_a_name_is_said_by_what_it_names(site):
    install(site, "immutable-nameless", "odd = immutable_nowhere:Mine", "")
    (site / "immutable_nameless-1.0.dist-info" / "METADATA").write_text("")
    with pytest.raises(RegistryError, match="odd:// can't be used: immutable_nowhere:Mine"):
        backend_class("odd")


def test_who_claims_the_memory_backend_as_well_is_named(site):
    install(site, "immutable-greedy", "memory = immutable_greedy:Mine", GOOD)
    with pytest.raises(RegistryError, match="immutable-greedy and immutable-sdk both claim memory"):
        backend_class("memory")
    assert names().count("memory") == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Mine = 5\n", "not a Backend class"),
        ("class Mine: pass\n", "not a Backend class"),
        (
            f"{GOOD}Mine.contract = 99\n",
            "contract 99, this SDK has 1; upgrade the SDK: pip install --upgrade immutable-sdk",
        ),
        (
            f"{GOOD}Mine.contract = 0\n",
            "contract 0, this SDK has 1; upgrade the backend: pip install --upgrade immutable-odd",
        ),
        (f"{GOOD}Mine.contract = '1'\n", "states no contract; write contract = 1"),
        (SILENT, "states no contract; write contract = 1"),
        (f"{SILENT}    contract = 1\n", "Mine, lacks close, create_revision, delete_revision, "),
    ],
)
def test_what_is_no_backend_for_this_contract_is_refused(site, code, message):
    install(site, "immutable-odd", "odd = immutable_odd_x:Mine", "")
    (site / "immutable_odd_x.py").write_text(code)
    forget("immutable_odd_x")
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


# -- metric sources --------------------------------------------------------------------------------


def test_an_installed_metric_source_is_found_by_its_name(site):
    install(site, "immutable-dials", "dials = immutable_dials:Mine", SOURCE, METRICS)
    assert metric_source("dials:http://a:1/x").address == "http://a:1/x"


def test_two_that_claim_one_metric_source_are_an_error_that_names_both(site):
    for name in ("one", "two"):
        install(site, f"immutable-{name}", f"dials = immutable_{name}:Mine", SOURCE, METRICS)
    install(site, "immutable-greedy", "call = immutable_greedy:Mine", SOURCE, METRICS)
    with pytest.raises(RegistryError, match="immutable-one and immutable-two both claim the metri"):
        metric_source("dials:x")
    with pytest.raises(RegistryError, match="immutable-greedy and immutable-sdk both claim"):
        metric_source("call:x")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_metric_source_is_an_error_only_for_who_asks_for_it(site, kind):
    code, reason = BROKEN[kind]
    install(site, f"dials-{kind}", f"{kind} = dials_{kind}:Mine", code, METRICS)
    message = rf"metric source {kind} can't be used: dials-{kind} can't be imported: {reason}"
    with pytest.raises(RegistryError, match=message):
        metric_source(f"{kind}:x")
    with pytest.raises(InvalidValue):
        metric_source("call:")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Mine = 5\n", "not a MetricSource: it has no from_address, read, close"),
        (f"{SOURCE}Mine = Mine.from_address('')\n", "not a MetricSource: it is no class"),
        (f"{SOURCE}Mine.contract = 99\n", "upgrade the SDK: pip install --upgrade immutable-sdk"),
        (f"{SOURCE}Mine.contract = '1'\n", "states no contract; write contract = 1"),
        (f"{SOURCE}Mine.contract = 0\n", "upgrade the metric source: .*--upgrade dials-odd"),
    ],
)
def test_what_is_no_metric_source_for_this_contract_is_refused(site, code, message):
    install(site, "dials-odd", "odd = dials_odd_x:Mine", "", METRICS)
    (site / "dials_odd_x.py").write_text(code)
    forget("dials_odd_x")
    with pytest.raises(RegistryError, match=message):
        metric_source("odd:x")


def test_a_missing_metric_source_is_told_what_there_is():
    with pytest.raises(RegistryError, match=r"no metric source dial is .*backend, call, .*prometh"):
        metric_source("dial:x")


def test_builders_are_found_by_name_and_what_is_none_is_refused(site):
    names_ = "for_backend, plan, build, present, cleanup"
    install(site, "kiln-odd", "odd = kiln_odd:Mine", "class Mine: pass\n", BUILDERS)
    forget("kiln_odd")
    with pytest.raises(RegistryError, match=f"not a Builder: it has no {names_}"):
        builder_class("odd")
    code = "class Mine:\n    contract = 99\n"
    code += "".join(f"    def {name}(self): ...\n" for name in names_.split(", "))
    install(site, "kiln-new", "new = kiln_new:Mine", code, BUILDERS)
    with pytest.raises(RegistryError, match="contract 99, this SDK has 1; upgrade the SDK"):
        builder_class("new")
    with pytest.raises(RegistryError, match=r"no builder oven is installed \(there are: .*local"):
        builder_class("oven")


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path):
    """Return how the command is run where two plugins can't be imported."""
    for kind in ("leaving", "strange"):
        install(tmp_path, f"immutable-{kind}", f"{kind} = immutable_{kind}:Mine", BROKEN[kind][0])
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "immutable", *words],
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize("words", [["--help"], ["fleet", "list", "memory"]])
def test_the_command_works_beside_broken_plugins(command, words):
    code, _, said = command(*words)
    assert (code, said) == (0, "")


@pytest.mark.parametrize("kind", ["leaving", "strange"])
def test_the_command_says_in_a_line_which_plugin_is_broken(command, kind):
    code, shown, said = command("fleet", "list", kind)
    assert (code, shown) == (1, "")
    assert said.startswith(f"immutable: {kind}:// can't be used: immutable-{kind} can't be imp")
    assert len(said.splitlines()) == 1


def test_the_command_names_what_is_installed_when_one_is_missing(command):
    code, _, said = command("fleet", "list", "openstack")
    assert code == 1
    there = re.findall(r"there are: ([^)]*)", said)[0].split(", ")
    assert {"leaving", "memory", "strange"} <= set(there)
    assert there == sorted(there)
    assert "pip install immutable-openstack" in said
