"""``python -m actors --config FILE``: launch on Ray. ``python -m actors ctl …``: ask for something.

Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 4 not ready, 5 refused by state.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from actors.control import ask
from actors.launcher import LaunchError, connect, launch
from opensqt.config.load import load
from opensqt.config.problems import ConfigError

OK: Final = 0
USAGE: Final = 2
NOT_READY: Final = 4
REFUSED: Final = 5
_CODES: Final[Mapping[str, int]] = {
    "invalid": USAGE,
    "not_found": REFUSED,
    "conflict": REFUSED,
    "not_ready": NOT_READY,
}


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _control(options) if options.command == "ctl" else _launch(options)
    except ConfigError as error:
        _say(str(error))
        return USAGE
    except LaunchError as error:
        _say(str(error))
        return NOT_READY
    except BrokenPipeError:
        # Whoever read us has gone, such as head(1); the interpreter must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _launch(options: argparse.Namespace) -> int:
    if options.config is None:
        _say("expected --config FILE, or ctl; see: python -m actors --help")
        return USAGE
    environ = dict(os.environ)
    if options.data_dir is not None:
        environ["OPENSQT_DATA_DIR"] = str(options.data_dir.absolute())
    deployment = load(options.config, environ)
    launched = asyncio.run(launch(deployment, environ, dashboard=connect(environ)))
    what = "runs already" if launched.was_there else "runs"
    print(  # noqa: T201 - the answer of a command
        f"ready: orchestrator {what}, pid {launched.pid}, data in {launched.data_dir}", flush=True
    )
    return OK


def _control(options: argparse.Namespace) -> int:
    connect(os.environ)
    named = {"dry_run": options.dry_run} if options.action == "adopt" else {}
    answer = ask(options.action, _request(options), **named)
    print(json.dumps(answer, indent=2))  # noqa: T201 - the answer of a command
    if answer.get("ok", True):
        return OK
    return _CODES.get(str(answer.get("code")), 1)


def _request(options: argparse.Namespace) -> tuple[Any, ...]:
    match options.action:
        case "add":
            return (options.symbol, options.settings)
        case "remove" | "pause":
            return (options.symbol, options.mode)
        case "resume" | "explain":
            return (options.symbol,)
        case "adopt":
            wish = {"quantity": options.quantity, "price": options.price}
            expected = {name: text for name, text in wish.items() if text is not None}
            return (options.symbol, options.operator, options.reason, expected)
        case "status":
            return tuple(options.symbols)
        case "shutdown":
            return (options.orders,)
        case _:
            return ()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m actors", description=__doc__)
    parser.add_argument("--config", type=Path, metavar="FILE", help="what to run")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where state is kept")
    commands = parser.add_subparsers(dest="command")
    actions = commands.add_parser("ctl", help="ask the orchestrator").add_subparsers(
        dest="action", required=True
    )
    add = actions.add_parser("add", help="register a symbol and start it")
    add.add_argument("symbol")
    add.add_argument(
        "--settings", type=_settings, metavar="JSON", help="settings on top of the file's"
    )
    remove = actions.add_parser("remove", help="stop a symbol and forget it")
    remove.add_argument("symbol")
    remove.add_argument("--mode", default="drain", choices=("drain", "cancel", "flatten"))
    pause = actions.add_parser("pause", help="stop quoting, keep the symbol")
    pause.add_argument("symbol")
    pause.add_argument("--mode", default="cancel", choices=("drain", "cancel"))
    actions.add_parser("resume", help="quote again").add_argument("symbol")
    actions.add_parser("status", help="show everything").add_argument("symbols", nargs="*")
    actions.add_parser("explain", help="why each level has no order").add_argument("symbol")
    adopt = actions.add_parser("adopt", help="take over what only a human may decide")
    adopt.add_argument("symbol")
    adopt.add_argument("--operator", required=True)
    adopt.add_argument("--reason", required=True)
    adopt.add_argument("--quantity", help="refused when another difference is found")
    adopt.add_argument("--price")
    adopt.add_argument("--dry-run", action="store_true", help="show it, change nothing")
    actions.add_parser("list", help="show what is registered")
    down = actions.add_parser("shutdown", help="stop all trading, keep what is desired")
    down.add_argument("--orders", default="cancel", choices=("cancel", "keep"))
    return parser


def _settings(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        message = f"expected a JSON object, got {text!r}: {error}"
        raise argparse.ArgumentTypeError(message) from error
    if not isinstance(found, dict):
        message = f"expected a JSON object, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a command's complaint


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
