"""Where the local backend keeps things: images, fleets, sockets.

What must survive lies in the state directory; sockets lie in a runtime directory with a short
path, since a Unix socket's path holds 107 bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

from attrs import frozen

from immutable.backend import Denied

__all__ = ["FleetPlaces", "Places"]


def _default_root() -> Path:
    chosen = os.environ.get("IMMUTABLE_LOCAL_DIR")
    if chosen:
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "immutable" / "local"


def _default_runtime() -> Path:
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder and Path(folder).is_dir():
        return Path(folder) / "immutable"
    return Path(tempfile.gettempdir()) / f"immutable-{os.getuid()}"


@frozen
class FleetPlaces:
    """Where one fleet keeps things.

    Attributes:
        name: The fleet's name.
        state: What must survive: records, logs, the balancer's configuration.
        runtime: Sockets.
    """

    name: str
    state: Path
    runtime: Path

    @property
    def record(self) -> Path:
        """The fleet's own record; the fleet exists while this does."""
        return self.state / "fleet.json"

    @property
    def instances(self) -> Path:
        """The records of its instances, a file each."""
        return self.state / "instances"

    @property
    def logs(self) -> Path:
        """What its instances and its supervisor print."""
        return self.state / "logs"

    @property
    def tainted(self) -> Path:
        """Files named as instances: whoever has touched one makes one, or has a hook make it."""
        return self.state / "tainted"

    @property
    def volumes(self) -> Path:
        """The volumes of its slots; they outlive the fleet."""
        return self.state.parent.parent / "volumes" / self.state.name

    @property
    def lock(self) -> Path:
        """Held by the fleet's one supervisor."""
        return self.state / "supervisor.lock"

    @property
    def socket(self) -> Path:
        """Where its supervisor listens."""
        return self.runtime / "ctl.sock"

    def make(self) -> None:
        """Make the directories, for this user only.

        Raises:
            Denied: The runtime directory belongs to somebody else.
        """
        for folder in (self.state, self.instances, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.runtime.parent, self.runtime):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.lstat()
            # In a directory that everybody can write to, somebody may have been there first.
            if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
                raise Denied(f"{folder} belongs to somebody else; set XDG_RUNTIME_DIR")


@frozen
class Places:
    """Where the local backend keeps things.

    Attributes:
        root: What must survive.
    """

    root: Path

    @classmethod
    def at(cls, folder: str | None) -> Places:
        """Return the places below *folder*.

        Without one: ``IMMUTABLE_LOCAL_DIR``, else the user's data directory.
        """
        return cls((Path(folder) if folder else _default_root()).expanduser().absolute())

    @property
    def images(self) -> Path:
        """The image store, shared by all fleets."""
        return self.root / "images"

    def fleet(self, name: str) -> FleetPlaces:
        """Return where the fleet of that name keeps things."""
        state = self.root / "fleets" / quote(name, safe="")
        digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
        return FleetPlaces(name, state, _default_runtime() / digest)

    def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets that exist, sorted."""
        records = (self.root / "fleets").glob("*/fleet.json")
        return tuple(sorted(unquote(record.parent.name) for record in records))
