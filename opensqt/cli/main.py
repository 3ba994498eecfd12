"""The command line. Imports happen inside commands, so that `--help` is quick."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from opensqt.cli import adopt, backups, certify, config_commands, explain, lifecycle, serve, symbols
from opensqt.cli.exits import EXIT_OF_CODE, CommandError, Exit
from opensqt.cli.printing import complain, print_json, say
from opensqt.ports.control import ControlError

app = typer.Typer(
    name="opensqt",
    help="A durable, multi-symbol crypto market maker.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(
    help="Check and show configuration files.", no_args_is_help=True, rich_markup_mode=None
)
serve_app = typer.Typer(
    help="Run one process of a deployment in the foreground.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command()(lifecycle.up)
app.command()(lifecycle.down)
app.command()(lifecycle.status)
app.command()(symbols.add_symbol)
app.command()(symbols.remove_symbol)
app.command()(symbols.pause)
app.command()(symbols.resume)
app.command()(explain.explain)
app.command()(adopt.adopt)
app.command()(backups.backup)
app.command()(backups.restore)
app.command()(lifecycle.logs)
app.command()(lifecycle.doctor)
app.command()(certify.certify)
config_app.command()(config_commands.check)
config_app.command()(config_commands.show)
config_app.command()(config_commands.schema)
serve_app.command()(serve.connector)
serve_app.command()(serve.paper_venue)
app.add_typer(config_app, name="config")
app.add_typer(serve_app, name="serve")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        say(f"opensqt {version('opensqt')}")
        raise typer.Exit


@app.callback()
def program(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Trade durably on many symbols."""
    _ = version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    try:
        app(args=words, prog_name="opensqt")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.OK
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter's own flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except KeyboardInterrupt:
        complain("interrupted")
        return Exit.UNEXPECTED
    except Exception as error:  # noqa: BLE001 - the outermost frame of the program
        code, lines = _told(error)
        for line in lines:
            complain(line)
        if "--json" in words:
            print_json({"error": "\n".join(lines), "exit_code": code})
        return code
    return Exit.OK


def _told(error: Exception) -> tuple[Exit, list[str]]:
    """Return the exit code and what people are told; what nobody foresaw leaves its trace."""
    from opensqt.config.problems import ConfigError

    match error:
        case CommandError():
            return error.exit_code, [f"opensqt: {error}"]
        case ControlError():
            return EXIT_OF_CODE[error.code], [f"opensqt: {error.message}"]
        case ConfigError():
            return Exit.USAGE, [problem.text for problem in error.problems]
        case OSError():
            # A disk, a folder, a socket: the words of the system say more than where we stumbled.
            where = f"{error.filename}: " if error.filename else ""
            return Exit.UNEXPECTED, [f"opensqt: {where}{error.strerror or error}"]
        case _:
            import traceback

            traceback.print_exception(error)
            return Exit.UNEXPECTED, [f"opensqt: unexpected {type(error).__name__}: {error}"]


if __name__ == "__main__":
    sys.exit(main())
