"""What instances and their supervisor print, kept within bounds."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from immutable_local.disk import keep_short

__all__ = ["tidy"]

_KEPT = 20
_LONGEST = 16 * 1024 * 1024


def tidy(folder: Path, alive: Collection[str]) -> None:
    """Keep the newest logs of those who are gone, and no log that fills the disk. Blocks.

    Args:
        folder: Where the logs are.
        alive: The instances that are there.
    """
    with suppress(OSError):  # It is tried again every second.
        logs = sorted(folder.glob("*.log"), key=lambda log: log.stat().st_mtime)
        gone = [log for log in logs if log.stem.startswith("i-") and log.stem not in alive]
        for log in gone[:-_KEPT]:
            log.unlink(missing_ok=True)
        for log in logs:
            keep_short(log, _LONGEST)
