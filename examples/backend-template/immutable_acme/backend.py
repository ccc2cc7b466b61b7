"""The contract on Acme. Numbers such as K5 are rules of the contract: docs/contract.md of the SDK.

The bodies are blocking code on threads. What changes something runs on one thread: so calls come
one after the other, and one that was cancelled is over before the next one begins (E3). A backend
that drives many fleets has one such thread for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Self, TypeVar
from urllib.parse import quote

from immutable.backend import (
    Backend,
    Capabilities,
    Clock,
    Conflict,
    Context,
    FleetState,
    FleetURL,
    Gone,
    Image,
    Invalid,
    Limits,
    Plan,
    Pool,
    Problem,
    Retiring,
    Revision,
)
from immutable.errors import InvalidValue
from immutable_acme import marks
from immutable_acme.calls import Calls, address, in_doubt
from immutable_acme.reading import fleet_state, live

__all__ = ["AcmeBackend"]

T = TypeVar("T")


class AcmeBackend(Backend):
    """Fleets on Acme: ``acme://host:port/web``, with the token in ``ACME_TOKEN``.

    Args:
        host: Acme's host and port.
    """

    contract = 1
    # Of Acme as it is in the tests; measure yours. A real cloud's poll is 2 to 10 seconds.
    capabilities = Capabilities(
        create_fleet=True,
        poll=0.1,
        staleness=0,  # Acme reads its own writes.
        late_effect=3,  # More than calls.TIMEOUT, and what Acme may do with a request after it.
        boot=0.1,
        drain=0.1,
        terminate=0.1,
        limits=Limits(min_ready=1, boot_timeout=60, drain_timeout=60),
    )

    def __init__(self, host: str) -> None:
        self._calls = Calls(host)
        self._looking = ThreadPoolExecutor(4, "acme-look")
        self._changing = ThreadPoolExecutor(1, "acme-change")

    @classmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return a backend for the host that the URL names. All stamps are Acme's own (C1).

        Raises:
            InvalidValue: No host, or an option.
        """
        if not url.location:
            raise InvalidValue("url", url.name, "no host", f"write acme://host:port/{url.name}")
        if url.options:
            named = ", ".join(url.options)
            raise InvalidValue("url", named, "acme:// has no options", "leave them out")
        return cls(url.location)

    async def open(self) -> None:
        """Prove that Acme can be reached and takes the token (P2)."""
        await self._look(lambda: self._calls.ask("GET", "/images"))

    async def close(self) -> None:
        """Let the threads go; what they have begun ends within the client's timeout."""
        for pool in (self._looking, self._changing):
            pool.shutdown(wait=False, cancel_futures=True)

    # -- looking -------------------------------------------------------------------------------

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets; pools without our mark are none (P6)."""

        def names() -> Iterator[str]:
            for page in self._calls.pages("/pools"):
                yield from (each["name"] for each in page["items"] if "last" in each["tags"])

        return await self._look(lambda: tuple(sorted(names())))

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return everything, whatever *since* is (O7)."""
        return await self._look(lambda: fleet_state(fleet, self._pool(fleet), self._groups(fleet)))

    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Look for both images, room, and the group's maximum (F2)."""

        def problems() -> Iterator[Problem]:
            there = {each["id"] for each in self._images()}
            for image in (plan.candidate.image, plan.stable.image):
                if image.artifact not in there:
                    yield Problem(f"no image {image.artifact}", f"there are: {_listed(there)}")
            quota, need = self._calls.ask("GET", "/quota")["servers"], plan.bounds.ceiling
            if need > quota:
                yield Problem(f"{need} servers, the quota is {quota}", "lower max_surge")
            for each in self._groups(fleet):
                if each["maximum"] is not None and each["maximum"] < plan.bounds.wanted:
                    yield Problem(f"{each['name']}: maximum {each['maximum']}", "raise it")

        return await self._look(lambda: tuple(problems()))

    async def resolve(self, reference: str) -> Image:
        """Return the image of that name or identifier, pinned to the identifier (F3)."""

        def look_up() -> Image:
            images = self._images()
            for each in images:
                if reference in (each["id"], each["name"]):
                    return Image.of_artifact("acme", each["id"], name=each["name"])
            there = _listed(each["name"] for each in images)
            raise Invalid(f"no image {reference}; there are: {there}")

        return await self._look(look_up)

    # -- fleets --------------------------------------------------------------------------------

    async def create_fleet(self, fleet: str, revision: Revision) -> None:
        """Make a pool and one empty group; one that was cut off after the pool is completed."""

        def create() -> None:
            try:
                self._calls.ask("PUT", address("pools", fleet), {"tags": {"last": "1", "by": ""}})
            except Conflict:
                if list(self._groups(fleet)):
                    raise
            self._make(fleet, revision, {"maximum": None, "tags": marks.tags(revision)})

        await self._change(create)

    async def delete_fleet(self, fleet: str) -> None:
        """Remove the groups, then the pool."""

        def delete() -> None:
            pool, groups = self._pool(fleet), list(self._groups(fleet))
            for each in groups:
                _must_be_empty(each)
            with in_doubt():
                for each in groups:
                    self._calls.ask("DELETE", _path(each), match=each["version"])
                self._calls.ask("DELETE", address("pools", fleet), match=pool["version"])

        await self._change(delete)

    # -- revisions -----------------------------------------------------------------------------

    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Mark the number on the pool, then make the group under its one name (R1, R2)."""
        if pool is not Pool.SHARED:
            raise Invalid("acme has no weighted traffic, so no pools of their own")

        def create() -> None:
            name = marks.group_name(fleet, revision.number)
            groups = {each["name"]: each for each in self._groups(fleet)}
            if name in groups:
                owner = groups[name]["tags"].get("rollout")
                if owner != ctx.rollout:
                    raise Conflict(f"{name} belongs to rollout {owner}", owner=owner or None)
                return marks.check(groups[name], ctx, groups[name]["now"])
            self._give_out(fleet, revision.number, ctx)
            serving = max(groups.values(), key=lambda each: int(each["size"]))
            mark = marks.written(marks.born(until, ctx))
            tags = {**marks.tags(revision, ctx.rollout, ctx.plan), **mark}
            with in_doubt():
                copied = {"maximum": serving["maximum"], "scale_in": False}  # R5, H2
                self._make(fleet, revision, {**copied, "tags": tags})
            return None

        await self._change(create)

    def _give_out(self, fleet: str, number: int, ctx: Context) -> None:
        """Write on the pool that a number is given out, unless this rollout did already (R6)."""
        pool = self._pool(fleet)
        last, owner = int(pool["tags"]["last"]), pool["tags"]["by"]
        if last > number or (last == number and owner != ctx.rollout):
            raise Conflict(f"{fleet}: number {last} has been given out", owner=owner or None)
        if last < number:
            tags = {"last": str(number), "by": ctx.rollout}
            path = address("pools", fleet)
            try:
                self._calls.ask("PATCH", path, {"tags": tags}, match=pool["version"])
            except Conflict as error:  # Somebody was quicker: say who (R8).
                raise Conflict(str(error), owner=self._pool(fleet)["tags"]["by"]) from error

    def _make(self, fleet: str, revision: Revision, more: dict[str, Any]) -> None:
        if revision.template:
            raise Invalid(f"acme has no template settings: {_listed(revision.template)}")
        launch = {
            "image": revision.image.artifact,
            "environment": dict(revision.config.environment),
            "secrets": {name: ref.uri for name, ref in revision.config.secrets.items()},
        }
        path = address("groups", marks.group_name(fleet, revision.number))
        self._calls.ask("PUT", path, {"pool": fleet, "launch": launch, **more})

    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Delete the group, which its maker or its last holder may (D2)."""

        def delete() -> None:
            group = self._owned(fleet, revision, ctx)
            _must_be_empty(group)
            mark, maker = marks.mark_of(group), group["tags"]["rollout"]
            holder = mark.hold.rollout if mark else maker
            if ctx.rollout not in (maker, holder):
                raise Conflict(f"{group['name']} belongs to rollout {holder}", owner=holder)
            self._calls.ask("DELETE", _path(group), match=group["version"])

        await self._change(delete)

    # -- sizes and members ---------------------------------------------------------------------

    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Raise the size; the version makes sure that the request lowers nothing (G3)."""

        def raise_size() -> int:
            group = self._owned(fleet, revision, ctx)
            found, maximum = int(group["size"]), group["maximum"]
            if found >= size:
                return found
            if maximum is not None and size > maximum:
                raise Invalid(f"{group['name']}: size {size} is above its maximum {maximum}")
            if found != expected:
                raise Conflict(f"{group['name']} has size {found}, not {expected}")
            return int(self._set(group, {"size": size})["size"])

        return await self._change(raise_size)

    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Refuse launches, count, lower, allow: Acme would end members above the size (G6)."""

        def lower() -> int:
            group = self._owned(fleet, revision, ctx)
            if group["size"] <= len(live(group)) and group["launching"]:
                return int(group["size"])
            group = self._set(group, {"launching": False})
            with in_doubt():
                size = min(group["size"], len(live(group)))
                minimum = min(group["minimum"], size)
                body = {"size": size, "minimum": minimum, "launching": True}
                return int(self._set(group, body)["size"])

        return await self._change(lower)

    async def retire(
        self,
        fleet: str,
        revision: int,
        ids: tuple[str, ...],
        *,
        drain_timeout: float,
        ctx: Context,
    ) -> Retiring:
        """Lower the size and begin the drains in one request; Acme does the rest by itself (T6)."""

        def drain() -> Retiring:
            group = self._owned(fleet, revision, ctx)
            new = sorted(set(ids) & set(live(group)))  # Leaving, gone, unknown: not again (T3).
            if new:
                size = max(0, group["size"] - len(new))
                body = {"size": size, "minimum": min(group["minimum"], size)}
                body |= {"ids": new, "timeout": drain_timeout}
                path = f"{_path(group)}/drain"
                group = self._calls.ask("POST", path, body, match=group["version"])
            return Retiring(int(group["size"]))

        return await self._change(drain)

    # -- ownership -----------------------------------------------------------------------------

    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Write the mark and stop scale-in, in one request (H1)."""

        def take() -> None:
            group = self._owned(fleet, revision, ctx)
            tags = marks.written(marks.taken(group, until, ctx))
            self._set(group, {"scale_in": False, "tags": tags})

        await self._change(take)

    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """Bring the fleet's scaling here, take it off there, restore, unmark: in order (H7)."""

        def let_go() -> None:
            group = self._owned(fleet, revision, ctx)
            others = [each for each in self._groups(fleet) if each["name"] != group["name"]]
            found = filter(None, map(marks.mark_of, (group, *others)))
            saved = [each.hold.minimum for each in found if each.hold.minimum]
            givers = [each for each in others if each["scaling"]]
            for each in givers:
                marks.check(each, ctx, each["now"])
            if givers:
                group = self._set(group, {"scaling": givers[0]["scaling"]})
            with in_doubt() if givers else nullcontext():
                for each in givers:
                    self._set(each, {"scaling": None})
                mark = marks.mark_of(group)
                scale_in = mark.scale_in if mark else group["scale_in"]
                least = min(max(saved, default=group["minimum"]), group["size"])
                body = {"minimum": least, "scale_in": scale_in, "launching": True}
                self._set(group, {**body, "tags": marks.written(None)})

        await self._change(let_go)

    # -- what all of them use ------------------------------------------------------------------

    def _pool(self, fleet: str) -> Any:
        pool = self._calls.ask("GET", address("pools", fleet))
        if "last" not in pool["tags"]:
            raise Gone(f"the pool {fleet} is no fleet")
        return pool

    def _groups(self, fleet: str) -> Iterator[Any]:
        for page in self._calls.pages(f"/groups?pool={quote(fleet, safe='')}"):
            yield from ({**each, "now": page["now"]} for each in page["items"])

    def _images(self) -> list[Any]:
        return list(self._calls.ask("GET", "/images")["items"])

    def _owned(self, fleet: str, revision: int, ctx: Context) -> Any:
        """Read a group, and refuse whoever may not change it, right before it is changed (E12)."""
        group = self._calls.ask("GET", address("groups", marks.group_name(fleet, revision)))
        marks.check(group, ctx, group["now"])
        return group

    def _set(self, group: Any, body: object) -> Any:
        """Change a group if it is as it was read, and return it as it is then."""
        return self._calls.ask("PATCH", _path(group), body, match=group["version"])

    async def _look(self, body: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._looking, body)

    async def _change(self, body: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._changing, body)


def _must_be_empty(group: Any) -> None:
    if group["size"] or group["servers"]:
        raise Conflict(f"{group['name']} has members")


def _path(group: Any) -> str:
    return address("groups", group["name"])


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
