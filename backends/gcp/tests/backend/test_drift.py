"""Drift on Google Cloud: what others do to a VM is found, or said not to be seen."""

from __future__ import annotations

import sys

from immutable.drift import DriftVerdict
from immutable_gcp.inspecting import TAINTED
from tests.emulators.adopted import LIMITS
from tests.emulators.drifting import no_alarm_around_a_rollout, page_tells
from tests.emulators.revoking import play

OK, DRIFTED, UNKNOWN = DriftVerdict.OK, DriftVerdict.DRIFTED, DriftVerdict.UNKNOWN
SHOP = {"team": "shop"}
TOLD = {"key": "a", "value": "b"}
DISK = {"index": 0, "boot": True, "deviceName": "persistent-disk-0"}

MATRIX = {
    "another machine type": ("machineType", "machineTypes/e2-standard-4", "machine"),
    "a key added to metadata": (
        "metadata", {"items": [TOLD, {"key": "ssh-keys", "value": "eve:ssh-ed25519 A"}]}, "config",
    ),
    "metadata changed": ("metadata", {"items": [{"key": "a", "value": "c"}]}, "config"),
    "metadata removed": ("metadata", {"items": []}, "config"),
    "network tags": ("tags", {"items": ["open"]}, "network"),
    "a service account": (
        "serviceAccounts", [{"email": "admin@acme.example", "scopes": ["x/cloud-platform"]}],
        "identity",
    ),
    "labels changed": ("labels", {"team": "elsewhere"}, "marks"),
    "a further disk": ("disks", [DISK, {**DISK, "index": 1, "boot": False}], "disk"),
    "marked by a login": ("labels", {**SHOP, TAINTED: "ada"}, "tainted"),
    "no word of its machine type": ("machineType", "", None),
    "another boot disk in its place": ("disks", [{**DISK, "source": "disks/rescue"}], ""),
    "a file changed inside": (None, None, ""),
}  # fmt: skip


def test_the_matrix_of_what_others_do_to_a_machine(account, capsys):
    """A mutation a VM; what Google can't see is in its words, and the VM is ok."""

    async def story(fleet, _):
        clean = await fleet.drift()
        assert clean.verdict is OK, str(clean)
        victims = [each.instance for each in clean.findings]
        for victim, (field, value, _) in zip(victims, MATRIX.values(), strict=True):
            if field is not None:
                account.emulator.alter(instance=victim, field=field, value=value)
        found = await fleet.drift()
        told = {each.instance: each for each in found.findings}
        with capsys.disabled():
            sys.stdout.write("\n")
            for name, victim in zip(MATRIX, victims, strict=True):
                sys.stdout.write(f"{name:<28} {told[victim].verdict.value:<8} {told[victim].why}\n")
        for (name, (*_, code)), victim in zip(MATRIX.items(), victims, strict=True):
            assert told[victim].verdict is {None: UNKNOWN, "": OK}.get(code, DRIFTED), name
            codes = {each.code.value for each in told[victim].reasons}
            assert codes == ({code} if code else set()), name
        assert "eve" not in str(found)
        assert any("files, packages and processes" in words for words in found.unseen)

    play(account, story, len(MATRIX))


def test_a_template_that_was_changed_for_the_group_is_drift_of_the_members_that_are_there(account):
    async def story(fleet, _):
        stage = account.stage
        other = stage.template("web-other", account.images[1], labels=SHOP)
        resource = {"versions": [{"instance_template": other}]}
        call = stage.groups.patch_unary(
            project="acme", instance_group_manager="web",
            instance_group_manager_resource=resource, **stage.where,
        )  # fmt: skip
        stage.done(call)
        found = await fleet.drift()
        assert len(found.of(DRIFTED)) == 2
        for each in found.findings:
            assert "template: web-theirs, expected web-other" in each.why

    play(account, story, 2)


def test_no_alarm_before_during_and_after_a_rollout(account):
    no_alarm_around_a_rollout(account, LIMITS)


def test_the_page_has_a_line_for_each_mutation():
    page_tells("Google Cloud", (code for *_, code in MATRIX.values()))
