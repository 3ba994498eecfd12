"""`opensqt explain`: why an order was placed and what became of it, or why a level has none."""

import sys
from typing import Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import ConfigOption, DataDirOption, JsonOption, StoreOption
from opensqt.cli.place import data_dir_of
from opensqt.cli.printing import print_json, say


def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="CLIENT_ORDER_ID of an order of ours, or a symbol such as BTCUSDT:perp.",
            metavar="CLIENT_ORDER_ID|TARGET",
        ),
    ],
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    store: StoreOption = "",
) -> None:
    """Tell why an order was placed and what became of it."""
    from opensqt.cli.explain_order import order_lines, plain_story, read_story
    from opensqt.core.order_story import is_client_order_id

    location = store or data_dir_of(config, data_dir)
    if is_client_order_id(what):
        story = read_story(location, what)
        if as_json:
            print_json(plain_story(story))
        else:
            for line in order_lines(story, is_wide=not sys.stdout.isatty()):
                say(line)
        return
    message = (
        f"expected a client order id (25 letters and digits, q first) or a target such as "
        f"BTCUSDT:perp, got {what!r}"
    )
    raise CommandError(Exit.USAGE, message)
