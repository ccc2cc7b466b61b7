"""Compute Engine as far as a rollout can see it, held against the real client's own schema."""

from .client import Emulator
from .staging import Stage

__all__ = ["Emulator", "Stage"]
