"""How long things take, how much there is, and what becomes of machines: the knobs of a test."""

from __future__ import annotations

from attrs import define, field
from attrs.validators import in_

from tests.emulators import chances
from tests.emulators.chances import Knobs, Law

OVERLAPS = ("conflict", "supersede")


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
    overlap: str = field(default="conflict", validator=in_(OVERLAPS))
    overprovisioned: float = 0.2
    quota_at: str = "operation"
    seed: int = 1


@define(kw_only=True)
class Fate(chances.Fate):
    """What happens to machines that match.

    Args:
        image: only those whose image reference has this in its id or version.
        group: only those of the scale set of this name.
        code, message: what its provisioning fails with, when it would have booted.

    `boot=None` leaves one `Creating`; `dies` counts from when it ran: somebody else deletes it.
    """

    image: str | None = None
    group: str | None = None
    code: str | None = None
    message: str = "The virtual machine could not be provisioned."

    def matches(self, image: str, group: str, zone: str) -> bool:
        """Whether this one is meant; counts it, if so."""
        fits = self.image is None or self.image in image
        return self.takes(zone, fits and self.group in {None, group})
