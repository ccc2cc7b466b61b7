"""Azure as far as a rollout can see it: the Resource Manager's REST interface on a loopback port."""

from .client import Emulator, StaticCredential
from .staging import Stage

__all__ = ["Emulator", "Stage", "StaticCredential"]
