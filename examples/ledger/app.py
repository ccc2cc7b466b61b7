"""A service with data to deploy: entries in a SQLite database on a volume named ``data``.

It needs Python 3.11 and nothing else, and takes all that it is told from its environment:

    PORT, HOST             where to listen; HOST is 127.0.0.1 by default
    IMMUTABLE_ID           the instance's name, sent with every answer
    IMMUTABLE_SLOT         the slot that it has, sent with every answer
    IMMUTABLE_VOLUME_DATA  where its volume is
    APP_HEALTHY            0: /healthz answers 503 for ever

Routes: ``GET /healthz``; ``POST /entries`` keeps its body as an entry, once, and answers 200 when
it is on the disk; ``GET /entries`` answers how many there are. Who starts while another process has
the volume says so in the file ``two-writers`` on it, and exits with 3.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LONGEST = 1024
"""Bytes that an entry may have."""


class Ledger:
    """The entries, on a volume that nobody else writes to.

    Args:
        folder: The volume.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = (folder / "writer").open("a")
        try:
            fcntl.lockf(self._writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            with (folder / "two-writers").open("a") as said:
                said.write(f"{os.environ.get('IMMUTABLE_ID', '?')} found another one\n")
            sys.exit(3)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(folder / "ledger.db", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE IF NOT EXISTS entries (text TEXT PRIMARY KEY)")

    def add(self, text: str) -> None:
        """Keep an entry; one that is there already is kept once."""
        with self._lock, self._database:
            self._database.execute("INSERT OR IGNORE INTO entries VALUES (?)", (text,))

    def count(self) -> int:
        """Return how many entries there are."""
        with self._lock:
            (found,) = self._database.execute("SELECT count(*) FROM entries").fetchone()
        return int(found)

    def close(self) -> None:
        """Close the database, once nobody is at it."""
        with self._lock:
            self._database.close()


class Handler(BaseHTTPRequestHandler):
    """Answers requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    ledger: Ledger

    def do_GET(self) -> None:
        """Say whether it is well, or how many entries there are."""
        if self.path == "/healthz":
            well = os.environ.get("APP_HEALTHY", "1") != "0"
            self._answer(200 if well else 503, "well" if well else "not well")
        elif self.path == "/entries":
            self._answer(200, str(self.ledger.count()))
        else:
            self._answer(404, "not found")

    def do_POST(self) -> None:
        """Keep an entry."""
        length = int(self.headers.get("Content-Length", "0"))
        if self.path != "/entries" or not 0 < length <= LONGEST:
            self.close_connection = True
            self._answer(400, "no entry")
            return
        self.ledger.add(self.rfile.read(length).decode(errors="replace"))
        self._answer(200, "kept")

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Immutable-Instance", os.environ.get("IMMUTABLE_ID", ""))
        self.send_header("Immutable-Slot", os.environ.get("IMMUTABLE_SLOT", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of what went well."""


def main() -> None:
    """Serve until told to end; what was answered is on the disk by then."""
    Handler.ledger = Ledger(Path(os.environ["IMMUTABLE_VOLUME_DATA"]))
    where = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
    server = ThreadingHTTPServer(where, Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    Handler.ledger.close()


if __name__ == "__main__":
    main()
