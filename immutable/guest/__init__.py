"""What runs inside of an instance: `immutable exec`, which gives a command its secrets.

It imports little, so that instances start quickly: neither the engine nor any extra.
"""
