"""What an instance is told at its start: the pattern's user data, and a revision's settings. Pure.

cloud-init reads several parts from one MIME message. Ours is a ``cloud-config`` that writes two
files and touches nothing else of the pattern's: ``/etc/immutable/environment`` in the form that
systemd's ``EnvironmentFile=`` reads, ``/etc/immutable/secrets.json`` with references of secrets.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from immutable.backend import Invalid, RuntimeConfig
from immutable.toolkit.environment import environment_file, secrets_file

__all__ = ["MOST", "with_config"]

MOST = 16 * 1024
"""What user data may have, in bytes, before it is encoded (Amazon EC2 User Guide)."""

_OURS = "immutable-config.txt"
_MERGE = "list(append)+dict(no_replace,recurse_list)+str()"


def with_config(encoded: str, config: RuntimeConfig) -> str:
    """Return user data with a revision's settings, and without those of the one before.

    Args:
        encoded: The pattern's user data, in Base64; empty for none.
        config: The settings. Without any the pattern's own user data is all that is left.

    Raises:
        Invalid: It is too long.
    """
    base = _without_ours(b64decode(encoded)) if encoded else b""
    if not config.environment and not config.secrets:
        return b64encode(base).decode() if base else ""
    message = EmailMessage()
    message.make_mixed()
    if base:
        message.attach(_base_part(base))
    ours = _our_part(config)
    message.attach(ours)
    # Not a random one: a request that is repeated has to be the same to the last letter.
    digits = hashlib.sha256(base + ours.as_bytes()).hexdigest()[:24]
    message.set_boundary(f"immutable-{digits}")
    text = message.as_bytes()
    if len(text) > MOST:
        raise Invalid(
            f"settings and user data have {len(text)} bytes, {MOST} at most;"
            " keep long values elsewhere and pass where they are"
        )
    return b64encode(text).decode()


def _base_part(base: bytes) -> EmailMessage:
    part = EmailMessage()
    if base.lower().startswith((b"content-type:", b"mime-version:")):
        parsed = BytesParser(EmailMessage, policy=default).parsebytes(base)
        if isinstance(parsed, EmailMessage):
            return parsed
    kind = "x-shellscript" if base.startswith(b"#!") else "cloud-config"
    part.set_content(base, "text", kind, cte="base64")
    part.add_header("Content-Disposition", "attachment", filename="base.txt")
    return part


def _our_part(config: RuntimeConfig) -> EmailMessage:
    files = [
        {
            "path": "/etc/immutable/environment",
            "permissions": "0644",
            "content": environment_file(config),
        },
        {
            "path": "/etc/immutable/secrets.json",
            "permissions": "0644",
            "content": secrets_file(config),
        },
    ]
    part = EmailMessage()
    # JSON is YAML too.
    text = "#cloud-config\n" + json.dumps({"write_files": files}, sort_keys=True) + "\n"
    part.set_content(text.encode(), "text", "cloud-config", cte="base64")
    part.add_header("Content-Disposition", "attachment", filename=_OURS)
    part.add_header("Merge-Type", _MERGE)
    return part


def _without_ours(data: bytes) -> bytes:
    """Return the pattern's own user data from a message that we have made; else *data*."""
    if _OURS.encode() not in data:
        return data
    message = BytesParser(policy=default).parsebytes(data)
    parts = [
        part
        for part in message.iter_parts()
        if isinstance(part, EmailMessage) and part.get_filename() != _OURS
    ]
    if not parts:
        return b""
    part = parts[0]
    if part.is_multipart():
        return part.as_bytes()
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
