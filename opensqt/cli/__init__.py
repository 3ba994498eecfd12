"""Command line and supervisor; never imports ray."""
