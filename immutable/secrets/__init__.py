"""Secrets: references that travel, values that don't, and what reads the ones by the others.

Importing it costs little: it is what `immutable exec` needs inside of an instance.
"""
