"""`opensqt explain`: why an order was placed and what became of it, or why a level has none."""

from typing import Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import ConfigOption, DataDirOption, JsonOption, StoreOption
from opensqt.cli.place import data_dir_of, existing_run
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
    """Tell why an order was placed and what became of it, or why levels have none."""
    from opensqt.cli.stores import location_of
    from opensqt.core.order_story import is_client_order_id

    location = location_of(config, data_dir, store)
    if is_client_order_id(what):
        from opensqt.cli.explain_order import order_lines, plain_story, read_story

        story = read_story(location, what)
        answer: object = plain_story(story)
        lines = [] if as_json else order_lines(story)
    elif what and not what.isupper() and what.isalnum() and what[0] == "q":
        length = f"got {len(what)} characters: {what!r}"
        message = f"expected a client order id of 25 lower-case letters and digits, {length}"
        raise CommandError(Exit.USAGE, message)
    else:
        from opensqt.cli.explain_target import explain_target, target_lines

        found = explain_target(what, existing_run(data_dir_of(config, data_dir)), location)
        answer, lines = found, target_lines(found)
    if as_json:
        print_json(answer)
    else:
        for line in lines:
            say(line)
