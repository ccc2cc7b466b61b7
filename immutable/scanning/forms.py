"""Secrets that are known by their form, where detect-secrets has no rule for it, or a weaker one.

The forms are what each vendor's documentation says of its own tokens.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator

from attrs import frozen

__all__ = ["Hit", "hits"]


@frozen
class Hit:
    """Something that a rule has found in a text.

    Attributes:
        rule: What it looks like.
        line: The line of the text, from 1.
        value: The secret. Never leaves the process that scans.
    """

    rule: str
    line: int
    value: str

    def __repr__(self) -> str:
        return f"Hit({self.rule!r}, {self.line}, …)"


_END = r"(?![A-Za-z0-9_-])"
_START = r"(?<![A-Za-z0-9_-])"

_FORMS = {
    "vault token": r"(?:hv[sbr]\.[A-Za-z0-9_-]{24,}|(?<![.\w])[sbr]\.[A-Za-z0-9]{24})",
    "github token": r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    "gitlab token": r"gl(?:pat|ptt|rt|dt|cbt|soat|ft|agent)-[A-Za-z0-9_.-]{20,}",
    "aws key id": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    "slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "slack hook": r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,}",
    "stripe key": r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
    "google api key": r"AIza[A-Za-z0-9_-]{35}",
    "google client secret": r"GOCSPX-[A-Za-z0-9_-]{28}",
    "sendgrid key": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "npm token": r"npm_[A-Za-z0-9]{36}",
    "pypi token": r"pypi-AgE[A-Za-z0-9_-]{50,}",
    "digitalocean token": r"do[opr]_v1_[0-9a-f]{64}",
    "hugging face token": r"hf_[A-Za-z]{34}",
    "anthropic key": r"sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{60,}",
    "openai key": r"sk-(?:[a-z]+-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}",
    "databricks token": r"dapi[0-9a-f]{32}",
    "shopify token": r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "grafana token": r"gl(?:sa_[A-Za-z0-9]{32}_[0-9a-f]{8}|c_[A-Za-z0-9+/]{32,})",
    "new relic key": r"NRAK-[A-Z0-9]{27}",
    "doppler token": r"dp\.(?:pt|st|ct|scim|audit)\.[A-Za-z0-9._-]{40,}",
    "age secret key": r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    "terraform cloud token": r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}",
    "azure application secret": r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{34}",
    "azure storage key": r"AccountKey=[A-Za-z0-9+/]{86}==",
    "twilio key": r"SK[0-9a-f]{32}",
    "telegram token": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
}
_ANY = re.compile("|".join(f"(?P<f{n}>{_START}{form})" for n, form in enumerate(_FORMS.values())))
_NAMES = tuple(_FORMS)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]+ ){0,3})PRIVATE KEY(?: BLOCK)?-----"
    r"(?P<body>(?:(?!-----BEGIN)[\s\S]){0,20000}?)(?:-----END|\Z)"
)
_JWT = re.compile(r"(?<![\w-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}")
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[^\s:/@'\"`]{0,60}:(?P<secret>[^\s/@'\"`]{3,200})@")
_BASIC = re.compile(
    r"\bBasic\s+(?P<secret>[A-Za-z0-9+/]{8,}={0,2})|\"auth\"\s*:\s*\"(?P<auth>[A-Za-z0-9+/]{8,}={0,2})\""
)
_BEARER = re.compile(r"\bBearer\s+(?P<secret>[A-Za-z0-9._~+/-]{20,}=*)")


def hits(text: str) -> Iterator[Hit]:
    """Yield what looks like a vendor's token, a private key, or a password in an address."""
    for match in _ANY.finditer(text):
        assert match.lastgroup is not None, "each way has a name"
        yield _hit(_NAMES[int(match.lastgroup[1:])], text, match.start(), match[0])
    for match in _PRIVATE_KEY.finditer(text):
        if len(re.sub(r"\s|\\n", "", match["body"])) > 40:
            yield _hit("private key", text, match.start(), match["body"])
    for match in _JWT.finditer(text):
        yield _hit("json web token", text, match.start(), match[0])
    for match in _BEARER.finditer(text):
        yield _hit("bearer token", text, match.start(), match["secret"])
    yield from _logins(text)


def _logins(text: str) -> Iterator[Hit]:
    from immutable.scanning.harmless import is_harmless

    for match in _URL.finditer(text):
        if not is_harmless(match["secret"]):
            yield _hit("password in an address", text, match.start(), match["secret"])
    for match in _BASIC.finditer(text):
        coded = match["secret"] or match["auth"]
        try:
            name, colon, secret = b64decode(coded + "==").decode().partition(":")
        except (Error, ValueError):
            continue
        if colon and name.isprintable() and secret.isprintable() and not is_harmless(secret):
            yield _hit("login in base64", text, match.start(), coded)


def _hit(rule: str, text: str, where: int, value: str) -> Hit:
    return Hit(rule, text.count("\n", 0, where) + 1, value)
