"""Who is asking, and what they may do: STS, and the little of IAM that a rollout asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, before, motos, ours
from .errors import AwsError
from .implied import PREFIXES

if TYPE_CHECKING:
    from .world import World

USER = f"arn:aws:iam::{door.ACCOUNT}:user/tests"
ENTITY = re.compile(r"arn:aws:iam::\d{12}:(user|role|group)/.+")

motos("sts", "GetCallerIdentity", "AssumeRole")
motos(
    "iam", "CreateRole", "CreateInstanceProfile", "AddRoleToInstanceProfile", "GetInstanceProfile",
    "GetRole", "PutRolePolicy", "CreateUser",
)  # fmt: skip


@before("sts", "GetCallerIdentity")
def get_caller_identity(world: World, call: Call) -> dict[str, Any] | None:
    """A user of IAM; moto tells who has assumed a role (their keys begin with ASIA).

    GetCallerIdentity (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html);
    "IAM identifiers", unique IDs
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
    """
    if call.key.startswith("ASIA"):
        return None
    return {"UserId": "AIDACKCEVSQ6C2EXAMPLE", "Account": door.ACCOUNT, "Arn": USER}


@ours("iam", "SimulatePrincipalPolicy")
def simulate(world: World, call: Call) -> dict[str, Any]:
    """Whether an entity of IAM may do these: what `deny` refuses is an implicit denial.

    SimulatePrincipalPolicy: the source is a user, group or role, not a session of one
    (https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html).
    """
    source = call.params["PolicySourceArn"]
    if not ENTITY.fullmatch(source):
        said = f"Invalid Entity Arn: {source} does not clearly define entity type and name."
        raise AwsError("InvalidInput", said)
    services = {prefix: service for service, prefix in PREFIXES.items()}
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": "implicitDeny" if world.denies(_ours(services, action)) else "allowed",
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in call.params["ActionNames"]
        for resource in call.get("ResourceArns") or ["*"]
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def _ours(services: dict[str, str], action: str) -> str:
    """An IAM action by botocore's name of the service."""
    prefix, _, name = action.partition(":")
    return f"{services.get(prefix, prefix)}:{name}"
