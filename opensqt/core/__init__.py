"""Pure rules: facts in, intents out; no clock, randomness, I/O or logging."""
