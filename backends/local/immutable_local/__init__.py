"""Fleets of real processes on one machine, behind a real load balancer."""
