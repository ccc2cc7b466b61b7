"""Everything there is: one account in one region."""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.chances import Chances
from tests.emulators.clock import Clock
from tests.emulators.ledger import Ledger
from tests.emulators.serving import Reply

from . import door
from .alarms import Alarms
from .calls import Call
from .errors import AwsError
from .faults import Answers
from .groups import Groups
from .launching import Supply
from .laws import Laws
from .lives import Life, Lives
from .metrics import Metrics
from .parameters import Parameters
from .scaling import Scaling
from .targets import Targets
from .templates import Templates


class World:
    """One account in one region, and what the test wants to happen in it.

    Args:
        region: calls signed for another one are refused.
    """

    def __init__(self, region: str = "eu-west-1") -> None:
        self.region = region
        self.lock = threading.RLock()
        door.patch(
            lambda instance: self.lives.born(instance),  # noqa: PLW0108  Lives are renewed by reset.
            lambda instance_id: self.lives.find(instance_id),  # noqa: PLW0108
            lambda instance: self.lives.status(instance),  # noqa: PLW0108
        )
        self.reset()

    def reset(self) -> None:
        """As on the first day."""
        door.reset()
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.laws, self.chances = Laws(), Chances()
        self.lives = Lives(self.clock, self.laws, self.chances)
        self.supply = Supply(self.lives, self.region)
        self.targets = Targets(self.clock, self.laws, self.lives, self.region)
        self.groups = Groups(self.clock)
        self.scaling = Scaling(self)
        self.templates = Templates(self.region)
        self.parameters = Parameters(self.region)
        self.metrics, self.alarms = Metrics(self.clock), Alarms(self.region)
        self.lives.before_turn = self.targets.settle
        self.lives.on_leaving = self._leaves
        self.lives.on_gone = lambda life: self.scaling.gone(life.id)
        self.lives.on_running = lambda life: self.scaling.runs(life.id)
        self.denied: set[str] = set()
        self.tokens: dict[tuple[str, str], Any] = {}
        self.answers = Answers()

    def _leaves(self, life: Life) -> None:
        self.targets.leave(life)
        self.scaling.ended(life.id)
        self.scaling.died(life.id)

    def zones(self) -> list[str]:
        """The zones of the region."""
        return [self.region + letter for letter in "abc"]

    def zone_id(self, zone: str) -> str:
        """The id of a zone, as moto tells it too."""
        found = door.ec2(self.region).describe_availability_zones(zone_names=[zone])
        return str(found[0].zone_id)

    def permitted(self, call: Call) -> None:
        """Refuse what the test's account may not do, and other regions.

        EC2: `UnauthorizedOperation`, also for dry runs
        (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html); the others
        `AccessDenied` (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
        """
        if call.region != self.region and call.service not in {"sts", "iam"}:
            said = f"this emulator is {self.region}; the call was signed for {call.region}"
            raise AwsError("AuthFailure", said, 401)
        if not self.denies(call.name):
            return
        if call.service == "ec2":
            said = "You are not authorized to perform this operation."
            raise AwsError("UnauthorizedOperation", said)
        prefix = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
        action = f"{prefix.get(call.service, call.service)}:{call.action}"
        user = f"arn:aws:iam::{door.ACCOUNT}:user/tests"
        code = "AccessDeniedException" if call.service in {"ssm", "service-quotas"} else "AccessDenied"  # fmt: skip
        raise AwsError(code, f"User: {user} is not authorized to perform: {action}")

    def denies(self, action: str) -> bool:
        """Whether the account may not do this."""
        return any(fnmatchcase(action, pattern) for pattern in self.denied)

    def keep(self, call: Call, reply: Reply) -> None:
        """Remember an answer, if somebody is to be told old ones."""
        if any(fault.kind == "stale" for fault in self.ledger.faults):
            self.answers.keep(call, reply, self.clock.now())
