"""Whose orders are ours when the control store is lost: the journals name them too."""

from contextlib import closing
from pathlib import Path

from opensqt.core.ids import tag_of
from opensqt.storage.database import DatabaseError
from opensqt.storage.location import Location, is_server, journal_paths
from opensqt.storage.reading import SqliteReader


def tags_of_journals(location: Location) -> frozenset[str]:
    """Return the deployment tags of the orders that the readable journals hold.

    Nothing is written or migrated. Empty for a server: what cannot be reached there says nothing.
    """
    if is_server(location):
        return frozenset()
    found = {tag for path in journal_paths(Path(location)) for tag in _tags(path)}
    return frozenset(found)


def _tags(path: Path) -> set[str]:
    try:
        with closing(SqliteReader(path)) as reader:
            rows = reader.query("SELECT DISTINCT substr(client_order_id, 1, 5) FROM orders")
    except DatabaseError:
        return set()  # the other journals of the deployment carry the same tag
    return {tag for row in rows if (tag := tag_of(str(row[0]))) is not None}
