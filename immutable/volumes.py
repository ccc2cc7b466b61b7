"""Fleets whose instances have volumes: what a slot has, and how a replacement treats the data.

>>> from immutable.volumes import Stateful, Volume
>>> Volume("data", "/var/lib/db")
Volume(name='data', path='/var/lib/db', size='')
>>> Stateful(snapshot=True).irreversible
False
"""

from immutable.model import Slot, Stateful, Volume

__all__ = ["Slot", "Stateful", "Volume"]
