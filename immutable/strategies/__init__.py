"""Strategies: frozen values that compile to the steps of `immutable.model.steps`."""

from immutable.strategies.rolling import Rolling

__all__ = ["Rolling"]
