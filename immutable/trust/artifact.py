"""Where an image is wanted, and what it became there."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.model.frozenmap import FrozenMap, settings
from immutable.model.image import artifact_parts
from immutable.trust.checks import present, text, texts

__all__ = ["Artifact", "Target"]


def _backend(_: Any, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", value):
        way_out = "write the scheme of its fleets' addresses, such as aws or local"
        raise InvalidValue(attribute.name, value, "not the name of a backend", way_out)


@frozen(order=True)
class Target:
    """A place that an image is made for.

    Attributes:
        backend: The backend's name, such as ``aws``.
        region: The backend's own word for the place; empty where it has one place only.
    """

    backend: str = field(validator=_backend)
    region: str = field(default="", validator=text)

    def __str__(self) -> str:
        return f"{self.backend}://{quote(self.region, safe='')}"


@frozen(order=True)
class Artifact:
    """What an image became in one place; there is one for a backend and region.

    Attributes:
        backend: The backend's name, such as ``aws``.
        region: Where it is; empty where the backend has one place only.
        id: The identifier that instances are launched by, as `immutable.Image.artifact` has it: an
            AMI's, the number of a Compute Engine image, a gallery version's path, a local digest.
            Never an alias or a name, which can come to mean something else.
        stable: Further identifiers by which it can be told that it is still the same, such as
            ``root_snapshot`` of an AMI.
    """

    backend: str = field(validator=_backend)
    region: str = field(validator=text)
    id: str = field(validator=present)
    stable: FrozenMap[str, str] = field(
        factory=FrozenMap, converter=settings, order=False, validator=texts
    )

    @classmethod
    def parse(cls, address: str) -> Artifact:
        """Return the artifact at an address, as `address` spells it; nothing is stable about it.

        Raises:
            InvalidValue: It is no such address.
        """
        backend, region, identifier = artifact_parts(address)
        if not identifier:
            way_out = "write backend://region/identifier, such as aws://eu-west-1/ami-0abc123"
            raise InvalidValue("artifact", address, "not an artifact's address", way_out)
        return cls(backend, region, identifier)

    @property
    def target(self) -> Target:
        """The place that it was made for."""
        return Target(self.backend, self.region)

    @property
    def address(self) -> str:
        """One text for all that says which it is: ``aws://eu-west-1/ami-0abc123``."""
        return f"{self.target}/{self.id}"

    def __str__(self) -> str:
        return self.address
