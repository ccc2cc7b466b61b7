"""Names, tags, user data, templates: pure values in and out."""

from __future__ import annotations

import string
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import FleetURL, Hold, Image, Invalid, Origin, Pool, Revision, RuntimeConfig
from immutable.errors import InvalidValue
from immutable.toolkit.address import Shares
from immutable_aws.address import Place
from immutable_aws.launchdata import Template, pruned, rerooted, template_data, template_of
from immutable_aws.marks import FLEET, Marks, Rule, Saved, fleet_keys, held_keys, tag_list
from immutable_aws.names import group_name, target_group_name, token
from immutable_aws.template import FleetTemplate
from immutable_aws.userdata import with_config

NAMES = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=60)


def place(text):
    return Place.of(FleetURL.parse(text))


def test_an_address_says_where_and_by_whose_credentials():
    found = place("aws://eu-west-1/web?profile=ops&account=123456789012&traffic=instances")
    assert found == Place(
        "eu-west-1", profile="ops", account="123456789012", traffic=Shares.INSTANCES
    )
    assert place("aws://us-gov-west-1/web").region == "us-gov-west-1"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("aws://nowhere/web", "region"),
        ("aws://eu-west-1/we%20b", "name"),
        ("aws://eu-west-1/web?colour=red", "option"),
        ("aws://eu-west-1/web?account=12", "account"),
        ("aws://eu-west-1/web?role=admin", "role"),
        ("aws://eu-west-1/web?traffic=much", "traffic"),
        ("aws://eu-west-1/web?endpoint=ftp://x", "endpoint"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_by_name(text, named):
    with pytest.raises(InvalidValue) as caught:
        place(text)
    assert caught.value.name == named


def test_a_password_in_an_endpoint_is_not_repeated():
    with pytest.raises(InvalidValue) as caught:
        place("aws://eu-west-1/web?endpoint=https://me:secret@host")
    assert "secret" not in str(caught.value)


# -- names -----------------------------------------------------------------------------------------


@given(NAMES, st.integers(1, 9999))
def test_a_target_groups_name_is_one(fleet, number):
    name = target_group_name(fleet, number)
    assert 1 <= len(name) <= 32
    assert set(name) <= set(string.ascii_letters + string.digits + "-")
    assert not name.startswith("-")
    assert not name.endswith("-")


@given(NAMES, NAMES)
def test_two_fleets_have_two_target_groups(one, other):
    same = target_group_name(one, 2) == target_group_name(other, 2)
    assert same == (one == other)


def test_names_say_what_they_are_of():
    assert group_name("web", 2) == "web-r2"
    assert target_group_name("web", 2) == "web-r2"
    assert target_group_name("my_shop.front", 2).startswith("my-shop-front-")


def test_tokens_are_of_call_and_request():
    assert token("a", 1) == token("a", 1)
    assert len({token("a", 1), token("a", 2), token("b", 1)}) == 3
    assert len(token("a")) == 64


# -- tags ------------------------------------------------------------------------------------------


def test_marks_come_out_as_they_went_in():
    hold = Hold("r/1", 3, 1800.25, "sha256:ab", size=10, minimum=4)
    saved = Saved(4, ("AZRebalance",), 86400, True, {"cpu": {"DisableScaleIn": None}})
    rules = (Rule("arn:l", "arn:r", True),)
    born = Marks("web", 2, "r/1", "sha256:ab", pool=Pool.OWN, rules=rules)
    told = Marks.read(born.birth(hold, saved))
    assert (told.fleet, told.revision, told.rollout, told.plan) == ("web", 2, "r/1", "sha256:ab")
    assert (told.pool, told.last, told.rules) == (Pool.OWN, (2, "r/1"), rules)
    assert told.hold == hold
    assert told.saved == saved
    assert (told.origin, told.deletable) == (Origin.OURS, True)


@pytest.mark.parametrize("deletable", [False, True])
def test_an_adopted_groups_marks_say_what_may_become_of_it(deletable):
    adopted = Marks("web", 1, origin=Origin.ADOPTED, deletable=deletable, image={"number": 1})
    told = Marks.read(adopted.first())
    assert (told.origin, told.deletable, told.image) == (
        Origin.ADOPTED,
        deletable,
        {"number": 1},
    )
    assert (told.rollout, told.last, told.hold) == ("", (1, ""), None)


def test_tags_of_others_say_nothing():
    assert Marks.read({"team": "shop", "immutable:revision": "x", "immutable:hold": "a/b"}) == (
        Marks()
    )


def test_keys_are_found_by_what_they_are_for():
    tags = {**Marks("web", 2, "r").birth(Hold("r", 1, 2.0), Saved()), "team": "shop"}
    assert set(held_keys(tags)) == {"immutable:hold", "immutable:saved.0"}
    assert "team" not in fleet_keys(tags)
    assert FLEET in fleet_keys(tags)
    launched = {t["Key"] for t in tag_list("web-r2", tags) if t["PropagateAtLaunch"]}
    assert launched == {"immutable:fleet", "immutable:revision"}


# -- user data -------------------------------------------------------------------------------------

SCRIPT = b"#!/bin/sh\necho hello\n"
CLOUD = b"#cloud-config\npackages: [nginx]\n"


def encoded(text):
    return b64encode(text).decode()


@pytest.mark.parametrize("base", [SCRIPT, CLOUD])
def test_settings_stand_beside_the_patterns_user_data_and_leave_without_a_trace(base):
    config = RuntimeConfig({"LEVEL": 'a"b$c'}, {"DB": "vault://kv/db"})
    told = b64decode(with_config(encoded(base), config)).decode()
    assert "multipart/mixed" in told
    once = with_config(encoded(base), config)
    assert with_config(once, config) == with_config(once, config)
    assert b64decode(with_config(once, RuntimeConfig())).strip() == base.strip()


def test_settings_are_written_where_systemd_reads_them():
    from email import message_from_bytes

    told = with_config("", RuntimeConfig({"LEVEL": 'a"b'}, {"DB": "vault://kv/db"}))
    (part,) = message_from_bytes(b64decode(told)).get_payload()
    text = part.get_payload(decode=True).decode()
    assert text.startswith("#cloud-config\n")
    assert "/etc/immutable/environment" in text
    assert r"LEVEL=\"a\\\"b\"" in text
    assert "vault://kv/db" in text


def test_without_settings_user_data_is_untouched():
    assert with_config(encoded(SCRIPT), RuntimeConfig()) == encoded(SCRIPT)
    assert with_config("", RuntimeConfig()) == ""


def test_a_message_of_several_parts_stays_whole():
    inner = with_config(encoded(SCRIPT), RuntimeConfig({"A": "1"}))
    theirs = b64decode(inner).replace(b"immutable-config.txt", b"theirs.txt")
    told = with_config(encoded(theirs), RuntimeConfig({"B": "2"}))
    assert b"theirs.txt" in b64decode(told)
    assert b"theirs.txt" in b64decode(with_config(told, RuntimeConfig()))


def test_settings_that_are_too_long_are_refused_without_being_repeated():
    with pytest.raises(Invalid) as caught:
        with_config("", RuntimeConfig({"LONG": "secretly" * 4000}))
    assert "secretly" not in str(caught.value)


# -- launch templates ------------------------------------------------------------------------------


def test_the_root_volume_moves_to_the_new_images_root_device():
    data = {
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 50, "SnapshotId": "snap-1"}},
            {"DeviceName": "/dev/sdb", "Ebs": {"SnapshotId": "snap-2"}},
        ]
    }
    assert rerooted(data, "/dev/sda1", "/dev/xvda")["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50}},
        {"DeviceName": "/dev/sdb", "Ebs": {"SnapshotId": "snap-2"}},
    ]
    assert rerooted({}, "", "/dev/xvda") == {}


def test_what_can_only_be_described_is_not_asked_for():
    import botocore.session

    model = botocore.session.get_session().get_service_model("ec2")
    shape = model.shape_for("RequestLaunchTemplateData")
    data = {
        "ImageId": "ami-1",
        "MetadataOptions": {"State": "applied", "HttpTokens": "required"},
        "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}],
        "SomethingNew": 1,
    }
    assert pruned(data, shape) == {
        "ImageId": "ami-1",
        "MetadataOptions": {"HttpTokens": "required"},
        "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}],
    }


def test_a_template_has_the_image_and_marks_what_auto_scaling_does_not():
    revision = Revision(2, Image.of_artifact("aws", "ami-2"))
    old = {
        "ImageId": "ami-1",
        "UserData": encoded(SCRIPT),
        "TagSpecifications": [
            {
                "ResourceType": "volume",
                "Tags": [
                    {"Key": "team", "Value": "shop"},
                    {"Key": "immutable:revision", "Value": "1"},
                ],
            }
        ],
    }
    new = template_data(old, revision, {FLEET: "web"})
    assert new["ImageId"] == "ami-2"
    assert new["UserData"] == encoded(SCRIPT)
    ours = {"Key": FLEET, "Value": "web"}
    assert new["TagSpecifications"] == [
        {"ResourceType": "volume", "Tags": [{"Key": "team", "Value": "shop"}, ours]},
        {"ResourceType": "network-interface", "Tags": [ours]},
    ]


@pytest.mark.parametrize(
    ("group", "template"),
    [
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"}}, ("lt-1", "3")),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}, ("lt-1", "$Default")),
        (
            {
                "MixedInstancesPolicy": {
                    "LaunchTemplate": {
                        "LaunchTemplateSpecification": {
                            "LaunchTemplateId": "lt-2",
                            "Version": "$Latest",
                        }
                    }
                }
            },
            ("lt-2", "$Latest"),
        ),
    ],
)
def test_what_a_group_starts_from_is_found(group, template):
    found = template_of(group)
    assert (found.id, found.version) == template
    assert found.floats == template[1].startswith("$")


def test_a_launch_configuration_is_no_template():
    assert template_of({"LaunchConfigurationName": "old"}) is None
    assert Template("", "web", "1").reference == {"LaunchTemplateName": "web"}


# -- settings of a new fleet -----------------------------------------------------------------------

GOOD = {"subnets": "subnet-0a1b2c3d, subnet-0a1b2c3e", "instance_type": "t3.small, t3a.small"}


def test_settings_become_a_template_and_a_group():
    arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/50dc6c495c0c9188"
    more = {"target_group": arn, "public_ip": "false", "security_groups": "sg-0a1b2c3d"}
    fleet = FleetTemplate.of({**GOOD, **more, "tag.team": "shop", "key_name": "k"})
    launch, group = fleet.launch(), fleet.group("web-r1", "lt-1")
    assert launch["InstanceType"] == "t3.small"
    assert launch["NetworkInterfaces"] == [
        {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "Groups": ["sg-0a1b2c3d"]}
    ]
    assert launch["MetadataOptions"]["HttpTokens"] == "required"
    assert group["HealthCheckType"] == "ELB"
    assert group["TargetGroupARNs"] == [arn]
    overrides = group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert overrides == [{"InstanceType": "t3.small"}, {"InstanceType": "t3a.small"}]
    assert fleet.tags == {"team": "shop"}


def test_one_type_needs_no_mix():
    fleet = FleetTemplate.of({**GOOD, "instance_type": "t3.small", "instance_profile": "p"})
    assert fleet.group("web-r1", "lt-1")["LaunchTemplate"] == {
        "LaunchTemplateId": "lt-1",
        "Version": "1",
    }
    assert fleet.launch()["IamInstanceProfile"] == {"Name": "p"}
    assert fleet.health_check == "EC2"


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(Invalid) as caught:
        FleetTemplate.of({"subnets": "here", "colour": "red", "maximum": "many", "grace": "x"})
    for name in ("subnets", "colour", "maximum", "grace", "instance_type"):
        assert name in str(caught.value)
