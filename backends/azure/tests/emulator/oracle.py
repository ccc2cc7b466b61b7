"""Recorded requests against this emulator: does it answer what Azure answered?

    python -m backends.azure.tests.emulator.oracle AZURECLOUD.yaml …

The recordings are those of kubernetes-sigs/cloud-provider-azure (pkg/azclient/*/testdata, go-vcr); they
are no part of this repository. Compared are the status, the error's code, the headers of long-running
operations and of versions, and the names of what is in the body, down to the properties. API versions
are replaced by those of the installed clients. What is asked of operations is not replayed: the
operations of the recording are waited for instead.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import yaml

from tests.emulators.waiting import until

from . import ids, routes
from .client import Emulator
from .routes import Routes

HEADERS = (
    "azure-asyncoperation",
    "azure-asyncnotification",
    "location",
    "etag",
    "x-ms-failure-cause",
)
SECRET = re.compile(r"\{PASSWORD\}")


class Replay:
    """One recording, played to an emulator that is empty.

    Args:
        emulator: where.
        known: what the clients can ask for.
    """

    def __init__(self, emulator: Emulator, known: Routes) -> None:
        self.emulator, self.known = emulator, known
        self.same = 0
        self.different: list[str] = []

    def play(self, recording: Path) -> None:
        """All exchanges, in their order."""
        self.emulator.reset()
        self.emulator.laws(boot=0.05, shutdown=0.02, settle=0.01, minute=None)
        self.emulator.publish(publisher="MicrosoftWindowsServer", offer="WindowsServer",
                              sku="2019-Datacenter", version="17763.8276.260109")  # fmt: skip
        for exchange in yaml.safe_load(recording.read_text())["interactions"]:
            asked, told = exchange["request"], exchange["response"]
            if "perations/" in asked["url"] or "operationresults/" in asked["url"]:
                continue
            wrong = self._compare(asked, told)
            path = urlsplit(asked["url"]).path.split("/providers/")[-1]
            if wrong:
                self.different.append(
                    f"{asked['method']} {path} -> {told['code']}: {'; '.join(wrong)}"
                )
            else:
                self.same += 1

    def _compare(self, asked: dict[str, Any], told: dict[str, Any]) -> list[str]:
        status, headers, body = self._ask(asked)
        wrong = [] if status == told["code"] else [f"status {status}"]
        there = {name.lower() for name in told["headers"]}
        here = {name.lower() for name in headers}
        wrong += [f"no {name}" for name in HEADERS if name in there - here]
        wrong += [f"also {name}" for name in HEADERS if name in here - there]
        recorded = json.loads(told["body"]) if told["body"] else None
        wrong += _missing(recorded, body, "")
        self._wait(headers)
        return wrong

    def _ask(self, asked: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        url = urlsplit(asked["url"])
        path = re.sub(r"/subscriptions/[^/]+", f"/subscriptions/{ids.SUBSCRIPTION}", url.path)
        query = dict(parse_qsl(url.query))
        found = self.known.find(asked["method"], path)
        query["api-version"] = max(found[0].versions) if found else query["api-version"]
        body = re.sub(
            r"/subscriptions/[0-9-]{36}", f"/subscriptions/{ids.SUBSCRIPTION}", asked["body"]
        )
        heads = {
            "Authorization": f"Bearer {self.emulator.token}",
            "Content-Type": "application/json",
        }
        given = {name.lower(): value[0] for name, value in asked["headers"].items()}
        heads |= {name: given[name] for name in ("if-match", "if-none-match") if name in given}
        address = f"{self.emulator.url}{quote(path)}?{urlencode(query)}"
        request = urllib.request.Request(
            address, body.encode() or None, heads, method=asked["method"]
        )
        context = self.emulator.context()
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as reply:
                return reply.status, dict(reply.headers), _json(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), _json(error.read())

    def _wait(self, headers: dict[str, str]) -> None:
        if headers.get("Azure-AsyncOperation"):
            until(self.emulator.running, lambda operations: not operations)


def _json(raw: bytes) -> Any:
    return json.loads(raw) if raw else None


def _missing(recorded: Any, ours: Any, path: str) -> list[str]:
    """Names that were told and are not told here; values of errors' codes."""
    if isinstance(recorded, list) and isinstance(ours, list) and recorded:
        return _missing(recorded[0], ours[0], f"{path}[]") if ours else [f"empty {path}"]
    if not isinstance(recorded, dict):
        return []
    if not isinstance(ours, dict):
        return [f"no {path or 'body'}"]
    wrong = [f"no {path}{name}" for name in recorded if name not in ours]
    if path == "error." and recorded.get("code") != ours.get("code"):
        wrong.append(f"code {ours.get('code')}")
    for name in ("error", "properties", "value"):
        wrong += _missing(recorded.get(name), ours.get(name, {}), f"{path}{name}.")
    return wrong


def main() -> None:
    """Play what is named; print what differs and how much agrees."""
    emulator, known = Emulator(), routes.load()
    same = total = 0
    try:
        for name in sys.argv[1:]:
            replay = Replay(emulator, known)
            replay.play(Path(name))
            emulator.failures()
            same, total = same + replay.same, total + replay.same + len(replay.different)
            sys.stdout.write(f"{Path(name).parts[-3:]}: {replay.same} the same\n")
            sys.stdout.writelines(f"  {each}\n" for each in replay.different)
    finally:
        emulator.close()
    sys.stdout.write(f"{same} of {total} exchanges agree\n")


if __name__ == "__main__":
    main()
