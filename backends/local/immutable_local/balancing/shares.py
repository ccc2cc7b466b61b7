"""The weights of members that give each revision its share of the traffic. Pure functions.

A balancer knows weights of members only, and a revision's share is the sum of its members': it
depends on how many serve. So weights are reckoned anew whenever that changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import floor
from typing import Final

from attrs import evolve, frozen

from immutable_local.balancing.members import Member

__all__ = ["Part", "parts", "weighed"]

_MOST: Final = 256
_EXACT: Final = 12


@frozen
class Part:
    """How the members of a revision take part in the traffic.

    Attributes:
        weight: The weight of each member that takes part: 1 to 256.
        members: How many take part; the others have weight 0.
    """

    weight: int
    members: int


# 10 % for 1 candidate beside 90 % for 4: a server of each has 10/1 and 90/4, as 4 to 9, and
# 1·4 of 1·4 + 4·9 is 10 %. Of all pairs up to 256 the first one with the smallest error:
#   10 % of 2 beside 90 % of 3:    5 : 30 is  1 : 6, exact
#   37 % of 97 beside 63 % of 89:  37/97 and 63/89 are 3,293 : 6,111, about 104 : 193
# What is rarer than 1 : 256 can't be said by weights: then only some take part.
#   1 % of 100 beside 99 % of 1:   1/100 and 99 are 1 : 9,900; of 2 members 1 : 198, exact
def parts(percent: Mapping[int, float], serving: Mapping[int, int]) -> dict[int, Part]:
    """Return how the members of each revision take part so that each gets its percentage.

    For 1 to 100 members of each of two revisions, and 1 to 99 percent, each share is within
    0.4 % of what it should be. A revision that isn't in the answer gets nothing: it has no
    percentage, or none of its members serves, and then its share falls to the others.

    Args:
        percent: Of the traffic, by revision.
        serving: How many members can get requests, by revision.
    """
    alive = {number: share for number, share in percent.items() if share and serving.get(number)}
    if not alive:
        return {}
    heaviest = max(share / serving[number] for number, share in alive.items())
    taking = {
        number: max(1, min(serving[number], floor(_MOST * share / heaviest + 1e-9)))
        for number, share in alive.items()
    }
    relative = {number: share / taking[number] / heaviest for number, share in alive.items()}

    def rounded(top: int) -> dict[int, int]:
        return {number: max(1, round(top * part)) for number, part in relative.items()}

    def error(top: int) -> float:
        got = {number: weight * taking[number] for number, weight in rounded(top).items()}
        scale = sum(alive.values()) / sum(got.values())
        most = max(abs(got[number] * scale / share - 1) for number, share in alive.items())
        return round(most, _EXACT)

    weights = rounded(min(range(1, _MOST + 1), key=error))
    return {number: Part(weights[number], taking[number]) for number in alive}


def weighed(members: Iterable[Member], percent: Mapping[int, float]) -> dict[str, Member]:
    """Return *members* by id, with weights that give each revision its percentage.

    If only some of a revision take part, they are the first ones by their ids, whoever asks.
    """
    known = sorted(members, key=lambda member: member.id)
    found = parts(percent, Counter(each.revision for each in known if not each.draining))
    left = Counter({number: part.members for number, part in found.items()})
    result = {}
    for member in known:
        weight = 0
        if not member.draining and left[member.revision] > 0:
            left[member.revision] -= 1
            weight = found[member.revision].weight
        result[member.id] = evolve(member, weight=weight)
    return result
