"""What goes wrong on the way, and what is said about calls that nothing here can honour.

Documents: "Request throttling for the Amazon EC2 API"
(https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html); "Common Errors"
(https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from botocore.parsers import ResponseParserError

from backends.aws.tests.emulator import door
from backends.aws.tests.emulator.calls import Call
from tests.emulators.faults import Bucket
from tests.emulators.process import ROOT

SIZE = {"AutoScalingGroupName": "web", "DesiredCapacity": 2}


def test_throttled_by_name_number_and_parameter(emulator, stage, fleet, refused):
    fleet.make(1)
    emulator.fault(action="autoscaling:SetDesired*", kind="throttle", skip=1, times=2)
    size = stage.asg.set_desired_capacity
    size(AutoScalingGroupName="web", DesiredCapacity=1)
    for _ in range(2):
        refused("Throttling", size, **SIZE)
    size(**SIZE)
    emulator.fault(action="ec2:*", kind="throttle", where={"InstanceIds": fleet.ids()[0]})
    stage.ec2.describe_instances()
    describe = stage.ec2.describe_instances
    refused("RequestLimitExceeded", describe, 503, InstanceIds=fleet.ids()[:1])
    assert [fault["fired"] for fault in emulator.clear_faults()] == [2, 1]


def test_errors_in_the_words_of_the_service(emulator, stage, fleet, refused):
    fleet.make(1)
    emulator.fault(
        action="autoscaling:SetDesiredCapacity", kind="error", code="ResourceContention", status=500
    )
    refused("ResourceContention", stage.asg.set_desired_capacity, 500, **SIZE)
    emulator.fault(action="ssm:GetParameter", kind="throttle")
    refused("ThrottlingException", emulator.client("ssm").get_parameter, Name="/x")
    assert fleet.told()["DesiredCapacity"] == 1


@pytest.mark.parametrize(("kind", "size"), [("lost", 2), ("garbled", 2), ("reset", 1)])
def test_answers_that_are_lost_after_or_before_it_was_done(emulator, stage, fleet, kind, size):
    fleet.make(1)
    emulator.fault(action="autoscaling:SetDesiredCapacity", kind=kind)
    with pytest.raises((NoConnection, HTTPClientError, ResponseParserError)):
        stage.asg.set_desired_capacity(**SIZE)
    assert fleet.told()["DesiredCapacity"] == size


def test_latency_is_waited_for_and_then_over(emulator, stage, fleet):
    fleet.make(0)
    emulator.fault(action="autoscaling:DescribeAutoScalingGroups", kind="latency", seconds=0.3)
    began = time.monotonic()
    fleet.told()
    assert time.monotonic() - began >= 0.3
    fleet.told()
    assert [fault["fired"] for fault in emulator.clear_faults()] == [1]


def test_old_answers_are_told_again_for_a_while(emulator, stage, fleet):
    fleet.make(1)
    emulator.freeze()
    emulator.fault(
        action="autoscaling:DescribeAutoScalingGroups", kind="stale", seconds=60, times=None
    )
    assert fleet.told()["DesiredCapacity"] == 1
    stage.asg.set_desired_capacity(**SIZE)
    assert fleet.told()["DesiredCapacity"] == 1
    emulator.skip(seconds=61)
    assert fleet.told()["DesiredCapacity"] == 2


def test_buckets_throttle_by_what_a_call_takes(emulator, stage, fleet, refused):
    fleet.make(0)
    emulator.freeze()
    emulator.bucket(action="ec2:RunInstances", capacity=3, rate=1, by="MaxCount")
    run = {"ImageId": fleet.image, "InstanceType": "t3.micro", "MinCount": 1}
    stage.ec2.run_instances(MaxCount=3, **run)
    refused("RequestLimitExceeded", stage.ec2.run_instances, 503, MaxCount=30, **run)
    emulator.skip(seconds=3)
    stage.ec2.run_instances(MaxCount=3, **run)
    emulator.clear_buckets()
    stage.ec2.run_instances(MaxCount=3, **run)


def test_buckets_fill_at_their_rate_and_no_further():
    bucket = Bucket("ec2:*", capacity=3, rate=2)
    call = Call("ec2", "DescribeInstances", {}, "eu-west-1", "1")
    assert [bucket.take(call, 10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(call, 10.4)
    assert bucket.take(call, 10.5)
    assert [bucket.take(call, 99.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(Call("ssm", "GetParameter", {}, "eu-west-1", "2"), 99.0)


def test_calls_are_counted_and_named_as_policies_name_them(emulator, stage, fleet):
    fleet.make(0)
    emulator.clear_calls()
    fleet.health()
    emulator.fault(action="*", kind="throttle")
    with pytest.raises(Exception, match="Rate exceeded"):
        fleet.health()
    assert emulator.calls() == {"elbv2:DescribeTargetHealth": 2}
    assert emulator.permissions() == ["elasticloadbalancing:DescribeTargetHealth"]
    log = emulator.calls(log=True)
    assert [(line["status"], line["trouble"]) for line in log] == [(200, None), (0, "throttle")]
    assert log[0]["params"] == {"TargetGroupArn": fleet.arn}


def test_permissions_that_aws_checks_along_with_a_call_are_named(emulator, stage, fleet):
    fleet.make(0)
    emulator.clear_calls()
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "a", "Value": "b"}]}]
    stage.ec2.create_launch_template(
        LaunchTemplateName="web-r2",
        LaunchTemplateData={"ImageId": fleet.image, "IamInstanceProfile": {"Name": "web"}},
        TagSpecifications=tags,
    )
    stage.asg.update_auto_scaling_group(AutoScalingGroupName="web", LaunchTemplate=fleet.template)
    assert emulator.permissions() == [
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:CreateLaunchTemplate",
        "ec2:CreateTags",
        "ec2:RunInstances",
        "iam:PassRole",
    ]


def test_who_may_not_run_instances_may_not_use_a_template(emulator, stage, fleet, refused):
    fleet.make(0)
    emulator.deny(actions=["ec2:RunInstances"])
    change = stage.asg.update_auto_scaling_group
    words = {"AutoScalingGroupName": "web", "LaunchTemplate": fleet.template}
    said = refused("AccessDenied", change, 403, **words)
    assert said.startswith("You are not authorized to use launch template: lt-")
    change(AutoScalingGroupName="web", MinSize=0)


def told(emulator):
    with pytest.raises(AssertionError) as caught:
        emulator.assert_understood()
    return str(caught.value)


def test_what_is_not_modelled_fails_the_test(emulator, stage, fleet, refused):
    fleet.make(1)
    refused("NotEmulated", stage.asg.start_instance_refresh, AutoScalingGroupName="web")
    assert "autoscaling:StartInstanceRefresh" in told(emulator)
    refused("NotEmulated", stage.ec2.create_nat_gateway, SubnetId=stage.subnets[0])
    assert "ec2:CreateNatGateway" in told(emulator)
    refused("NotEmulated", stage.asg.set_desired_capacity, HonorCooldown=True, **SIZE)
    assert "HonorCooldown" in told(emulator)
    refused("NotEmulated", emulator.client("s3").list_buckets)
    assert "'s3'" in told(emulator)
    emulator.assert_understood()


def test_parameters_that_the_model_does_not_have_fail_the_test(emulator, stage, refused):
    def misspell(request, **_):
        request.data["DesiredCapasity"] = "3"

    stage.asg.meta.events.register("before-sign.autoscaling.DescribeAutoScalingGroups", misspell)
    describe = stage.asg.describe_auto_scaling_groups
    with pytest.raises(Exception, match="DesiredCapasity"):
        describe()
    assert "DesiredCapasity" in told(emulator)


def test_values_that_the_model_forbids_are_refused(emulator, stage, fleet, refused):
    from botocore.config import Config

    fleet.make(0)
    loose = emulator.client("autoscaling", parameter_validation=False)
    assert isinstance(loose.meta.config, Config)
    said = refused(
        "ValidationError",
        loose.launch_instances,
        AutoScalingGroupName="web",
        RequestedCapacity=1,
        ClientToken="t" * 65,
        RetryStrategy="often",
    )
    assert "enum value set" in said
    assert "must have length <= 64" in said


def test_another_region_is_refused(emulator, refused):
    import boto3

    elsewhere = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=emulator.url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="none",
    )
    assert "eu-west-1" in refused("AuthFailure", elsewhere.describe_vpcs, 401)


def test_the_overlay_refuses_a_moto_that_is_not_as_it_was_read():
    # In a process of its own: this one does without moto.
    words = (
        "from backends.aws.tests.emulator import door\n"
        "door.check()\n"
        "from backends.aws.tests.emulator import actions\n"
        "print(actions.check())\n"
        "import moto.elbv2.models as m\n"
        "del m.ELBv2Backend.register_targets\n"
        "m.FakeAction.__init__ = lambda self, other: None\n"
        "door.check()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "[]\n"
    said = ended.stderr.splitlines()[-1]
    assert said.startswith(f"RuntimeError: this emulator was written for moto {door.PINNED}")
    assert "ELBv2Backend.register_targets: there is no register_targets" in said
    assert "FakeAction.__init__: it takes (self other), not (self data)" in said


def test_who_is_gone_before_the_request_was_whole_has_asked_nothing(emulator, stage):
    where = urlsplit(emulator.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        head = "POST / HTTP/1.1\r\nHost: ec2.eu-west-1.amazonaws.com\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(f"{head}Action=Run".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert emulator.order("failures") == []
