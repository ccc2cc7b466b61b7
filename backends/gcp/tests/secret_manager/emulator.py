"""Secret Manager and an instance's metadata server, over HTTP on loopback.

Which methods there are, by which verb and path, what they are asked and what they answer is read
out of Google's own client: a request that it couldn't make, and an answer that it couldn't read,
is a failure of the test. Behaviour follows the REST reference of Secret Manager v1
(https://cloud.google.com/secret-manager/docs/reference/rest), "Access control with IAM" (what isn't
permitted is told before what isn't there), and "Accessing VM metadata".
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from google.cloud import secretmanager_v1
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import rest_base
from google.protobuf import json_format

from tests.support.canary_forms import watched_by_emulators

NUMBER = "123456789012"
"""The project's number: Google answers with it, whatever was asked by."""
CODES = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500, "UNAVAILABLE": 503,
}  # fmt: skip


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(status, message)
        self.status, self.message = status, message


def _methods():
    """Every method of the client, with its verbs, paths and request."""
    base = rest_base._BaseSecretManagerServiceRestTransport
    for inner in vars(base).values():
        if not hasattr(inner, "_get_http_options"):
            continue
        name = inner.__name__.removeprefix("_Base")
        request = getattr(secretmanager_v1, f"{name}Request", None)
        for each in inner._get_http_options():
            path = re.sub(r"\{([\w.]+)=([^}]*)\}", _group, re.escape(each["uri"]).replace(
                r"\{", "{").replace(r"\}", "}").replace(r"\*", "*").replace(r"\.", "."))  # fmt: skip
            yield name, each["method"].upper(), re.compile(path), each.get("body"), request


def _group(match):
    return f"(?P<{match[1].replace('.', '_')}>{match[2].replace('*', '[^/:]+')})"


METHODS = list(_methods())
assert len({name for name, *_ in METHODS}) >= 15, "the client is not built as it was"


class SecretManager(ThreadingHTTPServer):
    """The service. `grants` says what each bearer may; the instance's own is `token`."""

    daemon_threads = True

    def __init__(self, token):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.address = f"127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.begin_anew()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def begin_anew(self):
        self.secrets, self.failures, self.asked, self.faults = {}, [], [], []
        self.grants = {"admin": None, self.token: set()}
        self.scopes, self.attributes = "", {}

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()

    # -- what it does --------------------------------------------------------------------------

    def answer(self, name, bearer, asked):
        if self.faults:
            raise self.faults.pop(0)
        if bearer not in self.grants:
            raise Refused("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        words = re.findall("[A-Z][a-z]+", name)
        group = "versions" if words[-1] == "Version" else "secrets"
        permission = f"secretmanager.{group}.{words[0].lower()}"
        allowed = self.grants[bearer]
        if allowed is not None and permission not in allowed:
            resource = asked.get("name", asked.get("parent"))
            said = (
                f"Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
            )
            raise Refused("PERMISSION_DENIED", said)
        return getattr(self, f"do_{name}")(asked)

    def do_CreateSecret(self, asked):  # noqa: N802
        name = f"{asked['parent']}/secrets/{asked['secretId']}"
        self.secrets[name] = []
        return secretmanager_v1.Secret, {"name": self._numbered(name)}

    def do_AddSecretVersion(self, asked):  # noqa: N802
        versions = self._secret(asked["parent"])
        versions.append({"state": "ENABLED", "data": asked["payload"]["data"]})
        return self._described(asked["parent"], len(versions), versions[-1])

    def do_GetSecretVersion(self, asked):  # noqa: N802
        return self._described(*self._version(asked["name"]))

    def do_AccessSecretVersion(self, asked):  # noqa: N802
        secret, number, version = self._version(asked["name"])
        name = f"{self._numbered(secret)}/versions/{number}"
        if version["state"] != "ENABLED":
            said = f"Secret Version [{name}] is in {version['state']} state."
            raise Refused("FAILED_PRECONDITION", said)
        told = {"name": name, "payload": {"data": version["data"]}}
        return secretmanager_v1.AccessSecretVersionResponse, told

    def do_DisableSecretVersion(self, asked):  # noqa: N802
        return self._changed(asked, "DISABLED")

    def do_EnableSecretVersion(self, asked):  # noqa: N802
        return self._changed(asked, "ENABLED")

    def do_DestroySecretVersion(self, asked):  # noqa: N802
        return self._changed(asked, "DESTROYED")

    def _changed(self, asked, state):
        secret, number, version = self._version(asked["name"])
        version["state"] = state
        if state == "DESTROYED":
            version["data"] = ""
        return self._described(secret, number, version)

    def _secret(self, name):
        if name not in self.secrets:
            raise Refused("NOT_FOUND", f"Secret [{self._numbered(name)}] not found.")
        return self.secrets[name]

    def _version(self, name):
        secret, _, number = name.rpartition("/versions/")
        versions = self._secret(secret)
        # `latest` is the one that was made last, in whatever state.
        place = len(versions) if number == "latest" else int(number)
        if not 1 <= place <= len(versions):
            said = f"Secret Version [{self._numbered(secret)}/versions/{number}] not found."
            raise Refused("NOT_FOUND", said)
        return secret, place, versions[place - 1]

    def _described(self, secret, number, version):
        name = f"{self._numbered(secret)}/versions/{number}"
        described = {"name": name, "state": version["state"], "etag": f'"{number}"'}
        return secretmanager_v1.SecretVersion, described

    @staticmethod
    def _numbered(name):
        return re.sub("^projects/[^/]+", f"projects/{NUMBER}", name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._handle()

    def do_POST(self):
        self._handle()

    def _handle(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        watched_by_emulators(f"{self.command} {self.path}", body)
        parts = urlsplit(self.path)
        with server.lock:
            if parts.path == "/" or parts.path.startswith("/computeMetadata/"):
                self._metadata(parts)
            else:
                self._call(unquote(parts.path), dict(parse_qsl(parts.query)), body)

    def _metadata(self, parts):
        """What a VM is told of itself; only to who says that it knows what it asks."""
        if parts.path != "/" and self.headers.get("Metadata-Flavor") != "Google":
            self._send(403, b"", "text/html")
            return
        # An account is known by its address, too.
        account = "/computeMetadata/v1/instance/service-accounts/default/"
        asked = parts.path.replace("web@p.iam.gserviceaccount.com", "default")
        if asked == account + "token":
            self.server.scopes = dict(parse_qsl(parts.query)).get("scopes", "")
            token = {"access_token": self.server.token, "expires_in": 3599, "token_type": "Bearer"}
            self._send(200, json.dumps(token).encode())
        elif asked == account:
            told = {"aliases": ["default"], "email": "web@p.iam.gserviceaccount.com", "scopes": []}
            self._send(200, json.dumps(told).encode())
        else:
            attributes = "/computeMetadata/v1/instance/attributes/"
            known = {
                attributes + name: value.encode() for name, value in self.server.attributes.items()
            }
            known |= {"/computeMetadata/v1/project/project-id": b"p", "/": b"computeMetadata/"}
            found = known.get(parts.path)
            self._send(404 if found is None else 200, found or b"", "text/plain")

    def _call(self, path, query, body):
        server = self.server
        try:
            name, asked = self._understood(path, query, body)
            server.asked.append((name, asked))
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            message, told = server.answer(name, bearer, asked)
            # What leaves here is in Google's shape, or the emulator is wrong and says so.
            parsed = json_format.ParseDict(told, message.pb()(), ignore_unknown_fields=False)
            self._send(200, json.dumps(json_format.MessageToDict(parsed)).encode())
        except Refused as error:
            code = CODES[error.status]
            told = {"code": code, "message": error.message, "status": error.status}
            self._send(code, json.dumps({"error": told}).encode())
        except Exception as error:  # noqa: BLE001  Whatever breaks here must reach the test.
            server.failures.append(f"{self.command} {path}: {error!r}")
            self._send(501, b"")

    def _understood(self, path, query, body):
        query.pop("$alt", None)
        for name, verb, pattern, field, request in METHODS:
            found = pattern.fullmatch(path)
            if found is None or verb != self.command:
                continue
            asked = {**query, **found.groupdict()}
            sent = json.loads(body) if body else {}
            asked |= sent if field == "*" else ({field: sent} if field else {})
            parsed = json_format.ParseDict(asked, request.pb()(), ignore_unknown_fields=False)
            return name, json_format.MessageToDict(parsed)
        raise LookupError("no such method")

    def _send(self, status, data, kind="application/json; charset=UTF-8"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        """Say nothing."""
