"""An instance in Azure: its metadata service has its identity, Key Vault its secrets."""

from __future__ import annotations

import os
import time

import pytest

from backends.azure.tests.key_vault.emulator import HOST, KeyVault
from immutable_azure.secrets import KeyVaultResolver


@pytest.fixture(scope="session")
def key_vault_process(canary):
    # The instance's token is the session's canary: it may be seen nowhere.
    made = KeyVault(canary.value)
    yield made
    made.stop()


@pytest.fixture
def azure(key_vault_process):
    """Key Vault, empty; a request that Azure's client couldn't make fails the test."""
    key_vault_process.begin_anew()
    yield key_vault_process
    assert key_vault_process.failures == []


@pytest.fixture
def instance(azure, monkeypatch, tmp_path):
    """Be an instance whose managed identity has the rights that are given."""
    for name in list(os.environ):
        if name.startswith("AZURE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.address)
    monkeypatch.setenv("HTTPS_PROXY", azure.address)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure.ca)
    monkeypatch.setenv("HOME", str(tmp_path))

    def has(*rights):
        azure.grants[azure.token] = set(rights)

    has("get", "list")
    return has


@pytest.fixture
def resolver(instance):
    made = KeyVaultResolver()
    yield made
    made.close()


class _Admin:
    """Who keeps the secrets."""

    def get_token(self, *_, **__):
        from azure.core.credentials import AccessToken

        return AccessToken("admin", int(time.time()) + 3600)

    def close(self):
        pass


@pytest.fixture
def keeper(instance):
    """Azure's own client, of who keeps the secrets."""
    from azure.keyvault.secrets import SecretClient

    with SecretClient(f"https://{HOST}", _Admin(), retry_total=0) as made:
        yield made
