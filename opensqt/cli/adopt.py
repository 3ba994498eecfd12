"""`opensqt adopt`: what only a human may decide about a symbol, shown first and audited."""

import getpass
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import ConfigOption, DataDirOption, JsonOption
from opensqt.cli.place import data_dir_of, existing_run
from opensqt.cli.printing import print_json, say
from opensqt.ports.control import Answer
from opensqt.system.rundir import RunDir


def adopt(
    target: Annotated[
        str, typer.Argument(help="[ACCOUNT/]SYMBOL[:spot|:perp][#INSTANCE]", metavar="TARGET")
    ],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail and the journal.")],
    operator: Annotated[
        str, typer.Option(help="Who decides; the user of this machine if left out.")
    ] = "",
    quantity: Annotated[
        str | None,
        typer.Option(help="Signed base units you expect; another difference is refused."),
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="Price to book at; the venue's average if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take over a position nobody journaled, and end a quarantine whose cause is gone."""
    from opensqt.core.targets import TargetError, parse_target

    try:
        parse_target(target)
    except TargetError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    run = existing_run(data_dir_of(config, data_dir))
    wish = {"operator": operator or getpass.getuser(), "reason": reason, "price": price}
    shown = _asked(run, target, {**wish, "quantity": quantity}, dry_run=True)
    if not as_json:
        _show(shown, str(wish["operator"]))
    if dry_run or not shown["steps"]:
        if as_json:
            print_json(shown)
        return
    if not (yes or _is_wanted(as_json=as_json)):
        say("nothing was changed")
        return
    # Exactly what was shown: should the venue hold something else by now, it is refused.
    difference = str(shown["difference"])
    done = _asked(run, target, {**wish, "quantity": difference}, dry_run=False)
    if as_json:
        print_json(done)
    else:
        say(f"adopted by {wish['operator']}" if done["adopted"] else "nothing was left to adopt")


def _asked(
    run: RunDir | None, target: str, wish: Mapping[str, str | None], *, dry_run: bool
) -> Answer:
    from opensqt.cli.control import ask

    return ask(
        run,
        lambda control: control.adopt(
            target,
            operator=wish["operator"] or "",
            reason=wish["reason"] or "",
            quantity=wish["quantity"],
            price=wish["price"],
            dry_run=dry_run,
        ),
    )


def _is_wanted(*, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        message = "adopting changes the book; say --yes, or --dry-run to look only"
        raise CommandError(Exit.USAGE, message)
    return typer.confirm("do this?")


def _show(answer: Answer, who: str) -> None:
    steps = answer["steps"]
    say(f"{answer['target']} {answer['state']}")
    say(f"book {answer['book']}, venue {answer['venue']}, difference {answer['difference']}")
    if not steps:
        say("nothing to adopt")
        return
    say(f"{who} would:")
    for number, step in enumerate(steps if isinstance(steps, list) else [], start=1):
        say(f"  {number}. {step}")
