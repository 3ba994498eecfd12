"""`--replay FILE... --speed X`, checked."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from opensqt.cli.children import Playback
from opensqt.cli.exits import CommandError, Exit
from opensqt.config.deployment import Deployment
from opensqt.core.money import MoneyError, parse_decimal
from opensqt.market.frames import FrameError, check_recording

SPEED_MAX: Final = 1000


def checked_files(replay: Iterable[Path] | None, more: Iterable[Path] | None) -> tuple[Path, ...]:
    """Return the recordings, absolute; raise ``CommandError`` for one that cannot be read."""
    first, rest = [*(replay or ())], [*(more or ())]
    if rest and not first:
        raise CommandError(Exit.USAGE, f"{rest[0]}: files to play follow --replay")
    for file in (*first, *rest):
        if not file.is_file() or not os.access(file, os.R_OK):
            raise CommandError(Exit.USAGE, f"--replay {file}: no such file")
        try:
            check_recording(file)
        except FrameError as error:
            raise CommandError(Exit.USAGE, f"--replay: expected a recording; {error}") from error
    return tuple(file.absolute() for file in (*first, *rest))


def checked_speed(text: str) -> str:
    """Return the speed, empty when none was given; raise ``CommandError`` for nonsense."""
    try:
        is_fine = not text or 0 < parse_decimal(text) <= SPEED_MAX
    except MoneyError:
        is_fine = False
    if not is_fine:
        message = f"--speed: expected a number above 0 and at most {SPEED_MAX}, got {text!r}"
        raise CommandError(Exit.USAGE, message)
    return text


def checked_playback(
    files: tuple[Path, ...], *, speed: str, loop: bool, deployment: Deployment
) -> Playback:
    """Return what is played; raise ``CommandError`` when speed or loop have nothing to play."""
    speed = checked_speed(speed)
    if (speed or loop) and not (files or deployment.paper.replay.files):
        message = "--speed and --loop go with --replay FILE, or with paper.replay.files"
        raise CommandError(Exit.USAGE, message)
    return Playback(files=files, speed=speed, is_looping=loop)
