"""What AWS's answers mean: errors, states, shares, time, figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import (
    CapacityShortage,
    Conflict,
    Denied,
    Gone,
    InstanceState,
    Invalid,
    QuotaExceeded,
    Throttled,
    Transient,
    TroubleKind,
)
from immutable.testing import run
from immutable.toolkit.sights import Sight
from immutable.toolkit.weights import shares
from immutable_aws.faults import is_code, translated
from immutable_aws.marks import Marks, Saved
from immutable_aws.metricdata import BOUNDS, queries, totals
from immutable_aws.pace import Bucket, Pace
from immutable_aws.permitted import principal
from immutable_aws.reading import Described, group_of, state_of, trouble_of
from immutable_aws.room import address_problems, family_quota, vcpus_used
from immutable_aws.scaling import (
    handed_over,
    held_policy,
    off,
    policy_request,
    restored_policy,
    saved_now,
    settings,
)
from immutable_aws.scaling import originals as changed_by_a_hold
from immutable_aws.traffic import table_of, weights_for, with_table

State = InstanceState


class ClientError(Exception):
    def __init__(self, code, status=400, message="no"):
        super().__init__(message)
        self.response = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        ("RequestLimitExceeded", 503, "", Throttled),
        ("Throttling", 400, "", Throttled),
        ("ScalingActivityInProgressFault", 400, "", Throttled),
        ("ResourceContentionFault", 500, "", Throttled),
        ("InsufficientInstanceCapacity", 500, "", CapacityShortage),
        ("VcpuLimitExceeded", 400, "", QuotaExceeded),
        ("LimitExceededFault", 400, "", QuotaExceeded),
        ("TooManyTargetGroupsException", 400, "", QuotaExceeded),
        ("UnauthorizedOperation", 403, "", Denied),
        ("AccessDenied", 403, "", Denied),
        ("ExpiredToken", 400, "", Denied),
        ("SignatureDoesNotMatch", 403, "", Denied),
        ("AlreadyExistsFault", 400, "", Conflict),
        ("InvalidLaunchTemplateName.AlreadyExistsException", 400, "", Conflict),
        ("DuplicateTargetGroupName", 400, "", Conflict),
        ("ResourceInUse", 400, "", Conflict),
        ("ValidationError", 400, "AutoScalingGroup name not found - null", Gone),
        ("ValidationError", 400, "desired above max", Invalid),
        ("InvalidInstanceID.NotFound", 400, "", Gone),
        ("TargetGroupNotFoundException", 400, "", Gone),
        ("InvalidAMIID.Malformed", 400, "", Invalid),
        ("IdempotentParameterMismatch", 400, "", Invalid),
        ("InternalFailure", 500, "", Transient),
        ("ServiceUnavailable", 503, "", Transient),
        ("SomethingNew", 500, "", Transient),
        ("SomethingNew", 400, "", Invalid),
        ("503", 503, "Service Unavailable", Transient),
    ],
)
def test_errors_are_told_by_their_code_first(code, status, message, kind):
    error = translated(ClientError(code, status, message), "DoIt", "web-r2")
    assert type(error) is kind
    assert "web-r2" in str(error)
    assert "DoIt" in str(error)


def test_errors_without_an_answer_are_told_by_what_is_missing():
    import botocore.exceptions as b

    def kind(error):
        return type(translated(error, "DoIt", ""))

    assert kind(b.NoCredentialsError()) is Denied
    assert kind(b.EndpointConnectionError(endpoint_url="http://x")) is Transient
    assert kind(b.ReadTimeoutError(endpoint_url="http://x")) is Transient
    assert kind(b.ParamValidationError(report="x")) is Invalid
    assert kind(OSError("what")) is Transient


def test_no_key_is_ever_repeated():
    error = translated(ClientError("AuthFailure", 403, "key AKIAIOSFODNN7EXAMPLE is no"), "D", "w")
    assert "AKIA" not in str(error)
    signed = ClientError("SignatureDoesNotMatch", 403, "The String-to-Sign: host:x")
    assert "String" not in str(translated(signed, "D", "w"))


def test_a_code_is_found_behind_our_own_error():
    ours = Invalid("x")
    ours.__cause__ = ClientError("DryRunOperation")
    assert is_code(ours, "DryRunOperation")
    assert not is_code(ours, "Other")


# -- pace ------------------------------------------------------------------------------------------


def test_a_refusal_slows_an_api_down_and_successes_speed_it_up():
    bucket = Bucket()
    bucket.refused(0.0)
    bucket.refused(0.5)  # One round of requests, one refusal.
    assert bucket.rate == 10.0
    assert bucket.take(0.0) == pytest.approx(0.1)
    for _ in range(100):
        bucket.accepted()
    assert bucket.rate == 20.0
    for time in range(1, 20):
        bucket.refused(float(time))
    assert bucket.rate == 2.0


def test_a_wait_that_would_be_too_long_is_told_as_throttled():
    async def go():
        pace = Pace()
        pace.bucket("ec2", "X").tokens = -100
        with pytest.raises(Throttled) as caught:
            await pace.turn("ec2", "X")
        assert caught.value.retry_after > 5
        await pace.turn("ec2", "Y")

    run(go())


# -- members ---------------------------------------------------------------------------------------


def member(life="InService", health="Healthy"):
    return {"InstanceId": "i-1", "LifecycleState": life, "HealthStatus": health}


SEEN = Sight(0.0, known=State.STARTING)
SERVED = Sight(0.0, known=State.READY, served=True)


@pytest.mark.parametrize(
    ("life", "healths", "before", "state"),
    [
        ("Pending", [""], SEEN, State.STARTING),
        ("Pending:Wait", ["healthy"], SEEN, State.STARTING),
        ("InService", ["initial"], SEEN, State.STARTING),
        ("InService", ["healthy"], SEEN, State.READY),
        ("InService", ["healthy", "initial"], SEEN, State.STARTING),
        ("InService", ["unhealthy"], SEEN, State.STARTING),
        ("InService", ["unhealthy"], SERVED, State.UNREADY),
        ("InService", ["unhealthy"], Sight(0.0), State.UNREADY),
        ("InService", ["unused"], SERVED, State.UNREADY),
        ("InService", ["draining"], SERVED, State.UNREADY),
        ("Standby", [""], SERVED, State.UNREADY),
        ("Terminating:Wait", ["healthy"], SERVED, State.DRAINING),
        ("EnteringStandby", ["healthy"], SERVED, State.DRAINING),
    ],
)
def test_states_are_told_by_auto_scaling_and_the_load_balancer(life, healths, before, state):
    assert state_of(member(life), healths, False, before) is state


def test_without_a_pool_the_status_checks_tell():
    assert state_of(member(), None, True, SEEN) is State.READY
    assert state_of(member(), None, False, SEEN) is State.STARTING
    assert state_of(member(), None, False, SERVED) is State.UNREADY
    assert state_of(member(health="Unhealthy"), None, True, SERVED) is State.UNREADY


def launch(status, message=""):
    return {
        "Description": "Launching a new EC2 instance",
        "StatusCode": status,
        "StatusMessage": message,
    }


@pytest.mark.parametrize(
    ("message", "kind", "zone"),
    [
        (
            "We currently do not have sufficient t3.micro capacity in (eu-west-1b).",
            TroubleKind.SHORTAGE,
            "eu-west-1b",
        ),
        ("You have requested more vCPU capacity than your limit", TroubleKind.SHORTAGE, ""),
        ("The image id '[ami-1]' does not exist", TroubleKind.REFUSED, ""),
        ("You are not authorized to use launch template", TroubleKind.REFUSED, ""),
        ("Something new", TroubleKind.SHORTAGE, ""),
    ],
)
def test_failed_launches_say_what_they_call_for(message, kind, zone):
    trouble = trouble_of([launch("Failed", message)])
    assert (trouble.kind, trouble.zone) == (kind, zone)


def test_only_the_latest_news_is_trouble():
    ended = {"Description": "Terminating EC2 instance", "StatusCode": "Successful"}
    assert trouble_of([ended, launch("Failed", "no capacity"), launch("Successful")]) is not None
    assert trouble_of([launch("Successful"), launch("Failed", "no capacity")]) is None
    assert trouble_of([launch("InProgress")]) is None


def group(number, *pools, **facts):
    described = {
        "AutoScalingGroupName": f"web-r{number}",
        "TargetGroupARNs": list(pools),
        "DesiredCapacity": 3,
        "MinSize": 1,
        "MaxSize": 9,
        "Instances": [],
    }
    return Described({**described, **facts}, {}, Marks("web", number))


@given(st.integers(0, 500))
def test_a_share_that_is_set_is_told_the_same(part):
    share = round(part / 5, 6)
    table = weights_for({1: 100 - share, 2: share}, {1: "a", 2: "b"})
    told = shares({1: ["a"], 2: ["b"]}, table)
    assert told == {1: round(100 - share, 6), 2: share}


def test_an_expired_hold_is_told_as_undone():
    from immutable.backend import Hold, Image, Revision

    marks = Marks("web", 1, hold=Hold("r", 1, 10.0), saved=Saved(minimum=2))
    held = Described(group(1).group, {}, marks)
    told = {
        at: group_of(
            held,
            Revision(1, Image("ami-1")),
            at,
            settings={},
            trouble=None,
            weight=None,
        )
        for at in (9.0, 11.0)
    }
    assert (told[9.0].minimum, told[9.0].lapsed) == (1, None)
    assert (told[11.0].minimum, told[11.0].hold, told[11.0].lapsed.rollout) == (2, None, "r")


# -- rules -----------------------------------------------------------------------------------------

LOGIN = {
    "Type": "authenticate-oidc",
    "Order": 1,
    "AuthenticateOidcConfig": {"ClientId": "x", "Issuer": "y"},
}


def test_a_table_leaves_everything_else_of_a_rule_alone():
    sticky = {"Enabled": True, "DurationSeconds": 60}
    forward = {
        "Type": "forward",
        "Order": 2,
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": "a", "Weight": 1}],
            "TargetGroupStickinessConfig": sticky,
        },
    }
    login, new = with_table([LOGIN, forward], {"a": 475, "b": 25})
    assert login["AuthenticateOidcConfig"]["UseExistingClientSecret"] is True
    assert new["ForwardConfig"]["TargetGroupStickinessConfig"] == sticky
    assert table_of([login, new]) == {"a": 475, "b": 25}


def test_a_table_of_one_is_the_plain_form():
    forward = {"Type": "forward", "TargetGroupArn": "a"}
    assert table_of([forward]) == {"a": 1}
    assert with_table([forward], {"b": 1}) == [{"Type": "forward", "TargetGroupArn": "b"}]
    assert table_of([{"Type": "redirect"}]) == {}


# -- scaling ---------------------------------------------------------------------------------------

TRACKING = {
    "PolicyName": "cpu",
    "PolicyType": "TargetTrackingScaling",
    "PolicyARN": "arn",
    "Enabled": True,
    "TargetTrackingConfiguration": {"TargetValue": 50.0},
}
DOWN = {
    "PolicyName": "down",
    "PolicyType": "StepScaling",
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"ScalingAdjustment": -1}],
    "Enabled": True,
}
UP = {**DOWN, "PolicyName": "up", "StepAdjustments": [{"ScalingAdjustment": 1}]}
EXACT = {
    "PolicyName": "exact",
    "PolicyType": "SimpleScaling",
    "AdjustmentType": "ExactCapacity",
    "ScalingAdjustment": 5,
    "Enabled": True,
}
FORECAST = {
    "PolicyName": "forecast",
    "PolicyType": "PredictiveScaling",
    "Enabled": True,
    "PredictiveScalingConfiguration": {"Mode": "ForecastAndScale"},
}


@pytest.mark.parametrize("policy", [TRACKING, DOWN, EXACT, FORECAST])
def test_what_lowers_is_stopped_and_restored_exactly(policy):
    held = held_policy(policy)
    assert held != policy
    assert held_policy(held) is None
    assert restored_policy(held, changed_by_a_hold(policy)) == policy
    assert restored_policy(off(held), handed_over(held, changed_by_a_hold(policy))) == policy


def test_what_only_raises_goes_on():
    assert held_policy(UP) is None
    assert restored_policy(off(UP), handed_over(UP, {})) == UP


def test_a_hold_writes_down_what_it_changes_once():
    facts = {
        "MinSize": 2,
        "MaxInstanceLifetime": 86400,
        "CapacityRebalance": True,
        "SuspendedProcesses": [{"ProcessName": "AZRebalance"}],
    }
    saved = saved_now(facts, [TRACKING, UP])
    assert saved == Saved(
        2, ("InstanceRefresh", "ScheduledActions"), 86400, True, {"cpu": {"DisableScaleIn": None}}
    )
    later = saved_now({"MinSize": 0}, [held_policy(TRACKING), DOWN], saved)
    assert later.minimum == 2
    assert later.policies == {"cpu": {"DisableScaleIn": None}, "down": {"Enabled": True}}
    assert Saved.of(later.to_json()) == later


def test_settings_are_the_same_with_and_without_a_hold():
    facts = {"MinSize": 2, "MaxInstanceLifetime": 86400, "CapacityRebalance": True}
    saved = saved_now(facts, [TRACKING, DOWN, FORECAST])
    held = {
        "MinSize": 0,
        "SuspendedProcesses": [{"ProcessName": name} for name in saved.suspended],
    }
    policies = [held_policy(each) for each in (TRACKING, DOWN, FORECAST)]
    action = {"ScheduledActionName": "morning", "Recurrence": "0 8 * * *", "MinSize": 2}
    plain = settings(facts, [TRACKING, DOWN, FORECAST], [action], None)
    assert settings(held, policies, [action], saved) == plain
    assert set(plain) == {
        "lifetime",
        "rebalance",
        "policy cpu",
        "policy down",
        "policy forecast",
        "schedule morning",
    }


def test_a_policy_is_asked_for_by_what_its_type_has():
    request = policy_request({**TRACKING, "Alarms": [], "StepAdjustments": []}, "web")
    assert set(request) == {
        "AutoScalingGroupName",
        "PolicyName",
        "PolicyType",
        "Enabled",
        "TargetTrackingConfiguration",
    }


# -- room and who ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "quota"),
    [("t3.micro", "L-1216C47A"), ("g5.xlarge", "L-DB2E81BA"), ("u-6tb1.metal", "L-43DA4232")],
)
def test_types_count_against_their_familys_quota(kind, quota):
    assert family_quota(kind) == quota


def test_vcpus_are_counted_as_they_were_launched():
    running = [
        {"InstanceType": "t3.micro", "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}},
        {"InstanceType": "m5.large"},
        {"InstanceType": "m5.large", "InstanceLifecycle": "spot"},
        {"InstanceType": "g5.xlarge"},
    ]
    assert vcpus_used(running, {"m5.large": 2}, "L-1216C47A") == 3


def test_a_zone_short_of_addresses_is_named():
    subnets = [
        {"AvailabilityZone": "a", "AvailableIpAddressCount": 1},
        {"AvailabilityZone": "b", "AvailableIpAddressCount": 100},
    ]
    (problem,) = address_problems(group(1), subnets, 4)
    assert "in a" in problem.what
    assert address_problems(group(1), subnets, 0) == []


def test_policies_are_attached_to_roles_not_to_sessions():
    assert principal("arn:aws:sts::1:assumed-role/ci/me") == "arn:aws:iam::1:role/ci"
    assert principal("arn:aws:iam::1:user/me") == "arn:aws:iam::1:user/me"


# -- figures ---------------------------------------------------------------------------------------


def test_minutes_add_up_to_counters():
    arns = ("arn:aws:e:r:1:targetgroup/web/5", "arn:aws:e:r:1:loadbalancer/app/front/1")
    asked = queries({2: arns})
    assert asked[0].dimensions == (
        ("LoadBalancer", "app/front/1"),
        ("TargetGroup", "targetgroup/web/5"),
    )
    figures = {
        "HTTPCode_Target_2XX_Count": 98.0,
        "HTTPCode_Target_5XX_Count": 2.0,
        "TargetConnectionErrorCount": 2.0,
        "TC(:0.1)": 90.0,
        "TC(:0.25)": 100.0,
        "SampleCount": 100.0,
    }
    minutes = {}
    for query in asked:
        name = query.metric if query.statistic == "Sum" else query.statistic
        if name in figures:
            minutes[query, 0.0] = minutes[query, 60.0] = figures[name]
    told = totals(asked, minutes)[2]
    assert (told.requests, told.errors) == (204, 8)
    assert told.latency == (180, 20, *[0] * (len(BOUNDS) - 1))
