"""AWS as far as a rollout can see it: moto's server, and what AWS documents differently on top."""

from .client import Emulator, inherit_environment
from .staging import Stage

__all__ = ["Emulator", "Stage", "inherit_environment"]
