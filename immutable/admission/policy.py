"""A fleet's policy: rules that all have to pass; as a value, as a file, and on record."""

from __future__ import annotations

import tomllib
from typing import Any, Self

from attrs import field, frozen

from immutable.admission.approvals import Approved
from immutable.admission.building import BaseAllowed, BuiltBy, BuiltFrom, MaxAge, TestsPassed
from immutable.admission.case import Case
from immutable.admission.combining import AllOf, AnyOf
from immutable.admission.lineage import NoDowngrade, NotRevoked
from immutable.admission.rule import Rule, asked, listed
from immutable.admission.signatures import SignedBy
from immutable.admission.windows import FreezeWindow
from immutable.catalog.state import Catalog
from immutable.errors import CatalogRefused, InvalidValue
from immutable.model.admission import Ruling
from immutable.model.catalog import GlassBroken, PolicySet
from immutable.model.serial import canonical
from immutable.trust.shape import plain, shaped
from immutable.trust.strict import strict_json

__all__ = ["Policy", "break_glass", "set_policy"]

_FORMAT = "immutable-policy"
_VERSION = 1
"""The version of the format; another set of rules or fields is another version."""

_MADE_OF_RULES: dict[str, type[AllOf | AnyOf]] = {"all_of": AllOf, "any_of": AnyOf}
_SIMPLE: dict[str, type[Rule]] = {
    "approved": Approved,
    "base_allowed": BaseAllowed,
    "built_by": BuiltBy,
    "built_from": BuiltFrom,
    "freeze_window": FreezeWindow,
    "max_age": MaxAge,
    "no_downgrade": NoDowngrade,
    "not_revoked": NotRevoked,
    "signed_by": SignedBy,
    "tests_passed": TestsPassed,
}
_WORDS = {kind: word for word, kind in (*_SIMPLE.items(), *_MADE_OF_RULES.items())}


@frozen
class Policy:
    """Which images may be launched on a fleet: those that all of some rules let pass.

    Attributes:
        require: The rules; none at all lets everything pass that is not revoked.
    """

    require: tuple[Rule, ...] = field(default=(), converter=listed)

    def rulings(self, case: Case) -> tuple[Ruling, ...]:
        """Return what each rule says of a case. The image may be launched if none blocks."""
        return tuple(asked(each, case) for each in self.require)

    def dump(self) -> str:
        """Return the policy as the text of a file that `load` reads: canonical JSON."""
        document = {_FORMAT: _VERSION, "require": [_written(each) for each in self.require]}
        return canonical(document).decode()

    @classmethod
    def load(cls, text: str) -> Self:
        """Return the policy in *text*, read strictly.

        Raises:
            ImmutableError: The extra ``trust`` is missing, and the policy names keys.
            InvalidValue: No such file; names the field, the reason and the way out.
        """
        data = strict_json(text, "policy")
        if not isinstance(data, dict) or data.pop(_FORMAT, None) != _VERSION:
            way_out = f'pass a file that begins with {{"{_FORMAT}":{_VERSION}'
            raise InvalidValue("policy", text[:40], "not an admission policy", way_out)
        return cls._of(data)

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Return the policy in a file that people write.

        Such as::

            [[require]]
            rule = "built_from"
            repository = "https://example.com/shop/web.git"
            refs = ["refs/heads/main"]

            [[require]]
            rule = "max_age"
            days = 30

        Raises:
            ImmutableError: The extra ``trust`` is missing, and the policy names keys.
            InvalidValue: It is no TOML, or a field is missing, unknown, or makes no sense.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            way_out = "write [[require]] and rule = …, as in docs/admission.md"
            raise InvalidValue("policy", text[:40], f"no TOML: {error}", way_out) from error
        return cls._of(data)

    @classmethod
    def _of(cls, data: dict[str, Any]) -> Self:
        for name in data.keys() - {"require"}:
            raise InvalidValue(f"policy.{name}", data[name], "unknown", "write [[require]] only")
        rules = data.get("require")
        if not isinstance(rules, list):
            raise InvalidValue("policy.require", rules, "not a list", "write [[require]]")
        return cls(_rules(rules, "require"))


def _written(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain data, with its name."""
    if isinstance(rule, AllOf | AnyOf):
        return {"rule": _WORDS[type(rule)], "of": [_written(each) for each in rule.of]}
    if type(rule) not in _WORDS:
        way_out = "a fleet carries rules of immutable.admission only: others can't be read back"
        raise InvalidValue("rule", str(rule), "a rule of another kind", way_out)
    return {"rule": _WORDS[type(rule)], **plain(rule)}


def _rules(data: list[Any], name: str) -> tuple[Rule, ...]:
    return tuple(_read(each, f"{name}[{number}]") for number, each in enumerate(data))


def _read(data: Any, name: str) -> Rule:
    """Return the rule that plain data describes."""
    if not isinstance(data, dict) or "rule" not in data:
        known = ", ".join(sorted(_WORDS.values()))
        raise InvalidValue(name, data, "not a rule", f"write rule = and one of: {known}")
    word, rest = data["rule"], {key: each for key, each in data.items() if key != "rule"}
    if kind := _MADE_OF_RULES.get(word):
        if not isinstance(rest.get("of"), list) or len(rest) > 1:
            raise InvalidValue(name, rest, f"not what {word} is made of", "write of = [ … ]")
        return kind(_rules(rest["of"], f"{name}.of"))
    if word not in _SIMPLE:
        known = ", ".join(sorted(_WORDS.values()))
        raise InvalidValue(f"{name}.rule", word, "unknown", f"write one of: {known}")
    return shaped(_SIMPLE[word], rest, name, written_by_hand=True)


# -- what goes on record ---------------------------------------------------------------------------


def set_policy(
    catalog: Catalog, fleet: str, policy: Policy | None, *, actor: str, reason: str = ""
) -> tuple[PolicySet, ...]:
    """Return what giving a fleet a policy writes down; nothing if it has it already.

    Args:
        catalog: The catalog as it is.
        fleet: The fleet's address.
        policy: The policy; None for none any more.
        actor: On whose behalf, as claimed.
        reason: Why.
    """
    there = catalog.policies.get(fleet)
    text = policy.dump() if policy is not None else ""
    if text == (there.policy if there is not None else ""):
        return ()
    return (PolicySet(fleet, text, actor, reason),)


def break_glass(
    catalog: Catalog, now: float, fleet: str, until: float, *, reason: str, actor: str
) -> tuple[GlassBroken, ...]:
    """Return what bypassing a fleet's policy for a while writes down.

    What is revoked is not launched all the same: restore it, if that was wrong.

    Args:
        catalog: The catalog as it is.
        now: The time, in seconds since 1970.
        fleet: The fleet's address.
        until: Until when; now to end it.
        reason: Why; whoever reviews it wants to know.
        actor: On whose behalf, as claimed.

    Raises:
        InvalidValue: There is no reason, or the time is past.
        CatalogRefused: The fleet has no policy, or nothing is there to be ended.
    """
    if not reason.strip():
        raise InvalidValue("reason", reason, "no reason", "say why: it will be reviewed")
    if until < now:
        raise InvalidValue("until", until, "in the past", "say for how long from now on")
    if fleet not in catalog.policies:
        raise CatalogRefused(f"{fleet} carries no policy", "there is nothing to bypass")
    if until == now and catalog.bypass(fleet, now) is None:
        raise CatalogRefused(f"the policy of {fleet} is in force", "there is nothing to end")
    return (GlassBroken(fleet, until, reason, actor),)
