"""A load balancer that forwards: weights of a URL map's default route, health, draining.

Requests go to backend services by weight ("Traffic management": weightedBackendServices,
https://cloud.google.com/load-balancing/docs/https/traffic-management-global), there to healthy
members in turn. One that drains gets no new request, and those that it has go on
(https://cloud.google.com/load-balancing/docs/enabling-connection-draining). A capacityScaler of 0
takes a group out. Where nobody is healthy the answer is 503; a server that breaks off makes 502
(https://cloud.google.com/load-balancing/docs/https/troubleshooting-ext-https-lbs). Google's load
balancers try GET requests once more on another server; here nothing is tried twice, so that a
client sees every failure. What was answered is counted for Cloud Monitoring.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from .balancing import looks
from .bodies import Answer, Listener, ask
from .routing import weights

if TYPE_CHECKING:
    from .lives import Vm
    from .world import World


@define(eq=False)
class Front:
    """One URL map's front door.

    Args:
        name: the URL map's.
        table: its weights, as they were for the last request.
        sent: requests by backend service, since the table last changed.
        served: requests by VM.
    """

    world: World
    name: str
    table: dict[str, Any] = field(factory=dict)
    sent: Counter[str] = field(factory=Counter)
    served: Counter[int] = field(factory=Counter)
    listener: Listener = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.listener = Listener(self.forward)

    def pick(self) -> tuple[str, Vm | None]:
        """The backend service and the VM for the next request; None where nobody is healthy."""
        table = weights(self.world)[self.name]
        if table != self.table:
            self.table, self.sent = table, Counter()
        # Whoever is furthest behind its share.
        service = min(
            (name for name in table if table[name]),
            key=lambda name: ((self.sent[name] + 1) / table[name], name),
        )
        self.sent[service] += 1
        there = self._healthy(service)
        if not there:
            return service, None
        # Who is new has missed nothing: it begins where the others are.
        least = min((self.served[vm.id] for vm in there if vm.id in self.served), default=0)
        for each in there:
            self.served.setdefault(each.id, least)
        vm = min(there, key=lambda each: (self.served[each.id], each.id))
        self.served[vm.id] += 1
        return service, vm

    def _healthy(self, name: str) -> list[Vm]:
        services = self.world.store.of("backendServices")
        found = next(each for each in services if each.name == name)
        groups = [
            self.world.groups.linked(backend["group"])
            for backend in found.data["backends"]
            if backend["capacityScaler"]
        ]
        return [
            member.vm
            for group in groups
            if group is not None
            for member, healthy in looks(self.world, found, group)
            if healthy and member.vm.id in self.world.bodies.all
        ]

    def forward(self, path: str) -> Answer:
        """Send one request on; what is answered."""
        world, begun = self.world, time.perf_counter()
        with world.lock:
            world.clock.catch_up()
            service, vm = self.pick()
            port = world.bodies.all[vm.id].port if vm is not None else 0
            group = vm.owner.rpartition("/")[2] if vm is not None and vm.owner else ""
        status, said = ask(port, path) if port else (503, b"nobody is healthy")
        status, said = (status, said) if status else (502, b"the server broke off")
        took = (time.perf_counter() - begun) * 1000
        with world.lock:
            world.monitoring.put(service, group, status, [took])
        return status, said


@define(eq=False)
class Fronts:
    """All front doors, by URL map."""

    world: World
    all: dict[str, Front] = field(factory=dict)

    def address(self, url_map: str) -> str:
        """Where clients of a URL map connect to."""
        if url_map not in self.all:
            self.all[url_map] = Front(self.world, url_map)
        return f"http://127.0.0.1:{self.all[url_map].listener.port}"

    def close(self) -> None:
        """Nobody listens any more."""
        for front in self.all.values():
            front.listener.cut_off()
        self.all.clear()
