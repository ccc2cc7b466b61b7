"""Fleets that follow a channel: when it points at another image, they get a plan to go there.

What a fleet follows, and how, is kept in the catalog. A `Follower`, which every
``immutable controller`` runs, makes the plans: it offers them, to be approved and applied, or hands
them over to be carried out, within times of the week and so many fleets at once.
"""

from immutable.following.due import Due, due
from immutable.following.follower import Follower
from immutable.following.values import Following, follow, unfollow

__all__ = ["Due", "Follower", "Following", "due", "follow", "unfollow"]
