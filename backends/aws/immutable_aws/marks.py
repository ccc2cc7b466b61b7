"""What rollouts write on groups, as tags: whose they are, who holds them, what to restore. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from immutable.backend import Hold, Origin, Pool, Volume
from immutable.toolkit.marks import hold_of, hold_text, last_of, last_text, origin_of, origin_text
from immutable.toolkit.packing import pack, packed_keys, unpack

__all__ = [
    "FLEET",
    "HOLD",
    "LAST",
    "ORIGIN",
    "PAUSED",
    "PREFIX",
    "RETIRED",
    "REVISION",
    "ROLLOUT",
    "RULES",
    "SLOTS",
    "VOLUMES",
    "Marks",
    "Rule",
    "Saved",
    "fleet_keys",
    "held_keys",
    "hold_tags",
    "last_tag",
    "rules_tags",
    "saved_tags",
    "slots_tag",
    "tag_list",
    "tags_of",
]

PREFIX = "immutable:"
FLEET = f"{PREFIX}fleet"
REVISION = f"{PREFIX}revision"
ROLLOUT = f"{PREFIX}rollout"
PLAN = f"{PREFIX}plan"
ORIGIN = f"{PREFIX}origin"
POOL = f"{PREFIX}pool"
LAST = f"{PREFIX}last"
HOLD = f"{PREFIX}hold"
PAUSED = f"{PREFIX}paused"
RETIRED = f"{PREFIX}retired"
SAVED = f"{PREFIX}saved"
RULES = f"{PREFIX}rules"
IMAGE = f"{PREFIX}image"
VOLUMES = f"{PREFIX}volumes"
SLOTS = f"{PREFIX}slots"

_LAUNCHED = (FLEET, REVISION)
"""What members carry too."""


@frozen
class Saved:
    """How a group was before it was first held.

    Attributes:
        minimum: Its minimum.
        suspended: The processes that the hold suspended.
        lifetime: Its instances' longest life in seconds, if the hold took that away.
        rebalance: Whether the hold took Capacity Rebalancing away.
        policies: By name, the fields of a scaling policy that the hold changed, as they were.
    """

    minimum: int = 0
    suspended: tuple[str, ...] = ()
    lifetime: int | None = None
    rebalance: bool = False
    policies: Mapping[str, Mapping[str, Any]] = field(factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "min": self.minimum,
            "suspended": list(self.suspended),
            "lifetime": self.lifetime,
            "rebalance": self.rebalance,
            "policies": {name: dict(was) for name, was in self.policies.items()},
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Saved:
        """Return what `to_json` made plain."""
        return cls(
            minimum=int(data.get("min", 0)),
            suspended=tuple(data.get("suspended", ())),
            lifetime=data.get("lifetime"),
            rebalance=bool(data.get("rebalance")),
            policies=data.get("policies", {}),
        )


@frozen
class Rule:
    """A rule of a load balancer that divides a fleet's traffic.

    Attributes:
        listener: The listener's ARN.
        arn: The rule's ARN.
        default: Whether it is the listener's default rule, which is changed through the listener.
    """

    listener: str
    arn: str
    default: bool


@frozen
class Marks:
    """What is written on one group.

    Attributes:
        fleet: The fleet that it is of; empty for none.
        revision: Its revision's number; 0 for none.
        rollout: Which rollout made it.
        plan: The digest of that rollout's plan.
        origin: Whether it was made by a rollout.
        deletable: Whether it may be deleted: ours, or adopted so.
        pool: How it gets traffic.
        last: The highest number given out, and to which rollout.
        hold: The hold on it, over or not.
        saved: What to restore when that ends.
        paused: Processes that a call in progress has suspended, and resumes at its end.
        rules: What divides the fleet's traffic.
        image: The revision of an adopted group, as plain data.
        volumes: What each slot of a stateful fleet has.
        slots: The slots that were made so far.
    """

    fleet: str = ""
    revision: int = 0
    rollout: str = ""
    plan: str = ""
    origin: Origin = Origin.OURS
    deletable: bool = True
    pool: Pool = Pool.SHARED
    last: tuple[int, str] = (0, "")
    hold: Hold | None = None
    saved: Saved | None = None
    paused: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    image: Any = None
    volumes: tuple[Volume, ...] = ()
    slots: tuple[str, ...] = ()

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> Marks:
        """Return what a group's tags say."""
        data = unpack(SAVED, tags)
        saved = Saved.of(data) if data else None
        origin, deletable = origin_of(tags.get(ORIGIN, Origin.OURS.value))
        revision = tags.get(REVISION, "")
        return cls(
            fleet=tags.get(FLEET, ""),
            revision=int(revision) if revision.isdigit() else 0,
            rollout=tags.get(ROLLOUT, ""),
            plan=tags.get(PLAN, ""),
            origin=origin,
            deletable=deletable,
            pool=Pool.OWN if tags.get(POOL) == Pool.OWN.value else Pool.SHARED,
            last=last_of(tags.get(LAST, "")),
            hold=hold_of(tags.get(HOLD, ""), saved.minimum if saved else None),
            saved=saved,
            paused=tuple(tags.get(PAUSED, "").split()),
            rules=tuple(Rule(*each) for each in unpack(RULES, tags) or ()),
            image=unpack(IMAGE, tags),
            volumes=tuple(Volume(*each) for each in unpack(VOLUMES, tags) or ()),
            slots=tuple(tags.get(SLOTS, "").split()),
        )

    def birth(self, hold: Hold, saved: Saved) -> dict[str, str]:
        """Return the tags that a group is made with, held from the start."""
        return {
            FLEET: self.fleet,
            REVISION: str(self.revision),
            ROLLOUT: self.rollout,
            PLAN: self.plan,
            ORIGIN: Origin.OURS.value,
            POOL: self.pool.value,
            **last_tag(self.revision, self.rollout),
            **hold_tags(hold, saved),
            **(rules_tags(self.rules) if self.rules else {}),
            **self._stateful(),
        }

    def first(self) -> dict[str, str]:
        """Return the tags of a fleet's first group: nobody's rollout, and not held."""
        image = pack(IMAGE, self.image) if self.image is not None else {}
        return {
            FLEET: self.fleet,
            REVISION: str(self.revision),
            ORIGIN: origin_text(self.origin, self.deletable),
            POOL: self.pool.value,
            **last_tag(self.revision, ""),
            **image,
            **self._stateful(),
        }

    def _stateful(self) -> dict[str, str]:
        if not self.volumes:
            return {}
        volumes = [[each.name, each.path, each.size] for each in self.volumes]
        return {**pack(VOLUMES, volumes), **slots_tag(self.slots)}


def last_tag(number: int, rollout: str) -> dict[str, str]:
    """Return the tag that says that a number was given out."""
    return {LAST: last_text(number, rollout)}


def slots_tag(slots: Iterable[str]) -> dict[str, str]:
    """Return the tag that says which slots were made."""
    return {SLOTS: " ".join(slots)}


def rules_tags(rules: Iterable[Rule]) -> dict[str, str]:
    """Return the tags that say what divides the traffic."""
    return pack(RULES, [[rule.listener, rule.arn, rule.default] for rule in rules])


def hold_tags(hold: Hold, saved: Saved) -> dict[str, str]:
    """Return the tags of a hold and of what to restore after it."""
    return {HOLD: hold_text(hold), **saved_tags(saved)}


def saved_tags(saved: Saved) -> dict[str, str]:
    """Return the tags that say what to restore."""
    return pack(SAVED, saved.to_json())


def held_keys(tags: Mapping[str, str]) -> list[str]:
    """Return the keys of the tags that a hold has left."""
    return [key for key in (HOLD, PAUSED) if key in tags] + packed_keys(SAVED, tags)


def fleet_keys(tags: Mapping[str, str]) -> list[str]:
    """Return the keys of all our tags but the one that says of what a group was a part."""
    return [key for key in tags if key.startswith(PREFIX) and key != RETIRED]


def tags_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a description by key."""
    return {tag["Key"]: tag.get("Value", "") for tag in described.get("Tags", ())}


def tag_list(group: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return tags as Auto Scaling wants them."""
    return [
        {
            "ResourceId": group,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": key in _LAUNCHED,
        }
        for key, value in tags.items()
    ]
