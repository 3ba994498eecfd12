"""Where the stores of a deployment are that a command reads or replaces."""

from pathlib import Path

from opensqt.bootstrap.runtime import remembered_store
from opensqt.cli.place import data_dir_of, load_deployment
from opensqt.storage.location import Location


def location_of(config: Path | None, data_dir: Path | None, store: str) -> Location:
    """Return where registry and journals lie: as told, as configured, or as they last ran."""
    if store:
        return store
    data = data_dir_of(config, data_dir)
    if config is not None:
        return load_deployment(config, data_dir).store or data
    return remembered_store(data) or data
