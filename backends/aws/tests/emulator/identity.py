"""Who is asking: moto's STS and the little of IAM that profiles of instances need."""

from __future__ import annotations

from .calls import motos

motos("sts", "GetCallerIdentity", "AssumeRole")
motos(
    "iam", "CreateRole", "CreateInstanceProfile", "AddRoleToInstanceProfile", "GetInstanceProfile",
    "GetRole", "PutRolePolicy", "CreateUser",
)  # fmt: skip
