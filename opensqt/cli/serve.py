"""`serve`: one process of a deployment in the foreground, as the supervisor starts it."""

from pathlib import Path
from typing import Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import ConfigOption, DataDirOption

_READY = "ready: "


def connector(
    config: ConfigOption = None,
    account: Annotated[str, typer.Option(help="Account; needed if there are several.")] = "",
    data_dir: DataDirOption = None,
) -> None:
    """Serve one venue account over gRPC; the only process that knows its keys."""
    raise CommandError(Exit.UNEXPECTED, f"not wired yet {config} {account} {data_dir}")


def paper_venue(
    config: ConfigOption = None,
    replay: Annotated[list[Path] | None, typer.Option("--replay", metavar="FILE")] = None,
    speed: Annotated[str, typer.Option(metavar="X")] = "",
    loop: Annotated[bool, typer.Option("--loop")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Serve the paper venue."""
    raise CommandError(
        Exit.UNEXPECTED, f"not wired yet {config} {replay} {speed} {loop} {data_dir}"
    )
