"""Who reads secrets: the SDK's own two, and those of plug-ins."""

from __future__ import annotations

import importlib.metadata
import os
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from immutable.backend import Denied, Gone, Invalid, SecretRef, SecretResolver
from immutable.errors import RegistryError
from immutable.secrets.file import MOST
from immutable.secrets.resolving import resolver_for


class Sound:
    def check(self, ref):
        return "1"

    def resolve(self, ref):
        raise NotImplementedError

    def close(self):
        pass


class Lacking:
    def check(self, ref):
        return "1"


class Later(Sound):
    contract = 2


class Older(Sound):
    contract = 0


made = Sound()


class Broken(Sound):
    def __init__(self):
        raise OSError("no such library")


@pytest.fixture
def plugins(monkeypatch):
    def claim(*values):
        points = [
            EntryPoint("ours", f"{__name__}:{value}", "immutable.secrets") for value in values
        ]
        kept = EntryPoints(points)
        monkeypatch.setattr(importlib.metadata, "entry_points", kept.select)
        monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr])

    return claim


def text(secret):
    with secret.reveal() as value:
        return bytes(value)


def test_a_plugin_is_found_by_its_scheme(plugins):
    plugins("Sound")
    found = resolver_for("ours")
    assert isinstance(found, Sound)
    assert isinstance(found, SecretResolver)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ((), "no resolver for ours:// is installed (there are: env, file)"),
        (("Sound", "Lacking"), "both claim the resolver for ours://"),
        (("Lacking",), "it has no resolve, close"),
        (("Broken",), "secrets of ours:// can't be read here: OSError: no such library"),
        (("Later",), "written for contract 2, this SDK has 1; upgrade the SDK"),
        (("Older",), "written for contract 0, this SDK has 1; upgrade the resolver for ours://"),
        (("made",), "it is no class"),
        (("nothing",), "can't be imported: KeyError: 'nothing'"),
    ],
)
def test_why_there_is_none(plugins, claims, told):
    plugins(*claims)
    with pytest.raises(RegistryError) as caught:
        resolver_for("ours")
    assert told in str(caught.value)


def test_a_garbled_list_of_entry_points_hurts_no_other_plugin(tmp_path, monkeypatch):
    for name, lines in (("garbled", "no equals sign"), ("ours", "ours = immutable_ours:Ours")):
        info = tmp_path / f"immutable_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: immutable-{name}\n")
        (info / "entry_points.txt").write_text(f"[immutable.secrets]\n{lines}\n")
    code = "from immutable.secrets.env import EnvResolver\nclass Ours(EnvResolver): pass\n"
    (tmp_path / "immutable_ours.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(resolver_for("ours")).__module__ == "immutable_ours"


def test_variables(monkeypatch):
    monkeypatch.setenv("TOKEN", "a\udcffb")
    resolver = resolver_for("env")
    assert resolver.check(SecretRef("env://TOKEN")) == ""
    assert text(resolver.resolve(SecretRef("env://TOKEN"))) == b"a\xffb"
    monkeypatch.delenv("TOKEN")
    with pytest.raises(Gone, match="the environment has no TOKEN"):
        resolver.resolve(SecretRef("env://TOKEN"))
    resolver.close()


def test_files(tmp_path):
    resolver, kept = resolver_for("file"), tmp_path / "kept"
    ref = SecretRef(f"file://{kept}")
    with pytest.raises(Gone, match="no such file"):
        resolver.check(ref)
    kept.write_bytes(b"\0a\n")
    assert resolver.check(ref) == ""
    assert text(resolver.resolve(ref)) == b"\0a\n"
    with pytest.raises(Invalid, match="is a directory"):
        resolver.resolve(SecretRef(f"file://{tmp_path}"))
    kept.write_bytes(b"a" * (MOST + 1))
    with pytest.raises(Invalid, match="keep less in a secret"):
        resolver.resolve(ref)
    resolver.close()


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    kept = tmp_path / "kept"
    kept.touch(mode=0o000)
    with pytest.raises(Denied, match="may not read"):
        resolver_for("file").resolve(SecretRef(f"file://{kept}"))
