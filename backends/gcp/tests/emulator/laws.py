"""How long things take, and what becomes of VMs: the knobs of a test."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from tests.emulators.chances import Knobs, Law


@define(kw_only=True)
class Laws(Knobs):
    """What holds for every VM that no fate says otherwise about. All times in seconds.

    Args:
        operation: until an operation is DONE.
        boot: from PROVISIONING to RUNNING; the last half of it is STAGING.
        answers: from RUNNING until the application answers health checks.
        shutdown: from STOPPING until the VM is gone.
        reaction: until a managed group acts on a change.
        retry: until a creation that failed is tried again.
        check: factor on `checkIntervalSec` of health checks: 0.01 makes 5 s a twentieth.
        scale: factor on other durations that were *told to* Google: draining timeouts, initial
            delays, stabilization periods. 1 is honest; 0.01 makes 300 s three.
        after_drain: what a managed group may take on top of the draining timeout; up to 60 s, say
            the documents of deleteInstances.
        autoscaler: how often autoscalers look.
        wait: how long `operations.wait` waits at most; 120 s at Google.
        lag: by how much lists lag behind.
        latency: of every call, before it is carried out.
        unlisted: whether managed groups carry fields that are on the wire and in no v1 schema, as
            recorded answers do: `serviceAccount`, `updatePolicy.minReadySec`. A parser must live
            with them.
        seed: of the chances of laws that are distributions.
    """

    operation: Law = 0.05
    boot: Law = 0.3
    answers: Law = 0.05
    shutdown: Law = 0.1
    reaction: float = 0.02
    retry: float = 0.5
    check: float = 0.01
    scale: float = 1.0
    after_drain: Law = 0.0
    autoscaler: float = 0.2
    wait: float = 5.0
    lag: float = 0.0
    latency: float = 0.0
    unlisted: bool = True
    seed: int = 1


@define(kw_only=True)
class Fate:
    """What happens to VMs that match; the first fate that matches counts.

    Args:
        image: only those whose image link ends so: a name or a numeric id.
        template: only those of this instance template's name.
        zone: only those in this zone.
        times: only so many of those that match, then the fate is used up.
        skip: first let so many that match pass.
        boot: as in `Laws`; None for never: it stays STAGING.
        answers: as in `Laws`; None for never: it runs, and no health check succeeds.
        dies: seconds after creation at which it is stopped (TERMINATED).
        sickens: seconds after it began to answer at which health checks begin to fail.
    """

    image: str | None = None
    template: str | None = None
    zone: str | None = None
    times: int | None = None
    skip: int = 0
    boot: Any = field(default="law")
    answers: Any = field(default="law")
    dies: float | None = None
    sickens: float | None = None

    def matches(self, images: set[str], template: str | None, zone: str) -> bool:
        """Whether this one is meant; counts it, if so."""
        if self.image is not None and self.image not in images:
            return False
        if self.template not in {None, template} or self.zone not in {None, zone}:
            return False
        if self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
