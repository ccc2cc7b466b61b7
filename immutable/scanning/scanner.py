"""Having documents looked at, by a process that can be ended, and that nothing here shares.

detect-secrets keeps its settings once for a whole process, and a regular expression can take any
time: so it runs in a process of its own, which is killed when a document takes too long, or when
nobody waits any more. What is scanned goes through a pipe, never into a file or an argument.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from immutable.scanning.finding import (
    NOT_INSTALLED,
    Document,
    Finding,
    Report,
    Seen,
    Skipped,
)
from immutable.scanning.plugins import installed

__all__ = ["scanned"]

_PATIENCE = 60.0
"""Seconds that one document may take; 1 MiB takes one or two."""


async def scanned(documents: Iterable[Document], *, patience: float = _PATIENCE) -> Report:
    """Return what came of documents.

    They are taken one by one, on a thread, while the process looks at the one before: an iterator
    that reads files reads them when it is their turn.

    Args:
        documents: What is to be scanned.
        patience: Seconds that one may take, and the process to start; then it is skipped.

    Returns:
        What came of it. Without the extra ``scan`` nothing was scanned, and it says so.
    """
    if not installed():
        return Report(missing=NOT_INSTALLED)
    worker = _Worker(patience)
    working = asyncio.get_running_loop().run_in_executor(None, worker.report, documents)
    try:
        return await asyncio.shield(working)
    finally:
        worker.stop()
        await asyncio.gather(working, return_exceptions=True)


class _Worker:
    """Feeds a process, and starts another when one had to be killed."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._stopped = Event()
        self._process: _Process | None = None

    def report(self, documents: Iterable[Document]) -> Report:
        """Return what came of documents."""
        findings: list[Finding] = []
        skipped: list[Skipped] = []
        count = size = 0
        try:
            for document in documents:
                if self._stopped.is_set():
                    break
                seen = self._seen(document)
                findings += seen.findings
                if seen.skipped:
                    skipped.append(Skipped(document.name, seen.skipped))
                else:
                    count, size = count + 1, size + len(document.data)
        finally:
            self._end()
        return Report(tuple(findings), tuple(skipped), documents=count, bytes=size)

    def _seen(self, document: Document) -> Seen:
        if self._process is None:
            self._process = _Process()
            if self._process.answer(self._patience) is None:
                self._end()
                return Seen(skipped="the process that scans did not start")
        data = b64encode(document.data).decode()
        # surrogateescape stands in names that are not UTF-8; JSON carries it as it is.
        self._process.ask({"name": document.name, "data": data})
        answer = self._process.answer(self._patience)
        if answer is None:
            self._end()
            return Seen(skipped=f"looking at it took longer than {self._patience:g} s, or failed")
        found = (
            Finding(document.name, line, rule, tuple(how), mark)
            for line, rule, how, mark in answer["findings"]
        )
        return Seen(tuple(found), answer["skipped"])

    def stop(self) -> None:
        """Let the thread end soon: whoever waited has gone."""
        self._stopped.set()
        process = self._process
        if process is not None:
            process.kill()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


class _Process:
    """One process, with a thread that reads what it says."""

    def __init__(self) -> None:
        path = os.pathsep.join(each for each in sys.path if each)
        self._popen = subprocess.Popen(  # This interpreter, and our module.
            # Nothing is imported from the working directory, which may be what is scanned.
            [sys.executable, "-P", "-m", "immutable.scanning.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._said: SimpleQueue[bytes] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None, "it was started with a pipe"
        for line in self._popen.stdout:
            self._said.put(line)
        self._said.put(b"")

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; when the process has ended, `answer` says so."""
        assert self._popen.stdin is not None, "it was started with a pipe"
        try:
            self._popen.stdin.write(json.dumps(request).encode() + b"\n")
            self._popen.stdin.flush()
        except OSError:
            self.kill()

    def answer(self, patience: float) -> dict[str, Any] | None:
        """Return the next answer; None when there is none in time, or none any more."""
        try:
            line = self._said.get(timeout=patience)
        except Empty:
            return None
        return dict(json.loads(line)) if line else None

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()

    def close(self) -> None:
        """End it, and take back what it had."""
        self._popen.kill()
        self._popen.wait()
        self._reader.join()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None, "it was started with pipes"
            try:
                pipe.close()
            except OSError:
                continue  # What was still to be sent has no reader any more.
