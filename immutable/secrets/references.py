"""Where a secret is kept: references, how strictly they are read, what they say. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from attrs import frozen

from immutable.errors import InvalidValue
from immutable.secrets.value import HIDDEN

__all__ = ["FORMS", "SecretRef", "name_flaw"]

FORMS: Mapping[str, str] = {
    "aws-sm": "aws-sm://NAME-OR-ARN",
    "aws-ssm": "aws-ssm:///PATH/NAME",
    "gcp-sm": "gcp-sm://projects/PROJECT/secrets/NAME",
    "azure-kv": "azure-kv://VAULT/NAME",
    "vault": "vault://MOUNT/PATH",
    "env": "env://NAME",
    "file": "file:///PATH",
}
"""The schemes that this grammar knows, and how a reference of each is written."""

_URI = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<path>[^?#\s]*)(?:\?(?P<query>[^#\s]*))?(?:#(?P<field>\S*))?"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CREDENTIALS = re.compile(r"pass|pw|token|secret|key|auth|credential|sig", re.IGNORECASE)


def _any_name(path: str) -> bool:
    return bool(path)


def _absolute(path: str) -> bool:
    return path.startswith("/") and len(path) > 1 and not path.endswith("/")


def _parameter(path: str) -> bool:
    arn = path.startswith("arn:")
    return arn or _absolute(path) or (bool(path) and "/" not in path)


def _of_google(path: str) -> bool:
    # With a location it is a regional secret, which is kept there alone.
    return re.fullmatch(r"projects/[^/]+(/locations/[^/]+)?/secrets/[^/]+", path) is not None


def _of_two(path: str) -> bool:
    return re.fullmatch(r"[^/]+/[^/]+", path) is not None


def _of_more(path: str) -> bool:
    return re.fullmatch(r"[^/]+(/[^/]+)+", path) is not None


_PATHS: Mapping[str, Callable[[str], bool]] = {
    "aws-sm": _any_name,
    "aws-ssm": _parameter,
    "gcp-sm": _of_google,
    "azure-kv": _of_two,
    "vault": _of_more,
    "env": lambda path: _VARIABLE.fullmatch(path) is not None,
    "file": _absolute,
}
_NUMBERED = ("aws-ssm", "gcp-sm", "vault")
"""Where a version is a number; elsewhere it is an identifier. ``latest`` pins nothing."""
_UNVERSIONED = ("env", "file")


@frozen
class SecretRef:
    """Where a secret is kept. Only the reference travels; the value never reaches the SDK.

    ``scheme://path?version=VERSION#field``: the version pins what is delivered, the field is a
    member of the JSON object that the secret holds; both may be left out. Schemes that the SDK
    doesn't know are those of resolvers that are installed as plug-ins.

    Attributes:
        uri: Such as ``vault://secret/web#password`` or ``file:///run/keys/db``.

    Raises:
        InvalidValue: It is no reference, has a password in it, or is not written as its scheme
            wants it. What may be a secret is not repeated.
    """

    uri: str

    def __attrs_post_init__(self) -> None:
        # Records outlive grammars: what was written down before is read whatever `check` says.
        if "://" not in self.uri:
            raise InvalidValue(
                "secret", HIDDEN, "not a reference", "write scheme://path, as in vault://kv/web"
            )

    @classmethod
    def parse(cls, uri: str) -> SecretRef:
        """Return the reference that a user wrote, checked.

        Raises:
            InvalidValue: See the class.
        """
        ref = cls(uri)
        ref.check()
        return ref

    def check(self) -> None:
        """Make sure that it is written as its scheme wants it.

        Raises:
            InvalidValue: It isn't.
        """
        match = _URI.fullmatch(self.uri)
        if match is None:
            raise InvalidValue(
                "secret", HIDDEN, "not a reference", "write scheme://path?version=…#field"
            )
        scheme, path = match["scheme"], match["path"]
        if "@" in path.partition("/")[0]:
            reason = "a user or a password has no place in a reference"
            way_out = "give resolvers their rights where they run; a name's own @ is written %40"
            raise InvalidValue("secret", f"{scheme}://…", reason, way_out)
        self._check_query(scheme, match["query"])
        known = _PATHS.get(scheme)
        if not (known(unquote(path)) if known is not None else path):
            form = FORMS.get(scheme, f"{scheme}://PATH")
            raise InvalidValue("secret", self.uri, "names nothing there", f"write {form}")
        if match["field"] == "":
            raise InvalidValue("secret", self.uri, "an empty field", "write #field, or leave # out")

    def _check_query(self, scheme: str, query: str | None) -> None:
        if query is None:
            return
        for word in query.split("&"):
            name, _, value = word.partition("=")
            if _CREDENTIALS.search(name) or name != "version":
                reason, way_out = f"{name!r} is no option of a reference", "the one is version"
                raise InvalidValue("secret", f"{scheme}://…", reason, way_out)
            if scheme in _UNVERSIONED:
                way_out = "leave ?version out"
                raise InvalidValue("secret", self.uri, f"{scheme}:// has no versions", way_out)
            numbered = scheme in _NUMBERED
            if _VERSION.fullmatch(value) is None or (numbered and not value.isdigit()):
                way_out = f"write ?version={'3' if numbered else 'IDENTIFIER'}, or leave it out"
                raise InvalidValue("secret", self.uri, "no version that pins anything", way_out)
        if query.count("version=") != 1:
            raise InvalidValue("secret", self.uri, "several versions", "name one")

    def _part(self, name: str) -> str:
        match = _URI.fullmatch(self.uri)
        return (match[name] or "") if match is not None else ""

    @property
    def scheme(self) -> str:
        """Who keeps it, such as ``vault``."""
        return self.uri.partition("://")[0]

    @property
    def path(self) -> str:
        """Its name there, percent signs decoded."""
        return unquote(self._part("path"))

    @property
    def field(self) -> str:
        """Which member of the JSON object that the secret holds; empty for all of it."""
        return unquote(self._part("field"))

    @property
    def version(self) -> str:
        """Which version; empty for the one that is current when an instance starts."""
        return self._part("query").partition("version=")[2]

    def at(self, version: str) -> SecretRef:
        """Return the same reference pinned to *version*; to none when that is empty."""
        base, mark, field = self.uri.partition("#")
        base = base.partition("?")[0]
        return SecretRef(f"{base}{f'?version={version}' if version else ''}{mark}{field}")

    def __str__(self) -> str:
        return self.uri


def name_flaw(name: str) -> str:
    """Return why a secret can't be delivered under a name; empty when it can.

    A name becomes a file's, or a variable's.
    """
    if _NAME.fullmatch(name) is None:
        return f"{name!r} is no name of a secret; use letters, digits, _ . - after a letter or _"
    return ""
