"""`config check`, `config show` and `config schema`."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from opensqt.cli.exits import Exit
from opensqt.cli.options import ConfigOption, DataDirOption, JsonOption
from opensqt.cli.place import config_path, environment
from opensqt.cli.printing import complain, print_json, say, table

FileArgument: TypeAlias = Annotated[
    Path | None, typer.Argument(help="Configuration file.", metavar="FILE")
]


def check(
    file: FileArgument = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List every problem of a configuration file."""
    from opensqt.config.load import load
    from opensqt.config.problems import ConfigError
    from opensqt.config.show import problem_entry

    path = config_path(file or config)
    try:
        deployment = load(path, environment(data_dir))
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "problems": [*map(problem_entry, error.problems)]})
        else:
            for problem in error.problems:
                complain(problem.text)
        raise typer.Exit(Exit.USAGE) from None
    targets = [unit.text for unit, _ in deployment.units]
    if as_json:
        print_json({"ok": True, "problems": [], "targets": targets})
    else:
        say(f"{path}: ok, mode {deployment.mode}, {', '.join(targets) or 'no symbols'}")


def show(
    file: FileArgument = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Print the configuration that would take effect; secrets are masked."""
    from opensqt.config.show import effective, effective_yaml

    path = config_path(file or config)
    if as_json:
        print_json(effective(path, environment(data_dir)))
    else:
        say(effective_yaml(path, environment(data_dir)).rstrip("\n"))


def schema(as_json: JsonOption = False) -> None:
    """List every key with what it accepts, its default and its meaning."""
    from opensqt.config.show import json_schema, schema_rows

    if as_json:
        print_json(json_schema())
    else:
        for line in table(schema_rows()):
            say(line)
