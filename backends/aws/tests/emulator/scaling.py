"""Auto Scaling at work: it launches what is missing, terminates what is too many, heals, balances.

"Amazon EC2 Auto Scaling instance lifecycle"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import door, healing, hooks
from .choosing import emptiest, victims
from .errors import AwsError
from .groups import Group, Member

if TYPE_CHECKING:
    from .world import World


class Scaling:
    """What a group does by itself."""

    def __init__(self, world: World) -> None:
        self.world = world

    def nudge(self, group: Group, cause: str | None = None) -> None:
        """Something changed: the group reacts in a moment, not at once."""
        if cause:
            group.causes = [f"At {self.stamp()} {cause}"]
        if not group.settling:
            group.settling = True
            self.world.clock.after(self.world.laws.reaction, self._settle, group)
        if not group.patrolling:
            group.patrolling = True
            self.world.clock.after(self.world.laws.patrol, self._patrol, group)

    def stamp(self) -> str:
        """The time as activities write it."""
        return self.world.clock.date().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _settle(self, group: Group) -> None:
        group.settling = False
        if self.world.groups.all.get(group.name) is not group or group.status:
            return
        self._end_condemned(group)
        now, missing = self.world.clock.now(), group.desired - group.units()
        if missing > 0 and group.on("Launch"):
            if now < group.retry_at:
                self.world.clock.after(group.retry_at - now, self.nudge, group)
            else:
                self._launch_missing(group)
        elif missing < 0:
            self._terminate_surplus(group, -missing)

    def _end_condemned(self, group: Group) -> None:
        """Who was to be terminated by name while Terminate was suspended goes when it is resumed."""
        if group.on("Terminate"):
            for member in list(group.members.values()):
                if cause := member.condemned:
                    member.condemned = None
                    self.terminate(group, member, cause)

    def _launch_missing(self, group: Group) -> None:
        before = group.units()
        cause = self._cause(
            group,
            "an instance was launched in response to an unhealthy instance needing to be replaced."
            if group.healing
            else "an instance was started in response to a difference between desired and actual "
            f"capacity, increasing the capacity from {before} to {group.desired}.",
        )
        group.healing = False
        while group.units() < group.desired:
            if not self.launch_somewhere(group, cause):
                group.retry_at = self.world.clock.now() + self.world.laws.retry
                self.nudge(group)
                return

    def _cause(self, group: Group, what: str) -> str:
        causes, group.causes = group.causes, []
        return "  ".join([*causes, f"At {self.stamp()} {what}"])

    def launch_somewhere(self, group: Group, cause: str) -> bool:
        """One launch, in the zone with the fewest members; in another one if that has no room.

        `AvailabilityZoneDistribution`, balanced-best-effort: "If launches fail in an Availability
        Zone, Auto Scaling will attempt to launch in another healthy Availability Zone instead";
        balanced-only keeps trying there
        (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AvailabilityZoneDistribution.html).
        """
        strategy = group.settings.get("AvailabilityZoneDistribution", {})
        zones = emptiest(group.zones, group.live())
        if strategy.get("CapacityDistributionStrategy") == "balanced-only":
            zones = zones[:1]
        for zone in zones:
            try:
                self.launch(group, zone, cause)
            except AwsError as error:
                self._failed(group, zone, cause, error)
                if error.code not in {"InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet"}:  # fmt: skip
                    return False
            else:
                return True
        return False

    def _failed(self, group: Group, zone: str, cause: str, error: AwsError) -> None:
        """A launch that failed, in the activity's words.

        "Troubleshoot Amazon EC2 Auto Scaling: EC2 instance launch failures"
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-instancelaunchfailure.html).
        """
        said = f"{error.message.rstrip('.')}. Launching EC2 instance failed."
        activity = self.world.groups.begin(
            group,
            f"Launching a new EC2 instance.  Status Reason: {said}",
            cause,
            details=self._details(group, zone),
        )
        self.world.groups.end(activity, "Failed", said)

    def _details(self, group: Group, zone: str) -> str:
        subnet = next(subnet for subnet, each in group.subnets if each == zone)
        return json.dumps({"Subnet ID": subnet, "Availability Zone": zone})

    def launch(self, group: Group, zone: str, cause: str, subnet: str | None = None) -> Member:
        """Launch one instance and make it a member: Pending.

        Raises:
            AwsError: EC2's refusal.
        """
        template, data = self.template(group)
        kind, weight = self._type(group, data)
        subnet = subnet or self._roomiest(group, zone)
        image = self.world.parameters.resolve(data.get("ImageId", ""))
        supply = self.world.supply
        supply.fits(image, kind)
        supply.addresses(subnet, 1)
        supply.grant(kind, zone, group.zones, 1, 1)
        tags = {key: value for key, (value, spread) in group.tags.items() if spread}
        reservation = door.ec2(self.world.region).run_instances(
            image,
            1,
            None,
            [],
            instance_type=kind,
            is_instance_type_default=False,
            region_name=self.world.region,
            subnet_id=subnet,
            launch_template={k: template[k] for k in ("LaunchTemplateId", "Version")},
            tags={"instance": {"aws:autoscaling:groupName": group.name, **tags}},
        )
        (instance,) = reservation.instances
        member = Member(
            instance.id, kind, zone, self.world.zone_id(zone), image, template,
            weight=weight or 1, weighted=weight is not None,
        )  # fmt: skip
        group.members[member.id] = member
        member.activity = self.world.groups.begin(
            group,
            f"Launching a new EC2 instance: {member.id}",
            cause,
            status="PreInService",
            progress=30,
            details=self._details(group, zone),
        )
        return member

    def _roomiest(self, group: Group, zone: str) -> str:
        """Of the group's subnets in a zone, the one with the most free addresses."""
        here = [subnet for subnet, each in group.subnets if each == zone]
        if len(here) == 1:
            return here[0]
        ec2 = door.ec2(self.world.region)
        return max(here, key=lambda subnet: ec2.get_subnet(subnet).available_ip_address_count)

    def template(self, group: Group) -> tuple[dict[str, str], dict[str, Any]]:
        """The template that the group launches from at this moment, by number, and its data."""
        given = group.settings.get("LaunchTemplate")
        if given is None:
            policy = group.settings["MixedInstancesPolicy"]["LaunchTemplate"]
            given = policy["LaunchTemplateSpecification"]
        found = self.world.templates.find(given)
        number = {
            "LaunchTemplateId": found.template.id,
            "LaunchTemplateName": found.template.name,
            "Version": str(found.number),
        }
        return number, dict(found.data)

    def _type(self, group: Group, data: dict[str, Any]) -> tuple[str, int | None]:
        """Type and weight: the first override of a mixed instances policy, by priority."""
        policy = group.settings.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        for override in policy.get("Overrides", []):
            if kind := override.get("InstanceType"):
                weight = override.get("WeightedCapacity")
                return kind, int(weight) if weight else None
        return data.get("InstanceType", "m1.small"), None

    def runs(self, instance_id: str) -> None:
        """EC2 says running: hooks first, then the load balancer, then service."""
        group = self.world.groups.of(instance_id)
        if group is None or group.members[instance_id].state != "Pending":
            return
        member = group.members[instance_id]
        if not hooks.hold(self.world, group, member, "autoscaling:EC2_INSTANCE_LAUNCHING"):
            self.serve(group, member)

    def died(self, instance_id: str) -> None:
        """EC2 terminated a member that was not in service yet: the launch is over, another follows.

        "Troubleshoot Amazon EC2 Auto Scaling: EC2 instance launch failures", client errors on launch:
        Cancelled, with this message
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-instancelaunchfailure.html).
        """
        group = self.world.groups.of(instance_id)
        if group is None or not group.members[instance_id].state.startswith("Pending"):
            return
        member = group.members.pop(instance_id)
        hooks.drop(member)
        reason = self.world.lives.find(instance_id).state_reason.message
        said = f"Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: {reason}"
        if member.activity and member.activity.open:
            self.world.groups.end(member.activity, "Cancelled", said)
        if group.extra == instance_id:
            group.extra = None
        group.retry_at = self.world.clock.now() + self.world.laws.retry
        self.nudge(group)

    def serve(self, group: Group, member: Member) -> None:
        """Into service, and into the target groups before that.

        "before the instance reaches the InService state … the instance is registered with the load
        balancer" (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html);
        an instance launched while AddToLoadBalancer is suspended stays out of it, also afterwards.
        """
        if group.on("AddToLoadBalancer"):
            for arn in group.target_groups:
                self.world.targets.register(arn, [(member.id, None)])
        member.state, member.in_service = "InService", self.world.clock.now()
        # "Instance scale-in protection starts when the instance state is InService."
        member.protected = bool(group.settings.get("NewInstancesProtectedFromScaleIn"))
        if member.activity and member.activity.open:
            self.world.groups.end(member.activity)
        if group.extra == member.id:
            group.extra = None
        self.nudge(group)

    def _terminate_surplus(self, group: Group, surplus: int) -> None:
        # "Suspending the Terminate process applies only to instances that are currently in the
        # InService state. It does not prevent the termination of instances in other states".
        free = [m for m in group.live() if group.on("Terminate") or m.state != "InService"]
        policies = group.settings.get("TerminationPolicies", ["Default"])
        chosen = victims(free, surplus, policies, self._born)
        before = group.units()
        cause = self._cause(
            group,
            "an instance was taken out of service in response to a difference between desired "
            f"and actual capacity, shrinking the capacity from {before} to {group.desired}.",
        )
        for member in chosen:
            self.terminate(group, member, cause)

    def _born(self, member: Member) -> float:
        return self.world.lives.all[member.id].launched

    def terminate(self, group: Group, member: Member, cause: str, *, force: bool = False) -> Any:
        """Out of the target groups, drained, held by hooks, shut down, gone: in this order.

        "the terminating instance is first deregistered from the load balancer … waits for existing
        connections to drain"; then Terminating:Wait
        (https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html).
        """
        hooks.drop(member)
        if member.activity and member.activity.open:
            self.world.groups.end(member.activity, "Cancelled")
        member.state = "Terminating"
        delay = self.leave_pools(group, member)
        status = "WaitingForELBConnectionDraining" if delay and not force else "InProgress"
        member.activity = self.world.groups.begin(
            group,
            f"Terminating EC2 instance: {member.id}",
            cause,
            status=status,
            progress=50,
            details=self._details_of(member),
        )
        wait = 0.0 if force else delay
        self.world.clock.after(wait, self._drained, group, member, force)
        return member.activity

    def _details_of(self, member: Member) -> str:
        subnet = self.world.lives.find(member.id).subnet_id
        return json.dumps({"Subnet ID": subnet, "Availability Zone": member.zone})

    def leave_pools(self, group: Group, member: Member) -> float:
        """Deregister from the group's target groups; the longest of their drains, in seconds."""
        drains = [0.0]
        for arn in group.target_groups:
            pool = self.world.targets.pool(arn)
            if any(key[0] == member.id for key in pool.targets):
                drains.append(self.world.targets.deregister(arn, [member.id]))
        return max(drains)

    def _drained(self, group: Group, member: Member, force: bool) -> None:
        if member.state != "Terminating":
            return
        if force or not hooks.hold(
            self.world, group, member, "autoscaling:EC2_INSTANCE_TERMINATING"
        ):
            self.shut_down(group, member)

    def ended(self, instance_id: str) -> None:
        """EC2 terminates a member while it drains; whether the rest is waited for is a law.

        AWS's pages leave it open. Auto Scaling waits for the deregistration delay, and the target of
        a terminated instance goes on to be shown as draining for it; on the other hand "if a
        deregistering target has no in-flight requests and no active connections, Elastic Load
        Balancing immediately completes the deregistration process"
        (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html).
        """
        group = self.world.groups.of(instance_id)
        if self.world.laws.lingers or group is None:
            return
        member = group.members[instance_id]
        if member.state == "Terminating" and not member.ending:
            self.world.clock.after(self.world.laws.reaction, self._drained, group, member, True)

    def shut_down(self, group: Group, member: Member) -> None:
        """EC2 terminates; the member is gone when the instance is."""
        member.state = "Terminating:Proceed" if group.hooks else "Terminating"
        member.ending = True
        if member.activity and member.activity.open:
            member.activity.status = "InProgress"
        self.world.lives.shut_down(member.id)
        if not self.world.lives.all[member.id].exists:
            self.gone(member.id)

    def gone(self, instance_id: str) -> None:
        """The instance is terminated: so is the membership."""
        group = self.world.groups.of(instance_id)
        if group is None or not group.members[instance_id].state.startswith("Terminating"):
            return
        member = group.members[instance_id]
        # An instance that EC2 ended first is a member until its drain and its hooks are over.
        if member.waiting or not member.ending:
            return
        del group.members[instance_id]
        if member.activity and member.activity.open:
            self.world.groups.end(member.activity)
        if group.status and not group.members:
            self.world.groups.forget(group)
        else:
            self.nudge(group)

    def _patrol(self, group: Group) -> None:
        """Every so often: who is unhealthy, and whether the zones are even."""
        group.patrolling = False
        if self.world.groups.all.get(group.name) is not group:
            return
        healing.look(self.world, group)
        if group.members or group.desired:
            group.patrolling = True
            self.world.clock.after(self.world.laws.patrol, self._patrol, group)
