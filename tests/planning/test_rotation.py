"""Versions of secrets: pinned when a plan is made, and told when a newer one is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immutable import Image, Revision, RuntimeConfig
from immutable.planning.rotation import pinned, rotated

NAMES = st.sampled_from(["A", "B", "C", "D"])
REFS = st.sampled_from(["vault://kv/a", "vault://kv/a#x", "vault://kv/b?version=1", "env://A"])
CONFIGS = st.dictionaries(NAMES, REFS).map(lambda refs: RuntimeConfig({"S": "t"}, refs))
CURRENT = st.dictionaries(NAMES, st.sampled_from(["", "1", "2", "3"]))


def of(config):
    return Revision(1, Image("a"), config)


@given(CONFIGS, CURRENT)
def test_what_was_just_pinned_is_not_rotated_and_a_version_of_ones_own_stays(config, current):
    made = pinned(config, current)
    assert made.environment == config.environment
    for name, ref in config.secrets.items():
        if ref.version:
            assert made.secrets[name] == ref
        else:
            assert made.secrets[name].version == current.get(name, "")
            assert not [line for line in rotated(of(made), current) if line.startswith(f"{name}:")]


@given(CONFIGS, CURRENT)
def test_only_what_is_pinned_and_known_to_be_newer_is_rotated(config, current):
    told = rotated(of(config), current)
    newer = [
        name
        for name, ref in config.secrets.items()
        if ref.version and current.get(name, "") not in ("", ref.version)
    ]
    assert [line.partition(":")[0] for line in told] == sorted(newer)


def test_words():
    revision = of(RuntimeConfig(secrets={"DB": "vault://kv/a?version=3#x"}))
    (line,) = rotated(revision, {"DB": "4"})
    assert line == "DB: its version 3 is not current any more, 4 is"
    assert rotated(revision, {}) == rotated(revision, {"DB": ""}) == ()
