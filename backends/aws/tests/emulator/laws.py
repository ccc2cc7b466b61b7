"""How long things take, how much there is, and what becomes of instances: the knobs of a test."""

from __future__ import annotations

from attrs import define

from tests.emulators import chances
from tests.emulators.chances import Knobs, Law


@define(kw_only=True)
class Laws(Knobs):
    """What holds for every instance that no fate says otherwise about. All times in seconds.

    Args:
        boot: from `pending` to `running`.
        answers: from `running` until the application answers health checks.
        shutdown: from `shutting-down` to `terminated`.
        reaction: until Auto Scaling acts on a change of its group.
        check: one health check of a target; thresholds of the target group count these.
        patrol: how often Auto Scaling looks at the health of members.
        retry: until a launch that failed is tried again.
        status_checks: from `running` until the status checks of EC2 are passed.
        scale: factor on every duration that was *told to* AWS: deregistration delays, grace
            periods, heartbeats, cooldowns. 1 is honest; 0.01 makes 300 s three.
        volume: from `creating` to `available`, and from `attaching` to `attached`.
        snapshot: from `pending` to `completed`.
        latency: of every call, before it is carried out.
        lingers: whether a member that drains stays in its group for the rest of the deregistration
            delay when EC2 terminates its instance meanwhile.
        seed: of the chances of laws that are distributions.
    """

    boot: Law = 0.3
    answers: Law = 0.05
    shutdown: Law = 0.1
    reaction: float = 0.02
    check: float = 0.05
    patrol: float = 0.1
    retry: float = 0.5
    status_checks: float = 0.0
    volume: float = 0.05
    snapshot: float = 0.05
    scale: float = 1.0
    latency: float = 0.0
    lingers: bool = True
    seed: int = 1


@define(kw_only=True)
class Fate(chances.Fate):
    """What happens to instances that match.

    Args:
        image: only those of this image id.
        impaired: seconds after `running` at which the instance status check fails.

    `boot=None` leaves one `pending`; `dies` counts from the launch: EC2 terminates it
    (`Server.InternalError`).
    """

    image: str | None = None
    impaired: float | None = None

    def matches(self, image: str, zone: str) -> bool:
        """Whether this one is meant; counts it, if so."""
        return self.takes(zone, self.image in {None, image})
