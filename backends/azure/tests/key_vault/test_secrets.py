"""Secrets in Azure Key Vault, by an instance's own identity, over HTTPS."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys

import pytest

from backends.azure.tests.key_vault.emulator import Refused
from immutable.backend import (
    Denied,
    Gone,
    Image,
    Invalid,
    Revision,
    RuntimeConfig,
    SecretRef,
    SecretResolver,
    Throttled,
    Transient,
)
from immutable.secrets.resolving import resolver_for
from immutable_azure.copying import user_data_of
from immutable_azure.secrets import KeyVaultResolver, _parts

SEEN, OLDER = "canary-azure-e3a1", "canary-azure-0d55"
DB = "azure-kv://safe/db"


def ref(uri):
    return SecretRef.parse(uri)


def text(secret):
    with secret.reveal() as value:
        return bytes(value).decode()


def version(secret):
    return secret.properties.version


def test_a_secret_its_versions_and_what_is_told_without_its_value(resolver, azure, keeper):
    assert isinstance(resolver, SecretResolver)
    made = [version(keeper.set_secret("db", value)) for value in (OLDER, "between", SEEN)]
    azure.asked.clear()
    assert resolver.check(ref(DB)) == made[-1]
    assert resolver.check(ref(f"{DB}?version={made[0]}#field")) == made[0]
    # Three versions are on two pages; none of them comes with a value.
    assert azure.asked == ["get_secret_versions"] * 4
    assert azure.identity == "https://vault.azure.net"
    assert text(resolver.resolve(ref(DB))) == SEEN
    assert text(resolver.resolve(ref(f"{DB}?version={made[0]}"))) == OLDER
    for call in (resolver.check, resolver.resolve):
        with pytest.raises(Gone, match="no such"):
            call(ref(f"{DB}?version={'f' * 32}"))
        with pytest.raises(Gone, match="azure-kv://safe/none: the vault has no such secret"):
            call(ref("azure-kv://safe/none"))


def test_a_version_that_is_disabled_is_gone(resolver, keeper):
    first, second = (version(keeper.set_secret("db", value)) for value in ("a", "b"))
    keeper.update_secret_properties("db", second, enabled=False)
    for call in (resolver.check, resolver.resolve):
        for uri in (DB, f"{DB}?version={second}"):
            with pytest.raises(Gone, match="is disabled; enable it"):
                call(ref(uri))
    assert resolver.check(ref(f"{DB}?version={first}")) == first
    keeper.update_secret_properties("db", second, enabled=True)
    assert resolver.check(ref(DB)) == second


def test_one_that_was_deleted_can_be_recovered_and_until_then_is_gone(resolver, keeper):
    made = version(keeper.set_secret("db", SEEN))
    keeper.begin_delete_secret("db", _polling_interval=0.01).wait()
    for call in (resolver.check, resolver.resolve):
        with pytest.raises(Gone, match="deleted lately can be recovered"):
            call(ref(DB))
    keeper.begin_recover_deleted_secret("db", _polling_interval=0.01).wait()
    assert resolver.check(ref(DB)) == made


def test_which_of_two_of_one_second_is_current_nobody_can_tell(resolver, azure, keeper):
    keeper.set_secret("db", "a")
    azure.step = 0
    made = version(keeper.set_secret("db", "b"))
    assert resolver.check(ref(DB)) == ""
    assert resolver.check(ref(f"{DB}?version={made}")) == made


def test_who_may_only_read_can_not_check_and_who_may_only_check_can_not_read(
    resolver, instance, keeper
):
    keeper.set_secret("db", SEEN)
    instance("get")
    assert text(resolver.resolve(ref(DB))) == SEEN
    with pytest.raises(Denied, match="who asks needs list of secrets"):
        resolver.check(ref(DB))
    instance("list")
    assert resolver.check(ref(DB))
    with pytest.raises(Denied, match="who asks needs get of secrets"):
        resolver.resolve(ref(DB))


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refused(429, "Throttled", "too many"), Throttled),
        (Refused(500, "InternalServerError", "an error"), Transient),
        (Refused(503, "ServiceUnavailable", "later"), Transient),
        (Refused(400, "BadParameter", "no"), Invalid),
        (Refused(403, "Forbidden", "not this address", "ForbiddenByFirewall"), Denied),
    ],
)  # fmt: skip
def test_what_a_refusal_means(resolver, azure, keeper, refusal, kind):
    keeper.set_secret("db", SEEN)
    for call in (resolver.check, resolver.resolve):
        azure.faults = [refusal]
        with pytest.raises(kind, match=DB) as caught:
            call(ref(DB))
        assert caught.value.__context__ is None
    assert text(resolver.resolve(ref(DB))) == SEEN


def test_who_has_no_identity_is_denied(resolver, azure, monkeypatch):
    azure.identity = ""
    monkeypatch.setenv("PATH", "/nowhere")  # No command of Azure's, either.
    with pytest.raises(Denied, match="no credentials"):
        resolver.check(ref(DB))


def test_nobody_who_answers_is_transient(resolver, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for call in (resolver.check, resolver.resolve):
        with pytest.raises(Transient, match=DB):
            call(ref(DB))


def test_an_authority_that_is_not_known_is_no_answer(resolver, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Transient, match=DB):
        resolver.check(ref(DB))


def test_a_vault_that_asks_for_a_token_of_another_domain_gets_none(resolver, azure):
    with pytest.raises(Invalid, match=r"azure-kv://safe\.vault\.azure\.cn/db"):
        resolver.check(ref("azure-kv://safe.vault.azure.cn/db"))
    assert (azure.challenges, azure.asked) == (1, [])


class Odd:
    """A client whose answer lacks what it must have."""

    def __init__(self, value):
        self._value = value

    def get_secret(self, *_):
        raise KeyError(self._value)

    def close(self):
        pass


def test_an_answer_that_makes_no_sense_is_told_without_it(canary):
    resolver = KeyVaultResolver()
    resolver._clients["safe.vault.azure.net"] = Odd(canary.value)
    with pytest.raises(Transient) as caught:
        resolver.resolve(ref(DB))
    assert canary.value not in f"{caught.value!r}{caught.value.__context__}"
    resolver.close()


def test_names_of_vaults_and_secrets():
    assert _parts(ref("azure-kv://safe/db")) == ("safe.vault.azure.net", "db")
    assert _parts(ref("azure-kv://safe.vault.azure.cn/db")) == ("safe.vault.azure.cn", "db")
    for path in ("a_b/db", "safe/a_b", "safe/a%2Fb", "sa/db", "safe%20/db"):
        with pytest.raises(Invalid, match="letters, digits and hyphens"):
            _parts(SecretRef(f"azure-kv://{path}"))


def test_it_is_found_by_its_scheme():
    made = resolver_for("azure-kv")
    assert isinstance(made, KeyVaultResolver)
    made.close()


def test_immutable_exec_reads_it(instance, keeper):
    keeper.set_secret("db", json.dumps({"password": SEEN}))
    refs = json.dumps({"DB": f"{DB}#password"})
    environ = {**os.environ, "IMMUTABLE_SECRETS": refs, "XDG_RUNTIME_DIR": "/dev/shm"}
    show = 'base64 < "$IMMUTABLE_SECRETS_DIR/DB"'
    words = [sys.executable, "-m", "immutable", "exec", "--", "sh", "-c", show]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert base64.b64decode(done.stdout).decode() == SEEN


@pytest.mark.parametrize("theirs", ["", "I2Nsb3VkLWNvbmZpZwo="])
def test_an_instance_is_told_its_references_by_its_sets_user_data(azure, instance, keeper, theirs):
    keeper.set_secret("db", SEEN)
    config = RuntimeConfig({"LEVEL": "info"}, {"DB": DB})
    azure.user_data = user_data_of(Revision(2, Image("web", "v2"), config), theirs)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("IMMUTABLE_")}
    environ |= {"XDG_RUNTIME_DIR": "/dev/shm", "IMMUTABLE_SECRETS_FILE": "metadata://azure"}
    show = 'base64 < "$IMMUTABLE_SECRETS_DIR/DB"'
    words = [sys.executable, "-m", "immutable", "exec", "--", "sh", "-c", show]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert base64.b64decode(done.stdout).decode() == SEEN


def test_a_value_is_seen_nowhere_not_even_where_libraries_log_all_they_do(
    resolver, azure, keeper, canary, caplog
):
    # The canary's own plug-in looks at logs, output and tracebacks when this test is over.
    caplog.set_level(logging.DEBUG)
    made = version(keeper.set_secret("db", "for now"))
    azure.secrets["db"][made]["value"] = canary.value
    assert text(resolver.resolve(ref(DB))) == canary.value
    print(resolver.check(ref(DB)), resolver.resolve(ref(DB)), vars(resolver))  # noqa: T201
    assert caplog.records
