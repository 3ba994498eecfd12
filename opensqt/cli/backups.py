"""`opensqt backup` and `opensqt restore`: a deployment in one file, and back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.options import ConfigOption, DataDirOption, JsonOption, StoreOption
from opensqt.cli.place import data_dir_of, existing_run, open_run, refuse_unwritable, run_path_of
from opensqt.cli.printing import Progress, print_json, say

if TYPE_CHECKING:
    from opensqt.storage.restore import Restored


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to; DATA_DIR/backups/ if left out.", metavar="FILE"),
    ] = None,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    store: StoreOption = "",
) -> None:
    """Copy registry and journals into one file, also while trading."""
    from opensqt.bootstrap.runtime import build_text
    from opensqt.cli.stores import location_of
    from opensqt.storage.archive import BackupError
    from opensqt.storage.backup import create_backup
    from opensqt.storage.soundness import problem_of
    from opensqt.system.clock import SystemClock

    now_ms = SystemClock().now_ms()
    data = data_dir_of(config, data_dir)
    location = location_of(config, data_dir, store)
    problem = problem_of(location)
    if problem:
        raise CommandError(Exit.REFUSED, problem)
    target = file or data / "backups" / f"opensqt-{_stamp(now_ms)}.tar"
    progress = Progress()
    try:
        manifest = create_backup(
            location,
            target,
            build=build_text(),
            now_ms=now_ms,
            told=(lambda _: None) if as_json else progress.show,
        )
    except BackupError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    finally:
        progress.end()
    size = target.stat().st_size
    facts = sum(copy.sequence for copy in manifest.copies)
    if as_json:
        print_json(
            {
                "file": str(target),
                "bytes": size,
                "deployment": manifest.deployment,
                "created_ms": manifest.created_ms,
                "journals": len(manifest.copies) - 1,
                "facts": facts,
            }
        )
    else:
        say(f"{target}: {len(manifest.copies) - 1} journals, {facts} facts, {size} bytes")


def restore(
    file: Annotated[
        Path | None, typer.Argument(help="What `opensqt backup` wrote.", metavar="FILE")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, change nothing.")] = False,
    to_end: Annotated[
        bool, typer.Option("--finish", help="Complete a restore that was interrupted.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    store: StoreOption = "",
) -> None:
    """Put registry and journals back to a backup; nothing may run. The former state is kept."""
    from opensqt.cli.stores import location_of
    from opensqt.storage.archive import BackupError
    from opensqt.storage.restore import finish
    from opensqt.storage.restore import restore as put_back
    from opensqt.system.clock import SystemClock
    from opensqt.system.locks import LockHeldError

    data = data_dir_of(config, data_dir)
    if (file is None) is not to_end:
        raise CommandError(Exit.USAGE, "expected a FILE, or --finish alone")
    location = location_of(config, data_dir, store)
    _refuse_running(data, str(location))
    if not dry_run:
        refuse_unwritable(data)
    try:
        with open_run(data).lock("restore"):
            if file is None:
                _say_finished(finish(data), as_json=as_json)
                return
            now_ms = SystemClock().now_ms()
            found = put_back(location, data, file, now_ms=now_ms, is_trial=dry_run)
    except LockHeldError as error:
        raise CommandError(Exit.REFUSED, f"another restore is under way: {error}") from error
    except BackupError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    _show(found, is_trial=dry_run, as_json=as_json)


def _show(found: "Restored", *, is_trial: bool, as_json: bool) -> None:
    manifest = found.manifest
    if as_json:
        print_json(
            {
                "restored": not is_trial,
                "created_ms": manifest.created_ms,
                "deployment": manifest.deployment,
                "journals": len(manifest.copies) - 1,
                "kept": found.kept or None,
                "missing": [unit.text for unit in found.missing],
            }
        )
        return
    verb = "would restore" if is_trial else "restored"
    say(f"{verb} {len(manifest.copies) - 1} journals as of {_stamp(manifest.created_ms)}")
    if found.kept and not is_trial:
        say(f"the former state is kept in {found.kept}")
    for unit in found.missing:
        say(f"{unit.text} is not in the backup: nobody looks after its orders; add it again")
    say("what traded since is asked from the venue at the next start; see: opensqt adopt")


def _say_finished(is_done: bool, *, as_json: bool) -> None:
    if as_json:
        print_json({"finished": is_done})
    else:
        say("the interrupted restore is complete" if is_done else "no restore was interrupted")


def _refuse_running(data: Path, location: str) -> None:
    """Raise ``CommandError`` while anything of the deployment runs."""
    from opensqt.cli.processes import mark_of, process_table
    from opensqt.storage.location import is_server
    from opensqt.system.locks import lock_holder

    run = existing_run(data)
    holders = []
    if run is not None:
        holders = [f"{name} (pid {one.pid})" for name, one in run.live_processes().items()]
        locks = [path for path in run.path.glob("*.lock") if not path.name.startswith(".")]
        found = ((path.stem, lock_holder(path)) for path in sorted(locks))
        holders += [f"{name}: {held}" for name, held in found if held is not None]
    mark = mark_of(run_path_of(data))
    holders += [f"pid {row.name.pid}" for row in process_table() if row.mark.startswith(mark)]
    if not holders and is_server(location):
        from opensqt.storage.database import DatabaseError
        from opensqt.storage.server_copy import others_connected

        try:
            sessions = others_connected(location)
        except DatabaseError as error:
            raise CommandError(Exit.USAGE, str(error)) from error
        holders = [f"{sessions} sessions on the server"] if sessions else []
    if holders:
        message = f"something runs: {holders[0]}; end it first: opensqt down"
        raise CommandError(Exit.REFUSED, message)


def _stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
