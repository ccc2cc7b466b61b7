"""Rollouts and fleets as people read them: sentences, rows, and JSON."""
