"""Secrets that are known by what they are called: ``DB_PASSWORD=…``, ``--token …``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from immutable.scanning.forms import Hit
from immutable.scanning.harmless import is_harmless

__all__ = ["assigned", "is_secret_name"]

_WORDS = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret(?:[-_]?(?:access[-_]?)?key)?|credentials?"
    r"|(?:auth|access|api|refresh|bearer|private|security|session|registry|deploy|webhook|bot"
    r"|signing|encryption|encrypt|master|account|storage|service|client|consumer|license)"
    r"[-_]?(?:token|key|secret)|token|salt)"
)
_TAIL = r"(?:[-_]?(?:value|string|text|data|prod|production|dev|staging|[0-9]{1,3}))?"
_NAME = re.compile(
    rf"(?:(?:[\w.-]*[-_./]|[a-zA-Z0-9]*[a-z0-9](?=[A-Z])|)(?i:{_WORDS})"
    rf"|[a-zA-Z]*(?i:password|passwd|passphrase|secret|apikey))(?i:{_TAIL})"
)
"""The name of a secret: its last words say so. ``PASSWORD_MIN_LENGTH`` is none."""

_PAIR = re.compile(
    r"""(?x)
    (?<![:\w./-])(?P<name>[\w./-]{0,80}?[A-Za-z_0-9])["'\]]{0,2}
    \s{0,8}(?P<sep>:=|=>|:(?!:)|={1,3}|\?=)\s{0,8}
    (?:[bfru]{0,2}(?P<quote>["'`])(?P<quoted>(?:(?!(?P=quote))[^\n\\]|\\.){1,400})(?P=quote)
      |(?P<bare>[^\s"'`][^\n]{0,399}))
    """
)
_OPTION = re.compile(
    r"(?<![\w/.-])--?(?P<name>[a-z][a-z-]{0,40})(?:=|\s+)(?P<value>[^\s\"'`;|&<>-][^\s\"'`;|&<>]{5,200})"
)
_NETRC = re.compile(
    r"(?m)^\s*(?:machine\s+\S+\s+login\s+\S+\s+)?password[ \t]+(?P<value>\S{4,200})[ \t]*$"
)
_CHPASSWD = re.compile(
    r"(?m)^[ \t]*(?:-[ \t]+|echo[ \t]+[\"']?)?[a-z][a-z0-9_-]{1,20}:(?P<value>[^\s:/\"'|]{6,200})"
)
_CODE_FILES = tuple(
    ".py .js .ts .go .java .c .cc .cpp .cs .rs .rb .php .swift .kt .tf".split()  # noqa: SIM905  # One line.
)
_SHORTEST = 5


def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret."""
    return bool(_NAME.fullmatch(name))


def assigned(name: str, text: str) -> Iterator[Hit]:
    """Yield the values that stand under the name of a secret.

    Args:
        name: The file's name: code has values in quotes only.
        text: The text.
    """
    code = name.lower().endswith(_CODE_FILES)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > 10_000:
            continue  # A line that nobody wrote; forms and plug-ins look at it all the same.
        for value in _pairs(line, code=code):
            yield Hit("named like a secret", number, value)
    for pattern, rule in ((_NETRC, "login file"), (_OPTION, "argument")):
        for match in pattern.finditer(text):
            option = match.groupdict().get("name", "password")
            if is_secret_name(option) and not is_harmless(match["value"]):
                yield Hit(rule, text.count("\n", 0, match.start("value")) + 1, match["value"])
    yield from _passwords_of_users(text)


def _pairs(line: str, *, code: bool) -> Iterator[str]:
    at = 0
    while match := _PAIR.search(line, at):
        value = match["quoted"] if match["quote"] else match["bare"]
        if (code and not match["quote"]) or not is_secret_name(match["name"]):
            # The value of one pair may hold another: Environment="A=b".
            at = match.start("quoted") if match["quote"] else match.start("bare")
            continue
        at = match.end() if match["quote"] else match.start("bare") + len(value.split()[0])
        spelled = (value,) if match["quote"] else _bare(value)
        shortest = min(len(each.strip()) for each in spelled)
        if shortest >= _SHORTEST and not any(is_harmless(each) for each in spelled):
            yield spelled[-1]


def _bare(value: str) -> tuple[str, ...]:
    """Return a value without quotes, to a comment; and to the end of what it may stand in."""
    whole = re.split(r"\s+#", value, maxsplit=1)[0].rstrip()
    ends = (r"[,;]\s", r"\s+[\w.-]+=", r"[\"'`]|\s*[,;}\])]+:?\s*$")
    return whole, *(re.split(end, whole, maxsplit=1)[0].rstrip() for end in ends)


def _passwords_of_users(text: str) -> Iterator[Hit]:
    """Yield what ``chpasswd`` is told, which are lines of ``user:password``."""
    if "chpasswd" not in text:
        return
    began = text.index("chpasswd")
    for match in _CHPASSWD.finditer(text, began):
        value = match["value"]
        if not is_harmless(value) and not value.startswith("$"):
            yield Hit("password of a user", text.count("\n", 0, match.start("value")) + 1, value)
