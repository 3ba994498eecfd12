"""Commands about symbols of a running deployment."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from opensqt.cli.exits import EXIT_OF_CODE, CommandError, Exit
from opensqt.cli.options import ConfigOption, DataDirOption, JsonOption, TargetsArgument
from opensqt.cli.place import data_dir_of, existing_run
from opensqt.cli.printing import Progress, complain, print_json, say
from opensqt.ports.control import Answer, ControlError, ControlPort
from opensqt.system.rundir import RunDir

MODES = ("drain", "cancel", "flatten")
_ROUND_MS = 2_000

Request = Callable[[ControlPort, str], Awaitable[Answer]]


def add_symbol(
    targets: TargetsArgument,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Settings, such as configs/symbols/X.yaml."),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Register symbols and start trading them."""
    from opensqt.cli.settings_file import read_settings

    settings = read_settings(file, sets or [])

    async def add(control: ControlPort, target: str) -> Answer:
        return await control.add_symbol(target, settings, dry_run=dry_run)

    def told(answer: Answer) -> str:
        word = "added" if answer.get("created") else "is there already"
        return f"{answer.get('target')} {'would be ' if dry_run else ''}{word}"

    _each(targets, add, told, run=_run(config, data_dir), as_json=as_json)


def remove_symbol(
    targets: TargetsArgument,
    *,
    mode: Annotated[
        str, typer.Option(help="drain (until flat), cancel (keep position) or flatten.")
    ] = "drain",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return at once.")] = False,
    timeout: Annotated[int, typer.Option(min=0, help="Seconds to wait; 0 = until it is done.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Stop symbols and forget them; waits until no order of ours is left."""
    _check_mode(mode, MODES)
    run = _run(config, data_dir)
    is_waiting = not (no_wait or dry_run)
    progress = Progress()
    limit_ms = timeout * 1_000

    async def remove(control: ControlPort, target: str) -> Answer:
        from opensqt.system.clock import SystemClock

        clock = SystemClock()
        begin = clock.monotonic_ms()
        while True:
            answer = await control.remove_symbol(
                target, mode, wait_ms=_ROUND_MS if is_waiting else 0, dry_run=dry_run
            )
            waited_ms = clock.monotonic_ms() - begin
            if answer.get("done") or not is_waiting or 0 < limit_ms <= waited_ms:
                progress.end()
                return answer
            progress.show(_state_line(answer))

    def told(answer: Answer) -> str:
        line = _state_line(answer)
        if dry_run:
            return f"{line}, would be removed ({mode})"
        return f"{line}, {'removed' if answer.get('done') else 'not done yet'}"

    answers = _each(targets, remove, told, run=run, as_json=as_json, is_endless=is_waiting)
    if is_waiting and not all(answer.get("done") for answer in answers):
        raise typer.Exit(Exit.PARTLY)


def pause(
    targets: TargetsArgument,
    *,
    mode: Annotated[
        str, typer.Option(help="cancel (no orders, keep position) or drain (until flat).")
    ] = "cancel",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Stop quoting symbols without forgetting them."""
    _check_mode(mode, ("drain", "cancel"))

    async def ask(control: ControlPort, target: str) -> Answer:
        return await control.pause(target, mode)

    told = _told("pausing", settled=("paused", "stopped"))
    _each(targets, ask, told, run=_run(config, data_dir), as_json=as_json)


def resume(
    targets: TargetsArgument,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Quote paused symbols again."""

    async def ask(control: ControlPort, target: str) -> Answer:
        return await control.resume(target)

    told = _told("resuming", settled=("quoting",))
    _each(targets, ask, told, run=_run(config, data_dir), as_json=as_json)


def _told(doing: str, *, settled: tuple[str, ...]) -> Callable[[Answer], str]:
    """Say that a request was taken: its unit may show the state from before for a moment."""

    def told(answer: Answer) -> str:
        line = _state_line(answer)
        return line if answer.get("state") in settled else f"{line}, {doing}"

    return told


def _each(
    targets: list[str],
    request: Request,
    told: Callable[[Answer], str],
    *,
    run: RunDir | None,
    as_json: bool,
    is_endless: bool = False,
) -> list[Answer]:
    """Ask for every target, print every answer, end with the code that fits all of them."""
    from opensqt.cli.control import ANSWER_S

    _check_targets(targets)
    answers: list[Answer] = []
    failures: list[ControlError] = []
    for target in targets:
        try:
            answer = _asked(run, request, target, timeout_s=None if is_endless else ANSWER_S)
            line = told(answer)
        except ControlError as error:
            failures.append(error)
            answer = {"target": target, "error": error.message, "code": str(error.code)}
            is_named = error.message.startswith(target)
            line = error.message if is_named else f"{target}: {error.message}"
        answers.append(answer)
        if not as_json:
            (complain if "error" in answer else say)(line)
    if as_json:
        print_json(answers)
    if failures:
        is_total = len(failures) == len(targets)
        raise typer.Exit(EXIT_OF_CODE[failures[0].code] if is_total else Exit.PARTLY)
    return answers


def _asked(run: RunDir | None, request: Request, target: str, *, timeout_s: float | None) -> Answer:
    from opensqt.cli.control import ask

    return ask(run, lambda control: request(control, target), timeout_s=timeout_s)


def _check_targets(targets: list[str]) -> None:
    from opensqt.core.targets import TargetError, parse_target

    for target in targets:
        try:
            parse_target(target)
        except TargetError as error:
            raise CommandError(Exit.USAGE, str(error)) from error


def _state_line(answer: Answer) -> str:
    parts = [f"{answer.get('target')} {answer.get('state')}"]
    if answer.get("position") not in {None, ""}:
        parts.append(f"position {answer['position']}")
    if "open_orders" in answer:
        parts.append(f"{answer['open_orders']} open orders")
    return ", ".join(parts)


def _check_mode(mode: str, known: tuple[str, ...]) -> None:
    if mode not in known:
        raise CommandError(Exit.USAGE, f"--mode: expected {' or '.join(known)}, got {mode!r}")


def _run(config: Path | None, data_dir: Path | None) -> RunDir | None:
    return existing_run(data_dir_of(config, data_dir))
