"""What a deployment needs on this machine, checked one by one, each with a fix."""

import os
import resource
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from opensqt.cli.exits import CommandError
from opensqt.cli.place import load_deployment, open_run, refuse_unwritable
from opensqt.config.deployment import Deployment
from opensqt.config.problems import ConfigError
from opensqt.storage.soundness import problem_of

_GIB: Final = 1 << 30
_FILES_MIN: Final = 1_024
_HEAD_MB: Final = 1_300
_UNIT_MB: Final = 100


class Verdict(StrEnum):
    """Whether something is fit for trading."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check."""

    name: str
    verdict: Verdict
    detail: str
    fix: str = ""

    @property
    def line(self) -> str:
        """Return the line for people."""
        fix = f"; fix: {self.fix}" if self.fix and self.verdict is not Verdict.OK else ""
        return f"{self.verdict:<4}  {self.name}: {self.detail}{fix}"

    @property
    def entry(self) -> dict[str, str]:
        """Return the entry for programs."""
        fix = "" if self.verdict is Verdict.OK else self.fix
        return {"name": self.name, "verdict": self.verdict, "detail": self.detail, "fix": fix}


def examine(config: Path | None, data_dir: Path | None) -> list[Finding]:
    """Return every finding; the configuration comes first because others depend on it."""
    try:
        deployment = load_deployment(config, data_dir)
    except ConfigError as error:
        return [
            Finding(name="configuration", verdict=Verdict.FAIL, detail=problem.text)
            for problem in error.problems
        ]
    units = len(deployment.units)
    read = Finding(
        name="configuration",
        verdict=Verdict.OK,
        detail=f"{deployment.source}, mode {deployment.mode}, {units} symbols",
    )
    return [
        read,
        _python(),
        _run_dir(deployment),
        _data_dir(deployment.data_dir),
        _disk(deployment.data_dir),
        _stores(deployment),
        _memory(units),
        _files(),
    ]


def _python() -> Finding:
    text = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="python", verdict=Verdict.OK, detail=f"{text} at {sys.executable}")


def _run_dir(deployment: Deployment) -> Finding:
    try:
        run = open_run(deployment.data_dir)
    except CommandError as error:
        return Finding(
            name="run directory",
            verdict=Verdict.FAIL,
            detail=str(error),
            fix="set XDG_RUNTIME_DIR to a folder of yours",
        )
    return Finding(name="run directory", verdict=Verdict.OK, detail=str(run.path))


def _data_dir(data: Path) -> Finding:
    try:
        refuse_unwritable(_nearest(data))
    except CommandError as error:
        return Finding(name="data directory", verdict=Verdict.FAIL, detail=str(error))
    return Finding(name="data directory", verdict=Verdict.OK, detail=str(data))


def _nearest(data: Path) -> Path:
    """Return the folder, or the one it would be made in."""
    return next(place for place in (data, *data.parents) if place.exists())


def _stores(deployment: Deployment) -> Finding:
    problem = problem_of(deployment.store or deployment.data_dir)
    if problem:
        return Finding(name="stores", verdict=Verdict.FAIL, detail=problem)
    return Finding(name="stores", verdict=Verdict.OK, detail="can be opened")


def _disk(data: Path) -> Finding:
    place = _nearest(data)
    free = shutil.disk_usage(place).free
    return Finding(
        name="disk",
        verdict=Verdict.OK if free >= _GIB else Verdict.FAIL,
        detail=f"{free / _GIB:.1f} GiB free at {place}",
        fix="free at least 1 GiB or choose another --data-dir",
    )


def _memory(units: int) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") >> 20
    plan = _HEAD_MB + _UNIT_MB * units
    return Finding(
        name="memory",
        verdict=Verdict.OK if plan <= total else Verdict.WARN,
        detail=f"{total} MB free, {units} symbols need about {plan} MB",
        fix="trade fewer symbols or free memory",
    )


def _files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding(
        name="open files",
        verdict=Verdict.OK if soft >= _FILES_MIN else Verdict.WARN,
        detail=f"at most {soft} per process",
        fix=f"ulimit -n {_FILES_MIN * 8}",
    )
