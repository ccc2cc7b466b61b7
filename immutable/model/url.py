"""A fleet's address: a URL whose scheme names the backend."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.model.frozenmap import FrozenMap, settings

__all__ = ["FleetURL"]


@frozen
class FleetURL:
    """``scheme://location/name?option=value``, taken apart.

    Attributes:
        scheme: The backend's name.
        location: What lies between the scheme and the name, such as a region; can be empty.
        name: The fleet's name.
        options: The query.
    """

    scheme: str
    location: str
    name: str
    options: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings)

    @classmethod
    def parse(cls, text: str) -> FleetURL:
        """Take an address apart: ``aws://eu-west-1/web`` is backend aws, fleet web.

        Raises:
            InvalidValue: No scheme, no name, or a fragment.
        """
        parts = urlsplit(text)
        path = [unquote(each) for each in f"{parts.netloc}{parts.path}".split("/") if each]
        if not parts.scheme or not path or parts.fragment:
            raise InvalidValue(
                "url", text, "not a fleet's address", "write backend://location/name"
            )
        return cls(parts.scheme, "/".join(path[:-1]), path[-1], dict(parse_qsl(parts.query)))

    def identity(self, *options: str) -> str:
        """Return the address that names this fleet in records: only *options* are kept."""
        kept = {name: self.options[name] for name in sorted(options) if name in self.options}
        location = f"{self.location}/" if self.location else ""
        query = f"?{urlencode(kept)}" if kept else ""
        return f"{self.scheme}://{location}{self.name}{query}"
