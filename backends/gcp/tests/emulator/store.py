"""Resources by kind, place and name: what exists, what lists still show, fingerprints."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from attrs import define, field

from tests.emulators.chances import Chances
from tests.emulators.clock import Clock

from .errors import exists, not_found
from .names import ROOT, Link, Scope


@define(eq=False)
class Resource:
    """One resource.

    Args:
        kind: its collection: `backendServices`.
        data: what was said about it, in Google's shape, without what the server adds.
        ready: its insertion has ended; before, its name is taken and nobody sees it.
        busy: how many operations are at work on it.
        claimed: changes that were accepted, done or not: what a fingerprint is made of.
        shown: changes that are done.
        gone: when it was deleted.
    """

    project: str
    kind: str
    scope: Scope
    name: str
    id: int
    created: float
    data: dict[str, Any]
    ready: bool = False
    busy: int = 0
    claimed: int = 0
    shown: int = 0
    gone: float | None = None

    @property
    def path(self) -> str:
        """`projects/p/zones/z/instanceGroupManagers/m`."""
        return f"projects/{self.project}/{self.scope.path}/{self.kind}/{self.name}"

    @property
    def link(self) -> str:
        """The full URL."""
        return ROOT + self.path

    def mark(self, generation: int) -> str:
        """The fingerprint of a generation: eight bytes in base64, as recorded ones are."""
        digest = hashlib.sha256(f"{self.id}/{generation}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:8]).decode()

    @property
    def fingerprint(self) -> str:
        """As it is shown now."""
        return self.mark(self.shown)


@define(eq=False)
class Store:
    """All resources of the project.

    "API design" (https://cloud.google.com/compute/docs/api/libraries): a resource can be named by
    its name or by its id, which the server gives out and never again.
    """

    project: str
    clock: Clock
    chances: Chances
    all: dict[str, dict[tuple[Scope, str], Resource]] = field(factory=dict)
    left: list[Resource] = field(factory=list)

    def make(self, kind: str, scope: Scope, name: str, data: dict[str, Any]) -> Resource:
        """Take a name.

        Raises:
            GoogleError: 409, it is taken.
        """
        shelf = self.all.setdefault(kind, {})
        resource = Resource(
            self.project, kind, scope, name, self.chances.number(19), self.clock.now(), data
        )
        if (scope, name) in shelf:
            raise exists(resource.path)
        shelf[scope, name] = resource
        return resource

    def drop(self, resource: Resource) -> None:
        """It does not exist any more."""
        resource.gone = self.clock.now()
        del self.all[resource.kind][resource.scope, resource.name]
        self.left.append(resource)

    def get(self, kind: str, scope: Scope, name: str) -> Resource:
        """By name or id.

        Raises:
            GoogleError: 404.
        """
        shelf = self.all.get(kind, {})
        found = shelf.get((scope, name))
        if found is None and name.isdigit():
            found = next((r for r in shelf.values() if (r.scope, str(r.id)) == (scope, name)), None)
        if found is None or not found.ready:
            raise not_found(f"projects/{self.project}/{scope.path}/{kind}/{name}")
        return found

    def at(self, link: Link) -> Resource:
        """What a link names.

        Raises:
            GoogleError: 404.
        """
        if link.project not in {None, self.project}:
            raise not_found(link.path(self.project))
        return self.get(link.kind, link.scope, link.name)

    def of(self, kind: str, scope: Scope | None = None) -> Iterator[Resource]:
        """All that are there, in a scope or anywhere, by name."""
        shelf = self.all.get(kind, {})
        for key in sorted(shelf):
            if scope in {None, key[0]} and shelf[key].ready:
                yield shelf[key]

    def listed(self, kind: str, scope: Scope | None, lag: float) -> list[Resource]:
        """What a list shows, which may be late: what is new is missing, what is gone is there."""
        until = self.clock.now() - lag
        shown = [r for r in self.of(kind, scope) if not lag or r.created <= until]
        if lag:
            shown += [
                r
                for r in self.left
                if r.kind == kind
                and scope in {None, r.scope}
                and r.created <= until
                and (r.gone or 0.0) > until
            ]
        return shown
