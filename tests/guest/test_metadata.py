"""References that a cloud's metadata service tells: over HTTP, by one that says what it is told."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from immutable.errors import InvalidValue, Transient
from immutable.guest.command import FAILED, run
from immutable.guest.metadata import told
from immutable.guest.sources import found

GCP, AZURE = "metadata://gcp", "metadata://azure"
REFS = {"DB": "vault://kv/web#db"}


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append((self.path, dict(self.headers)))
        status, text = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        if status == 0:
            self.close_connection = True
            return
        data = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


@pytest.fixture
def service():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    made.daemon_threads = True
    made.asked, made.answers = [], [(200, "{}")]
    made.environ = {
        "GCE_METADATA_HOST": f"127.0.0.1:{made.server_port}",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{made.server_port}",
        "http_proxy": "http://127.0.0.1:9",
    }
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def of_azure(document):
    return base64.b64encode(json.dumps(document).encode()).decode()


def refs(service, place, *, deadline=30.0):
    heard = []
    there = found(place, service.environ, deadline=deadline, tell=heard.append)
    return {name: ref.uri for name, ref in there.refs.items()}, heard


def test_googles_attribute_is_asked_for_as_google_wants_it(service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    service.answers = [(200, json.dumps(REFS))]
    assert refs(service, GCP) == (REFS, [])
    ((path, headers),) = service.asked
    assert path == "/computeMetadata/v1/instance/attributes/immutable-secrets"
    assert headers["Metadata-Flavor"] == "Google"


def test_azures_user_data_is_asked_for_as_azure_wants_it(service):
    config = {"secrets": {"DB": {"uri": REFS["DB"]}}, "environment": {"A": "b"}}
    service.answers = [(200, of_azure({"immutable": config, "userData": "I2Nsb3Vk"}))]
    assert refs(service, AZURE) == (REFS, [])
    ((path, headers),) = service.asked
    assert path.startswith("/metadata/instance/compute/userData?")
    assert headers["Metadata"] == "true"


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        (GCP, (404, "not found")),
        (GCP, (200, "")),
        (AZURE, (404, "")),
        (AZURE, (200, "")),
        (AZURE, (200, "I2Nsb3VkLWNvbmZpZwo=")),
        (AZURE, (200, of_azure({"mine": 1}))),
        (AZURE, (200, of_azure({"immutable": {"environment": {}}}))),
        (AZURE, (200, of_azure({"immutable": {"secrets": ["DB"]}}))),
        (AZURE, (200, of_azure({"immutable": {"secrets": {"DB": "env://DB"}}}))),
        (AZURE, (200, of_azure({"immutable": {"secrets": {}}}))),
    ],
)
def test_an_instance_without_references_is_told_so(service, place, answer):
    service.answers = [answer]
    got, heard = refs(service, place)
    assert got == {}
    assert heard in ([f"{place} has no references of secrets: none given"], [])
    assert bool(heard) is (answer[1] != of_azure({"immutable": {"secrets": {}}}))


@pytest.mark.parametrize("trouble", [(503, "later"), (429, ""), (410, ""), (0, ""), (200, b"\xff")])
def test_what_passes_is_waited_for_and_said_once(service, trouble):
    service.answers = [trouble, trouble, (200, json.dumps(REFS))]
    got, (heard,) = refs(service, GCP)
    assert got == REFS
    assert heard.startswith(f"{GCP}: ")
    assert heard.endswith("; trying again")
    assert len(service.asked) == 3


def test_what_does_not_pass_is_an_error(service):
    service.answers = [(503, "later")]
    with pytest.raises(Transient, match="did not answer in time: answers 503"):
        refs(service, GCP, deadline=0.0)
    service.answers = [(403, "no")]
    with pytest.raises(Transient, match="answers 403"):
        refs(service, GCP)
    nobody = {"GCE_METADATA_HOST": "127.0.0.1:9"}
    with pytest.raises(Transient, match="refused"):
        told(GCP, nobody, deadline=0.0, tell=lambda _: None)
    with pytest.raises(InvalidValue, match="write metadata://azure or metadata://gcp"):
        refs(service, "metadata://aws")


def test_what_is_no_reference_is_not_repeated(service, canary):
    service.answers = [(200, f'{{"DB": "{canary.value}"}}')]
    with pytest.raises(InvalidValue) as caught:
        refs(service, GCP)
    assert canary.value not in str(caught.value)


def test_immutable_exec_asks_and_does_not_start_without_an_answer(service, monkeypatch, capsys):
    for name, value in service.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("IMMUTABLE_SECRETS", raising=False)
    service.answers = [(503, "later")]
    words = ("--references", GCP, "--deadline", "0", "--", "true")
    assert run(words) == FAILED
    assert f"{GCP} did not answer in time: answers 503" in capsys.readouterr().err
    service.answers = [(404, "")]
    assert run(("--require", "DB", *words)) == FAILED
    assert f"{GCP} has no reference of DB" in capsys.readouterr().err
