"""Starting, ending and watching a deployment."""

from contextlib import suppress
from typing import Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    LoopOption,
    MoreArgument,
    ReplayOption,
    SpeedOption,
)
from opensqt.cli.place import (
    data_dir_of,
    environment,
    existing_run,
    load_deployment,
    logs_of,
    open_run,
    run_path_of,
)
from opensqt.cli.printing import complain, print_json, say, say_if_heard, status_lines

_CLEAR = "\x1b[H\x1b[2J"


def up(
    *,
    config: ConfigOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once every symbol is quoting.")
    ] = False,
    replay: ReplayOption = None,
    more: MoreArgument = None,
    speed: SpeedOption = "",
    loop: LoopOption = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
    supervise: Annotated[bool, typer.Option("--supervise", hidden=True)] = False,
) -> None:
    """Start trading: paper venue, connector, Ray, actors. Ctrl-C ends all of it."""
    import asyncio

    from opensqt.cli import up as starting
    from opensqt.cli.account_locks import refuse_held
    from opensqt.cli.recordings import checked_files, checked_playback

    files = checked_files(replay, more)
    deployment = load_deployment(config, data_dir)
    playback = checked_playback(files, speed=speed, loop=loop, deployment=deployment)
    starting.refuse_to_start(deployment)
    layout = starting.layout_of(deployment, playback)
    refuse_held(deployment, environment(data_dir))
    if supervise:
        raise typer.Exit(starting.supervise(layout, is_watched=False))
    if not detach:
        raise typer.Exit(starting.supervise(layout, is_watched=True))
    arguments = [
        *("-c", str(deployment.source), "--data-dir", str(deployment.data_dir)),
        *(word for file in files for word in ("--replay", str(file))),
        *(("--speed", speed) if speed else ()),
        *(("--loop",) if loop else ()),
    ]
    daemon = starting.start_daemon(arguments, layout)
    code = asyncio.run(starting.watch_start(layout, lambda: daemon.poll() is None))
    if daemon.poll() is not None:
        starting.refuse_second(layout.run)
    if as_json:
        endpoints = layout.run.endpoints()
        print_json(
            {"started": code is not Exit.NOT_READY, "pid": daemon.pid, "endpoints": endpoints}
        )
    else:
        for line in starting.addresses(layout):
            say(line)
    if daemon.poll() is not None:
        message = f"the supervisor has ended; see {logs_of(deployment.data_dir)}/supervisor.out"
        raise CommandError(Exit.UNEXPECTED, message)
    raise typer.Exit(code)


def down(
    *,
    orders: Annotated[str, typer.Option(help="cancel or keep our orders.")] = "cancel",
    purge: Annotated[bool, typer.Option("--purge", help="Delete the data directory.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Cancel our orders, keep positions, end exactly the processes `up` started."""
    import asyncio

    from opensqt.cli import take_down, up
    from opensqt.cli.supervisor import marked, read_children
    from opensqt.system import log
    from opensqt.system.clock import SystemClock

    if orders not in {"cancel", "keep"}:
        raise CommandError(Exit.USAGE, f"--orders: expected cancel or keep, got {orders!r}")
    log.configure(level="error")
    data = data_dir_of(config, data_dir)
    # Processes may outlive the run directory they were started with.
    run = existing_run(data) or (open_run(data) if marked(run_path_of(data)) else None)
    code = Exit.OK
    if run is None:
        say_if_heard("nothing is running")
    elif read_children(run) or marked(run.path) or up.is_supervised(run):
        asyncio.run(up.stand_aside(run))
        clock = SystemClock()
        with run.lock(up.SUPERVISOR):
            code = asyncio.run(
                take_down.take_down(run, data, orders=orders, clock=clock, say=say_if_heard)
            )
    else:
        code = asyncio.run(take_down.stand_down(run, orders=orders, say=say_if_heard))
    if purge and code is Exit.OK:
        take_down.purge(data, run, say=say)
    raise typer.Exit(code)


def status(
    *,
    targets: Annotated[list[str] | None, typer.Argument(metavar="TARGET...")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it every second.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what every symbol is doing."""
    import asyncio

    from opensqt.cli import view
    from opensqt.cli.control import not_ready
    from opensqt.ports.control import ControlError
    from opensqt.system.clock import SystemClock

    run = existing_run(data_dir_of(config, data_dir))
    if run is None:
        raise not_ready()
    while True:
        try:
            answer = view.status(run, tuple(targets or ()))
            text = "" if as_json else "\n".join(status_lines(answer))
        except ControlError as error:
            if not watch:
                raise
            answer, text = {"error": error.message}, error.message
        if as_json:
            print_json(answer)
        else:
            say(f"{_CLEAR}{text}" if watch else text)
        if not watch:
            return
        try:
            asyncio.run(SystemClock().sleep_ms(1_000))
        except KeyboardInterrupt:
            return


def logs(
    name: Annotated[str, typer.Argument(help="Process, such as ray; all if left out.")] = "",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 50,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print the end of the logs of our processes."""
    from opensqt.cli.tail import follow_files, last_lines

    folder = logs_of(data_dir_of(config, data_dir))
    files = sorted(folder.glob("*.log"))
    if name:
        files = [file for file in files if file.stem == name]
    if not files:
        known = ", ".join(file.stem for file in sorted(folder.glob("*.log")))
        said = (
            f"no log {name!r} in {folder}; there are: {known}" if known else f"no log in {folder}"
        )
        raise CommandError(Exit.USAGE, said)
    for file in files:
        for line in last_lines(file, lines):
            say(line if name else f"{file.stem}: {line}")
    if follow:
        with suppress(KeyboardInterrupt):
            follow_files(files, lambda file, line: say(line if name else f"{file.stem}: {line}"))


def doctor(
    *, config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """Check what a deployment needs on this machine."""
    from opensqt.cli.doctor import Verdict, examine

    findings = examine(config, data_dir)
    if as_json:
        print_json([finding.entry for finding in findings])
    else:
        for finding in findings:
            (complain if finding.verdict is Verdict.FAIL else say)(finding.line)
    failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    raise typer.Exit(Exit.USAGE if failed else Exit.OK)
