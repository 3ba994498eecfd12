"""Paper venue: a process that speaks an exchange's protocol around the pure venue model."""
