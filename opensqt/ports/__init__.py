"""Protocols through which the engine reaches the outside world."""
