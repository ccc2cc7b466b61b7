"""What a test can do to the world, and see of it."""

from __future__ import annotations

import pytest

from backends.aws.tests.emulator import Stage


def test_members_tell_what_is_true(emulator, fleet, until):
    fleet.make(2)
    sick = fleet.ids()[0]
    until(emulator.members, lambda found: all(m["healthy"] == ["web"] for m in found))
    emulator.sicken(instance=sick)
    found = until(
        lambda: {m["id"]: m for m in emulator.members(group="web")},
        lambda found: found[sick]["healthy"] == [],
    )
    assert found[sick]["registered"] == ["web"]
    assert (found[sick]["answering"], found[sick]["state"]) == (False, "running")
    assert {m["lifecycle"] for m in found.values()} == {"InService"}


def test_a_snapshot_shows_every_change_and_nothing_else(emulator, stage, fleet, until):
    fleet.make(2)
    until(lambda: len(fleet.health()), lambda size: size == 2)
    until(emulator.members, lambda found: all(m["healthy"] for m in found))
    before = emulator.everything()
    stage.asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["AZRebalance"])
    other = stage.target_group("other", listen=False)
    table = [{"TargetGroupArn": fleet.arn, "Weight": 90}, {"TargetGroupArn": other, "Weight": 10}]
    stage.elb.modify_listener(
        ListenerArn=stage.listener,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": table}}],
    )
    during = emulator.everything()
    assert during["groups"]["web"]["SuspendedProcesses"] == ["AZRebalance"]
    assert during["listeners"] == {"front:80/default": {"web": 90, "other": 10}}
    assert set(during["target_groups"]) == {"web", "other"}
    stage.asg.resume_processes(AutoScalingGroupName="web")
    stage.elb.modify_listener(
        ListenerArn=stage.listener,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": fleet.arn}],
    )
    stage.elb.delete_target_group(TargetGroupArn=other)
    assert emulator.everything() == before


def test_somebody_else_resizes(emulator, fleet):
    fleet.make(1)
    emulator.resize(group="web", desired=2)
    fleet.settled(2)
    assert "autoscaling:SetDesiredCapacity" not in emulator.calls()


def test_laws_may_be_distributions_and_are_the_same_again(emulator, until):
    def boots(seed):
        emulator.reset()
        again = Stage(emulator)
        emulator.laws(boot={"uniform": [0.0, 0.4]}, seed=seed)
        again.group("web", 3, again.template("web-r1", again.image("web-1")))
        found = until(emulator.members, lambda m: len(m) == 3 and all(x["booted"] for x in m))
        return [round(member["booted"], 3) for member in found]

    first = boots(7)
    assert len(set(first)) == 3
    assert boots(7) == first


def test_a_knob_that_is_not_there_is_an_error_with_the_ones_that_are(emulator):
    with pytest.raises(RuntimeError, match=r"no knob 'boots'.*'boot'"):
        emulator.laws(boots=1)
    with pytest.raises(RuntimeError, match="no command 'explode'; there are"):
        emulator.order("explode")


def test_what_others_do_to_an_instance_shows_when_it_is_described(emulator, stage, until):
    image = stage.image("web-1")
    stage.group("web", 1, stage.template("web-r1", image))
    (member,) = until(emulator.members, lambda m: len(m) == 1 and m[0]["booted"])
    emulator.skip(seconds=500)
    packed = stage.ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"][0]
    before = _described(stage, member)
    assert before["root"] == (packed["DeviceName"], packed["Ebs"]["SnapshotId"])
    emulator.alter(instance=member["id"], what="type", value="t3.small")
    emulator.alter(instance=member["id"], what="root", value=packed["Ebs"]["SnapshotId"])
    emulator.alter(instance=member["id"], what="restart")
    after = _described(stage, member)
    assert after["root"] == before["root"]
    assert after["type"] == "t3.small"
    for late in ("attached", "launched"):
        assert 500 <= (after[late] - before[late]).total_seconds() < 1000
    with pytest.raises(RuntimeError, match="no alteration 'moon'; there are"):
        emulator.alter(instance=member["id"], what="moon")


def _described(stage, member):
    found = stage.ec2.describe_instances(InstanceIds=[member["id"]])
    told = found["Reservations"][0]["Instances"][0]
    (mapping,) = told["BlockDeviceMappings"]
    volumes = stage.ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])
    return {
        "type": told["InstanceType"],
        "launched": told["LaunchTime"],
        "attached": mapping["Ebs"]["AttachTime"],
        "root": (mapping["DeviceName"], volumes["Volumes"][0]["SnapshotId"]),
    }
