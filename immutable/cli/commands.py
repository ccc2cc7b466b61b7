"""All commands, under one."""

from __future__ import annotations

import click

from immutable.cli.approving import approvals, approve
from immutable.cli.audit import audit
from immutable.cli.building import build, sweep_images
from immutable.cli.cataloguing import add, restore, revoke, show, versions
from immutable.cli.channels import channel
from immutable.cli.collecting import collect, retire
from immutable.cli.controller import controller
from immutable.cli.doctor import doctor
from immutable.cli.drifting import drift, repair
from immutable.cli.executing import exec_
from immutable.cli.exposing import exposed
from immutable.cli.fleets import fleet
from immutable.cli.following import follow_
from immutable.cli.images import image
from immutable.cli.orders import abort, cancel, pause, promote, resume
from immutable.cli.policies import policy
from immutable.cli.rehearse import rehearse
from immutable.cli.reporting import report
from immutable.cli.rollouts import apply, history, plan, recover, replace, rollback, watch
from immutable.cli.scanning import scan
from immutable.cli.signing import keygen, sign, verify
from immutable.cli.sweep import sweep
from immutable.cli.trying import try_

__all__ = ["cli"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="immutable-sdk", prog_name="immutable")
def cli() -> None:
    """Replace fleets of servers instead of patching them.

    A fleet's address is backend://location/name, such as local://web.

    Exit codes: 0 succeeded, 1 error, 2 wrong usage, 3 rolled back, 4 failed, 5 refused,
    6 cancelled, 7 drift was found, 8 whether there is any is unknown, 130 interrupted and
    recoverable. An order that was given is a success, and so is
    a rollout that abort, cancel or recover --to-stable had to bring to its end here.
    """


_ROLLOUTS = (plan, approve, approvals, apply, replace, watch, recover, rollback, history)
_ORDERS = (pause, resume, promote, abort, cancel)

_CATALOG = (add, show, versions, revoke, restore, exposed, retire)

for each in (build, scan, try_, collect, sweep_images, keygen, sign, verify, *_CATALOG):
    image.add_command(each)

for each in (
    fleet,
    image,
    channel,
    policy,
    follow_,
    rehearse,
    drift,
    report,
    repair,
    *_ROLLOUTS,
    *_ORDERS,
    sweep,
    controller,
    audit,
    exec_,
    doctor,
):
    cli.add_command(each)
