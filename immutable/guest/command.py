"""``immutable exec``: read the secrets that an instance refers to, and become its command."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from immutable.errors import ImmutableError
from immutable.guest.delivery import (
    CREDENTIALS,
    DIRECTORY,
    as_files,
    base_directory,
    variables,
    wrong_variable,
)
from immutable.guest.fetching import fetch
from immutable.guest.sources import found
from immutable.secrets.references import SecretRef
from immutable.secrets.resolving import resolver_for
from immutable.secrets.value import Secret

__all__ = ["FAILED", "HELP", "NOT_FOUND", "NOT_RUN", "run"]

FAILED = 125
"""A secret could not be had or delivered; the command was not started."""
NOT_RUN = 126
"""The command is there and can't be executed."""
NOT_FOUND = 127
"""The command isn't there."""

HELP = """Run COMMAND with the secrets that this instance refers to, read as itself.

The references are the JSON object in $IMMUTABLE_SECRETS, else in the file that
$IMMUTABLE_SECRETS_FILE names, else in /etc/immutable/secrets.json; metadata://gcp and
metadata://azure in place of a file ask the cloud for them. As files they lie, each under
its name and for this user only, in a directory in memory, $IMMUTABLE_SECRETS_DIR, which
$CREDENTIALS_DIRECTORY names too unless systemd has set it."""

_EPILOG = """Exit codes: those of COMMAND, which takes the place of this process; 2 wrong usage,
125 a secret can't be had or delivered, 126 COMMAND can't be executed, 127 COMMAND isn't there."""


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 90, 90s, 5m or 1.5h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="immutable exec",
        usage="immutable exec [OPTIONS] -- COMMAND [ARGUMENTS]",
        description=HELP,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--as", dest="way", choices=("files", "environment"), default="files",
        help="How COMMAND gets them; the environment is inherited by all that it starts, and can"
        " be read in /proc by this user. Default files.",
    )  # fmt: skip
    parser.add_argument(
        "--deadline", type=_seconds, default=60.0, metavar="DURATION",
        help="How long to wait for what can't be had yet: 90s, 5m. Default 60s.",
    )  # fmt: skip
    parser.add_argument(
        "--references", metavar="FILE",
        help="Where the references are instead; metadata://gcp or metadata://azure asks the cloud.",
    )  # fmt: skip
    parser.add_argument(
        "--require", action="append", default=[], metavar="NAME",
        help="Fail unless there is a reference of this name; repeatable.",
    )  # fmt: skip
    parser.add_argument(
        "--directory", metavar="DIR",
        help="Where the directory of secrets is made: on tmpfs or ramfs. Default the first of"
        " $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR, /run, /dev/shm that can be used.",
    )  # fmt: skip
    parser.add_argument("command", nargs="*", metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def run(words: Sequence[str]) -> int:
    """Do what ``immutable exec`` is asked for; comes back only when the command was not started.

    Args:
        words: The arguments after ``exec``.

    Returns:
        The exit code.
    """
    mine, command = _cut(words)
    parser = _parser()
    options = parser.parse_args(mine)
    if options.command or not command:
        parser.error("write the command after --, as in: immutable exec -- python3 app.py")
    own = dict(os.environ)
    program = shutil.which(command[0], path=own.get("PATH", os.defpath))
    if program is None:
        there = os.path.exists(command[0])
        _tell(f"{command[0]}: {'can not be executed' if there else 'there is no such command'}")
        return NOT_RUN if there else NOT_FOUND
    try:
        values = _values(options, own)
        more = _delivered(values, options, own)
    except (ImmutableError, OSError) as error:
        _tell(str(error))
        return FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if more is None:
        return FAILED
    return _become(program, command, more)


def _cut(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options before the first ``--``, and the command after it."""
    cut = words.index("--") if "--" in words else len(words)
    return list(words[:cut]), list(words[cut + 1 :])


def _values(options: argparse.Namespace, own: Mapping[str, str]) -> dict[str, Secret] | None:
    begun = time.monotonic()
    refs = _references(options, own)
    if refs is None:
        return None
    if options.way == "environment" and (wrong := wrong_variable(refs)):
        _tell(f"{wrong}: no name of an environment variable; use --as files, or another name")
        return None
    left = max(0.0, options.deadline - (time.monotonic() - begun))
    fetched = fetch(refs, resolver_for, deadline=left, tell=_tell)
    for name, reason in sorted(fetched.reasons.items()):
        _tell(f"{name} ({refs[name]}) can't be had: {reason}")
    return None if fetched.reasons else fetched.values


def _references(
    options: argparse.Namespace, own: Mapping[str, str]
) -> Mapping[str, SecretRef] | None:
    there = found(options.references, own, deadline=options.deadline, tell=_tell)
    lacking = sorted(set(options.require) - set(there.refs))
    if not there.where and (options.references or lacking):
        _tell(f"there is no {there.sought}, where references of secrets should be")
        return None
    if lacking:
        _tell(f"{there.where} has no reference of {', '.join(lacking)}, which --require names")
        return None
    if not there.where:
        _tell(f"no references of secrets in $IMMUTABLE_SECRETS or {there.sought}: none given")
    return there.refs


def _delivered(
    values: dict[str, Secret] | None, options: argparse.Namespace, own: Mapping[str, str]
) -> dict[bytes, bytes] | None:
    """Return what the command finds in its environment beside our own."""
    if values is None:
        return None
    if options.way == "environment":
        return variables(values)
    place = os.fsencode(as_files(values, base_directory(options.directory, own)))
    told = {os.fsencode(DIRECTORY): place}
    return told if CREDENTIALS in own else {**told, os.fsencode(CREDENTIALS): place}


def _become(program: str, command: list[str], more: dict[bytes, bytes]) -> int:
    # Python ignores these, and who is ignored stays so: the command shall find them as they were.
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    try:
        os.execve(program, command, {**os.environb, **more})  # noqa: S606  # The purpose.
    except OSError as error:
        _tell(f"{program}: {error.strerror}")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN
    finally:
        more.clear()


def _tell(sentence: str) -> None:
    print(f"immutable exec: {sentence}", file=sys.stderr, flush=True)  # noqa: T201
