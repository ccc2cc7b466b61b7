"""Key Vault over HTTPS, and the metadata service of an instance that asks it.

It is a proxy: clients ask for the vault's own name, and are led here through a tunnel, so that TLS,
the challenge and the check that both are of one domain are the real ones. Which requests there are,
and which fields answers may have, is read out of Azure's own client. Behaviour follows the REST
reference of Key Vault ("Get Secret Versions", "Get Secret", "Update Secret", "Delete Secret"),
"Authentication, requests and responses", "Key Vault recovery", and "How to use managed identities
for Azure resources on an Azure VM to acquire an access token".
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from azure.keyvault.secrets._generated import models
from azure.keyvault.secrets._generated._operations import _operations

from backends.azure.tests.emulator.tls import authority
from tests.support.canary_forms import watched_by_emulators

RESOURCE = "https://vault.azure.net"
HOST = "safe.vault.azure.net"
PAGE = 2


class Refused(Exception):
    def __init__(self, status, code, message, inner=""):
        super().__init__(status, code, message)
        self.status, self.code, self.message, self.inner = status, code, message, inner


def _requests():
    """Every request that the client can build: its verb and its path."""
    wild = {"secret_name": "NAME", "secret_version": "VERSION"}
    found = []
    for name, build in vars(_operations).items():
        if name.startswith("build_key_vault_"):
            given = {k: v for k, v in wild.items() if k in build.__annotations__}
            made = build(**given)
            path = urlsplit(made.url).path
            path = path.replace("NAME", "(?P<name>[^/]+)").replace("VERSION", "(?P<version>[^/]*)")
            found.append((name[16:-8], made.method, re.compile(f"{path}/?")))
    return found


REQUESTS = _requests()
assert len(REQUESTS) == 12, "the client is not built as it was"


def _fields(model):
    return {each._rest_name for each in model({})._attr_to_rest_field.values()}


class KeyVault(ThreadingHTTPServer):
    """One vault. `grants` says what each bearer may; an instance's own is `token`."""

    daemon_threads = True

    def __init__(self, token):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context, self.ca = authority("*.vault.azure.net", "*.vault.azure.cn")
        self.token, self.address = token, f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.begin_anew()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def begin_anew(self):
        self.secrets, self.deleted, self.failures, self.asked, self.faults = {}, {}, [], [], []
        self.grants = {"admin": {"get", "list", "set", "delete", "recover"}, self.token: set()}
        self.user_data = ""
        self.now, self.step, self.challenges, self.identity = 1_700_000_000, 1, 0, "resource"

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()

    # -- what it does --------------------------------------------------------------------------

    def answer(self, operation, bearer, name, version, query, body):
        if self.faults:
            raise self.faults.pop(0)
        needed = {"get_secret_versions": "list", "update_secret": "set", "get_deleted_secret": "get",
                  "recover_deleted_secret": "recover"}  # fmt: skip
        right = needed.get(operation, operation.partition("_")[0])
        if right not in self.grants.get(bearer, ()):
            said = f"Caller is not authorized to perform action on resource. Action: '{right}'"
            raise Refused(403, "Forbidden", said, "ForbiddenByRbac")
        return getattr(self, f"do_{operation}")(name, version, query, body)

    def do_set_secret(self, name, version, query, body):
        self.now += self.step
        made = {"value": body["value"], "enabled": True, "created": self.now}
        made |= {"enabled": body.get("attributes", {}).get("enabled", True)}
        versions = self.secrets.setdefault(name, {})
        versions[f"{len(versions) + 1:032x}"] = made
        return models.SecretBundle, self._bundle(name, f"{len(versions):032x}", value=True)

    def do_update_secret(self, name, version, query, body):
        version = version or next(reversed(self._versions(name)))
        self._versions(name)[version]["enabled"] = body["attributes"]["enabled"]
        return models.SecretBundle, self._bundle(name, version)

    def do_get_secret(self, name, version, query, body):
        versions = self._versions(name)
        version = version or next(reversed(versions))
        if version not in versions:
            raise _missing(f"{name}/{version}")
        if not versions[version]["enabled"]:
            said = "Operation get is not allowed on a disabled secret."
            raise Refused(403, "Forbidden", said, "SecretDisabled")
        return models.SecretBundle, self._bundle(name, version, value=True)

    def do_get_secret_versions(self, name, version, query, body):
        # One that isn't there has no versions: the list is empty.
        there = list(self.secrets.get(name, {}))
        begin = int(query.get("$skiptoken", ["0"])[0])
        items = [self._bundle(name, each) for each in there[begin : begin + PAGE]]
        more = (
            f"https://{HOST}:443/secrets/{name}/versions?api-version=7.4&$skiptoken={begin + PAGE}"
        )
        last = begin + PAGE >= len(there)
        return models.SecretItem, {"value": items, "nextLink": None if last else more}

    def do_delete_secret(self, name, version, query, body):
        last = next(reversed(self._versions(name)))
        told = self._bundle(name, last)
        self.deleted[name] = (self.secrets.pop(name), told)
        return models.DeletedSecretBundle, self._of_deleted(name)

    def do_get_deleted_secret(self, name, version, query, body):
        if name not in self.deleted:
            raise _missing(name)
        return models.DeletedSecretBundle, self._of_deleted(name)

    def do_recover_deleted_secret(self, name, version, query, body):
        self.secrets[name], told = self.deleted.pop(name)
        return models.SecretBundle, told

    def _of_deleted(self, name):
        told = self.deleted[name][1]
        recovery = f"https://{HOST}/deletedsecrets/{name}"
        return {**told, "recoveryId": recovery, "deletedDate": self.now}

    def _versions(self, name):
        if name not in self.secrets:
            raise _missing(name)
        return self.secrets[name]

    def _bundle(self, name, version, *, value=False):
        kept = self.secrets[name][version]
        told = {"enabled": kept["enabled"], "created": kept["created"], "updated": kept["created"],
                "recoveryLevel": "Recoverable+Purgeable"}  # fmt: skip
        bundle = {"id": f"https://{HOST}/secrets/{name}/{version}", "attributes": told}
        return bundle | ({"value": kept["value"]} if value else {})


def _missing(name):
    said = f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command."
    return Refused(404, "SecretNotFound", said)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tunnel = False

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.tunnel, self.close_connection = True, False

    def finish(self):
        super().finish()
        if self.tunnel:
            self.connection.close()

    def do_GET(self):
        self._handle()

    do_PUT = do_PATCH = do_DELETE = do_POST = do_GET  # noqa: N815

    def _handle(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        watched_by_emulators(f"{self.command} {self.path}", body)
        parts = urlsplit(self.path)
        with self.server.lock:
            if self.tunnel:
                self._vault(parts, json.loads(body) if body else {})
            else:
                self._metadata(parts)

    def _metadata(self, parts):
        server, query = self.server, parse_qs(parts.query)
        if self.headers.get("Metadata") != "true":
            self._send(400, {"error": "invalid_request"})
            return
        if parts.path == "/metadata/instance/compute/userData":
            assert (query["format"], query["api-version"]) == (["text"], ["2021-01-01"])
            self._send(200, server.user_data, {"Server": "IMDS"})
            return
        if parts.path != "/metadata/identity/oauth2/token" or not server.identity:
            self._send(400, {"error": "invalid_request", "error_description": "Identity not found"})
            return
        server.identity = query["resource"][0]
        self._send(200, {"access_token": server.token, "expires_in": "3599", "token_type": "Bearer",
                         "resource": server.identity})  # fmt: skip

    def _vault(self, parts, body):
        server = self.server
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if bearer not in server.grants:
            server.challenges += 1
            told = f'Bearer authorization="https://login.microsoftonline.com/tenant", resource="{RESOURCE}"'
            error = {
                "code": "Unauthorized",
                "message": "AKV10000: Request is missing a Bearer token.",
            }
            self._send(401, {"error": error}, {"WWW-Authenticate": told})
            return
        try:
            operation, name, version = self._understood(parts)
            server.asked.append(operation)
            query = parse_qs(parts.query)
            model, told = server.answer(operation, bearer, name, version, query, body)
            self._shaped(model, told)
            self._send(200, told)
        except Refused as error:
            told = {"code": error.code, "message": error.message}
            told |= {"innererror": {"code": error.inner}} if error.inner else {}
            self._send(error.status, {"error": told})
        except Exception as error:  # noqa: BLE001  Whatever breaks here must reach the test.
            server.failures.append(f"{self.command} {self.path}: {error!r}")
            self._send(501, {})

    def _understood(self, parts):
        assert "api-version" in parts.query, "every request names the version of the API"
        # The narrower path is said later: /secrets/{name}/versions is no version of a secret.
        for operation, verb, path in reversed(REQUESTS):
            found = path.fullmatch(parts.path)
            if found and verb == self.command:
                named = found.groupdict()
                return operation, named.get("name", ""), named.get("version", "")
        raise LookupError("the client has no such request")

    @staticmethod
    def _shaped(model, told):
        """What leaves here the client can read, or the emulator is wrong and says so."""
        for each in told["value"] if model is models.SecretItem else [told]:
            assert set(each) <= _fields(model), set(each) - _fields(model)
            assert set(each["attributes"]) <= _fields(models.SecretAttributes)

    def _send(self, status, told, headers=()):
        data = told.encode() if isinstance(told, str) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        """Say nothing."""
