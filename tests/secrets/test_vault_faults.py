"""What a Vault that isn't well answers, and what it is sent: a server that says what it is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from immutable.backend import Denied, Invalid, SecretRef, Throttled, Transient
from immutable.errors import RegistryError
from immutable.secrets.resolving import resolver_for
from immutable.secrets.vault import VaultResolver
from immutable.secrets.vault_login import door, login

MOUNTED = {"data": {"path": "kv/", "type": "kv", "options": {"version": "2"}}}
REF = SecretRef("vault://kv/a")


class Told(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        status, body = self.server.answers.pop(0)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    made = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    made.daemon_threads = True
    made.asked, made.answers = [], []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    for name in ("VAULT_NAMESPACE", "VAULT_AGENT_ADDR", "VAULT_CACERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{made.server_port}")
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def vault(server):
    made = VaultResolver()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, {"errors": ["Vault is sealed"]}, Transient),
        (500, {"errors": ["internal error"]}, Transient),
        (472, {"errors": []}, Transient),
        (429, {"errors": ["rate limit quota exceeded"]}, Throttled),
        (412, {"errors": ["required index state not present"]}, Transient),
        (400, {"errors": ["bad version"]}, Invalid),
        (200, b"<html>a captive portal</html>", Transient),
        (200, [1], Transient),
        (200, {"data": None}, Transient),
        (200, {"data": {"data": "x", "type": "kv"}}, Invalid),
    ],
)
def test_what_an_answer_means(vault, server, status, body, kind):
    for call in (vault.check, vault.resolve):
        server.answers = [(status, body)]
        with pytest.raises(kind, match="vault://kv/a: ") as caught:
            call(REF)
        assert caught.value.__context__ is None


@pytest.mark.parametrize("field", ["json", "shape", "status"])
def test_a_value_in_an_answer_that_makes_no_sense_is_not_told(vault, server, canary, field):
    garbled = {
        "json": (200, f'{{"data": {{"data": "{canary.value}"'.encode()),
        "shape": (200, {"data": [canary.value]}),
        "status": (500, f"<p>{canary.value}</p>".encode()),
    }
    server.answers = [(200, MOUNTED), garbled[field]]
    with pytest.raises(Transient) as caught:
        vault.resolve(REF)
    assert canary.value not in f"{caught.value!r} {caught.value.__context__}"


def test_nobody_who_answers_is_transient_and_asked_again_later(vault, server, monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    for call in (vault.check, vault.resolve):
        with pytest.raises(Transient, match=r"doesn't answer as it should \(ConnectionError\)"):
            call(REF)
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
    vault.close()
    server.answers = [(200, MOUNTED), (200, {"data": {"data": {"a": 1}}})]
    with vault.resolve(REF).reveal() as value:
        assert bytes(value) == b'{"a": 1}'


def test_a_namespace_and_an_agent_that_has_a_token_of_its_own(vault, server, monkeypatch):
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("VAULT_NAMESPACE", "team/a")
    monkeypatch.setenv("VAULT_AGENT_ADDR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    server.answers = [(200, MOUNTED), (200, {"data": {"data": {}}})]
    vault.resolve(SecretRef("vault://kv/a%20b?version=7"))
    (first, headers), (second, _) = server.asked
    assert (first, second) == (
        "/v1/sys/internal/ui/mounts/kv/a%20b", "/v1/kv/data/a%20b?version=7",
    )  # fmt: skip
    assert headers["X-Vault-Namespace"] == "team/a"
    assert "X-Vault-Token" not in headers


def test_without_its_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("immutable.secrets.vault.find_spec", lambda _: None)
    with pytest.raises(RegistryError, match=r"pip install 'immutable-sdk\[vault\]'"):
        resolver_for("vault")


# -- what the environment says --------------------------------------------------------------------


def test_where_it_is():
    assert door({}).address == "https://127.0.0.1:8200"
    told = {"VAULT_ADDR": "https://v:1", "VAULT_CAPATH": "/b", "VAULT_NAMESPACE": "n"}
    assert (door(told).address, door(told).verify, door(told).namespace) == (
        "https://v:1",
        "/b",
        "n",
    )
    assert door({**told, "VAULT_CACERT": "/a"}).verify == "/a"
    assert door({**told, "VAULT_SKIP_VERIFY": "TRUE"}).verify is False
    assert door({"VAULT_CLIENT_CERT": "c", "VAULT_CLIENT_KEY": "k"}).certificate == ("c", "k")
    for wrong in ("vault:8200", "https://me:hunter2@v:8200"):
        with pytest.raises(Invalid, match="write https://HOST:PORT") as caught:
            door({"VAULT_ADDR": wrong})
        assert "hunter2" not in str(caught.value)


def test_who_asks_shows_no_token(tmp_path):
    kept = tmp_path / "jwt"
    kept.write_text("t0ken\n")
    told = {"VAULT_ROLE": "web", "VAULT_JWT_FILE": str(kept), "VAULT_AGENT_ADDR": "http://a"}
    who = login(told)
    assert (who.method, who.mount, who.role, who.credential) == ("kubernetes",) * 2 + (
        "web", "t0ken",
    )  # fmt: skip
    assert "t0ken" not in repr(who)
    assert login({**told, "VAULT_ROLE_ID": "r", "VAULT_AUTH_MOUNT": "/x/"}).mount == "x"
    assert login({**told, "VAULT_TOKEN": "t"}).method == "token"
    kept.write_bytes(b"\xff")
    with pytest.raises(Denied, match="is no text"):
        login(told)
