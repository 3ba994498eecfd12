"""Seeded virtual-time simulation that drives the production engine."""
