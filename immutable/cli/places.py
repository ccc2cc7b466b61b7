"""Where each command is, and what it is for: what a list of them needs, without importing any."""

from __future__ import annotations

from collections.abc import Mapping

from immutable.cli.grouping import Place

__all__ = ["COMMANDS", "IMAGES"]

COMMANDS: Mapping[str, Place] = {
    "abort": Place(
        "immutable.cli.orders:abort",
        "Bring a fleet back to where its rollout began.",
    ),
    "apply": Place(
        "immutable.cli.rollouts:apply",
        "Carry out the plan in PLAN_FILE, as written by `immutable plan --out`.",
    ),
    "approvals": Place(
        "immutable.cli.approving:approvals",
        "Check that enough of those who are trusted have approved the plan in PLAN_FILE.",
    ),
    "approve": Place(
        "immutable.cli.approving:approve",
        "Sign the plan in PLAN_FILE, as `plan --out` wrote it: it may be carried out.",
    ),
    "audit": Place(
        "immutable.cli.audit:audit",
        "Prove that the record is as it was written; hand it to an auditor.",
    ),
    "cancel": Place(
        "immutable.cli.orders:cancel",
        "Stop a rollout for good; all stays as it is.",
    ),
    "channel": Place(
        "immutable.cli.channels:channel",
        "Point names such as web@production at versions, and back.",
    ),
    "completion": Place(
        "immutable.cli.completing:completion",
        "Print what lets SHELL complete commands, options and their values.",
    ),
    "config": Place(
        "immutable.cli.configured:config",
        "Show what is configured, and which file or variable says so.",
    ),
    "controller": Place(
        "immutable.cli.controller:controller",
        "Drive rollouts that nobody drives: those submitted, and those whose controller died.",
    ),
    "doctor": Place(
        "immutable.cli.doctor:doctor",
        "Say what is installed, what works, and what is missing.",
    ),
    "drift": Place(
        "immutable.cli.drifting:drift",
        "Look whether the instances of the fleet at URL are what their revision says.",
    ),
    "exec": Place(
        "immutable.cli.executing:exec_",
        "Run COMMAND with the secrets that this instance refers to, read as itself.",
    ),
    "fleet": Place(
        "immutable.cli.fleets:fleet",
        "Make, adopt, list, look at, resize and delete fleets.",
    ),
    "follow": Place(
        "immutable.cli.following:follow_",
        "Let fleets follow channels: when one moves, controllers make plans to go there.",
    ),
    "history": Place(
        "immutable.cli.rollouts:history",
        "List the rollouts of the fleet at URL.",
    ),
    "image": Place(
        "immutable.cli.images:image",
        "Build, test, list and clear away images.",
    ),
    "pause": Place(
        "immutable.cli.orders:pause",
        "Stop a rollout where it is, until resume.",
    ),
    "plan": Place(
        "immutable.cli.rollouts:plan",
        "Show what a replacement of the fleet at URL by IMAGE would do.",
    ),
    "policy": Place(
        "immutable.cli.policies:policy",
        "Say which images may be launched on a fleet, and who has to approve that.",
    ),
    "promote": Place(
        "immutable.cli.orders:promote",
        "Go on now: approve, or cut a bake short.",
    ),
    "recover": Place(
        "immutable.cli.rollouts:recover",
        "Carry on the fleet's rollout whose controller died.",
    ),
    "rehearse": Place(
        "immutable.cli.rehearse:rehearse",
        "Show how a replacement of the fleet at URL would go: how long, how safe, how dear.",
    ),
    "repair": Place(
        "immutable.cli.drifting:repair",
        "Replace the drifted instances of the fleet at URL by new ones of the same revision.",
    ),
    "replace": Place(
        "immutable.cli.rollouts:replace",
        "Replace the instances of the fleet at URL by new ones started from IMAGE.",
    ),
    "report": Place(
        "immutable.cli.reporting:report",
        "Tell how a rollout of the fleet at URL went: the one named, else the newest.",
    ),
    "resume": Place(
        "immutable.cli.orders:resume",
        "Undo a pause; a bake begins again.",
    ),
    "rollback": Place(
        "immutable.cli.rollouts:rollback",
        "Bring the fleet at URL back to an earlier revision, by a new rollout.",
    ),
    "sweep": Place(
        "immutable.cli.sweep:sweep",
        "Undo what rollouts have changed for a time, or left empty, and did not undo.",
    ),
    "watch": Place(
        "immutable.cli.rollouts:watch",
        "Follow a rollout that runs elsewhere: the one named, else the newest.",
    ),
}
"""The commands."""

IMAGES: Mapping[str, Place] = {
    "add": Place(
        "immutable.cli.cataloguing:add",
        "Add the image of MANIFEST to the catalog, with what was signed of it.",
    ),
    "build": Place(
        "immutable.cli.building:build",
        "Build an image of SOURCE: a directory with an immutable.toml, a Packer template.",
    ),
    "collect": Place(
        "immutable.cli.collecting:collect",
        "Remove images that no fleet runs, that none would go back to, and that are old.",
    ),
    "exposure": Place(
        "immutable.cli.exposing:exposed",
        "List the fleets and instances that run an IMAGE, or what was built on it.",
    ),
    "keygen": Place(
        "immutable.cli.signing:keygen",
        "Make a key: the private half in FILE, for its owner only, the other in FILE.pub.",
    ),
    "restore": Place(
        "immutable.cli.cataloguing:restore",
        "Take the revocation of an IMAGE, and of what was built on it, back.",
    ),
    "retire": Place(
        "immutable.cli.collecting:retire",
        "Retire images of the catalog that no fleet, channel or way back needs; those of NAME.",
    ),
    "revoke": Place(
        "immutable.cli.cataloguing:revoke",
        "Revoke an IMAGE and all that were built on it: none is launched any more.",
    ),
    "scan": Place(
        "immutable.cli.scanning:scan",
        "Look for secrets in PATH: a directory that becomes an image, a recipe, user data.",
    ),
    "show": Place(
        "immutable.cli.cataloguing:show",
        "Show an IMAGE of the catalog: web:1.4.2, web@production, or sha256: and the digest.",
    ),
    "sign": Place(
        "immutable.cli.signing:sign",
        "Sign the image whose manifest is MANIFEST: this image, and these artifacts of it.",
    ),
    "sweep": Place(
        "immutable.cli.building:sweep_images",
        "Remove what killed builds have left at a place, such as --backend aws://eu-west-1.",
    ),
    "test": Place(
        "immutable.cli.trying:try_",
        "Try the image of MANIFEST out: launch a fleet of one, test it, remove it.",
    ),
    "verify": Place(
        "immutable.cli.signing:verify",
        "Check that enough of those who are trusted have signed the image of MANIFEST.",
    ),
    "versions": Place(
        "immutable.cli.cataloguing:versions",
        "List the versions in the catalog, the oldest first; those of NAME, if one is given.",
    ),
}
"""Those below ``image``, but for the list of images."""
