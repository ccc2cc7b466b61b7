"""The record as evidence: checkpoints of the journal's log, checking it, handing it to an auditor.

Nothing here is needed to run a rollout, and nothing here is loaded by ``import immutable``.
"""
