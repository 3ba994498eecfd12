"""`opensqt backup` and `restore`: where files go, what is said, and when nothing is done."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensqt.cli.main import main
from opensqt.storage.location import control_path, restoring_path
from opensqt.system.rundir import RunDir, run_dir_path
from tests.engine.stage import UNIT
from tests.fakes.lived import lived, store_life


@pytest.fixture
def data(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the data directory of a unit that has lived, below where commands are called."""
    folder = data / "data"
    monkeypatch.setenv("OPENSQT_DATA_DIR", str(folder))
    store_life(folder)
    yield folder
    shutil.rmtree(run_dir_path(folder, {}), ignore_errors=True)


def saved(data: Path) -> Path:
    assert main(["backup", "b.tar"]) == 0
    return data.parent / "b.tar"


def test_a_backup_goes_into_the_data_directory_unless_told_otherwise(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup"]) == 0
    text = capsys.readouterr().out
    assert main(["backup", "b.tar", "--json"]) == 0
    captured = capsys.readouterr()

    (file,) = (data / "backups").iterdir()
    assert str(file) in text
    assert f"1 journals, {len(lived())} facts" in text
    answer = json.loads(captured.out)
    assert (answer["journals"], answer["facts"]) == (1, len(lived()))
    assert answer["bytes"] == Path("b.tar").stat().st_size
    assert captured.err == ""


def test_a_restore_says_what_it_did_and_where_the_former_state_is(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(data)
    capsys.readouterr()

    assert main(["restore", "b.tar"]) == 0
    text = capsys.readouterr().out
    assert main(["restore", "b.tar", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)

    assert "restored 1 journals as of" in text
    assert "the former state is kept in" in text
    assert Path(answer["kept"]).is_dir()
    assert (answer["restored"], answer["journals"], answer["missing"]) == (True, 1, [])
    assert len(list(data.glob("before-restore-*"))) == 2
    assert main(["explain", "BTCUSDT", "--json"]) == 0


def test_a_dry_run_changes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(data)
    before = control_path(data).read_bytes()

    assert main(["restore", "b.tar", "--dry-run"]) == 0

    assert "would restore 1 journals" in capsys.readouterr().out
    assert control_path(data).read_bytes() == before
    assert list(data.glob("before-restore-*")) == []


def test_while_something_runs_nothing_is_restored(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(data)
    capsys.readouterr()

    with RunDir(data, {}).lock("connector-paper"):
        assert main(["restore", "b.tar"]) == 5
        assert main(["restore", "--finish"]) == 5

    line, _ = capsys.readouterr().err.splitlines()
    assert "something runs: connector-paper" in line
    assert "opensqt down" in line
    assert list(data.glob("before-restore-*")) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["restore"], "expected a FILE, or --finish alone"),
        (["restore", "b.tar", "--finish"], "expected a FILE, or --finish alone"),
        (["restore", "none.tar"], "cannot read none.tar"),
        (["restore", "rubbish.tar"], "no backup of this program"),
        (["backup", "b.tar"], "b.tar exists; a backup overwrites nothing"),
        (["backup", "--data-dir", "nowhere"], "there is nothing to back up"),
        (["backup", "/proc/x/b.tar"], "/proc/x"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(
    data: Path, capsys: pytest.CaptureFixture[str], command: list[str], said: str
) -> None:
    saved(data)
    Path("rubbish.tar").write_bytes(b"rubbish" * 1000)
    capsys.readouterr()

    assert main(command) == 2

    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("opensqt:")]
    assert len(lines) == 1
    assert said in lines[0]
    assert control_path(data).exists()
    assert not Path("nowhere").exists()


def test_an_interrupted_restore_is_finished(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", "--finish"]) == 0
    assert "no restore was interrupted" in capsys.readouterr().out
    (data / "stage" / "symbols").mkdir(parents=True)
    (data / "aside").mkdir()
    control_path(data).rename(data / "stage" / "control.db")
    shutil.rmtree(data / "symbols")
    plan = {"stage": "stage", "aside": "aside", "is_moved": True}
    restoring_path(data).write_text(json.dumps(plan))

    assert main(["restore", "--finish"]) == 0

    assert "is complete" in capsys.readouterr().out
    assert control_path(data).exists()
    assert not restoring_path(data).exists()
    assert UNIT.path not in {path.name for path in (data / "symbols").iterdir()}
