"""Commands that approve a plan by a signature, and that check who did."""

from __future__ import annotations

from pathlib import Path

import click

from immutable.cli.bundles import FILE, attested, key_options, read, sign_into, trust_options
from immutable.cli.options import as_json
from immutable.cli.running import command, console, show_json
from immutable.model.serial import digest, load_plan
from immutable.trust import approval, verify_approvals
from immutable.trust.shape import plain, spelled

__all__ = ["approvals", "approve"]


@click.command()
@click.argument("plan_file", type=FILE)
@click.option("--reason", default="", help="Why it may be done; is signed too.")
@key_options
@as_json
@command
async def approve(
    plan_file: Path, reason: str, key: str, public: Path | None, out: Path | None, as_json: bool
) -> None:
    """Sign the plan in PLAN_FILE, as `plan --out` wrote it: it may be carried out.

    A signature is for this plan only: one that is changed or made again has another digest. Several
    people sign into the same file, and `immutable approvals` says whether they are enough.
    """
    made = load_plan(await read(plan_file))
    kept = await sign_into(plan_file, out, approval(made, reason=reason), key, public)
    if as_json:
        show_json(kept.document(digest(made)))
        return
    screen = console()
    screen.print(str(made), markup=False)
    screen.print(f"{'digest':<12} {digest(made)}", markup=False)
    screen.print(f"approved {kept}", markup=False)


@click.command()
@click.argument("plan_file", type=FILE)
@click.option(
    "--author",
    required=True,
    help="Who wants it carried out: their own approval does not count. '' for nobody.",
)
@trust_options
@as_json
@command
async def approvals(
    plan_file: Path, author: str, attestations: Path | None, policy: Path, as_json: bool
) -> None:
    """Check that enough of those who are trusted have approved the plan in PLAN_FILE.

    Exits with 5 if not, and says why.
    """
    made = load_plan(await read(plan_file))
    envelopes, trusted = await attested(plan_file, attestations, policy)
    found = verify_approvals(made, envelopes, trusted, author=author)
    if as_json:
        show_json({"digest": found.plan, "by": found.by, "approvals": plain(found.approvals)})
        return
    console().print(f"{found.plan} is approved by {', '.join(found.by)}", markup=False)
    for who, each in zip(found.by, found.approvals, strict=True):
        reason = each.reason or "no reason given"
        console().print(f"{spelled(each.approved_at)}  {who}: {reason}", markup=False)
