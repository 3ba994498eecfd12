"""Live monitoring server."""
