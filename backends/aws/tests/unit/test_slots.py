"""What descriptions of volumes come to: who has a slot, who may have it, what is saved of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import Invalid, Volume
from immutable_aws.slots import (
    OF,
    SLOT,
    TAKEN,
    VOLUME,
    check_volumes,
    free,
    missing,
    size_of_volume,
    slots_of,
    volumes_by_slot,
)

NAMES = ("data", "log")


def volume(slot, name, *, holder="", state="", zone="a", taken="", number=0):
    """A volume as EC2 describes it."""
    tags = {SLOT: slot, VOLUME: name, OF: " ".join(NAMES), **({TAKEN: taken} if taken else {})}
    return {
        "VolumeId": f"vol-{slot}{name}{number}",
        "State": state or ("in-use" if holder else "available"),
        "AvailabilityZone": zone,
        "Attachments": [{"InstanceId": holder, "State": "attached"}] if holder else [],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def snapshot(slot, name, *, taken="-", state="completed"):
    tags = {SLOT: slot, VOLUME: name, TAKEN: taken}
    return {
        "SnapshotId": f"snap-{slot}{name}{taken}",
        "VolumeId": f"vol-{slot}{name}0",
        "State": state,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def slot(name, **words):
    return [volume(name, each, **words) for each in NAMES]


def names_of(found):
    return [name for name, _ in found]


# -- who may have a slot ---------------------------------------------------------------------------


def test_who_has_a_slot_gets_that_one_and_no_other():
    volumes = [*slot("0"), volume("1", "data", holder="i-1"), volume("1", "log")]
    assert names_of(free(volumes, "i-1", "a", [])) == ["1"]
    assert names_of(free(volumes, "i-2", "a", [])) == ["0"]


@pytest.mark.parametrize(
    "volumes",
    [
        [volume("0", "data")],
        [*slot("0"), volume("0", "log", number=1)],
        slot("0", state="creating"),
        slot("0", zone="b"),
        [volume("0", "data", holder="i-9"), volume("0", "log")],
        [volume("0", "data"), volume("0", "log", state="deleting")],
    ],
    ids=["lacks one", "has one twice", "being made", "other zone", "held", "being deleted"],
)
def test_what_is_not_whole_not_here_or_not_left_is_nobodys(volumes):
    assert names_of(free(volumes, "i-1", "a", [])) == []


def test_a_slot_of_which_a_snapshot_is_taken_waits():
    assert names_of(free([*slot("0"), *slot("1")], "i-1", "a", ["0"])) == ["1"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("0123"), st.sampled_from(NAMES), st.sampled_from(["", "i-1", "i-2"])
        ),
        max_size=10,
    )
)
def test_nobody_is_ever_offered_what_somebody_else_has(rows):
    volumes = [volume(s, n, holder=h, number=i) for i, (s, n, h) in enumerate(rows)]
    held = {s for s, _, h in rows if h == "i-2"}
    own = {s for s, _, h in rows if h == "i-1"}
    offered = names_of(free(volumes, "i-1", "a", []))
    assert len(offered) == len(set(offered))
    for name in offered:
        assert name in own or name not in held


# -- as it is told ---------------------------------------------------------------------------------


def test_a_slot_is_told_without_what_it_lacks_and_with_who_has_it():
    volumes = [*slot("0", holder="i-1"), volume("1", "data")]
    first, second, third = slots_of(["0", "1", "2"], volumes, [])
    assert (first.holder, first.zone, dict(first.volumes)) == (
        "i-1", "a", {"data": "vol-0data0", "log": "vol-0log0"},
    )  # fmt: skip
    assert (second.holder, dict(second.volumes)) == ("", {"data": "vol-1data0"})
    assert (dict(third.volumes), third.zone) == ({}, "")
    assert missing(volumes_by_slot(volumes)["1"]) == {"log"}


def test_a_snapshot_is_one_once_all_volumes_have_theirs():
    def seen(snapshots, **words):
        (found,) = slots_of(["0"], slot("0", **words), snapshots)
        return found.saved, found.saving

    both = [snapshot("0", each) for each in NAMES]
    pending = [snapshot("0", "data"), snapshot("0", "log", state="pending")]
    failed = [snapshot("0", "data"), snapshot("0", "log", state="error")]
    assert seen(both) == ("snap-0data-,snap-0log-", False)
    assert seen(pending) == ("", True)
    assert seen(failed) == ("", False)
    assert seen(both[:1]) == ("", False)
    assert seen(both, holder="i-1") == ("", False)
    assert seen(both, taken="i-1.1") == ("", False)
    since = [snapshot("0", each, taken="i-1.1") for each in NAMES]
    assert seen([*both, *since], taken="i-1.1")[0] == "snap-0datai-1.1,snap-0logi-1.1"


# -- what can be had -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "gigabytes"), [("", 8), ("20", 20), ("100 GiB", 100), ("16384g", 16384)]
)
def test_a_size_is_in_gib(size, gigabytes):
    assert size_of_volume(Volume("data", "/data", size)) == gigabytes


@pytest.mark.parametrize("size", ["big", "0", "20000", "-1", "1.5", "10TB"])
def test_a_size_that_is_none_is_refused_with_the_way_out(size):
    with pytest.raises(Invalid, match="write GiB"):
        size_of_volume(Volume("data", "/data", size))


def test_more_volumes_than_an_instance_has_letters_for_are_refused():
    many = tuple(Volume(f"v{number}", f"/v{number}") for number in range(12))
    with pytest.raises(Invalid, match="12 volumes a slot: 11 at most"):
        check_volumes(many)
