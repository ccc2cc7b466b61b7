"""Acme itself: a small cloud over HTTP, in memory, for tests and for trying things by hand.

``python tests/cloud.py 8080`` serves one until Ctrl-C. Where there is an emulator of your cloud
(moto, an official one, a recorded sandbox), that takes this module's place.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 2
LIVE = ("booting", "serving", "failing")


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Cloud:
    """What there is, and what a test can do to it. Everything happens when somebody looks."""

    def __init__(self, boot=0.05, drain=0.03):
        self.boot, self.drain, self.token = boot, drain, ""
        self.images = [{"id": f"img-{name}", "name": name} for name in ("v1", "v2")]
        self.pools, self.groups, self.servers = {}, {}, {}
        self.busy, self.room = {}, 1000
        self.faults, self.late, self.requests = [], [], Counter()
        self.lock, self._ids, self._versions = threading.RLock(), count(1), count(1)

    # -- time ----------------------------------------------------------------------------------

    def tick(self):
        now = time.time()
        due = [each for each in self.late if each[0] <= now]
        self.late = [each for each in self.late if each[0] > now]
        for _, request in due:
            with suppress(Refused):  # It came too late, and nobody waits for its answer.
                self.route(*request)
        for server in list(self.servers.values()):
            if server["state"] == "booting" and server["started"] + self.boot <= now:
                server |= {"state": "serving", "ready_since": now}
            if server["state"] == "draining" and server["ends"] <= now:
                del self.servers[server["id"]]
        for group in self.groups.values():
            self._heal(group)

    def _heal(self, group):
        """Keep a group at its size: launch what is missing, end what is too much, oldest first."""
        live = self.live(group)
        while len(live) < group["size"] and group["launching"] and len(self.servers) < self.room:
            name, now = f"srv-{next(self._ids):05d}", time.time()
            zone = "ab"[len(live) % 2]
            server = {"id": name, "group": group["name"], "state": "booting", "zone": zone}
            server |= {"started": now, "ready_since": None, "protected": False, "ends": None}
            self.servers[name] = server
            live.append(server)
        for server in live[group["size"] :]:
            self._drain(group, server, 0)
        short = group["launching"] and len(live) < group["size"]
        group["problem"] = "no room for another server" if short else None

    def _drain(self, group, server, timeout):
        end = time.time() + min(timeout, self.busy.get(group["pool"], self.drain))
        server |= {"state": "draining", "ends": end, "ready_since": None}

    def members(self, group):
        return [each for each in self.servers.values() if each["group"] == group["name"]]

    def live(self, group):
        return [each for each in self.members(group) if each["state"] in LIVE]

    # -- what a test does ----------------------------------------------------------------------

    def fail(self, pattern, status, code="", *, effect=False, late=None):
        """Let the next request that matches (method, path, body) fail, with or without effect."""
        with self.lock:
            self.faults.append((re.compile(pattern), status, code, effect, late))

    def serving(self, fleet):
        with self.lock:
            self.tick()
            groups = [each for each in self.groups.values() if each["pool"] == fleet]
            members = [each for group in groups for each in self.members(group)]
            return [each["id"] for each in members if each["state"] == "serving"]

    # -- requests ------------------------------------------------------------------------------

    def handle(self, method, target, match, body, token):
        with self.lock:
            self.tick()
            request = (method, target, match, body)
            self.requests[method] += 1
            if token != f"Bearer {self.token}":
                raise Refused(401, "token", "this token opens nothing")
            line = f"{method} {target} {json.dumps(body)}"
            fault = next((each for each in self.faults if each[0].search(line)), None)
            if fault is None:
                return self.route(*request)
            self.faults.remove(fault)
            _, status, code, effect, late = fault
            if effect:
                self.route(*request)
            if late is not None:
                self.late.append((time.time() + late, request))
            raise Refused(status, code, "as the test wants it")

    def route(self, method, target, match, body):
        url = urlsplit(target)
        kind, *rest = [unquote(part) for part in url.path.strip("/").split("/")]
        if kind == "images":
            return {"items": self.images}
        if kind == "quota":
            return {"servers": self.room}
        where = {"pools": self.pools, "groups": self.groups}[kind]
        if not rest:
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            return self._page(where, query)
        if method == "PUT":
            return self.shown(self._put(kind, where, rest[0], body))
        if rest[0] not in where:
            raise Refused(404, "not-found", "there is none")
        thing = where[rest[0]]
        if method != "GET" and match != str(thing["version"]):
            raise Refused(412, "stale", f"it is version {thing['version']}, not {match}")
        if method == "DELETE":
            return self._delete(where, thing)
        if method in ("PATCH", "POST"):
            self._change(thing, body)
        return self.shown(thing)

    def _page(self, where, query):
        names = sorted(n for n, each in where.items() if query.get("pool") in (None, each["pool"]))
        start = (int(query["page"]) - 1) * PAGE
        more = len(names) > start + PAGE
        items = [self.shown(where[name]) for name in names[start : start + PAGE]]
        return {"items": items, "next": int(query["page"]) + 1 if more else None}

    def _put(self, kind, where, name, body):
        if name in where:
            raise Refused(409, "exists", "that name is taken")
        where[name] = {"name": name, "pool": "", "tags": {}, "version": next(self._versions)}
        if kind == "groups":
            fresh = {"size": 0, "minimum": 0, "maximum": None, "scaling": None, "problem": None}
            where[name] |= {**fresh, "launching": True, "scale_in": True}
        where[name] |= body
        return where[name]

    def _change(self, thing, body):
        body = dict(body)
        ids, timeout = body.pop("ids", []), body.pop("timeout", 0)
        new = {**thing, **body, "tags": {**thing["tags"], **body.get("tags", {})}}
        new["tags"] = {name: text for name, text in new["tags"].items() if text is not None}
        if "size" in new and not new["minimum"] <= new["size"] <= (new["maximum"] or new["size"]):
            raise Refused(400, "bounds", "the size is not between minimum and maximum")
        if not set(ids) <= {each["id"] for each in self.members(thing)}:
            raise Refused(409, "stale", "not all of them are members")
        thing |= {**new, "version": next(self._versions)}
        for name in ids:
            self._drain(thing, self.servers[name], timeout)
        if "size" in thing:
            self._heal(thing)

    def _delete(self, where, thing):
        inside = {each["group"] for each in self.servers.values()}
        if thing["name"] in inside | {each["pool"] for each in self.groups.values()}:
            raise Refused(409, "in-use", "something is in it")
        del where[thing["name"]]
        return {}

    def shown(self, thing):
        return {**thing, "servers": self.members(thing)} if "size" in thing else thing


def serve(cloud, port=0):
    """Serve *cloud* on a thread of its own; close what is returned with ``shutdown``."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            told = self.headers.get("If-Match"), body, self.headers.get("Authorization")
            try:
                status, document = 200, cloud.handle(self.command, self.path, *told)
            except Refused as error:
                status = error.status
                document = {"error": {"code": error.code, "message": str(error)}}
            with cloud.lock:
                content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Acme-Time", repr(time.time()))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = answer  # noqa: N815  # Its names.

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


if __name__ == "__main__":
    running = serve(Cloud(boot=3, drain=1), int(sys.argv[1]))
    print(f"acme://127.0.0.1:{running.server_port}/NAME, images v1 and v2; Ctrl-C ends it")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        running.shutdown()
