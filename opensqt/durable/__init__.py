"""DBOS workflows; the only package that knows DBOS."""
