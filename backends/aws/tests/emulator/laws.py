"""How long things take, how much there is, and what becomes of instances: the knobs of a test."""

from __future__ import annotations

from typing import Any

from attrs import define

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
    scale: float = 1.0
    latency: float = 0.0
    lingers: bool = True
    seed: int = 1


@define(kw_only=True)
class Fate:
    """What happens to instances that match; the first fate that matches counts.

    Args:
        image: only those of this image id.
        zone: only those in this zone.
        times: only so many of those that match, then the fate is used up.
        skip: first let so many that match pass.
        boot: as in `Laws`; `None` for never: the instance stays `pending`.
        answers: as in `Laws`; `None` for never: it runs, and no health check succeeds.
        dies: seconds after launch at which EC2 terminates it (`Server.InternalError`).
        sickens: seconds after it began to answer at which health checks begin to fail.
        impaired: seconds after `running` at which the instance status check fails.
    """

    image: str | None = None
    zone: str | None = None
    times: int | None = None
    skip: int = 0
    boot: Any = "law"
    answers: Any = "law"
    dies: float | None = None
    sickens: float | None = None
    impaired: float | None = None

    def matches(self, image: str, zone: str) -> bool:
        """Whether this one is meant; counts it, if so."""
        if self.image not in {None, image} or self.zone not in {None, zone} or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
