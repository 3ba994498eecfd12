"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file.", metavar="FILE"),
]
DataDirOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Data directory (OPENSQT_DATA_DIR, ./data).", metavar="DIR"),
]
StoreOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--store",
        help="PostgreSQL address, if state is kept there.",
        metavar="URL",
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TargetsArgument: TypeAlias = Annotated[
    list[str], typer.Argument(help="[ACCOUNT/]SYMBOL[:spot|:perp][#INSTANCE]", metavar="TARGET...")
]
ReplayOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--replay", help="Play this recording; repeatable.", metavar="FILE"),
]
MoreArgument: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(help="More recordings after --replay.", metavar="FILE..."),
]
SpeedOption: TypeAlias = Annotated[
    str, typer.Option(help="Recorded seconds per second, such as 2.", metavar="X")
]
LoopOption: TypeAlias = Annotated[bool, typer.Option("--loop", help="Play again at the end.")]
