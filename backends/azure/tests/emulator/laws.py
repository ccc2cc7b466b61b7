"""How long things take, how much there is, and what becomes of machines: the knobs of a test."""

from __future__ import annotations

from typing import Any

from attrs import define

from tests.emulators.chances import Knobs, Law

OVERLAPS = {"conflict", "supersede"}


@define(kw_only=True)
class Laws(Knobs):
    """What holds for every machine that no fate says otherwise about. All times in seconds.

    Args:
        boot: from the request until a machine is provisioned and runs.
        answers: from running until the application answers.
        shutdown: from the request to delete, deallocate or stop until it is done.
        settle: how long an operation takes that moves no machine.
        patrol: how often automatic repairs look.
        retry_after: what `Retry-After` tells about running operations, whole seconds; None for no
            such header, as in all recorded answers: the clients wait 30 s then, unless told otherwise.
        minute: how long a minute of the throttling policies lasts; None for no throttling.
        replicate: until a gallery image version is in all its regions.
        scale: factor on every duration that was *told to* Azure: grace periods. 1 is honest.
        latency: of every call, before it is carried out.
        page: most items of a page of a list.
        overlap: `conflict` refuses a write to a scale set while another one runs; `supersede` lets
            a write of the model take over from a running one, whose operation then fails.
        overprovisioned: by what part more is started where overprovision is on.
        quota_at: `operation`: a quota is found exceeded inside the operation; `request`: at once.
        seed: of the chances of laws that are distributions.
    """

    boot: Law = 0.3
    answers: Law = 0.05
    shutdown: Law = 0.1
    settle: Law = 0.02
    patrol: float = 0.1
    retry_after: int | None = None
    minute: float | None = 60.0
    replicate: Law = 0.1
    scale: float = 1.0
    latency: float = 0.0
    page: int = 100
    overlap: str = "conflict"
    overprovisioned: float = 0.2
    quota_at: str = "operation"
    seed: int = 1


@define(kw_only=True)
class Fate:
    """What happens to machines that match; the first fate that matches counts.

    Args:
        image: only those whose image reference has this in its id or version.
        group: only those of the scale set of this name.
        zone: only those in this zone.
        times: only so many of those that match, then the fate is used up.
        skip: first let so many that match pass.
        boot: as in `Laws`; `None` for never: the machine stays `Creating`.
        answers: as in `Laws`; `None` for never: it runs, and nobody answers.
        code, message: what its provisioning fails with, when it would have booted.
        dies: seconds after it ran at which somebody else deletes it.
        sickens: seconds after it began to answer at which it stops.
    """

    image: str | None = None
    group: str | None = None
    zone: str | None = None
    times: int | None = None
    skip: int = 0
    boot: Any = "law"
    answers: Any = "law"
    code: str | None = None
    message: str = "The virtual machine could not be provisioned."
    dies: float | None = None
    sickens: float | None = None

    def matches(self, image: str, group: str, zone: str) -> bool:
        """Whether this one is meant; counts it, if so."""
        wrong = self.image is not None and self.image not in image
        wrong |= self.group not in {None, group} or self.zone not in {None, zone}
        if wrong or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
