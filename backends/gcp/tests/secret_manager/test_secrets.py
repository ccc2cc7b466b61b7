"""Secrets in Google Secret Manager, by an instance's own identity, over HTTP."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys

import pytest

from backends.gcp.tests.secret_manager.emulator import Refused
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
from immutable_gcp.copying import template_properties
from immutable_gcp.secrets import ENDPOINT, SecretManagerResolver, _address

SEEN, OLDER = b"canary-gcp-40be", b"canary-gcp-\xff\0\n"


def ref(path):
    return SecretRef.parse(f"gcp-sm://{path}")


def text(secret):
    with secret.reveal() as value:
        return bytes(value)


def test_a_secret_its_versions_and_what_is_told_without_its_value(resolver, google, kept):
    assert isinstance(resolver, SecretResolver)
    name = kept("db", OLDER, SEEN)
    google.asked.clear()
    assert resolver.check(ref(name)) == "2"
    assert resolver.check(ref(f"{name}?version=1#field")) == "1"
    assert {call for call, _ in google.asked} == {"GetSecretVersion"}
    assert text(resolver.resolve(ref(name))) == SEEN
    assert text(resolver.resolve(ref(f"{name}?version=1"))) == OLDER
    assert "cloud-platform" in google.scopes
    for call in (resolver.check, resolver.resolve):
        with pytest.raises(Gone, match="no such secret, or not this version of it"):
            call(ref(f"{name}?version=3"))
        with pytest.raises(Gone, match="gcp-sm://projects/p/secrets/none: "):
            call(ref("projects/p/secrets/none"))


def test_a_secret_without_any_version_is_gone(resolver, kept):
    with pytest.raises(Gone):
        resolver.check(ref(kept("bare")))


def test_a_version_that_is_disabled_or_destroyed_is_gone(resolver, keeper, kept):
    name = kept("db", b"a", b"b", b"c")
    keeper.disable_secret_version(name=f"{name}/versions/3")
    keeper.destroy_secret_version(name=f"{name}/versions/2")
    with pytest.raises(Gone, match="version 3 is disabled; enable it"):
        resolver.check(ref(name))
    with pytest.raises(Gone, match="version 2 is destroyed; add one"):
        resolver.check(ref(f"{name}?version=2"))
    for uri, state in ((name, "DISABLED"), (f"{name}?version=2", "DESTROYED")):
        with pytest.raises(Gone, match=f"FAILED_PRECONDITION: .* is in {state} state"):
            resolver.resolve(ref(uri))
    keeper.enable_secret_version(name=f"{name}/versions/3")
    assert (resolver.check(ref(name)), text(resolver.resolve(ref(name)))) == ("3", b"c")


def test_who_may_only_read_can_not_check_and_who_may_only_check_can_not_read(
    resolver, instance, kept
):
    name = kept("db", SEEN)
    instance("accessor")
    assert text(resolver.resolve(ref(name))) == SEEN
    with pytest.raises(Denied, match=r"needs secretmanager\.versions\.get"):
        resolver.check(ref(name))
    instance("viewer")
    assert resolver.check(ref(name)) == "1"
    with pytest.raises(Denied, match=r"needs secretmanager\.versions\.access"):
        resolver.resolve(ref(name))
    # Who may not look is not told whether there is one.
    with pytest.raises(Denied, match="PERMISSION_DENIED"):
        resolver.resolve(ref("projects/p/secrets/none"))


def test_a_regional_secret_is_kept_at_an_address_of_its_own(resolver, kept, monkeypatch):
    parent = "projects/p/locations/europe-west3"
    name = kept("db", SEEN, parent=parent)
    assert (resolver.check(ref(name)), text(resolver.resolve(ref(name)))) == ("1", SEEN)
    monkeypatch.delenv(ENDPOINT)
    host = "https://secretmanager.europe-west3.rep.googleapis.com"
    assert _address(ref(name), "get") == f"{host}/v1/{name}/versions/latest"
    usual = "https://secretmanager.googleapis.com/v1/projects/p/secrets/s/versions/7:access"
    assert _address(ref("projects/p/secrets/s?version=7"), "access") == usual


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("INTERNAL", Transient), ("UNAVAILABLE", Transient), ("RESOURCE_EXHAUSTED", Throttled),
        ("INVALID_ARGUMENT", Invalid),
    ],
)  # fmt: skip
def test_what_a_refusal_means(resolver, google, kept, status, kind):
    name = kept("db", SEEN)
    for call in (resolver.check, resolver.resolve):
        google.faults = [Refused(status, "what Google says")]
        with pytest.raises(kind, match=f"{name}: {status}: what Google says") as caught:
            call(ref(name))
        assert caught.value.__context__ is None


def test_a_token_that_is_not_valid_is_denied(resolver, google, kept):
    name = kept("db", SEEN)
    google.grants.pop(google.token)
    with pytest.raises(Denied, match="UNAUTHENTICATED"):
        resolver.check(ref(name))


def test_nobody_who_answers_is_transient(resolver, google, kept, monkeypatch):
    name = kept("db", SEEN)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    for call in (resolver.check, resolver.resolve):
        with pytest.raises(Transient, match=f"{name}: no answer that makes sense"):
            call(ref(name))
    monkeypatch.setenv(ENDPOINT, f"http://{google.address}")
    assert resolver.check(ref(name)) == "1"


def test_nobody_to_ask_as_is_denied_and_nothing_of_the_key_is_told(
    resolver, monkeypatch, tmp_path, canary
):
    key = canary.excepted(tmp_path / "key.json")
    key.write_text(json.dumps({"type": "service_account", "private_key": canary.value}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(Denied, match="no usable credentials") as caught:
        resolver.check(ref("projects/p/secrets/db"))
    assert canary.value not in f"{caught.value!r}{caught.value.__context__}"


class Odd:
    """A session that answers 200 with what is no version."""

    status_code = 200

    def __init__(self, body):
        self._body = body

    def get(self, *_, **__):
        return self

    def json(self):
        return json.loads(self._body)

    def close(self):
        pass


@pytest.mark.parametrize("body", ["{", "[]", '{"payload": {"data": "%s"}}', '{"payload": "%s"}'])
def test_an_answer_that_makes_no_sense_is_told_without_it(canary, body):
    resolver = SecretManagerResolver()
    resolver._session = Odd(body.replace("%s", canary.value))
    with pytest.raises(Transient) as caught:
        resolver.resolve(ref("projects/p/secrets/db"))
    assert canary.value not in f"{caught.value!r}{caught.value.__context__}"
    resolver.close()


def test_it_is_found_by_its_scheme():
    made = resolver_for("gcp-sm")
    assert isinstance(made, SecretManagerResolver)
    made.close()


def test_immutable_exec_reads_it_and_loads_no_client_of_google(instance, kept):
    name = kept("db", json.dumps({"password": SEEN.decode()}).encode())
    refs = json.dumps({"DB": f"gcp-sm://{name}#password"})
    environ = {**os.environ, "IMMUTABLE_SECRETS": refs, "XDG_RUNTIME_DIR": "/dev/shm"}
    show = 'base64 < "$IMMUTABLE_SECRETS_DIR/DB"'
    words = [sys.executable, "-m", "immutable", "exec", "--", "sh", "-c", show]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert base64.b64decode(done.stdout) == SEEN
    look = (
        "import sys; from immutable.backend import SecretRef;"
        "from immutable_gcp.secrets import SecretManagerResolver as R;"
        f"R().check(SecretRef('gcp-sm://{name}'));"
        "print([m for m in sys.modules if m.startswith(('google.cloud', 'google.api', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_instance_is_told_its_references_by_its_templates_metadata(google, instance, kept):
    name = kept("db", SEEN)
    config = RuntimeConfig({"LEVEL": "info"}, {"DB": f"gcp-sm://{name}"})
    revision = Revision(2, Image("web", "v2"), config)
    disk = {"boot": True, "initialize_params": {"source_image": "v1"}}
    properties = template_properties({"disks": [disk]}, "web", revision)
    google.attributes = {each["key"]: each["value"] for each in properties["metadata"]["items"]}
    environ = {k: v for k, v in os.environ.items() if not k.startswith("IMMUTABLE_")}
    environ |= {"XDG_RUNTIME_DIR": "/dev/shm", "IMMUTABLE_SECRETS_FILE": "metadata://gcp"}
    show = 'base64 < "$IMMUTABLE_SECRETS_DIR/DB"'
    words = [sys.executable, "-m", "immutable", "exec", "--", "sh", "-c", show]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert base64.b64decode(done.stdout) == SEEN


def test_a_value_is_seen_nowhere_not_even_where_libraries_log_all_they_do(
    resolver, google, kept, canary, caplog
):
    # The canary's own plug-in looks at logs, output and tracebacks when this test is over.
    caplog.set_level(logging.DEBUG)
    name = kept("db", b"for now")
    google.secrets[name][0]["data"] = base64.b64encode(canary.value.encode()).decode()
    assert text(resolver.resolve(ref(name))) == canary.value.encode()
    print(resolver.check(ref(name)), resolver.resolve(ref(name)), vars(resolver))  # noqa: T201
    assert caplog.records
