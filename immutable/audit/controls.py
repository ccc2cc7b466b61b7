"""Which record answers which control, and what it does not answer. Values only.

A control is named by its number and told in words of our own; its text is the framework's. Where
nobody of ours has read that text the entry says so, and is a hint rather than a claim.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["CONTROLS", "Control"]


@frozen
class Control:
    """One control of a framework.

    Attributes:
        framework: Whose.
        number: Its number there.
        asks: What it is about, in words of our own.
        answered_by: Fields of change records, or files of the pack.
        not_answered: What it asks that the record does not tell.
        read: Whether the entry was made with the control's text at hand.
    """

    framework: str
    number: str
    asks: str
    answered_by: tuple[str, ...]
    not_answered: str
    read: bool


_WHAT = ("type", "fleet", "from", "to", "plan")
_WHO = ("requested_by", "approved_by", "executed_by")
_WHEN = ("requested_at", "started_at", "finished_at")

CONTROLS = (
    Control(
        "SOC 2", "CC8.1", "changes are authorised, tested, approved and documented",
        (*_WHAT, "reason", *_WHO, "tests.gates", "outcome", "policy"),
        "tests before the change, and changes that were not made with this software", True,
    ),
    Control(
        "PCI DSS 4", "6.5.1", "changes have a reason, an impact, an approval, tests, a way back",
        ("reason", "security_impact", "approved_by", "tests.gates", "way_back"),
        "the assessment of the security impact, which is named and not made", True,
    ),
    Control(
        "PCI DSS 4", "11.5.2", "changed files are noticed, by a comparison once a week at least",
        ("inventory.json",),
        "files inside of instances: drift is what the control plane shows, unless it says attested",
        True,
    ),
    Control(
        "NIST SP 800-53", "CM-3", "changes are decided on, recorded, kept and reviewed",
        (*_WHAT, "reason", *_WHO, "policy", "outcome", "log"),
        "who reviews the records, and how long they are kept", True,
    ),
    Control(
        "NIST SP 800-53", "AU-3", "records say what, when, where, by whom, and how it ended",
        ("type", "fleet", "where", *_WHEN, *_WHO, "outcome"),
        "that who asked was who they claimed to be", True,
    ),
    Control(
        "FedRAMP 20x", "KSI-CMT-RMV",
        "changes are redeployments of immutable resources under version control, where reasonable",
        ("inventory.json", "from", "to", "log"),
        "resources that no fleet of this journal has", True,
    ),
    Control(
        "PCI DSS 4", "6.3.3", "known vulnerabilities are patched in time", ("reason", *_WHEN, "to"),
        "which vulnerabilities there were", False,
    ),
    Control(
        "PCI DSS 4", "10.2", "actions are logged", ("log.jsonl",),
        "actions outside of rollouts", False,
    ),
    Control(
        "NIST SP 800-53", "CM-2", "there is a baseline, under control", ("to", "plan"),
        "what is inside of an image", False,
    ),
    Control(
        "NIST SP 800-53", "CM-5", "who may make changes is restricted", ("policy", "approved_by"),
        "who has which rights in the cloud", False,
    ),
    Control(
        "NIST SP 800-53", "CM-6", "settings are set and deviations known", ("inventory.json",),
        "settings inside of instances", False,
    ),
    Control(
        "NIST SP 800-53", "CM-8", "there is an inventory", ("inventory.json",),
        "resources that no fleet of this journal has", False,
    ),
    Control(
        "NIST SP 800-53", "SI-2", "flaws are remediated, and when", ("reason", *_WHEN, "outcome"),
        "which flaws there were", False,
    ),
    Control(
        "NIST SP 800-53", "SI-7", "unauthorised changes are detected", ("inventory.json", "log"),
        "files inside of instances", False,
    ),
    Control(
        "NIST SP 800-53", "AU-10", "nobody can deny what they did", ("log.checkpoint", "log.jsonl"),
        "actors are as claimed; only plans' approvals and checkpoints are signed", False,
    ),
)  # fmt: skip
"""The map. A framework that is not here was not looked at."""
