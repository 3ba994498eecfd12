"""Composition root of one symbol process; imports no more than that process needs."""
