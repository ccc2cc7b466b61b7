"""What a backend says of itself."""

from __future__ import annotations

from attrs import frozen

from immutable.model.limits import Limits

__all__ = ["Capabilities", "Rate"]


@frozen
class Rate:
    """A token bucket: *burst* at once, then *per_second*.

    Attributes:
        burst: The bucket's capacity, in instances.
        per_second: What flows back into it, in instances.
    """

    burst: float
    per_second: float


@frozen
class Capabilities:
    """What a backend can do, said positively, and what it needs to be told apart.

    Attributes:
        create_fleet: Can make and delete fleets (`SupportsCreate`).
        weighted_traffic: Can give a group an exact share of the traffic.
        weight_step: The finest difference between two weights, in percent. 100 says all or nothing:
            the traffic can be switched, not divided.
        traffic_stats: Can count requests, errors and latency by revision.
        volumes: Can keep volumes apart from instances (`SupportsVolumes`).
        snapshots: Can save the volumes of a slot that nobody holds.
        changes: Can be told when something of a fleet has changed (`SupportsChanges`).
        console_output: Can show what an instance printed.
        heals: Keeps a group at its size: a member that dies is replaced. Without it the size
            falls with the member, and a rollout grows its target again by itself.
        poll: Seconds between two observations while something is about to change.
        staleness: Seconds by which an observation may be out of date.
        late_effect: Seconds after which a call without an answer has taken effect or never will.
        boot: Seconds from launch to READY that are usual, until the fleet's own are known.
        drain: Seconds that draining usually takes.
        terminate: Seconds from the end of draining until an instance is gone that are usual.
        launches: How fast instances can be launched; None when there is no limit.
        terminations: How fast they can be terminated; None when there is no limit.
        limits: The limits of a plan that names none.
    """

    create_fleet: bool = False
    weighted_traffic: bool = False
    weight_step: float = 1.0
    traffic_stats: bool = False
    volumes: bool = False
    snapshots: bool = False
    changes: bool = False
    console_output: bool = False
    heals: bool = True
    poll: float = 2.0
    staleness: float = 0.0
    late_effect: float = 30.0
    boot: float = 90.0
    drain: float = 20.0
    terminate: float = 30.0
    launches: Rate | None = None
    terminations: Rate | None = None
    limits: Limits = Limits()

    @property
    def divides_traffic(self) -> bool:
        """Whether a group can have a part of the traffic, and not just all of it or none."""
        return self.weighted_traffic and self.weight_step < 100
