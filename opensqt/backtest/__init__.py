"""Backtest drivers over recorded and synthetic markets."""
