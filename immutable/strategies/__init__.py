"""Strategies: frozen values that compile to the steps of `immutable.model.steps`."""

from immutable.strategies.blue_green import BlueGreen
from immutable.strategies.canary import Canary
from immutable.strategies.rolling import Rolling

__all__ = ["BlueGreen", "Canary", "Rolling"]
