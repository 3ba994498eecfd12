"""Reading configuration files."""

from pathlib import Path

from opensqt.config.problems import ConfigError, Problem, Where
from opensqt.config.tree import SIZE_MAX


def read_file(path: Path) -> bytes:
    """Return the bytes of a configuration file; raise ``ConfigError`` when there are none."""
    try:
        if path.is_dir():
            got = "a directory"
        elif not path.exists():
            got = "no such file"
        elif not path.is_file():
            got = "not a regular file"
        else:
            with path.open("rb") as file:
                return file.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        got = f"an unreadable file ({error})"
    problem = Problem(
        where=Where(source=str(path)),
        key="",
        got=got,
        expected="a YAML file",
        fix="give the configuration with -c FILE",
    )
    raise ConfigError([problem])


def resolved(text: str) -> Path | None:
    """Return an absolute path, or None for a text that names none."""
    try:
        return Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        return None
