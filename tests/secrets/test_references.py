"""References of secrets: which are understood, which are refused, and that no value is repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue, RuntimeConfig, SecretRef
from immutable.backend import RuntimeConfig as OfBackends
from immutable.backend import from_json, to_json
from immutable.secrets.references import FORMS, name_flaw

GOOD = {
    "aws-sm://prod/db": ("aws-sm", "prod/db", "", ""),
    "aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf#password": (
        "aws-sm", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf", "", "password",
    ),
    "aws-sm://db?version=0b1c2d3e-0000-4000-8000-000000000001#a": (
        "aws-sm", "db", "0b1c2d3e-0000-4000-8000-000000000001", "a",
    ),
    "aws-ssm:///prod/db?version=3": ("aws-ssm", "/prod/db", "3", ""),
    "aws-ssm://plain": ("aws-ssm", "plain", "", ""),
    "gcp-sm://projects/p/secrets/s?version=7": ("gcp-sm", "projects/p/secrets/s", "7", ""),
    "azure-kv://safe/db?version=0a1b": ("azure-kv", "safe/db", "0a1b", ""),
    "vault://kv/team/web?version=2#password": ("vault", "kv/team/web", "2", "password"),
    "env://TOKEN": ("env", "TOKEN", "", ""),
    "file:///run/keys/a%20b#x": ("file", "/run/keys/a b", "", "x"),
    "ours://anything/at all".replace(" ", "%20"): ("ours", "anything/at all", "", ""),
    "aws-sm://me%40host": ("aws-sm", "me@host", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("uri", GOOD)
def test_what_a_reference_says(uri):
    ref = SecretRef.parse(uri)
    assert (ref.scheme, ref.path, ref.version, ref.field) == GOOD[uri]
    assert str(ref) == uri


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("vault://", "write vault://MOUNT/PATH"),
        ("vault://kv", "write vault://MOUNT/PATH"),
        ("gcp-sm://projects/p/locations/secrets/s", "write gcp-sm://projects/PROJECT/secrets/NAME"),
        ("gcp-sm://projects/p/s", "write gcp-sm://projects/PROJECT/secrets/NAME"),
        ("azure-kv://safe", "write azure-kv://VAULT/NAME"),
        ("aws-ssm://prod/db", "write aws-ssm:///PATH/NAME"),
        ("env://A-B", "write env://NAME"),
        ("file://run/keys", "write file:///PATH"),
        ("file:///run/keys/", "write file:///PATH"),
        ("file:///run/keys?version=1", "file:// has no versions"),
        ("aws-ssm:///a?version=latest", "no version that pins anything"),
        ("gcp-sm://projects/p/secrets/s?version=latest", "write ?version=3"),
        ("aws-sm://a?version=", "no version that pins anything"),
        ("aws-sm://a?version=1&version=2", "several versions"),
        ("vault://kv/a#", "an empty field"),
        ("ours://", "names nothing there"),
    ],
)
def test_what_is_written_wrongly_is_named_with_the_way_out(uri, told):
    with pytest.raises(InvalidValue) as caught:
        SecretRef.parse(uri)
    assert told in str(caught.value)
    assert repr(uri) in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "hunter2",
        "hunter2 ://x",
        "vault://ada:hunter2@host/kv",
        "postgres://ada:hunter2@db/web",
        "ours://x?token=hunter2",
        "vault://kv/a?password=hunter2",
        "aws-sm://x?hunter2",
    ],
)
def test_what_may_be_a_secret_is_refused_and_not_repeated(uri):
    with pytest.raises(InvalidValue) as caught:
        RuntimeConfig(secrets={"DB": uri})
    shown = str(caught.value)
    assert "hunter2" not in shown.replace("'hunter2' is no option", "")


def test_what_was_written_down_before_is_still_read():
    old = {"environment": {}, "secrets": {"DB": {"uri": "file://relative?x=1"}}}
    assert to_json(from_json(OfBackends, old)) == old


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20))
def test_a_version_is_pinned_and_unpinned_again(version):
    for uri in ("aws-sm://a/b#c", "azure-kv://a/b", "vault://kv/a#b"):
        ref = SecretRef.parse(uri)
        pinned = ref.at(version)
        assert (pinned.version, pinned.field, pinned.path) == (version, ref.field, ref.path)
        assert pinned.at("") == ref


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    try:
        ref = SecretRef.parse(text)
    except InvalidValue:
        return
    assert ref.scheme
    assert ref.path
    assert isinstance(ref.field, str)


def test_names_become_files_or_variables():
    assert not any(map(name_flaw, ("DB", "db.password", "_x", "a-b")))
    assert all(map(name_flaw, ("", "../x", "a/b", ".x", "1a", "a b", "a\n", "a" * 200)))
    assert set(FORMS) == {"aws-sm", "aws-ssm", "gcp-sm", "azure-kv", "vault", "env", "file"}


def test_a_regional_secret_of_google():
    ref = SecretRef.parse("gcp-sm://projects/p/locations/l/secrets/s?version=7")
    assert (ref.path, ref.version) == ("projects/p/locations/l/secrets/s", "7")
