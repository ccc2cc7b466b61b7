"""Parameters that stand for images: public aliases, and templates that name a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, before, motos
from .errors import AwsError

if TYPE_CHECKING:
    from .world import World

motos("ssm", "PutParameter", "GetParameter", "GetParameters", "GetParametersByPath", "DeleteParameter")  # fmt: skip


class Parameters:
    """Public parameters that the test has published, beside those that it put itself.

    "Calling AMI public parameters in Parameter Store"
    (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html).
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self.public: dict[str, str] = {}
        self.versions: dict[str, int] = {}

    def publish(self, name: str, value: str) -> None:
        """Make a public alias point to an image."""
        self.public[name] = value
        self.versions[name] = self.versions.get(name, 0) + 1

    def told(self, name: str) -> dict[str, Any]:
        """As GetParameter writes it."""
        return {
            "Name": name,
            "Type": "String",
            "Value": self.public[name],
            "Version": self.versions[name],
            "ARN": f"arn:aws:ssm:{self.region}::parameter{name}",
            "DataType": "aws:ec2:image",
        }

    def resolve(self, image: str) -> str:
        """An image id; `resolve:ssm:NAME` looks the name up, at each launch.

        "Use parameters instead of AMI IDs in launch templates"
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html).
        """
        if not image.startswith("resolve:ssm:"):
            return image
        name = image.removeprefix("resolve:ssm:")
        if name in self.public:
            return self.public[name]
        found = door.ssm(self.region).get_parameter(name)
        if found is None:
            raise AwsError("InvalidParameterValue", f"Systems Manager parameter {name} not found.")
        return str(found.value)


@before("ssm", "GetParameter")
def get_parameter(world: World, call: Call) -> dict[str, Any] | None:
    """A public alias; everything else is moto's."""
    name = call.params["Name"]
    return {"Parameter": world.parameters.told(name)} if name in world.parameters.public else None


@before("ssm", "GetParameters")
def get_parameters(world: World, call: Call) -> dict[str, Any] | None:
    """Public aliases; everything else is moto's."""
    names = call.params["Names"]
    if not all(name in world.parameters.public for name in names):
        return None
    return {"Parameters": [world.parameters.told(name) for name in names], "InvalidParameters": []}
