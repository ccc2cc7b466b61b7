"""Whose signatures are believed, and how many of them are asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.trust.keys import TrustedKey
from immutable.trust.shape import shaped

__all__ = ["TrustPolicy"]


def _listed(keys: Iterable[TrustedKey]) -> tuple[TrustedKey, ...]:
    return tuple(keys)


def _distinct(_: Any, attribute: Attribute[Any], keys: tuple[TrustedKey, ...]) -> None:
    if not keys:
        raise InvalidValue(attribute.name, keys, "no key at all", "name at least one public key")
    names: set[str] = set()
    owners: dict[str, TrustedKey] = {}
    for each in keys:
        if each.id in names:
            raise InvalidValue(attribute.name, each.id, "two keys of one id", "rename one of them")
        names.add(each.id)
        twin = owners.setdefault(each.keyid, each)
        if twin.owner != each.owner:
            reason = f"the same key as {twin.id!r}, of another owner"
            raise InvalidValue(attribute.name, each.id, reason, "say whose it is")


@frozen
class TrustPolicy:
    """Whose signatures are believed: *threshold* of *keys*.

    Attributes:
        keys: The keys. One that stands there under two ids counts once.
        threshold: How many different owners have to have signed.
    """

    keys: tuple[TrustedKey, ...] = field(converter=_listed, validator=_distinct)
    threshold: int = field(default=1)

    @threshold.validator
    def _reachable(self, attribute: Attribute[int], threshold: int) -> None:
        most = len({each.owner or each.keyid for each in self.keys})
        if type(threshold) is not int or not 1 <= threshold <= most:
            reason = f"not from 1 to {most}, as many as there are different owners"
            raise InvalidValue(attribute.name, threshold, reason)

    def named(self, keyid: str) -> tuple[TrustedKey, ...]:
        """Return the keys that a signature's hint may mean; all of them for none."""
        return tuple(each for each in self.keys if keyid in ("", each.id, each.keyid))

    @classmethod
    def from_toml(cls, text: str) -> TrustPolicy:
        """Return the policy in a file that people write.

        Such as::

            threshold = 2

            [[keys]]
            id = "release"
            owner = "ada"
            not_after = 2027-01-01T00:00:00Z
            public = '''
            -----BEGIN PUBLIC KEY-----
            …
            -----END PUBLIC KEY-----
            '''

        Raises:
            ImmutableError: The extra ``trust`` is missing.
            InvalidValue: It is no TOML, or a field is missing, unknown, or makes no sense.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            way_out = "write threshold and [[keys]], as in docs/trust.md"
            raise InvalidValue("trust", text[:40], f"no TOML: {error}", way_out) from error
        return shaped(cls, data, "trust", written_by_hand=True)
