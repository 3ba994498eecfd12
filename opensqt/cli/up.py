"""`up`: the supervisor, in the foreground or as a daemon, and what is shown while it starts."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from opensqt.cli.children import (
    RAY,
    Layout,
    Playback,
    child_specs,
    choose_ports,
    forget_ports,
    keep_ports,
    make_token,
)
from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.place import existing_run, logs_of, open_run, refuse_unwritable
from opensqt.cli.printing import Progress, complain, say, say_if_heard
from opensqt.cli.processes import send
from opensqt.cli.supervision import ChildSpec, ChildState, is_all_up
from opensqt.cli.supervisor import PAUSE_MS, Supervisor, read_children
from opensqt.cli.tail import last_lines
from opensqt.cli.take_down import take_down
from opensqt.cli.view import children_line, quarantined, symbols_line
from opensqt.config.deployment import Deployment
from opensqt.config.overrides import has_own_paper_venue
from opensqt.storage.soundness import problem_of
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.system.locks import LockHeldError, lock_holder
from opensqt.system.process import ProcessName, current
from opensqt.system.rundir import RunDir, write_atomically

SUPERVISOR: Final = "supervisor"
RAY_ENVIRONMENT: Final = "ray.env"
"""File that makes `ray` and `python -m actors` of a shell talk to our cluster."""
START_MS: Final = 180_000
"""How long `up --detach` watches the start before it leaves it alone."""
_STAND_ASIDE_MS: Final = 5_000
_SECOND_MS: Final = 1_000


def layout_of(deployment: Deployment, playback: Playback) -> Layout:
    """Return what the children are told; makes the run directory and chooses ports."""
    run = open_run(deployment.data_dir)
    children = read_children(run).values()
    if not any(child.process is not None and child.process.is_alive for child in children):
        # Somebody else may have taken them meanwhile.
        forget_ports(run)
    return Layout(
        deployment=deployment,
        run=run,
        ports=choose_ports(run, deployment),
        playback=playback,
    )


def refuse_second(run: RunDir) -> None:
    """Raise ``CommandError`` while another supervisor looks after this data directory."""
    holder = lock_holder(run.path / f"{SUPERVISOR}.lock")
    if holder is not None:
        message = f"already running: {holder}; see: opensqt status"
        raise CommandError(Exit.REFUSED, message)


def refuse_to_start(deployment: Deployment) -> None:
    """Raise ``CommandError`` beside another supervisor, or when a store could not be used.

    Makes nothing but the data directory. What runs is looked after in any case: without it our
    orders could not be taken back.
    """
    run = existing_run(deployment.data_dir)
    if run is not None:
        refuse_second(run)
        if run.live_processes():
            return
    refuse_unwritable(deployment.data_dir)
    problem = problem_of(deployment.store or deployment.data_dir)
    if problem:
        raise CommandError(Exit.REFUSED, problem)


def is_supervised(run: RunDir) -> bool:
    """Tell whether a supervisor looks after this run directory."""
    return lock_holder(run.path / f"{SUPERVISOR}.lock") is not None


def announce(layout: Layout) -> None:
    """Write down where things will be found."""
    run = layout.run
    run.set_endpoint("ray_dashboard", layout.dashboard_url)
    run.set_endpoint("ray", layout.ray_address)
    lines = [f"export {name}={value}\n" for name, value in layout.ray_environment.items()]
    write_atomically(run.path / RAY_ENVIRONMENT, "".join(lines))
    if has_own_paper_venue(layout.deployment):
        run.set_endpoint("paper_control", layout.paper_url)


def supervise(layout: Layout, *, is_watched: bool) -> Exit:
    """Be the supervisor until told to end; take the deployment down unless told to stand aside."""
    logs = logs_of(layout.deployment.data_dir)
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{SUPERVISOR}.log").open("a", encoding="utf-8") as stream:
        log.configure(stream=stream, as_json=True)
        while (code := _supervise_once(layout, is_watched=is_watched)) is None:
            # Nobody finds the sockets of the children any more: all of them are started again.
            log.get("opensqt.supervisor").error("supervisor.run_directory_lost")
            layout = replace(layout, run=open_run(layout.deployment.data_dir))
            keep_ports(layout.run, layout.ports)
        return code


def _supervise_once(layout: Layout, *, is_watched: bool) -> Exit | None:
    """Return the exit code, or None when the run directory has been deleted meanwhile."""
    lock = layout.run.lock(SUPERVISOR)
    try:
        lock.acquire()
    except LockHeldError as error:
        raise CommandError(Exit.REFUSED, f"already running: {error}") from error
    code: Exit | None = None
    try:
        layout.run.set_process(SUPERVISOR, current())
        code = asyncio.run(_supervise(layout, is_watched=is_watched))
    finally:
        if code is not None:
            layout.run.set_process(SUPERVISOR, None)
        lock.release()
    return code


def start_daemon(arguments: list[str], layout: Layout) -> subprocess.Popen[bytes]:
    """Start the supervisor as a process of its own that outlives this terminal."""
    logs = logs_of(layout.deployment.data_dir)
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{SUPERVISOR}.out").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "opensqt.cli.main", "up", "--supervise", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def watch_start(layout: Layout, is_alive: Callable[[], bool]) -> Exit:
    """Show the start until every symbol has settled; ``NOT_READY`` if it takes too long.

    ``PARTLY`` when a symbol has settled in quarantine; its reason is told.
    """
    clock, progress = SystemClock(), Progress()
    specs = child_specs(layout)
    kinds = {spec.name: spec.kind for spec in specs}
    begin = clock.monotonic_ms()
    while is_alive() and clock.monotonic_ms() - begin < START_MS:
        children = read_children(layout.run)
        seconds = (clock.monotonic_ms() - begin) // _SECOND_MS
        # An adopted deployment is up before its new supervisor is.
        if not (is_supervised(layout.run) and is_all_up(specs, children)):
            progress.show(_stamped(children_line(children, kinds), seconds))
        else:
            words, has_settled = await asyncio.to_thread(symbols_line, layout.run)
            progress.show(_stamped(words, seconds))
            if has_settled:
                progress.end()
                say(f"started in {(clock.monotonic_ms() - begin) / _SECOND_MS:.1f} s")
                stuck = await asyncio.to_thread(quarantined, layout.run)
                for line in stuck:
                    complain(line)
                return Exit.PARTLY if stuck else Exit.OK
        await clock.sleep_ms(3 * PAUSE_MS)
    progress.end()
    for line in _complaints(layout, specs):
        say(line)
    return Exit.NOT_READY


def _complaints(layout: Layout, specs: tuple[ChildSpec, ...]) -> list[str]:
    """Return what children that are not up said last."""
    children = read_children(layout.run)
    found = []
    for spec in specs:
        if is_all_up((spec,), children):
            continue
        file = logs_of(layout.deployment.data_dir) / f"{spec.name}.log"
        last = last_lines(file, 1) if file.exists() else []
        found.append(f"{spec.name} is not up; {file}: {''.join(last) or 'nothing said'}")
    return found


def addresses(layout: Layout) -> list[str]:
    """Return the lines that say where to look and what to do next."""
    run = layout.run.path
    lines = [
        f"ray dashboard  {layout.dashboard_url}  (token in {layout.token_path})",
        f"ray commands   source {run / RAY_ENVIRONMENT}",
    ]
    if has_own_paper_venue(layout.deployment):
        lines.append(f"paper venue    {layout.paper_url}/paper/v1/ledger")
    lines.append(f"logs           {logs_of(layout.deployment.data_dir)}")
    lines.append("next           opensqt status --watch   opensqt down")
    return lines


async def stand_aside(run: RunDir) -> None:
    """Ask a running supervisor to leave its children alone and end; force it when it does not."""
    clock = SystemClock()
    holder = run.processes().get(SUPERVISOR)
    limit = clock.monotonic_ms() + _STAND_ASIDE_MS
    if holder is None:
        return
    send(holder, signal.SIGUSR1)
    while holder.is_alive and clock.monotonic_ms() < limit:
        await clock.sleep_ms(PAUSE_MS)
    send(holder, signal.SIGKILL)
    while holder.is_alive and clock.monotonic_ms() < 2 * limit:
        await clock.sleep_ms(PAUSE_MS)


async def _supervise(layout: Layout, *, is_watched: bool) -> Exit | None:
    clock = SystemClock()
    supervisor = Supervisor(
        run=layout.run,
        specs=child_specs(layout),
        logs=logs_of(layout.deployment.data_dir),
        clock=clock,
        log=log.get("opensqt.supervisor"),
    )
    stop, aside = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, _set_all, aside, stop)
    make_token(layout.token_path)
    supervisor.adopt()
    _forget_old_ray(layout.run, supervisor.states.get(RAY, ChildState()))
    announce(layout)
    shown = asyncio.create_task(_show(layout, supervisor)) if is_watched else None
    await supervisor.run(stop)
    if shown is not None:
        shown.cancel()
        # It has failed when terminal or pipe are gone.
        with suppress(asyncio.CancelledError, OSError):
            await shown
    if aside.is_set():
        return Exit.OK
    if not stop.is_set():
        return None
    if is_watched:
        say_if_heard("")
    return await take_down(
        layout.run, layout.deployment.data_dir, orders="cancel", clock=clock, say=say_if_heard
    )


def _set_all(*events: asyncio.Event) -> None:
    for event in events:
        event.set()


async def _show(layout: Layout, supervisor: Supervisor) -> None:
    clock = SystemClock()
    await watch_start(layout, lambda: True)
    for line in addresses(layout):
        say(line)
    say("Ctrl-C stops trading, cancels our orders and ends all processes")
    seen = {name: state.restarts for name, state in supervisor.states.items()}
    while True:
        await clock.sleep_ms(_SECOND_MS)
        for name, state in supervisor.states.items():
            if state.restarts > seen.get(name, 0):
                say(f"{name} ended and is restarted ({state.restarts})")
            seen[name] = state.restarts


def _forget_old_ray(run: RunDir, state: ChildState) -> None:
    # Sessions of heads that are gone only fill the disk.
    process: ProcessName | None = state.process
    if process is None or not process.is_alive:
        shutil.rmtree(run.path / "ray", ignore_errors=True)


def _stamped(text: str, seconds: int) -> str:
    return f"{seconds:>3} s  {text}" if sys.stderr.isatty() else text
