"""OpenTelemetry metrics and alerts."""
