"""Templates, images, parameters, numbers: what is kept and told.

Documents: CreateLaunchTemplate, CreateLaunchTemplateVersion, RegisterImage in the EC2 API Reference;
"Use parameters instead of AMI IDs in launch templates"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html); GetMetricData
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
"""  # noqa: E501

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3


def test_a_template_is_made_once_a_token_and_keeps_its_own_tags_to_itself(stage, refused):
    data = {"ImageId": stage.image("web-1"), "InstanceType": "t3.micro"}
    spec = [{"ResourceType": "launch-template", "Tags": [{"Key": "fleet", "Value": "web"}]}]
    words = {
        "LaunchTemplateName": "web-r1",
        "LaunchTemplateData": data,
        "TagSpecifications": spec,
        "ClientToken": "one",
    }
    first, again = (stage.ec2.create_launch_template(**words) for _ in range(2))
    assert (
        first["LaunchTemplate"]["LaunchTemplateId"] == again["LaunchTemplate"]["LaunchTemplateId"]
    )
    told = stage.ec2.describe_launch_templates(Filters=[{"Name": "tag:fleet", "Values": ["web"]}])[
        "LaunchTemplates"
    ]
    assert told[0]["Tags"] == [{"Key": "fleet", "Value": "web"}]
    (version,) = stage.ec2.describe_launch_template_versions(LaunchTemplateName="web-r1")[
        "LaunchTemplateVersions"
    ]
    assert version["LaunchTemplateData"] == data
    other = {**words, "LaunchTemplateData": {**data, "InstanceType": "t3.small"}}
    refused("IdempotentParameterMismatch", stage.ec2.create_launch_template, **other)
    taken = {**words, "ClientToken": "two"}
    refused(
        "InvalidLaunchTemplateName.AlreadyExistsException",
        stage.ec2.create_launch_template,
        **taken,
    )
    stage.ec2.delete_launch_template(LaunchTemplateName="web-r1")
    assert stage.ec2.describe_launch_templates()["LaunchTemplates"] == []


def test_a_version_takes_over_what_its_source_says(stage):
    template = stage.template("web-r1", stage.image("web-1"))["LaunchTemplateId"]
    stage.ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.small"},
    )
    told = stage.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["2"])
    data = told["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert data["InstanceType"] == "t3.small"
    assert data["ImageId"].startswith("ami-")


def test_what_a_template_says_reaches_the_instances(stage, fleet):
    image = stage.image("web-1")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "rev", "Value": "1"}]}]
    template = stage.template(
        "web-r1",
        image,
        MetadataOptions={"HttpTokens": "required"},
        TagSpecifications=tags,
        UserData="IyEvYmluL3No",
    )
    stage.group("web", 1, template)
    fleet.settled(1)
    told = stage.ec2.describe_instances(InstanceIds=fleet.ids())["Reservations"][0]["Instances"][0]
    assert told["MetadataOptions"]["HttpTokens"] == "required"
    assert {"Key": "rev", "Value": "1"} in told["Tags"]
    assert {"Key": "aws:autoscaling:groupName", "Value": "web"} in told["Tags"]
    assert told["ImageId"] == image


def test_images_keep_architecture_and_state_and_names_are_taken_once(emulator, stage, refused):
    arm = stage.image("web-arm", Architecture="arm64")
    (told,) = stage.ec2.describe_images(ImageIds=[arm])["Images"]
    assert (told["Architecture"], told["State"]) == ("arm64", "available")
    said = refused("InvalidAMIName.Duplicate", stage.ec2.register_image, Name="web-arm")
    assert arm in said
    emulator.image(id=arm, state="failed", owner_id="999999999999")
    (told,) = stage.ec2.describe_images(ImageIds=[arm])["Images"]
    assert (told["State"], told["OwnerId"]) == ("failed", "999999999999")
    refused("InvalidAMIID.NotFound", stage.ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])
    assert stage.ec2.describe_images(Owners=["self"])["Images"] == []


def test_a_root_snapshot_is_told(stage):
    image = stage.image("web-1")
    (told,) = stage.ec2.describe_images(ImageIds=[image])["Images"]
    root = told["BlockDeviceMappings"][0]
    assert told["RootDeviceName"] == root["DeviceName"]
    assert root["Ebs"]["SnapshotId"].startswith("snap-")


def test_public_parameters_stand_for_images(emulator, stage, fleet):
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    emulator.publish(name=name, value=stage.image("base-1"))
    ssm = emulator.client("ssm")
    first = ssm.get_parameter(Name=name)["Parameter"]
    second = stage.image("base-2")
    emulator.publish(name=name, value=second)
    assert first["Value"] != second
    assert ssm.get_parameters(Names=[name])["Parameters"][0]["Value"] == second
    stage.group("web", 1, stage.template("web-r1", f"resolve:ssm:{name}"))
    assert fleet.settled(1)[0]["ImageId"] == second


def test_a_parameter_of_ones_own_is_kept(emulator, stage, refused):
    ssm = emulator.client("ssm")
    ssm.put_parameter(Name="/web/image", Value="ami-1", Type="String")
    assert ssm.get_parameter(Name="/web/image")["Parameter"]["Value"] == "ami-1"
    refused("ParameterNotFound", ssm.get_parameter, Name="/web/none")


def query(name, dimensions, stat):
    told = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric = {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": told}
    return {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}


def test_numbers_are_found_by_their_exact_dimensions(emulator):
    watch = emulator.client("cloudwatch")
    place = {"TargetGroup": "targetgroup/web/1", "LoadBalancer": "app/front/1"}
    for ago, values in ((150, [4.0]), (0, [1.0, 2.0])):
        emulator.metric(
            namespace="AWS/ApplicationELB",
            name="RequestCount",
            dimensions=place,
            values=values,
            ago=ago,
        )
    now = datetime.now(UTC)
    span = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1)}

    def ask(*queries):
        told = watch.get_metric_data(MetricDataQueries=list(queries), **span)
        return told["MetricDataResults"][0]

    assert ask(query("RequestCount", place, "Sum"))["Values"] == [3.0, 4.0]
    assert ask(query("RequestCount", place, "SampleCount"))["Values"] == [2.0, 1.0]
    assert ask(query("RequestCount", {"TargetGroup": "x"}, "Sum"))["Values"] == []
    times = ask(query("RequestCount", place, "Sum"))["Timestamps"]
    assert times == sorted(times, reverse=True)


def test_trimmed_counts_include_their_upper_bound(emulator):
    """Trimmed statistics leave out what is higher than the upper bound; a trimmed count counts.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
    """
    place = {"TargetGroup": "targetgroup/web/1"}
    emulator.metric(
        namespace="AWS/ApplicationELB",
        name="TargetResponseTime",
        dimensions=place,
        values=[0.05, 0.1, 0.1000001, 2.0],
    )
    now = datetime.now(UTC)

    def count(stat):
        (told,) = emulator.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query("TargetResponseTime", place, stat)],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1),
        )["MetricDataResults"]
        return told["Values"]

    assert [count(f"TC(:{bound})") for bound in ("0.01", "0.1", "1")] == [[0.0], [2.0], [3.0]]


def test_who_is_asking_is_told(emulator):
    sts = emulator.client("sts")
    told = sts.get_caller_identity()
    assert (told["Account"], told["Arn"]) == (
        "123456789012",
        "arn:aws:iam::123456789012:user/tests",
    )
    role = "arn:aws:iam::123456789012:role/deploy"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
    session = boto3.client(
        "sts",
        region_name=emulator.region,
        endpoint_url=emulator.url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert session.get_caller_identity()["Arn"].endswith("assumed-role/deploy/tests")


def test_what_one_may_do_is_told_without_doing_it(emulator, refused):
    iam = emulator.client("iam")
    emulator.deny(actions=["elbv2:ModifyListener"])
    actions = ["elasticloadbalancing:ModifyListener", "ec2:RunInstances"]
    user = emulator.client("sts").get_caller_identity()["Arn"]
    told = iam.simulate_principal_policy(PolicySourceArn=user, ActionNames=actions)
    decisions = [result["EvalDecision"] for result in told["EvaluationResults"]]
    assert decisions == ["implicitDeny", "allowed"]
    session = "arn:aws:sts::123456789012:assumed-role/deploy/tests"
    simulate = iam.simulate_principal_policy
    refused("InvalidInput", simulate, PolicySourceArn=session, ActionNames=actions)


def test_a_running_instance_stops_and_one_that_is_gone_does_not(emulator, stage, refused):
    """StopInstances."""
    emulator.laws(boot=0, shutdown=0)
    ec2 = emulator.client("ec2")
    made = ec2.run_instances(
        ImageId=stage.image("web"), InstanceType="t3.small", MinCount=1, MaxCount=1
    )
    name = made["Instances"][0]["InstanceId"]
    (told,) = ec2.stop_instances(InstanceIds=[name])["StoppingInstances"]
    assert told["CurrentState"]["Name"] == "stopping"
    (found,) = ec2.describe_instances(InstanceIds=[name])["Reservations"]
    assert found["Instances"][0]["State"]["Name"] == "stopped"
    (told,) = ec2.stop_instances(InstanceIds=[name])["StoppingInstances"]
    assert told["CurrentState"] == told["PreviousState"] == {"Code": 80, "Name": "stopped"}
    ec2.terminate_instances(InstanceIds=[name])
    refused("IncorrectInstanceState", ec2.stop_instances, InstanceIds=[name])
    unknown = ["i-0123456789abcdef0"]
    refused("InvalidInstanceID.NotFound", ec2.stop_instances, InstanceIds=unknown)


def test_nobody_stops_where_one_is_unknown(emulator, stage, refused):
    """StopInstances."""
    emulator.laws(boot=0)
    ec2 = emulator.client("ec2")
    made = ec2.run_instances(
        ImageId=stage.image("web"), InstanceType="t3.small", MinCount=1, MaxCount=1
    )
    name = made["Instances"][0]["InstanceId"]
    ids = [name, "i-0123456789abcdef0"]
    refused("InvalidInstanceID.NotFound", ec2.stop_instances, InstanceIds=ids)
    (found,) = ec2.describe_instances(InstanceIds=[name])["Reservations"]
    assert found["Instances"][0]["State"]["Name"] == "running"


def test_an_image_of_an_instance_has_a_name_that_no_other_has(emulator, stage, refused):
    """CreateImage."""
    ec2 = emulator.client("ec2")
    made = ec2.run_instances(
        ImageId=stage.image("web"), InstanceType="t3.small", MinCount=1, MaxCount=1
    )
    name = made["Instances"][0]["InstanceId"]
    image = ec2.create_image(InstanceId=name, Name="web-2")["ImageId"]
    (found,) = ec2.describe_images(ImageIds=[image])["Images"]
    assert found["State"] == "available"
    assert found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"].startswith("snap-")
    refused("InvalidAMIName.Duplicate", ec2.create_image, InstanceId=name, Name="web-2")


def shown(stage, **how):
    return [each["ImageId"] for each in stage.ec2.describe_images(Owners=["self"], **how)["Images"]]


def test_a_disabled_image_is_private_hidden_and_not_launched_until_it_is_enabled(
    emulator, stage, refused, fleet, until
):
    fleet.make(1)
    image, ids = fleet.image, fleet.ids()
    stage.ec2.modify_image_attribute(
        ImageId=image, LaunchPermission={"Add": [{"UserId": "999999999999"}]}
    )
    refused("DryRunOperation", stage.ec2.disable_image, 412, ImageId=image, DryRun=True)
    assert image in shown(stage)
    for _ in range(2):
        assert stage.ec2.disable_image(ImageId=image)["Return"]
    assert image not in shown(stage)
    assert image in shown(stage, IncludeDisabled=True)
    (told,) = stage.ec2.describe_images(
        IncludeDisabled=True, Filters=[{"Name": "image-id", "Values": [image]}]
    )["Images"]
    assert told["State"] == "disabled"
    one = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"}
    refused("InvalidAMIID.Unavailable", stage.ec2.run_instances, **one)
    assert fleet.ids() == ids
    emulator.kill(instance=ids[0])
    until(fleet.activities, lambda found: "Failed" in {each["StatusCode"] for each in found})
    for _ in range(2):
        assert stage.ec2.enable_image(ImageId=image)["Return"]
    assert image in shown(stage)
    lost = stage.ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    assert lost["LaunchPermissions"] == []


def test_a_deprecated_image_is_told_to_the_minute_and_launched_as_before(emulator, stage, refused):
    image = stage.image("web-old")
    now = datetime.now(UTC)
    wrong = now - timedelta(minutes=5)
    past = {"ImageId": image, "DeprecateAt": wrong}
    refused("InvalidParameterValue", stage.ec2.enable_image_deprecation, **past)
    wanted = datetime(now.year + 2, 5, 17, 12, 30, 44, tzinfo=UTC)
    assert stage.ec2.enable_image_deprecation(ImageId=image, DeprecateAt=wanted)["Return"]
    (told,) = stage.ec2.describe_images(ImageIds=[image])["Images"]
    assert told["DeprecationTime"] == f"{now.year + 2}-05-17T12:31:00.000Z"
    assert told["State"] == "available"
    emulator.skip(seconds=3 * 366 * 86400)
    assert image in shown(stage)
    stage.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    assert stage.ec2.disable_image_deprecation(ImageId=image)["Return"]
    (told,) = stage.ec2.describe_images(ImageIds=[image])["Images"]
    assert not told.get("DeprecationTime")


def test_only_the_owner_changes_an_image_and_only_one_that_is_made(emulator, stage, refused):
    image = stage.image("web-1")
    calls = (stage.ec2.disable_image, stage.ec2.enable_image, stage.ec2.disable_image_deprecation)
    for call in calls:
        refused("InvalidAMIID.NotFound", call, ImageId="ami-0123456789abcdef0")
    emulator.image(id=image, state="pending")
    refused("InvalidAMIID.Unavailable", stage.ec2.disable_image, ImageId=image)
    emulator.image(id=image, state="available", owner_id="999999999999")
    for call in calls:
        refused("AuthFailure", call, ImageId=image)
