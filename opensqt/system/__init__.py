"""Real clock and structured logging; the one place that calls time and logging."""
