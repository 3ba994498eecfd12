"""The mark of a deployment that is down outlives processes, also where a disk is full."""

import os
from pathlib import Path

import pytest

from opensqt.bootstrap.down_mark import DownMark
from tests.system.test_rundir import no_space


def test_a_mark_is_set_seen_by_others_and_cleared(tmp_path: Path) -> None:
    DownMark(tmp_path).set()
    assert DownMark(tmp_path).is_set()

    DownMark(tmp_path).clear()
    DownMark(tmp_path).clear()

    assert not DownMark(tmp_path).is_set()


def test_a_full_disk_has_room_for_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", no_space)

    DownMark(tmp_path).set()

    assert DownMark(tmp_path).is_set()
