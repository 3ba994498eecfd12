"""Journals and registry on SQLite and Postgres through SQLAlchemy Core."""
