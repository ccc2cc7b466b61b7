"""An instance on Google: its metadata server has its identity, Secret Manager its secrets."""

from __future__ import annotations

import pytest

from backends.gcp.tests.secret_manager.emulator import SecretManager
from immutable_gcp.permissions import CHECK_SECRETS, READ_SECRETS
from immutable_gcp.secrets import ENDPOINT, SecretManagerResolver


@pytest.fixture(scope="session")
def secret_manager_process(canary):
    # The instance's token is the session's canary: it may be seen nowhere.
    made = SecretManager(canary.value)
    yield made
    made.stop()


@pytest.fixture
def google(secret_manager_process):
    """Secret Manager, empty; a request that Google's client couldn't make fails the test."""
    secret_manager_process.begin_anew()
    yield secret_manager_process
    assert secret_manager_process.failures == []


@pytest.fixture
def instance(google, monkeypatch, tmp_path):
    """Be an instance whose service account has the roles that are given."""
    monkeypatch.setenv(ENDPOINT, f"http://{google.address}")
    monkeypatch.setenv("GCE_METADATA_HOST", google.address)
    monkeypatch.setenv("GCE_METADATA_ROOT", google.address)
    monkeypatch.setenv("GCE_METADATA_IP", google.address)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.delenv("NO_GCE_CHECK", raising=False)
    roles = {"viewer": CHECK_SECRETS, "accessor": READ_SECRETS}

    def has(*names):
        google.grants[google.token] = {each for name in names for each in roles[name]}

    has("viewer", "accessor")
    return has


@pytest.fixture
def resolver(instance):
    made = SecretManagerResolver()
    yield made
    made.close()


@pytest.fixture
def keeper(google):
    """Google's own client, of who keeps the secrets."""
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.oauth2.credentials import Credentials

    options = {"api_endpoint": f"http://{google.address}"}
    return SecretManagerServiceClient(
        credentials=Credentials("admin"), client_options=options, transport="rest"
    )


@pytest.fixture
def kept(keeper):
    """Keep versions of a secret, and return its name."""

    def keep(name, *values, parent="projects/p"):
        asked = {"parent": parent, "secret_id": name, "secret": {"replication": {"automatic": {}}}}
        keeper.create_secret(request=asked)
        for value in values:
            asked = {"parent": f"{parent}/secrets/{name}", "payload": {"data": value}}
            keeper.add_secret_version(request=asked)
        return f"{parent}/secrets/{name}"

    return keep
