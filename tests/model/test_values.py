"""The words of the SDK: checked when built, equal by content, the same after a trip as JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import rfc8785
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from immutable import (
    Image,
    InvalidValue,
    Limits,
    Revision,
    Rolling,
    RuntimeConfig,
    SecretRef,
    Status,
    digest,
    dump_plan,
    load_plan,
)
from immutable.backend import Capabilities, FleetState, Group, Hold, Instance, InstanceState, Pool
from immutable.model import (
    Create,
    Delete,
    FleetURL,
    FrozenMap,
    Grow,
    HoldGroup,
    Plan,
    Record,
    Release,
    Reroute,
    Resize,
    Retire,
    Settle,
    Slot,
    Snapshot,
    Stateful,
    Verdict,
    Volume,
)
from immutable.model.admission import Admission, Ruling
from immutable.model.catalog import Followed, PlanOffered
from immutable.model.quantities import duration
from immutable.model.records import (
    Advanced,
    Asked,
    BuildAsked,
    BuildNoted,
    Built,
    CatalogOpened,
    ChannelAssigned,
    Claimed,
    Committed,
    Done,
    Ended,
    Entered,
    Failed,
    Found,
    GlassBroken,
    Intended,
    Judged,
    Order,
    Ordered,
    Outcome,
    Paused,
    PlanApproved,
    PolicySet,
    Proved,
    Queued,
    Resized,
    Restored,
    Resynced,
    Retired,
    Revoked,
    Ruled,
    Sealed,
    Started,
    Turned,
    VersionAdded,
    Withdrawn,
)
from immutable.model.serial import canonical, from_json, to_json
from immutable.planning.compile import replacement
from tests.support.world import revision


def plan(**facts: object) -> Plan:
    members = tuple(Instance(f"i-{n}", 1, InstanceState.READY) for n in range(10))
    state = FleetState("web", 0.0, (Group(revision(), 10),), members)
    limits = Limits("25%", boot_timeout=timedelta(minutes=2))
    made = replacement(
        "memory://web", state, revision(2, "v2").image, None, Rolling(), limits, Capabilities()
    )
    return evolve(made, **facts)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_surge": 0, "max_unavailable": 0}, "nothing could move"),
        ({"max_surge": "0%", "max_unavailable": 0}, "nothing could move"),
        ({"max_surge": -1}, "not negative"),
        ({"max_surge": 1.5}, "not a count"),
        ({"max_surge": True}, "not a count"),
        ({"max_unavailable": "30"}, "not a percentage"),
        ({"boot_timeout": -1}, "boot_timeout=-1: a duration"),
        ({"min_ready": float("nan")}, "finite"),
        ({"drain_timeout": "5 s"}, "not a duration"),
        ({"max_failures": 0}, "at least one"),
    ],
)
def test_limits_that_make_no_sense_are_refused_with_the_value_and_the_reason(values, message):
    with pytest.raises(InvalidValue, match=message):
        Limits(**values)


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("Data", "/data", "not a volume's name"),
        ("", "/data", "not a volume's name"),
        ("data", "data", "nowhere to mount"),
        ("data", "/", "nowhere to mount"),
        ("data", "/var/../etc", "nowhere to mount"),
    ],
)
def test_a_volume_that_makes_no_sense_is_refused(name, path, message):
    with pytest.raises(InvalidValue, match=message):
        Volume(name, path)


def test_limits_know_their_defaults():
    limits = Limits(boot_timeout=100, min_ready=10, drain_timeout=timedelta(seconds=20))
    assert limits.deadline == 390
    assert evolve(limits, progress_deadline=7).deadline == 7
    assert [limits.failures(size) for size in (1, 10, 100)] == [3, 3, 20]
    assert evolve(limits, max_failures=1).failures(100) == 1


def test_a_plan_that_does_not_hedge_has_the_digest_that_it_always_had():
    assert "hedge" not in to_json(PLAN)["limits"]
    hedged = evolve(PLAN, limits=evolve(PLAN.limits, hedge=True))
    assert to_json(hedged)["limits"]["hedge"] is True
    assert digest(hedged) != digest(PLAN)
    assert from_json(Plan, to_json(hedged)) == hedged
    assert from_json(Plan, to_json(PLAN)) == PLAN


def test_a_plan_says_whether_late_boots_may_have_duplicates():
    assert "hedge" not in str(PLAN)
    hedged = evolve(PLAN, limits=evolve(PLAN.limits, hedge=True))
    assert "may have duplicates, within max_surge" in str(hedged)
    assert "without effect here" in str(evolve(hedged, stateful=Stateful()))


def test_values_are_frozen_and_changed_by_evolve():
    with pytest.raises(FrozenInstanceError):
        Limits().min_ready = 3
    assert evolve(Limits(), min_ready=3).min_ready == 3


def test_a_frozen_map_is_a_mapping_with_a_hash_that_cannot_change():
    made = FrozenMap({"b": 2, "a": 1})
    assert (dict(made), len(made), made["a"]) == ({"a": 1, "b": 2}, 2, 1)
    assert made == {"a": 1, "b": 2}
    assert hash(made) == hash(FrozenMap({"a": 1, "b": 2}))
    with pytest.raises(TypeError):
        made["c"] = 3


def test_configuration_takes_references_and_never_values_of_secrets():
    config = RuntimeConfig({"B": "2", "A": "1"}, {"DB": "vault://kv/web#db"})
    assert list(config.environment) == ["A", "B"]
    assert config.secrets["DB"] == SecretRef("vault://kv/web#db")
    with pytest.raises(InvalidValue, match="not a reference"):
        RuntimeConfig(secrets={"DB": "hunter2"})


def test_an_image_known_by_its_identifier_has_the_same_digest_everywhere():
    one, other = Image.of_artifact("aws", "ami-1"), Image.of_artifact("gcp", "ami-1")
    assert one == Image.of_artifact("aws", "ami-1")
    assert one.digest != other.digest
    assert one.digest.startswith("sha256:")
    assert str(Image("ami-1", name="web", version="2")) == "web:2 (ami-1)"
    assert str(Revision(3, one)) == "r3 ami-1"


@pytest.mark.parametrize(
    ("text", "scheme", "location", "name", "identity"),
    [
        ("local://web", "local", "", "web", "local://web"),
        ("local:web", "local", "", "web", "local://web"),
        ("aws://eu-west-1/web", "aws", "eu-west-1", "web", "aws://eu-west-1/web"),
        ("azure://s/rg/web?x=1&dir=%2Ftmp", "azure", "s/rg", "web", "azure://s/rg/web?dir=%2Ftmp"),
        ("memory://füße", "memory", "", "füße", "memory://füße"),
    ],
)
def test_an_address_is_taken_apart(text, scheme, location, name, identity):
    url = FleetURL.parse(text)
    assert (url.scheme, url.location, url.name) == (scheme, location, name)
    assert url.identity("dir") == identity


@pytest.mark.parametrize("text", ["web", "aws://", "", "local://web#x"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InvalidValue, match="not a fleet's address"):
        FleetURL.parse(text)


def test_a_plan_survives_the_trip_through_a_file_and_keeps_its_digest():
    made = plan()
    back = load_plan(dump_plan(made))
    assert back == made
    assert digest(back) == digest(made)
    assert hash(back) == hash(made)
    assert digest(evolve(made, strategy="other")) != digest(made)


def test_a_plan_file_that_was_changed_is_refused():
    document = json.loads(dump_plan(plan()))
    document["plan"]["limits"]["max_surge"] = "100%"
    with pytest.raises(InvalidValue, match="digest"):
        load_plan(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"digest": "x", "plan": {}}', "\x00"])
def test_what_is_no_plan_file_is_refused(text):
    with pytest.raises(InvalidValue):
        load_plan(text)


def test_a_plan_prints_as_a_table_that_says_what_will_happen():
    text = str(plan())
    for part in (
        "memory://web", "r1 v1", "r2 v2", "Rolling()", "one candidate instance first",
        "point of no return", "at least 10 available, at most 13 existing", "boot_timeout 2 min",
        "no schedule beats", "back to stable", "r1's group is deleted when done",
    ):  # fmt: skip
        assert part in text
    assert max(map(len, text.splitlines())) < 130


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "0.2 s"), (59, "59 s"), (60, "1 min"), (95, "1 min 35 s"),
     (3600, "1 h"), (3661, "1 h 1 min"), (90_000, "25 h")],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


GROUP = Group(revision(), 3, minimum=1, maximum=9, hold=Hold("r", 2, 5.5), settings={"policy": "x"})
ACTIONS = (
    HoldGroup(1, 5.5), Create(2, Pool.OWN, 9.0), Grow(2, 5, 4), Retire(1, ("a", "ü")), Settle(1),
    Release(2), Delete(1), Reroute(2, {1: 90.0, 2: 10.0}), Snapshot(2, "0"),
)  # fmt: skip
PLAN = replacement(
    "memory://web", FleetState("web", 0.0, (GROUP,)), revision(2, "v2").image, None,
    Rolling(), Limits(), Capabilities(),
)  # fmt: skip
RECORDS = (
    Asked("memory://web", PLAN, "ada", "ü"),
    Asked("memory://web", evolve(PLAN, stateful=Stateful(snapshot=True)), "ada", "ü"), Sealed(4.0),
    Started("sha256:0", (GROUP,), 3, 2, slots=(Slot("0", {"data": "vol-1"}, zone="a"),)),
    Started("sha256:0", (GROUP,), 3, 2), Claimed("host/1", 4), Done("t", Outcome.UNKNOWN, "lost"),
    Done("t", Outcome.CONFLICT, "held", owner="r9"), Done("t", size=4), Advanced(1, 3),
    BuildAsked("sha256:0", "web", "2", "local", "ada", "new"), Built("{}"), BuildNoted("packer_1"),
    CatalogOpened(), VersionAdded("sha256:0", "web", "2", "", ("aws://r/ami-1",), "{}"),
    ChannelAssigned("web@live", "sha256:0", back=True, reason="ü"),
    Revoked("sha256:0", 5.5, "CVE", forced=True), Restored("sha256:0", "false alarm", "ada"),
    Withdrawn("aws://eu-west-1/ami-0", "disabled", "ada"),
    PolicySet("memory://web", "{}", "ada", "agreed"), PlanApproved("sha256:0", "signed", "ada"),
    Followed("memory://web", "{}", "ada", "agreed"),
    PlanOffered("memory://web", "web@production", 2, "{}"),
    GlassBroken("memory://web", 7.5, "CVE", "ada"), Retired("sha256:0", "old", "ada"),
    Ruled((Ruling("no downgrade", Admission.UNKNOWN, "who knows", pending=True),), "by ada", False),
    Found(2, created=True, at=5.0),
    Resized(1, 3, 5, 5), Resynced({1: 3, 2: 0}), Failed(("i-1",), "died"), Proved("i-1"),
    Queued("3 launches wait"),
    Entered(1), Committed(), Turned("bad"), Ended(Status.FAILED, "worse", ("r1 of size 2",)),
    Judged(0, Verdict.FAIL, "3 of 10", "{}"), Paused("a gate", 7.5),
    Ordered(1, Order.ABORT, "ü", "why", 8.0),
    *(Intended("t", action, "because") for action in ACTIONS),
)  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(type(record).__name__))
def test_every_record_survives_the_trip_through_the_journal(record):
    data = json.loads(canonical(to_json(record, Record)))
    assert from_json(Record, data) == record


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from([0.0, -0.0, 5.0, 1e16, 1e-7, 1e21]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)  # fmt: skip


@given(ANYTHING)
def test_canonical_json_is_what_the_standard_says(data):
    assert canonical(data) == rfc8785.dumps(data)


@pytest.mark.parametrize("data", [2**53, float("nan"), {1: 2}, {"a": object()}, "\ud800"])
def test_what_canonical_json_cannot_say_is_refused(data):
    with pytest.raises((ValueError, TypeError)):
        canonical(data)


def test_every_kind_of_record_is_covered():
    assert {type(record) for record in RECORDS} == set(Record.__args__)


def test_data_that_describes_nothing_is_refused():
    with pytest.raises(InvalidValue, match="does not describe"):
        from_json(Limits, {"max_surge": -1})


@given(st.dictionaries(st.text(), st.text()))
def test_canonical_json_does_not_depend_on_the_order_of_keys(data):
    assert canonical(data) == canonical(dict(reversed(data.items())))


def test_a_size_below_none_is_refused():
    with pytest.raises(InvalidValue, match="fewer than 0"):
        Resize(-1)
