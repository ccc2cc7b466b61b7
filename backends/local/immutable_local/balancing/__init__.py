"""The load balancer in front of a fleet: HAProxy, or our own proxy where that can't be had.

Both are detached processes behind one interface, `Balancer`, and pass the same tests.
"""

from immutable_local.balancing.base import Balancer
from immutable_local.balancing.builtin import BuiltinBalancer
from immutable_local.balancing.choosing import Choice, choice, choose
from immutable_local.balancing.haproxy import HAProxyBalancer
from immutable_local.balancing.latency import BOUNDS, Latency
from immutable_local.balancing.members import Member, Settings, Traffic

__all__ = [
    "BOUNDS",
    "Balancer",
    "BuiltinBalancer",
    "Choice",
    "HAProxyBalancer",
    "Latency",
    "Member",
    "Settings",
    "Traffic",
    "choice",
    "choose",
]
