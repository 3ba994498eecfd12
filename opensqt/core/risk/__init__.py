"""Pre-trade review and limits, as pure functions."""
