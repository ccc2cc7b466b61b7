"""Importing this registers every call that can be answered."""

from . import (
    account,
    autoscale,
    images,
    member_calls,
    monitoring,
    networks,
    operations,
    pools,
    set_actions,
    set_calls,
    upgrades,
    vm_calls,
)

MODULES = (
    account, autoscale, images, member_calls, monitoring, networks, operations, pools, set_actions, set_calls,
    upgrades, vm_calls,
)  # fmt: skip
