"""Secrets in a Vault, over TLS, against a real server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import subprocess
import sys

import hvac
import pytest

from immutable import PlanRefused, RuntimeConfig
from immutable.backend import Denied, Gone, Invalid, SecretRef, SecretResolver, Transient
from immutable.guest.fetching import fetch
from immutable.testing import run
from tests.support.world import world

SEEN, OLDER = "canary-vault-51e0", "canary-vault-77aa"
READ_ONLY = 'path "secret/data/app/*" { capabilities = ["read"] }'
CHECKER = 'path "secret/metadata/app/*" { capabilities = ["read"] }'


def ref(uri):
    return SecretRef.parse(uri)


def text(secret):
    with secret.reveal() as value:
        return json.loads(bytes(value))


@pytest.fixture
def kv(reaching):
    """Version 2, as every development server has it at ``secret/``."""
    return reaching.root.secrets.kv.v2


@pytest.fixture
def asked_by(reaching, monkeypatch):
    """Give resolvers a token with a policy."""

    def give(rules):
        reaching.root.sys.create_or_update_policy("tried", rules)
        made = reaching.root.auth.token.create(policies=["tried"], no_default_policy=False)
        monkeypatch.setenv("VAULT_TOKEN", made["auth"]["client_token"])

    return give


@pytest.fixture
def as_root(reaching, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", reaching.token)


def test_a_secret_its_versions_and_what_is_told_without_its_value(vault, kv, as_root):
    assert isinstance(vault, SecretResolver)
    kv.create_or_update_secret("prod/db", {"password": OLDER, "port": 5432})
    assert vault.check(ref("vault://secret/prod/db")) == "1"
    kv.create_or_update_secret("prod/db", {"password": SEEN})
    assert vault.check(ref("vault://secret/prod/db#password")) == "2"
    assert vault.check(ref("vault://secret/prod/db?version=1")) == "1"
    assert text(vault.resolve(ref("vault://secret/prod/db"))) == {"password": SEEN}
    older = vault.resolve(ref("vault://secret/prod/db?version=1#port"))
    assert text(older) == {"password": OLDER, "port": 5432}
    for call in (vault.check, vault.resolve):
        with pytest.raises(Gone, match="secret/prod/db"):
            call(ref("vault://secret/prod/db?version=3"))
        with pytest.raises(Gone, match="secret/none: the Vault has no such secret"):
            call(ref("vault://secret/none"))


def test_a_version_that_was_deleted_or_destroyed_is_gone(vault, kv, as_root):
    for value in ("a", "b", "c"):
        kv.create_or_update_secret("gone/db", {"value": value})
    kv.delete_secret_versions("gone/db", [2])
    kv.destroy_secret_versions("gone/db", [3])
    assert vault.check(ref("vault://secret/gone/db?version=1")) == "1"
    with pytest.raises(Gone, match="version 2 is deleted; undelete it"):
        vault.check(ref("vault://secret/gone/db?version=2"))
    with pytest.raises(Gone, match="version 3 is destroyed"):
        vault.check(ref("vault://secret/gone/db"))
    for uri in ("vault://secret/gone/db", "vault://secret/gone/db?version=2"):
        with pytest.raises(Gone):
            vault.resolve(ref(uri))
    kv.undelete_secret_versions("gone/db", [2])
    assert vault.check(ref("vault://secret/gone/db?version=2")) == "2"


def test_one_that_will_be_deleted_by_itself_is_there_until_then(vault, kv, as_root):
    kv.update_metadata("brief/db", delete_version_after="48h")
    kv.create_or_update_secret("brief/db", {"value": "a"})
    assert kv.read_secret_metadata("brief/db")["data"]["versions"]["1"]["deletion_time"]
    assert vault.check(ref("vault://secret/brief/db")) == "1"
    assert text(vault.resolve(ref("vault://secret/brief/db"))) == {"value": "a"}


def test_a_version_that_is_kept_no_longer_is_gone(vault, kv, as_root):
    kv.update_metadata("short/db", max_versions=1)
    for value in ("a", "b"):
        kv.create_or_update_secret("short/db", {"value": value})
    with pytest.raises(Gone, match="no version 1, or keeps it no longer"):
        vault.check(ref("vault://secret/short/db?version=1"))


def test_version_1_of_the_engine_in_a_mount_of_two_words(vault, reaching, as_root):
    old = reaching.root.secrets.kv.v1
    old.create_or_update_secret("web/db", {"password": SEEN}, mount_point="team/old")
    old.create_or_update_secret("top", {"password": OLDER}, mount_point="team/old")
    assert vault.check(ref("vault://team/old/web/db")) == ""
    assert vault.check(ref("vault://team/old/top")) == ""
    assert text(vault.resolve(ref("vault://team/old/web/db"))) == {"password": SEEN}
    for call in (vault.check, vault.resolve):
        with pytest.raises(Gone):
            call(ref("vault://team/old/web/none"))
        with pytest.raises(Invalid, match="keeps no versions"):
            call(ref("vault://team/old/web/db?version=1"))


def test_who_may_only_read_can_not_check_and_who_may_only_check_can_not_read(vault, kv, asked_by):
    kv.create_or_update_secret("app/db", {"password": SEEN})
    asked_by(READ_ONLY)
    assert text(vault.resolve(ref("vault://secret/app/db"))) == {"password": SEEN}
    with pytest.raises(Denied, match="or lacks read of secret/metadata/app/db"):
        vault.check(ref("vault://secret/app/db"))
    vault.close()
    asked_by(CHECKER)
    assert vault.check(ref("vault://secret/app/db")) == "1"
    with pytest.raises(Denied, match="read of secret/data/app/db"):
        vault.resolve(ref("vault://secret/app/db"))
    with pytest.raises(Denied, match="lacks any right to nowhere/at/all"):
        vault.check(ref("vault://nowhere/at/all"))


def test_what_is_no_engine_of_secrets_and_what_leads_elsewhere(vault, as_root):
    with pytest.raises(Invalid, match="no KV engine"):
        vault.check(ref("vault://cubbyhole/a"))
    for path in ("secret/../sys/seal-status", "secret/%2E%2E/sys/mounts", "secret/./a"):
        for call in (vault.check, vault.resolve):
            with pytest.raises(Invalid, match=r"no \. and no \.\."):
                call(ref(f"vault://{path}"))


# -- who asks -------------------------------------------------------------------------------------


@pytest.fixture
def approle(reaching):
    root = reaching.root
    if "approle/" not in root.sys.list_auth_methods()["data"]:
        root.sys.enable_auth_method("approle")
    root.sys.create_or_update_policy("app", READ_ONLY)
    root.auth.approle.create_or_update_approle("web", token_policies=["app"])
    role = root.auth.approle.read_role_id("web")["data"]["role_id"]
    return role, root.auth.approle.generate_secret_id("web")["data"]["secret_id"]


def test_an_approle_logs_in_and_gives_its_token_back(
    vault, kv, approle, reaching, monkeypatch, tmp_path
):
    kv.create_or_update_secret("app/db", {"password": SEEN})
    role, secret = approle
    kept = tmp_path / "secret-id"
    kept.write_text(f"{secret}\n")
    monkeypatch.setenv("VAULT_ROLE_ID", role)
    monkeypatch.setenv("VAULT_SECRET_ID_FILE", str(kept))
    assert text(vault.resolve(ref("vault://secret/app/db"))) == {"password": SEEN}
    got = reaching.client(vault._client.token)
    assert got.lookup_token()["data"]["policies"] == ["app", "default"]
    vault.close()
    with pytest.raises(hvac.exceptions.Forbidden):
        got.lookup_token()


def test_an_approle_that_is_not_let_in_is_denied_and_its_secret_not_told(
    vault, approle, monkeypatch, canary
):
    monkeypatch.setenv("VAULT_ROLE_ID", approle[0])
    monkeypatch.setenv("VAULT_SECRET_ID", canary.value)
    with pytest.raises(Denied, match="no login by approle at auth/approle") as caught:
        vault.resolve(ref("vault://secret/app/db"))
    assert canary.value not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    monkeypatch.setenv("VAULT_AUTH_MOUNT", "nowhere")
    with pytest.raises(Denied, match="auth/nowhere"):
        vault.resolve(ref("vault://secret/app/db"))


def test_a_token_of_another_issuer_is_exchanged(vault, kv, reaching, monkeypatch, tmp_path):
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    root = reaching.root
    root.sys.enable_auth_method("jwt", path="pods")
    root.auth.jwt.configure(jwt_validation_pubkeys=[public.decode()], path="pods")
    root.sys.create_or_update_policy("app", READ_ONLY)
    root.auth.jwt.create_role(
        "web", "sub", [], bound_audiences=["vault"], role_type="jwt", token_policies=["app"],
        path="pods",
    )  # fmt: skip
    kv.create_or_update_secret("app/db", {"password": SEEN})
    token = tmp_path / "token"
    claims = {"sub": "pod", "aud": "vault", "nbf": 1_600_000_000, "exp": 4_102_444_800}
    token.write_text(jwt.encode(claims, key, algorithm="ES256"))
    monkeypatch.setenv("VAULT_ROLE", "web")
    monkeypatch.setenv("VAULT_AUTH_MOUNT", "pods")
    monkeypatch.setenv("VAULT_JWT_FILE", str(token))
    assert text(vault.resolve(ref("vault://secret/app/db"))) == {"password": SEEN}


def test_the_file_that_vault_login_leaves(vault, kv, reaching, monkeypatch, tmp_path, canary):
    kv.create_or_update_secret("home/db", {"a": "b"})
    monkeypatch.setenv("HOME", str(tmp_path))
    canary.write(tmp_path / ".vault-token")
    assert vault.check(ref("vault://secret/home/db")) == "1"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "nobody is named who asks the Vault; set VAULT_TOKEN"),
        ({"VAULT_ROLE": "web", "VAULT_JWT_FILE": "/nowhere/token"}, "/nowhere/token, by which"),
        ({"VAULT_TOKEN": "s.wrong"}, "the token is not valid, or lacks"),
    ],
)
def test_who_is_not_known_is_denied(vault, monkeypatch, given, told):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Denied, match=told) as caught:
        vault.check(ref("vault://secret/a"))
    assert "vault://secret/a" in str(caught.value)


def test_an_authority_that_is_not_known_is_no_answer(vault, as_root, monkeypatch):
    monkeypatch.delenv("VAULT_CACERT")
    with pytest.raises(Transient, match="SSLError"):
        vault.check(ref("vault://secret/a"))


def test_immutable_exec_reads_it_and_a_plan_pins_and_checks_it(reaching, kv, as_root, tmp_path):
    kv.create_or_update_secret("exec/db", {"password": SEEN})
    uris = {"DB": "vault://secret/exec/db#password"}
    show = ("sha256sum", "--")
    environ = {**os.environ, "IMMUTABLE_SECRETS": json.dumps(uris), "XDG_RUNTIME_DIR": "/dev/shm"}
    command = [
        sys.executable, "-m", "immutable", "exec", "--", "sh", "-c",
        f'exec {" ".join(show)} "$IMMUTABLE_SECRETS_DIR/DB"',
    ]  # fmt: skip
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == hashlib.sha256(SEEN.encode()).hexdigest()

    async def main():
        async with world(2) as w:
            plan = await w.fleet.plan(config=RuntimeConfig(secrets=uris))
            pinned = SecretRef("vault://secret/exec/db?version=1#password")
            assert plan.candidate.config.secrets["DB"] == pinned
            await w.fleet.apply(plan)
            await asyncio.to_thread(kv.create_or_update_secret, "exec/db", {"password": OLDER})
            found = await w.fleet.drift()
            assert "its version 1 is not current any more, 2 is" in str(
                [each.why for each in found.findings]
            )
            with pytest.raises(PlanRefused, match="has no such secret"):
                await w.fleet.plan(config=RuntimeConfig(secrets={"DB": "vault://secret/none"}))

    run(main())


def test_a_value_is_seen_nowhere_not_even_where_libraries_log_all_they_do(
    vault, kv, as_root, canary, caplog
):
    # The canary's own plug-in looks at logs, output and tracebacks when this test is over.
    caplog.set_level(logging.DEBUG)
    kv.create_or_update_secret("seen/db", {"password": canary.value})
    made = vault.resolve(ref("vault://secret/seen/db"))
    print(vault.check(ref("vault://secret/seen/db")), made, vars(vault))  # noqa: T201
    fetched = fetch(
        {"DB": ref("vault://secret/seen/db#none"), "A": ref("vault://secret/seen/db#password")},
        lambda _: vault, deadline=30.0, tell=print,
    )  # fmt: skip
    print(fetched)  # noqa: T201
    assert fetched.values.keys() == {"A"}
    assert "no JSON object with a member none" in fetched.reasons["DB"]
    assert caplog.records
