"""OpenSQT: a durable, multi-symbol crypto market maker."""
