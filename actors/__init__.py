"""Ray actors: thin wrappers around the engine; the only package that knows ray."""
