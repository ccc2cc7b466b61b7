"""What the caller may do: asked of IAM's policy simulator, and of EC2 by dry runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from immutable.backend import BackendError, Denied, Gone, Invalid, Problem, Throttled, Transient
from immutable.toolkit.requests import parts_of
from immutable_aws.calls import Calls
from immutable_aws.faults import is_code
from immutable_aws.permissions import FEATURES, SPARED

__all__ = ["dry_run", "permission_problems", "principal"]


async def permission_problems(calls: Calls, features: Iterable[str]) -> list[Problem]:
    """Return which actions the caller may not do, as far as IAM's simulator can be asked.

    Those that only a plan needs, to know more, are left out. Where the simulator can't be asked,
    nothing is said: a refusal is met later, and turns the rollout back.
    """
    actions = sorted({each for name in features for each in FEATURES[name]} - SPARED)
    try:
        identity = await calls.ask("sts", "GetCallerIdentity")
        denied = await _denied(calls, principal(str(identity["Arn"])), actions)
    except (Denied, Invalid, Gone):
        return []
    if not denied:
        return []
    return [
        Problem(
            f"{principal(str(identity['Arn']))} may not: {', '.join(denied)}",
            "let it have the policy of docs/aws-iam.md",
        )
    ]


# arn:aws:sts::1:assumed-role/ci/session is of arn:aws:iam::1:role/ci.
def principal(arn: str) -> str:
    """Return whom policies are attached to."""
    parts = arn.split(":")
    if len(parts) == 6 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
        role = parts[5].split("/")[1]
        return f"{parts[0]}:{parts[1]}:iam::{parts[4]}:role/{role}"
    return arn


async def _denied(calls: Calls, arn: str, actions: list[str]) -> list[str]:
    found: list[str] = []
    for part in parts_of(actions, 50):
        results = await calls.pages(
            "iam",
            "SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=arn,
            ActionNames=part,
        )
        found += [r["EvalActionName"] for r in results if r["EvalDecision"] != "allowed"]
    return found


async def dry_run(calls: Calls, call: str, about: str, **params: Any) -> Problem | None:
    """Ask EC2 whether a request would be permitted, without making it."""
    try:
        await calls.ask("ec2", call, about=about, DryRun=True, **params)
    except Denied as error:
        return Problem(f"not permitted: {error}", "let it have the policy of docs/aws-iam.md")
    except (Throttled, Transient):
        raise  # No answer: the whole look is repeated.
    except BackendError as error:
        # DryRunOperation says yes. Anything else is no matter of permission, and told elsewhere.
        return None if is_code(error, "DryRunOperation") else Problem(str(error), "see the message")
    return None
