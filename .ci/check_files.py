"""Check the files given as arguments: they parse, are tidy, small, and carry no private key.

Prints one line per problem as `file:line: what` and exits 1 if there is any.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

SIZE_MAX = 512 * 1024
"""Bytes; larger files belong into a release or a data store, not into history."""

KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
GENERATED = re.compile(r"_pb2(?:_grpc)?\.pyi?$|\.lock$")


def syntax(name: str, text: str) -> Iterator[str]:
    """Yield a problem when a YAML, TOML or JSON file does not parse."""
    try:
        match Path(name).suffix:
            case ".yaml" | ".yml":
                list(yaml.safe_load_all(text))
            case ".toml":
                tomllib.loads(text)
            case ".json":
                json.loads(text)
            case _:
                return
    except (yaml.YAMLError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        yield f"{name}:1: does not parse: {' '.join(str(error).split())}"


def whitespace(name: str, text: str) -> Iterator[str]:
    """Yield trailing blanks, carriage returns and a missing or doubled final line end."""
    if GENERATED.search(name) or not text:
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line != line.rstrip():
            yield f"{name}:{number}: trailing whitespace"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{name}:{text.count(chr(10)) + 1}: file must end with exactly one line end"


def secrets(name: str, text: str) -> Iterator[str]:
    """Yield every line that opens a private key."""
    for number, line in enumerate(text.split("\n"), start=1):
        if KEY.search(line):
            yield f"{name}:{number}: private key"


def problems(name: str, content: bytes) -> Iterator[str]:
    """Yield every problem of one file; binary content is checked for size only."""
    if len(content) > SIZE_MAX and not GENERATED.search(name):
        yield f"{name}:1: {len(content)} bytes, at most {SIZE_MAX} are allowed"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    yield from syntax(name, text)
    yield from whitespace(name, text)
    yield from secrets(name, text)


def main() -> int:
    """Check every file named on the command line."""
    found = [
        line
        for name in sys.argv[1:]
        if Path(name).is_file()
        for line in problems(name, Path(name).read_bytes())
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
