"""What docs/trust.md shows from Python does what it says, and its tables leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("securesystemslib")

from immutable.trust import Flaw, TrustPolicy, dump_bundle, provenance
from tests.support.images import manifest
from tests.support.signing import enveloped, key
from tests.trust.test_mutations import CORPUS

PAGE = (Path(__file__).parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def test_the_program_says_who_signed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    policy = block("toml").replace("'''…'''", f"'''{key('ada').public}'''")
    policy = policy.replace("2027-01-01", "9999-01-01")  # The page's example expires some day.
    ci, _ = TrustPolicy.from_toml(policy).keys
    (tmp_path / "trust.toml").write_text(policy.replace(ci.public, key("ci").public))
    (tmp_path / "web.json").write_bytes(manifest().dump())
    bundle = dump_bundle(enveloped(provenance(manifest()), name) for name in ("ci", "ada"))
    (tmp_path / "web.json.intoto.jsonl").write_text(bundle)
    exec(compile(block("python"), "trust.md", "exec"), {})
    assert capsys.readouterr().out == "web:1.4.2 (ami-0abc123) signed by ci, ada-2026\n"


def test_every_flaw_and_the_size_of_the_corpus_are_told():
    told = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert {str(flaw) for flaw in Flaw} <= told
    assert f"in {len(CORPUS)} ways" in PAGE
