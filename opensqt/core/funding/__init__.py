"""Funding and arbitrage rules, as pure functions."""
