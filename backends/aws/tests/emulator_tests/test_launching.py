"""What stands between a size and its instances: zones, quotas, addresses, images, bad luck.

Documents: "Troubleshoot … EC2 instance launch failures"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-instancelaunchfailure.html);
"Error codes for the Amazon EC2 API"
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
"""

from __future__ import annotations

from collections import Counter

from botocore.exceptions import ClientError


def grow(stage, size):
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=size)


def failed(fleet, until):
    found = until(
        fleet.activities, lambda found: "Failed" in {each["StatusCode"] for each in found}
    )
    return next(each for each in found if each["StatusCode"] == "Failed")


def test_a_full_zone_is_told_and_another_one_taken(emulator, stage, fleet, until):
    emulator.capacity(zone=stage.zones[0], instances=1)
    fleet.make(2)
    grow(stage, 4)
    members = fleet.settled(4)
    zones = Counter(m["AvailabilityZone"][-1] for m in members)
    assert zones["a"] == 1
    activity = failed(fleet, until)
    assert activity["StatusMessage"].startswith(
        "We currently do not have sufficient t3.micro capacity in the Availability Zone you "
        "requested (eu-west-1a). "
    )
    assert activity["StatusMessage"].endswith("Launching EC2 instance failed.")
    assert activity["Progress"] == 100


def test_a_group_that_wants_to_stay_balanced_waits_for_its_zone(emulator, stage, fleet, until):
    emulator.capacity(zone=stage.zones[0], instances=0)
    strategy = {"CapacityDistributionStrategy": "balanced-only"}
    fleet.make(0, AvailabilityZoneDistribution=strategy)
    grow(stage, 3)
    failed(fleet, until)
    emulator.skip(seconds=10)
    assert fleet.ids() == []
    emulator.capacity(zone=stage.zones[0], instances=None)
    emulator.skip(seconds=10)
    fleet.settled(3)


def test_capacity_that_comes_back_is_used(emulator, stage, fleet, until):
    fleet.make(0)
    emulator.laws(retry=0.1)
    for zone in stage.zones:
        emulator.capacity(zone=zone, instances=0)
    grow(stage, 1)
    failed(fleet, until)
    assert fleet.ids() == []
    emulator.capacity(zone=stage.zones[2], instances=1)
    (member,) = fleet.settled(1)
    assert member["AvailabilityZone"] == stage.zones[2]


def test_the_quota_is_told(emulator, stage, fleet, until):
    fleet.make(0)
    emulator.quota(code="L-1216C47A", value=3)
    grow(stage, 2)
    activity = failed(fleet, until)
    assert "vCPU limit of 3" in activity["StatusMessage"]
    fleet.settled(1)
    quotas = emulator.client("service-quotas")
    told = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
    assert told["Value"] == 3


def test_a_subnet_without_addresses_is_told(stage, fleet, until):
    small = stage.ec2.create_subnet(
        VpcId=stage.vpc, CidrBlock="172.31.255.240/28", AvailabilityZone=stage.zones[0]
    )["Subnet"]
    assert small["AvailableIpAddressCount"] == 11
    fleet.make(0, VPCZoneIdentifier=small["SubnetId"], MaxSize=12)
    grow(stage, 12)
    activity = failed(fleet, until)
    assert "not enough free addresses in subnet" in activity["StatusMessage"]
    subnets = stage.ec2.describe_subnets(SubnetIds=[small["SubnetId"]])["Subnets"]
    assert subnets[0]["AvailableIpAddressCount"] == 0


def test_an_image_that_went_away_is_told(emulator, stage, fleet, until):
    fleet.make(0)
    emulator.image(id=fleet.image, state="disabled")
    grow(stage, 1)
    said = failed(fleet, until)["StatusMessage"]
    assert said.startswith("The image ID")
    assert "available" in said
    stage.ec2.deregister_image(ImageId=fleet.image)
    until(lambda: failed(fleet, until)["StatusMessage"], lambda said: "does not exist" in said)


def test_an_image_for_another_processor_is_told(stage, fleet, until):
    arm = stage.image("web-arm", Architecture="arm64")
    stage.group("web", 1, stage.template("web-r1", arm))
    assert "does not match the architecture 'arm64'" in failed(fleet, until)["StatusMessage"]


def test_an_instance_that_dies_while_it_boots_is_cancelled_and_tried_again(
    emulator, stage, fleet, until
):
    fleet.make(0)
    emulator.laws(retry=0.05)
    emulator.fate(boot=None, dies=0.1, times=1)
    grow(stage, 1)
    fleet.settled(1)
    cancelled = next(a for a in fleet.activities() if a["StatusCode"] == "Cancelled")
    assert "Termination Reason: Server.InternalError" in cancelled["StatusMessage"]


def test_fates_choose_by_image_and_number(emulator, stage, fleet, until):
    fleet.make(0)
    emulator.fate(image=fleet.image, answers=None, skip=1, times=1)
    grow(stage, 3)
    fleet.settled(3)
    until(fleet.health, lambda found: len(found) == 3)
    told = until(
        lambda: Counter(line["State"] for line in fleet.health().values()),
        lambda found: found["unhealthy"] == 1,
    )
    assert told["healthy"] == 2


def test_what_could_not_be_launched_at_once_may_be_left_to_the_group(emulator, stage, fleet):
    fleet.make(0)
    zone = stage.zones[0]
    emulator.capacity(zone=zone, instances=1)
    told = stage.asg.launch_instances(
        AutoScalingGroupName="web",
        RequestedCapacity=2,
        AvailabilityZones=[zone],
        ClientToken="one",
        RetryStrategy="retry-with-group-configuration",
    )
    assert len(told["Errors"]) == 1
    assert fleet.told()["DesiredCapacity"] == 2
    fleet.settled(2)


def test_dry_runs_tell_what_is_permitted(emulator, stage, fleet):
    fleet.make(0)

    def code(client, call, **words):
        try:
            getattr(client, call)(**words)
        except ClientError as error:
            answer = error.response
            return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
        return "done", 200

    run = {"ImageId": fleet.image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    assert code(stage.ec2, "run_instances", DryRun=True, **run) == ("DryRunOperation", 412)
    emulator.deny(actions=["ec2:RunInstances", "autoscaling:*"])
    assert code(stage.ec2, "run_instances", DryRun=True, **run) == ("UnauthorizedOperation", 403)
    assert code(stage.asg, "describe_auto_scaling_groups") == ("AccessDenied", 403)
    emulator.deny(actions=[])
    assert fleet.members() == []


def test_one_launch_is_one_launch_whatever_is_repeated(emulator, stage, fleet, refused):
    fleet.make(0)
    run = {
        "ImageId": fleet.image,
        "InstanceType": "t3.micro",
        "MinCount": 1,
        "MaxCount": 3,
        "SubnetId": stage.subnets[0],
        "ClientToken": "one",
    }
    emulator.capacity(zone=stage.zones[0], instances=2)
    first = [i["InstanceId"] for i in stage.ec2.run_instances(**run)["Instances"]]
    again = [i["InstanceId"] for i in stage.ec2.run_instances(**run)["Instances"]]
    assert len(first) == 2
    assert again == first
    other = {**run, "MaxCount": 1}
    refused("IdempotentParameterMismatch", stage.ec2.run_instances, **other)
    full = {**run, "ClientToken": "two"}
    said = refused("InsufficientInstanceCapacity", stage.ec2.run_instances, 500, **full)
    assert stage.zones[0] in said
    stage.ec2.terminate_instances(InstanceIds=first)
    refused("IdempotentInstanceTerminated", stage.ec2.run_instances, **run)


def test_instances_boot_and_shut_down_in_time(emulator, stage, fleet, refused):
    fleet.make(0)
    emulator.freeze()
    emulator.laws(boot=60, shutdown=60)
    run = {"ImageId": fleet.image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    instance = stage.ec2.run_instances(**run)["Instances"][0]["InstanceId"]

    def state():
        told = stage.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return told[0]["Instances"][0]["State"]["Name"]

    assert state() == "pending"
    emulator.skip(seconds=61)
    assert state() == "running"
    both = [instance, "i-0123456789abcdef0"]
    refused("InvalidInstanceID.NotFound", stage.ec2.terminate_instances, InstanceIds=both)
    assert state() == "running"
    told = stage.ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]
    assert told["PreviousState"]["Name"] == "running"
    assert state() == "shutting-down"
    emulator.skip(seconds=61)
    assert state() == "terminated"


def test_status_checks_take_time_and_may_fail(emulator, stage, fleet):
    emulator.freeze()
    emulator.laws(status_checks=60)
    (instance,) = fleet.begin(1).ids()

    def status():
        told = stage.ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"]
        return told[0]["InstanceStatus"]["Status"]

    assert status() == "initializing"
    emulator.skip(seconds=61)
    assert status() == "ok"
    stage.asg.suspend_processes(AutoScalingGroupName="web")
    emulator.impair(instance=instance)
    assert status() == "impaired"
