"""Writes the files that pages show, for the scripts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["write"]

HERE = Path(__file__).parent


def write(files: Mapping[Path, str]) -> None:
    """Write files with their text, and print which."""
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(HERE.parent))
