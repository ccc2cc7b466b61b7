"""An emulator as a process of its own: started, ordered about, ended; and the process's side."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A process that answers as a cloud would, on a loopback port.

    Every command is a method: `emulator.laws(boot=2)`, `emulator.members()`.

    Args:
        module: what is started, by `python -m`.
        words: its arguments.
    """

    def __init__(self, module: str, *words: str) -> None:
        # It is no part of what is tested: it need not be slowed down by measuring coverage.
        clean = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=clean,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith(("http://", "https://")):
            raise RuntimeError(f"the emulator did not start; it ended with {self._process.wait()}")
        self.url = said.strip()

    def context(self) -> ssl.SSLContext | None:
        """Whom to trust, where the address is https."""
        return None

    def order(self, name: str, /, **words: Any) -> Any:
        """Give a command.

        Raises:
            RuntimeError: it failed; says why.
        """
        request = urllib.request.Request(
            f"{self.url}/_emulator/{name}", json.dumps(words).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context()) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["error"]) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **words: self.order(name, **words)

    def assert_understood(self) -> None:
        """Fail if a call was made that nothing here models, or that broke the emulator."""
        if failures := self.order("failures"):
            raise AssertionError("\n".join(failures))

    def close(self) -> None:
        """End the process: it ends by itself when nobody holds its input any more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def stay(server: BaseWSGIServer, forever: bool = False, *further: str) -> None:
    """Print the address and what else has to be known, and serve until the input is closed.

    Args:
        server: ready to serve.
        forever: until killed.
        further: lines after the address.
    """
    scheme = "https" if server.ssl_context else "http"
    said = [f"{scheme}://127.0.0.1:{server.port}", *further]
    sys.stdout.write("".join(f"{line}\n" for line in said))
    sys.stdout.flush()
    if not forever:
        # Whoever started this is gone when its end of the pipe is.
        threading.Thread(target=_until_closed, args=(server,), daemon=True).start()
    server.serve_forever()


def _until_closed(server: BaseWSGIServer) -> None:
    sys.stdin.read()
    server.shutdown()
