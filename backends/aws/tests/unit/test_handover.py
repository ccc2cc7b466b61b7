"""What a policy or an alarm says of its group is said of the next one; of others it stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immutable_aws.handover import repointed
from immutable_aws.moving import NOBODY, Names, moved

WEB, NEXT = Names("web", ("targetgroup/web/1",)), Names("web-r2", ("targetgroup/web-r2/2",))
ALARM = {
    "AlarmName": "busy",
    "AlarmArn": "arn:alarm",
    "StateValue": "OK",
    "AlarmActions": ["arn:old", "arn:topic"],
    "Threshold": 70.0,
    "TreatMissingData": None,
}


def dimension(name, value):
    return {"Name": name, "Value": value}


def test_an_alarm_starts_another_policy_and_is_otherwise_as_it_was():
    takes = {"AlarmName", "AlarmActions", "Threshold", "TreatMissingData"}
    assert repointed(ALARM, takes, "arn:old", "arn:new") == {
        "AlarmName": "busy",
        "AlarmActions": ["arn:new", "arn:topic"],
        "Threshold": 70.0,
    }


def test_dimensions_are_renamed_wherever_they_are_and_only_where_they_name_the_group():
    mine = [dimension("AutoScalingGroupName", "web"), dimension("TargetGroup", WEB.pools[0])]
    others = [dimension("AutoScalingGroupName", "queue"), dimension("QueueName", "web")]
    told = {"Metrics": [{"MetricStat": {"Metric": {"Dimensions": mine + others}}}], "Period": 60}
    (metric,) = moved(told, WEB, NEXT)["Metrics"]
    assert metric["MetricStat"]["Metric"]["Dimensions"] == [
        dimension("AutoScalingGroupName", "web-r2"),
        dimension("TargetGroup", NEXT.pools[0]),
        *others,
    ]


def test_a_label_names_the_next_target_group_and_the_same_load_balancer():
    label = {"ResourceLabel": "app/front/9/targetgroup/web/1"}
    assert moved(label, WEB, NEXT) == {"ResourceLabel": "app/front/9/targetgroup/web-r2/2"}
    assert moved(label, WEB, Names("web-r2", WEB.pools)) == label
    other = {"ResourceLabel": "app/front/9/targetgroup/other-web/1"}
    assert moved(other, WEB, NEXT) == other


NAMES = st.sampled_from(["web", "web-r2", "queue", *WEB.pools, *NEXT.pools])
TOLD = st.recursive(
    st.one_of(
        st.integers(),
        st.text(),
        st.builds(dimension, st.sampled_from(["AutoScalingGroupName", "TargetGroup", "X"]), NAMES),
        st.builds(lambda pool: {"ResourceLabel": f"app/front/9/{pool}"}, NAMES),
    ),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)


@given(told=TOLD)
def test_what_is_told_of_settings_is_the_same_in_the_group_that_they_move_to(told):
    mine = moved(told, NEXT, Names("queue", ("x",)))  # Nothing of the next group's in it.
    assert moved(moved(mine, WEB, NEXT), NEXT, NOBODY) == moved(mine, WEB, NOBODY)
