"""Drift on Azure: each thing that others do to a machine is found, or said not to be seen."""

from __future__ import annotations

import sys

import pytest

from backends.azure.tests.backend.account import LIMITS
from immutable.drift import DriftVerdict
from immutable_azure.inspecting import TAINTED
from tests.emulators.drifting import no_alarm_around_a_rollout, page_tells
from tests.emulators.revoking import play

OK, DRIFTED, UNKNOWN = DriftVerdict.OK, DriftVerdict.DRIFTED, DriftVerdict.UNKNOWN

MATRIX = {
    "another image": ("image", None, "image"),
    "an earlier model of its set": ("model", None, "template"),
    "a model of its own": ("own", None, "template"),
    "another size": ("size", "Standard_D4s_v3", "machine"),
    "a further disk": ("disk", 7, "disk"),
    "an extension": ("extension", "CustomScript", "extensions"),
    "marked by a login": ("tag", f"{TAINTED}=ada logged in", "tainted"),
    "no word of its image": ("hide", None, None),
    "no word of its size": ("size", "", None),
    "another OS disk in its place": ("osdisk", "rescue", ""),
    "user data of its own": ("userdata", "bXkgb3du", ""),
    "a file changed inside": (None, None, ""),
}
ONLY_UNIFORM = ("an earlier model of its set", "a model of its own")


@pytest.mark.parametrize("kind", ["Uniform", "Flexible"])
def test_the_matrix_of_what_others_do_to_a_machine(account, capsys, kind):
    """A mutation a machine; what Azure can't see is in its words, and the machine is ok."""
    matrix = {
        name: row for name, row in MATRIX.items() if kind == "Uniform" or name not in ONLY_UNIFORM
    }

    async def story(fleet, _):
        clean = await fleet.drift()
        assert clean.verdict is OK, str(clean)
        victims = [each.instance for each in clean.findings]
        for victim, (what, value, _) in zip(victims, matrix.values(), strict=True):
            if what is not None:
                given = account.images[1] if what == "image" else value
                machine = victim.rsplit(".", 1)[0]
                account.emulator.alter(machine=machine, what=what, value=given)
        found = await fleet.drift()
        told = {each.instance: each for each in found.findings}
        with capsys.disabled():
            sys.stdout.write("\n")
            for name, victim in zip(matrix, victims, strict=True):
                sys.stdout.write(f"{name:<28} {told[victim].verdict.value:<8} {told[victim].why}\n")
        for (name, (*_, code)), victim in zip(matrix.items(), victims, strict=True):
            assert told[victim].verdict is {None: UNKNOWN, "": OK}.get(code, DRIFTED), name
            codes = {each.code.value for each in told[victim].reasons}
            assert codes == ({code} if code else set()), name
        assert any("files, packages and processes" in words for words in found.unseen)

    if kind == "Flexible":
        play(_Flexible(account), story, len(matrix))
    else:
        play(account, story, len(matrix))


class _Flexible:
    """The account, with a set of virtual machines of their own."""

    def __init__(self, account):
        self._account = account

    def group(self, size):
        self._account.group(size, flexible=True)

    def __getattr__(self, name):
        return getattr(self._account, name)


def test_no_alarm_before_during_and_after_a_rollout(account):
    no_alarm_around_a_rollout(account, LIMITS)


def test_the_page_has_a_line_for_each_mutation():
    page_tells("Azure", (code for *_, code in MATRIX.values()))
