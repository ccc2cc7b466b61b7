"""What a member of a fleet with volumes does when it starts: take a slot, attach its volumes.

``immutable-aws-slot`` runs on the instance, before the application, with the instance's own
profile. So a member that the cloud launches by itself gets its volumes too, whether a controller
runs or not. Nobody hands slots out: EBS attaches a volume to one instance at a time, whoever asks
first.

It begins anew at any point: what is attached already is found attached. Everything here blocks.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from immutable.errors import ImmutableError
from immutable_aws.faults import code_of, translated
from immutable_aws.marks import FLEET, tags_of
from immutable_aws.slots import (
    HOOK,
    SLOT,
    TAKEN,
    about,
    device_of,
    free,
    holder_of,
    volumes_by_slot,
)

__all__ = ["Attached", "attach_slot", "into_service", "main"]

_METADATA = "http://169.254.169.254"
_BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
_PAUSE = (1.0, 3.0)
"""Seconds between two looks, drawn anew each time: those who wait don't ask at once."""
_PATIENCE = 3000.0
"""Seconds; less than the hook's hour, so that what was wrong is said before the group gives up."""
_PASSING = frozenset(
    ["VolumeInUse", "IncorrectState", "InvalidInstanceID.NotFound", "InvalidVolume.NotFound"]
)
"""Somebody was faster, or what was made is not seen yet: look again."""

Sleep = Callable[[float], None]
Description = Mapping[str, Any]


@frozen
class Attached:
    """One volume that this instance has.

    Attributes:
        name: Its name within the slot.
        path: Where it is to be mounted.
        volume: Its identifier.
    """

    name: str
    path: str
    volume: str

    @property
    def device(self) -> str:
        """The device's stable name.

        EBS tells the volume's identifier as NVMe serial number ("Map Amazon EBS volumes to NVMe
        device names", Amazon EBS User Guide).
        """
        return _BY_ID + self.volume.replace("-", "")

    def __str__(self) -> str:
        return f"{self.name} {self.path} {self.volume} {self.device}"


class _Waits(ImmutableError):
    """Not yet; says for what."""


def attach_slot(
    ec2: Any, instance: str, *, patience: float = _PATIENCE, sleep: Sleep = time.sleep
) -> tuple[str, tuple[Attached, ...]]:
    """Return a slot and its volumes once this instance has all of them.

    Args:
        ec2: boto3's client of EC2; it repeats nothing.
        instance: This instance.
        patience: Seconds after which it gives up.
        sleep: How to wait.

    Raises:
        ImmutableError: It is not permitted, this is no member of a fleet, or nothing was free.
    """
    end, why = time.monotonic() + patience, "nothing was tried"
    while time.monotonic() < end:
        try:
            return _attach(ec2, instance)
        except _Waits as waits:
            why = str(waits)
        sleep(random.uniform(*_PAUSE))  # noqa: S311 - no secret.
    raise ImmutableError(f"{instance} has no slot after {patience:g} s: {why}")


def _attach(ec2: Any, instance: str) -> tuple[str, tuple[Attached, ...]]:
    fleet, zone = _fleet_of(ec2, instance)
    volumes = _pages(ec2, "describe_volumes", "Volumes", fleet)
    waiting = [s for s in _pages(ec2, "describe_snapshots", "Snapshots", fleet) if _pending(s)]
    saving = {tags_of(each)[SLOT] for each in waiting}
    for slot, found in free(volumes, instance, zone, saving):
        if not holder_of(found) and not _take_first(ec2, instance, found):
            continue  # Somebody was faster: the next one.
        return slot, _rest(ec2, instance, slot, fleet)
    slots = ", ".join(volumes_by_slot(volumes)) or "none"
    raise _Waits(f"no slot of {fleet} in {zone} is whole and free (there are: {slots})")


def _fleet_of(ec2: Any, instance: str) -> tuple[str, str]:
    told = _ask(ec2, "describe_instances", InstanceIds=[instance])["Reservations"]
    if not told:
        raise _Waits(f"EC2 doesn't show {instance} yet")
    (found,) = told[0]["Instances"]
    fleet = tags_of(found).get(FLEET)
    if not fleet:
        raise ImmutableError(f"{instance} has no tag {FLEET}: it is no member of a fleet")
    return fleet, str(found["Placement"]["AvailabilityZone"])


def _pending(snapshot: Description) -> bool:
    return bool(snapshot["State"] == "pending" and SLOT in tags_of(snapshot))


def _take_first(ec2: Any, instance: str, volumes: Sequence[Description]) -> bool:
    """Attach the volume that is the slot's lock; returns whether that worked."""
    try:
        _attach_one(ec2, instance, volumes, 0)
    except _Waits:
        return False
    return True


def _attach_one(ec2: Any, instance: str, volumes: Sequence[Description], place: int) -> None:
    volume = volumes[place]["VolumeId"]
    _ask(ec2, "attach_volume", InstanceId=instance, VolumeId=volume, Device=device_of(place))


def _rest(ec2: Any, instance: str, slot: str, fleet: str) -> tuple[Attached, ...]:
    """Attach the other volumes of a slot whose lock this instance has, and see all attached."""
    found = volumes_by_slot(_pages(ec2, "describe_volumes", "Volumes", fleet)).get(slot, [])
    states = {
        each["VolumeId"]: {a["InstanceId"]: a["State"] for a in each.get("Attachments", ())}
        for each in found
    }
    for place, each in enumerate(found):
        if instance not in states[each["VolumeId"]]:
            _attach_one(ec2, instance, found, place)
    late = [name for name, held in states.items() if held.get(instance) != "attached"]
    if late:
        raise _Waits(f"{', '.join(late)} of slot {slot} not attached yet")
    _mark(ec2, instance, list(states))
    return tuple(Attached(*about(each), str(each["VolumeId"])) for each in found)


def _mark(ec2: Any, instance: str, volumes: list[str]) -> None:
    """Mark a slot as taken, before anything is written to it: what was saved of it is old now."""
    mark = f"{instance}.{random.getrandbits(32):08x}"
    _ask(ec2, "create_tags", Resources=volumes, Tags=[{"Key": TAKEN, "Value": mark}])


def _pages(ec2: Any, call: str, key: str, fleet: str) -> list[dict[str, Any]]:
    filters = [{"Name": f"tag:{FLEET}", "Values": [fleet]}]
    owners = {"OwnerIds": ["self"]} if key == "Snapshots" else {}
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = _ask(ec2, call, Filters=filters, **owners, **more)
        found += answer[key]
        if not answer.get("NextToken"):
            return found
        more = {"NextToken": answer["NextToken"]}


def _ask(client: Any, call: str, **params: Any) -> dict[str, Any]:
    """Make one request.

    Raises:
        _Waits: It may work later.
        BackendError: It never will.
    """
    from immutable.backend import Denied, Invalid

    try:
        answer: dict[str, Any] = getattr(client, call)(**params)
    except Exception as error:
        meant = translated(error, call, "")
        if code_of(error) not in _PASSING and isinstance(meant, Denied | Invalid):
            raise meant from error
        raise _Waits(str(meant)) from error
    return answer


def into_service(
    scaling: Any, instance: str, *, patience: float = _PATIENCE, sleep: Sleep = time.sleep
) -> bool:
    """Complete the hook that this instance waits in; returns whether it is a member of a group.

    The instance may be here before Auto Scaling lets it wait: until then there is nothing to
    complete.

    Raises:
        ImmutableError: It is not permitted, or the instance didn't come to wait in time.
    """
    end, why = time.monotonic() + patience, "nothing was tried"
    while time.monotonic() < end:
        try:
            told = _ask(scaling, "describe_auto_scaling_instances", InstanceIds=[instance])
            (found,) = told["AutoScalingInstances"] or (None,)
            if found is None:
                return False
            if not str(found["LifecycleState"]).startswith("Pending"):
                return True
            if found["LifecycleState"] == "Pending:Wait":
                _complete(scaling, instance, str(found["AutoScalingGroupName"]))
            why = f"it is {found['LifecycleState']}"
        except _Waits as waits:
            why = str(waits)
        sleep(random.uniform(*_PAUSE))  # noqa: S311 - no secret.
    raise ImmutableError(f"{instance} isn't in service after {patience:g} s: {why}")


def _complete(scaling: Any, instance: str, group: str) -> None:
    _ask(
        scaling,
        "complete_lifecycle_action",
        AutoScalingGroupName=group,
        LifecycleHookName=HOOK,
        LifecycleActionResult="CONTINUE",
        InstanceId=instance,
    )


# -- on the instance -------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> int:
    """Attach a slot's volumes and print them, one a line: name, path, volume, device."""
    parser = argparse.ArgumentParser(prog="immutable-aws-slot", description=main.__doc__)
    parser.add_argument("--patience", type=float, default=_PATIENCE, metavar="SECONDS")
    parser.add_argument(
        "--ready", action="store_true", help="volumes are mounted: let the member go into service"
    )
    given = parser.parse_args(words)
    try:
        region, instance = _metadata("placement/region"), _metadata("instance-id")
        if given.ready:
            into_service(_client("autoscaling", region), instance, patience=given.patience)
            return 0
        slot, attached = attach_slot(_client("ec2", region), instance, patience=given.patience)
    except (ImmutableError, OSError) as error:
        sys.stderr.write(f"immutable-aws-slot: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in (f"# slot {slot}", *attached)))
    return 0


def _client(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1},
        user_agent_extra="immutable-aws",
    )  # fmt: skip
    return boto3.session.Session().client(service, region_name=region, config=config)


def _metadata(what: str) -> str:
    """Return what the instance metadata service says, by a session ("IMDSv2")."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _METADATA).rstrip("/")
    seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    session = _http(f"{base}/latest/api/token", seconds, "PUT")
    return _http(f"{base}/latest/meta-data/{what}", {"X-aws-ec2-metadata-token": session}, "GET")


def _http(url: str, headers: dict[str, str], method: str) -> str:
    asked = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - http only.
    with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - as above.
        return str(answer.read().decode())


if __name__ == "__main__":
    sys.exit(main())
