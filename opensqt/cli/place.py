"""Where the deployment is that a command talks about."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

from opensqt.cli.exits import CommandError, Exit
from opensqt.system.rundir import RunDir, RunDirError, data_dir, run_dir_path

if TYPE_CHECKING:
    from opensqt.config.deployment import Deployment

DEFAULT_CONFIG: Final = Path("configs/paper.yaml")
_ROOM_MIB: Final = 16


def environment(given_data_dir: Path | None) -> Mapping[str, str]:
    """Return the environment with the data directory an option named."""
    if given_data_dir is None:
        return os.environ
    return {**os.environ, "OPENSQT_DATA_DIR": str(given_data_dir)}


def config_path(given: Path | None) -> Path:
    """Return the configuration file: as given, else of this folder, else of this checkout."""
    if given is not None or DEFAULT_CONFIG.exists():
        return given or DEFAULT_CONFIG
    beside = Path(__file__).parents[2] / DEFAULT_CONFIG
    return beside if beside.exists() else DEFAULT_CONFIG


def load_deployment(config: Path | None, given_data_dir: Path | None) -> "Deployment":
    """Return the checked configuration; raise ``ConfigError`` with every problem."""
    from opensqt.config.load import load

    return load(config_path(config), environment(given_data_dir))


def data_dir_of(config: Path | None, given_data_dir: Path | None) -> Path:
    """Return the data directory without reading a configuration unless one is named."""
    if config is not None and given_data_dir is None:
        return load_deployment(config, None).data_dir
    return data_dir(os.environ, given=given_data_dir)


def existing_run(data: Path) -> RunDir | None:
    """Return the run directory of a data directory, or None if there never was one."""
    return open_run(data) if run_path_of(data).exists() else None


def run_path_of(data: Path) -> Path:
    """Return where the run directory of a data directory is, or would be."""
    return run_dir_path(data, os.environ)


def open_run(data: Path) -> RunDir:
    """Return the run directory of a data directory, made if it is missing."""
    try:
        return RunDir(data, os.environ)
    except (RunDirError, OSError) as error:
        raise CommandError(Exit.UNEXPECTED, str(error)) from error


def refuse_unwritable(data: Path) -> None:
    """Make the data directory; raise ``CommandError`` unless it takes files of a useful length."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=data) as probe:
            os.posix_fallocate(probe.fileno(), 0, _ROOM_MIB << 20)
    except OSError as error:
        is_no_folder = isinstance(error, FileExistsError | NotADirectoryError)
        got = "no folder" if is_no_folder else f"'{error.strerror}'"
        message = (
            f"data directory {data}: got {got}, expected a folder that takes {_ROOM_MIB} MiB; "
            "fix: make room, or choose another with --data-dir"
        )
        raise CommandError(Exit.USAGE if is_no_folder else Exit.REFUSED, message) from error


def logs_of(data: Path) -> Path:
    """Return the folder with the logs of all processes."""
    return data / "logs"
