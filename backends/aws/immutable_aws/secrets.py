"""Secrets in AWS: ``aws-sm://`` (Secrets Manager) and ``aws-ssm://`` (Parameter Store).

Facts are those of the API references of Secrets Manager and Systems Manager: DescribeSecret tells
versions and their stages without a value, DescribeParameters the current version; neither needs the
right to decrypt.
"""

from __future__ import annotations

from typing import Any

from immutable.backend import BackendError, Gone, Invalid, Secret, SecretRef
from immutable_aws.faults import code_of, translated

__all__ = ["ParameterResolver", "SecretsManagerResolver"]

_CONNECT, _READ = 3.0, 5.0
_CURRENT = "AWSCURRENT"
_MISSING = ("ResourceNotFound", "ParameterNotFound", "ParameterVersionNotFound")


class _Resolver:
    """What both have in common: a client for each region, made on first use."""

    service = ""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}

    def _client(self, ref: SecretRef) -> Any:
        # arn:aws:secretsmanager:eu-west-1:…; a bare name is looked up where the instance is.
        parts = ref.path.split(":")
        region = parts[3] if parts[0] == "arn" and len(parts) > 5 else ""
        if region not in self._clients:
            import boto3
            from botocore.config import Config

            config = Config(
                connect_timeout=_CONNECT, read_timeout=_READ, retries={"total_max_attempts": 1},
                user_agent_extra="immutable-aws",
            )  # fmt: skip
            self._clients[region] = boto3.session.Session().client(
                self.service, region_name=region or None, config=config
            )
        return self._clients[region]

    def _call(self, ref: SecretRef, call: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client(ref), call)(**arguments)
        except Exception as error:
            raise _meaning(error, call, ref) from error

    def close(self) -> None:
        """Close connections."""
        for client in self._clients.values():
            client.close()


def _meaning(error: Exception, call: str, ref: SecretRef) -> BackendError:
    if code_of(error) in _MISSING:
        return Gone(f"{ref}: AWS has no such secret, or not this version of it")
    return translated(error, call, str(ref))


class SecretsManagerResolver(_Resolver):
    """Reads ``aws-sm://NAME-OR-ARN?version=IDENTIFIER#field``.

    The region is the ARN's, else the one that boto3 finds (``AWS_REGION``, the profile). In an
    instance the rights are those of its instance profile: ``secretsmanager:GetSecretValue``; to
    check, ``secretsmanager:DescribeSecret``.
    """

    service = "secretsmanager"

    def check(self, ref: SecretRef) -> str:
        """Return the version that *ref* stands for, from the secret's description."""
        told = self._call(ref, "describe_secret", SecretId=ref.path)
        if told.get("DeletedDate"):
            raise Gone(f"{ref}: is marked for deletion; restore it, or name another")
        versions: dict[str, list[str]] = told.get("VersionIdsToStages") or {}
        if ref.version:
            if ref.version not in versions:
                raise Gone(f"{ref}: the secret has no such version; leave it out, or name another")
            return ref.version
        return next((name for name, stages in versions.items() if _CURRENT in stages), "")

    def resolve(self, ref: SecretRef) -> Secret:
        """Return the value: the text, else the bytes."""
        pin = {"VersionId": ref.version} if ref.version else {}
        told = self._call(ref, "get_secret_value", SecretId=ref.path, **pin)
        return Secret(told["SecretString"] if "SecretString" in told else told["SecretBinary"])


class ParameterResolver(_Resolver):
    """Reads ``aws-ssm:///PATH/NAME?version=NUMBER#field``, decrypted where it is encrypted.

    Region as for `SecretsManagerResolver`. The rights: ``ssm:GetParameter``, and ``kms:Decrypt``
    of its key; to check, ``ssm:DescribeParameters``.
    """

    service = "ssm"

    def check(self, ref: SecretRef) -> str:
        """Return the version that *ref* stands for, from the parameter's description."""
        name = ref.path.partition(":parameter")[2] or ref.path
        only = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        found = self._call(ref, "describe_parameters", ParameterFilters=only)["Parameters"]
        if not found:
            raise Gone(f"{ref}: AWS has no such parameter")
        current = int(found[0]["Version"])
        if ref.version and int(ref.version) > current:
            raise Gone(f"{ref}: the parameter has no such version yet, {current} is the latest")
        return ref.version or str(current)

    def resolve(self, ref: SecretRef) -> Secret:
        """Return the value."""
        name = f"{ref.path}:{ref.version}" if ref.version else ref.path
        told = self._call(ref, "get_parameter", Name=name, WithDecryption=True)
        kind = told["Parameter"].get("Type", "")
        if kind == "StringList":
            raise Invalid(f"{ref}: is a list; keep a String or a SecureString")
        return Secret(told["Parameter"]["Value"])
