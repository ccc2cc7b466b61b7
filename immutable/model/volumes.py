"""What stays when an instance is replaced: named slots of a fleet, and the volumes in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.model.frozenmap import FrozenMap

__all__ = ["Slot", "Stateful", "Volume"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def _name(_: object, __: Attribute[str], value: str) -> None:
    if not _NAME.fullmatch(value):
        way_out = "use up to 31 of a-z, 0-9 and -, a letter first"
        raise InvalidValue("volume", value, "not a volume's name", way_out)


def _path(_: object, __: Attribute[str], value: str) -> None:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
        way_out = "write an absolute path below /, as /var/lib/db"
        raise InvalidValue("volume", value, "nowhere to mount a volume", way_out)


@frozen
class Volume:
    """A volume that each slot of a stateful fleet has.

    Attributes:
        name: Its name within a slot.
        path: Where an instance finds it; absolute.
        size: How much it holds, in the backend's own words; empty for the backend's choice.
    """

    name: str = field(validator=_name)
    path: str = field(validator=_path)
    size: str = ""

    def __str__(self) -> str:
        return f"{self.name} at {self.path}" + (f" ({self.size})" if self.size else "")


def _identities(value: Mapping[str, str]) -> FrozenMap[str, str]:
    return FrozenMap({name: value[name] for name in sorted(value)})


@frozen
class Slot:
    """One place of a stateful fleet: its volumes, and the one instance that may write to them.

    A slot belongs to the fleet, not to a revision: its volumes outlive whoever holds it.

    Attributes:
        name: ``"0"``, ``"1"``, … within the fleet.
        volumes: The backend's identity of each volume, by the volume's name. One that is not
            listed is gone.
        holder: The instance that has the slot, also while it leaves; empty when nobody can write.
        zone: Where its volumes can be reached from; empty where there are no zones.
        saved: The newest snapshot, if nobody has held the slot since it was taken; else empty.
        saving: Whether a snapshot is being taken: until it is there nobody gets the slot.
    """

    name: str
    volumes: FrozenMap[str, str] = field(factory=FrozenMap, converter=_identities)
    holder: str = ""
    zone: str = ""
    saved: str = ""
    saving: bool = False

    def __str__(self) -> str:
        held = f"held by {self.holder}" if self.holder else "free"
        volumes = ", ".join(f"{name} {identity}" for name, identity in self.volumes.items())
        return f"slot {self.name} ({volumes or 'no volume'}), {held}"


@frozen
class Stateful:
    """How a replacement treats the data of a stateful fleet.

    Attributes:
        snapshot: Whether each slot is saved after its old instance is gone and before its new one
            starts.
        irreversible: Whether the new revision changes the data so that the old one can't read it.
            Then somebody has to approve before the first new instance starts, and from there on a
            failure stops the rollout instead of giving the data back.
    """

    snapshot: bool = False
    irreversible: bool = False
