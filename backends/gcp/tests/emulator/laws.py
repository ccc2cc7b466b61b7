"""How long things take, and what becomes of VMs: the knobs of a test."""

from __future__ import annotations

from attrs import define

from tests.emulators import chances
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
        undeprecates: whether clearing the deprecation of an image does anything, as the reference
            says; the guide says that it can't be taken back.
        bodies: whether VMs that begin to run have a body, see `bodies.py`.
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
    undeprecates: bool = True
    bodies: bool = False
    seed: int = 1


@define(kw_only=True)
class Fate(chances.Fate):
    """What happens to VMs that match.

    Args:
        image: only those of the image with this name or numeric id.
        template: only those of this instance template's name.

    `boot=None` leaves one STAGING; `dies` counts from the creation: it is stopped, TERMINATED.
    """

    image: str | None = None
    template: str | None = None

    def matches(self, images: set[str], template: str | None, zone: str) -> bool:
        """Whether this one is meant; counts it, if so."""
        fits = self.image is None or self.image in images
        return self.takes(zone, fits and self.template in {None, template})
