"""The only place that knows moto from inside: what is called, what is patched, and that it is there.

Everything else goes through these functions. moto is pinned exactly (`constraints.txt`); `check`
looks at every private name before the server starts, so that another version is refused with its
name instead of failing somewhere in the middle of a test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

PINNED = "5.2.5"
ACCOUNT = "123456789012"

Born = Callable[[Any], None]

NAMES: dict[str, dict[str, str | None]] = {
    "moto.ec2.models.instances": {
        "InstanceBackend.run_instances": "self image_id count user_data security_group_names kwargs",
        "InstanceBackend.get_instance": "self instance_id",
        "InstanceBackend.get_instance_by_id": "self instance_id",
        "InstanceBackend.all_reservations": "self filters",
        "InstanceBackend._get_template_from_args": "self launch_template_arg",
        "Instance.terminate": "self",
        "Instance.state": "property",
        "Instance.state_code": "property",
        "Instance.instance_status": "property",
        "Instance.system_status": "property",
        "InstanceState.__init__": "self name code",
        "StateReason.__init__": "self message code",
        "MetadataOptions.__init__": "self options",
    },
    "moto.ec2.models.elastic_block_store": {
        "EBSBackend.attach_volume": "self volume_id instance_id device_path delete_on_termination",
        "EBSBackend.create_snapshot": "self volume_id description owner_id from_ami",
        "EBSBackend.create_volume": None,
        "Volume.status": "property",
    },
    "moto.ec2.models.tags": {"TagBackend.describe_tags": "self filters"},
    "moto.ec2.models.core": {"TaggedEC2Resource.get_tags": "self"},
    "moto.ec2.models.amis": {
        "AmiBackend.register_image": "self name description",
        "Ami.__init__": None,
    },
    "moto.ec2.models.launch_templates": {
        "LaunchTemplate.create_version": "self data description",
        "LaunchTemplate.get_version": "self num",
    },
    "moto.ec2.models.subnets": {"Subnet.available_ip_address_count": "property"},
    "moto.ec2.utils": {"EC2_PREFIX_TO_RESOURCE": None, "get_prefix": "resource_id"},
    "moto.ec2.exceptions": {"InvalidInstanceIdError": None},
    "moto.ec2.models.instance_types": {"INSTANCE_TYPES": None},
    "moto.elbv2.models": {
        "FakeTargetGroup.__init__": None,
        "FakeListener.rules": "property",
        "FakeAction.__init__": "self data",
        "ELBv2Backend.describe_target_health": "self target_group_arn targets",
        "ELBv2Backend.register_targets": "self target_group_arn instances",
    },
    "moto.moto_server.werkzeug_app": {
        "DomainDispatcherApplication.__init__": "self create_app",
        "create_backend_app": "service",
    },
    "moto.moto_api._internal.models": {"MotoAPIBackend.reset": "self"},
    "moto.core.parse": {"PROTOCOL_PARSERS": None},
    "moto.core.utils": {"get_service_model": "service_name"},
}


KEPT = {
    "ec2": ("amis", "launch_templates", "reservations", "snapshots", "tags", "volumes"),
    "elbv2": ("load_balancers", "tagging_service", "target_groups"),
}
"""Where moto keeps things: attributes of its backends that are read here."""


def check() -> None:
    """See that moto is the version that was read, and has what is used of it.

    Raises:
        RuntimeError: it has not; says what differs and which version is wanted.
    """
    found = version("moto")
    wrong = [] if found == PINNED else [f"its version is {found}"]
    for module, names in NAMES.items():
        loaded = __import__(module, fromlist=["_"])
        wrong += [f"{module}.{name}: {why}" for name, want in names.items()
                  if (why := _differs(loaded, name, want))]  # fmt: skip
    for service, backend in (("ec2", ec2), ("elbv2", elbv2)):
        kept = backend("eu-west-1")
        wrong += [f"{service} has no {name}" for name in KEPT[service] if not hasattr(kept, name)]
    if wrong:
        said = "; ".join(wrong)
        raise RuntimeError(f"this emulator was written for moto {PINNED}; here {said}")


def _differs(module: Any, name: str, want: str | None) -> str:
    """In what a name is not as it was when this was written; empty if it is."""
    thing = module
    for part in name.split("."):
        if not hasattr(thing, part):
            return f"there is no {part}"
        thing = inspect.getattr_static(thing, part)
    if want is None:
        return ""
    if want == "property":
        return "" if isinstance(thing, property) else "it is no property"
    has = " ".join(inspect.signature(thing).parameters)
    return "" if has == want else f"it takes ({has}), not ({want})"


def missing(actions: dict[str, set[str]]) -> list[str]:
    """Actions of services that moto does not implement."""
    from moto.core.utils import camelcase_to_underscores, method_names_from_class
    from moto.ec2.responses import EC2Response
    from moto.elbv2.responses import ELBV2Response
    from moto.iam.responses import IamResponse
    from moto.ssm.responses import SimpleSystemManagerResponse
    from moto.sts.responses import TokenResponse

    classes = {
        "ec2": EC2Response,
        "elbv2": ELBV2Response,
        "iam": IamResponse,
        "ssm": SimpleSystemManagerResponse,
        "sts": TokenResponse,
    }
    return [
        f"{service}:{action}"
        for service, named in actions.items()
        for action in named
        if camelcase_to_underscores(action) not in method_names_from_class(classes[service])
    ]


def application() -> Any:
    """moto's own server, as a WSGI application."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


def reset() -> None:
    """Forget everything that moto knows."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def ec2(region: str) -> Any:
    """moto's EC2 of this account."""
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][region]


def elbv2(region: str) -> Any:
    """moto's load balancers of this account."""
    from moto.elbv2.models import elbv2_backends

    return elbv2_backends[ACCOUNT][region]


def ssm(region: str) -> Any:
    """moto's parameter store of this account."""
    from moto.ssm.models import ssm_backends

    return ssm_backends[ACCOUNT][region]


def instance_types() -> dict[str, Any]:
    """What moto knows about instance types, as DescribeInstanceTypes writes it."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    return INSTANCE_TYPES


def state(instance: Any, name: str) -> None:
    """Put an instance into a state, by EC2's name for it."""
    from moto.ec2.models.instances import InstanceState

    codes = {
        "pending": 0,
        "running": 16,
        "shutting-down": 32,
        "terminated": 48,
        "stopping": 64,
        "stopped": 80,
    }
    instance._state = InstanceState(name, codes[name])


def reason(instance: Any, code: str, message: str) -> None:
    """Why an instance is in its state."""
    from moto.ec2.models.instances import StateReason

    instance.state_reason = StateReason(f"{code}: {message}", code)


def volume_state(volume: Any, name: str | None) -> None:
    """Put a volume into a state, by EC2's name for it; None for what its attachment says."""
    volume.told = name


def _patch_volumes() -> None:
    """Let a volume's state be told that moto doesn't know."""
    from moto.ec2.models.elastic_block_store import Volume

    known = Volume.status.fget
    assert known is not None

    def status(self: Any) -> str:
        return getattr(self, "told", None) or str(known(self))

    Volume.status = property(status)  # type: ignore[assignment,method-assign]


def patch(born: Born, find: Callable[[str], Any], status: Callable[[Any], Any]) -> None:
    """Put the overlay into moto: once a process.

    Args:
        born: told of every new instance, whoever launched it.
        find: an instance by id, or None: moto looks through all of them.
        status: the instance status of a running instance.
    """
    from moto.ec2.models.core import TaggedEC2Resource
    from moto.ec2.models.instances import Instance, InstanceBackend

    _patch_launching(born)
    _patch_finding(find)
    _patch_volumes()
    Instance.instance_status = property(status)  # type: ignore[assignment]
    TaggedEC2Resource.get_tags = _tags  # type: ignore[method-assign]
    assert InstanceBackend.run_instances.__module__ == __name__


def _patch_launching(born: Born) -> None:
    """Tell of what is launched, and let templates say how the metadata service is asked."""
    from moto.ec2.models.instances import InstanceBackend, MetadataOptions

    launch = InstanceBackend.run_instances

    def run_instances(self: Any, *args: Any, **kwargs: Any) -> Any:
        reservation = launch(self, *args, **kwargs)
        data: dict[str, Any] = {}
        if kwargs.get("launch_template"):
            data = self._get_template_from_args(kwargs["launch_template"]).data
        for instance in reservation.instances:
            if data.get("MetadataOptions") and not kwargs.get("metadata_options"):
                instance.metadata_options = MetadataOptions(data["MetadataOptions"])
            _profiled(self, instance, data.get("IamInstanceProfile", {}))
            born(instance)
        return reservation

    InstanceBackend.run_instances = run_instances  # type: ignore[method-assign]


def _profiled(backend: Any, instance: Any, asked: dict[str, str]) -> None:
    """Associate the profile that a launch template names, which moto heeds in requests only."""
    if asked and instance.id not in backend.iam_instance_profile_associations:
        backend.associate_iam_instance_profile(
            instance.id,
            iam_instance_profile_name=asked.get("Name"),
            iam_instance_profile_arn=asked.get("Arn"),
        )


def rooted(instance: Any, at: Any) -> None:
    """Give an instance the root volume of its image, attached when it is launched.

    "When you launch an instance, the root device volume contains the image used to boot" and "is
    created from the snapshot" (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/RootDeviceStorage.html);
    moto's is empty and always at /dev/sda1.
    """
    image = instance.ec2_backend.amis.get(instance.image_id)
    for interface in instance.nics.values():
        interface.attach_time = at
    for device, mapping in list(instance.block_device_mapping.items()):
        volume = instance.ec2_backend.volumes[mapping.volume_id]
        mapping.attach_time = volume.attachment.attach_time = at
        if device == "/dev/sda1" and image is not None and volume.snapshot_id is None:
            volume.snapshot_id = image.ebs_snapshot.id
            volume.attachment.device = image.root_device_name
            instance.block_device_mapping[image.root_device_name] = mapping
            if device != image.root_device_name:
                del instance.block_device_mapping[device]


def _patch_finding(find: Callable[[str], Any]) -> None:
    """Find an instance without looking at all others."""
    from moto.ec2.exceptions import InvalidInstanceIdError
    from moto.ec2.models.instances import InstanceBackend

    def get_instance_by_id(self: Any, instance_id: str) -> Any:
        if (found := find(instance_id)) is not None:
            return found
        # While it is being launched, nobody has been told of it yet.
        newest = next(reversed(self.reservations.values()), None)
        return next((i for i in newest.instances if i.id == instance_id), None) if newest else None

    def get_instance(self: Any, instance_id: str) -> Any:
        if (found := get_instance_by_id(self, instance_id)) is None:
            raise InvalidInstanceIdError(instance_id)
        return found

    InstanceBackend.get_instance = get_instance  # type: ignore[method-assign]
    InstanceBackend.get_instance_by_id = get_instance_by_id  # type: ignore[method-assign]


def _tags(self: Any) -> list[dict[str, str]]:
    """Tags of one resource: moto matches the id against those of all, by regular expression."""
    owned = self.ec2_backend.tags.get(self.id, {}) if self.id else {}
    kind = _resource_type(self.id) if owned else ""
    return [
        {"resource_id": self.id, "key": key, "value": value, "resource_type": kind}
        for key, value in owned.items()
    ]


def _resource_type(name: str) -> str:
    from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

    return str(EC2_PREFIX_TO_RESOURCE.get(get_prefix(name), ""))
