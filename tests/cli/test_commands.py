"""What commands print, what they ask the orchestrator, and how they end."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from opensqt.cli.exits import Exit
from opensqt.cli.main import main
from opensqt.cli.processes import MARK, mark_of
from opensqt.cli.supervisor import read_children
from opensqt.system.process import ProcessName, current, start_ticks
from opensqt.system.rundir import RunDir, write_atomically
from tests.cli.fake_control import calls

ROOT = Path(__file__).parents[2]
STATUS_KEYS = ["mode", "timezone", "kill", "memory", "symbols", "processes", "endpoints"]
SYMBOL_KEYS = (
    "account symbol market strategy state idle_reason position open_orders fills realized_pnl "
    "unrealized_pnl fees price price_age_ms pid restarts capital"
).split()


def test_help_is_quick_and_lists_every_command() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    answer = subprocess.run(
        [sys.executable, "-m", "opensqt.cli.main", "--help"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    names = "up down status add-symbol remove-symbol pause resume logs doctor config serve".split()
    names += "explain adopt backup restore certify".split()
    assert [name for name in names if f"  {name}" not in answer.stdout] == []
    assert seconds < 0.4


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"opensqt {version('opensqt')}\n"


def test_nobody_imports_ray_or_pydantic_for_help() -> None:
    code = (
        "import sys; from opensqt.cli.main import main; main(['--help']); "
        "print([m for m in ('ray', 'pydantic', 'grpc', 'yaml', 'rich') if m in sys.modules])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT, text=True
    )

    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "0.0.0.0:50051"], "--listen: anybody could trade; add --token-file FILE"),
        (["--listen", "here"], "--listen: got 'here', expected HOST:PORT"),
        (["--listen", "a:1", "--token-file", "open"], "--token-file: open: expected mode 0600"),
        (["--listen", "a:1", "--token-file", "gone"], "--token-file: [Errno 2]"),
    ],
)
def test_a_connector_that_anybody_could_use_is_not_served(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    token = tmp_path / "open"
    token.write_text("a" * 32)
    token.chmod(0o644)
    config = ["-c", str(ROOT / "configs/paper.yaml")]
    monkeypatch.setenv("OPENSQT_PAPER__PORT", "1")

    assert main(["serve", "connector", *config, *options]) == Exit.USAGE

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_status_has_exactly_the_agreed_keys(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json"]) == 0

    status = json.loads(capsys.readouterr().out)
    assert list(status) == STATUS_KEYS
    (symbol,) = status["symbols"]
    assert list(symbol) == SYMBOL_KEYS
    assert symbol["position"] == "0.004"
    assert symbol["idle_reason"] is None
    assert symbol["price_age_ms"] == 40
    assert list(status["processes"][0]) == ["name", "pid", "restarts"]
    assert list(status["endpoints"]) == "ray_dashboard control paper_control metrics live".split()
    assert status["endpoints"]["metrics"] is None


def test_status_adds_supervised_processes_and_announced_addresses(
    data: Path, orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDir(data, {})
    me = current()
    write_atomically(
        run.path / "children.json",
        json.dumps({"ray": {"pid": me.pid, "start": me.start, "restarts": 2}, "actors": {}}),
    )
    run.set_endpoint("paper_control", "http://127.0.0.1:1")

    assert main(["status", "--json"]) == 0

    (run.path / "children.json").unlink()
    status = json.loads(capsys.readouterr().out)
    assert status["processes"] == [
        {"name": "orchestrator", "pid": 4241, "restarts": 0},
        {"name": "ray", "pid": me.pid, "restarts": 2},
    ]
    assert status["endpoints"]["paper_control"] == "http://127.0.0.1:1"
    assert status["endpoints"]["control"] == "unix:/run/control.sock"


def test_status_for_people_names_symbol_state_and_position(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "BTCUSDT"]) == 0

    text = capsys.readouterr().out
    assert [
        word for word in ("BTCUSDT:perp", "quoting", "0.004", "61800.1") if word not in text
    ] == []
    assert calls(orchestrator) == [["status", ["BTCUSDT"]]]


@pytest.mark.parametrize(
    "command", [["status"], ["add-symbol", "BTCUSDT"], ["pause", "BTCUSDT"], ["resume", "BTCUSDT"]]
)
def test_without_an_orchestrator_commands_end_with_four(
    data: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    RunDir(data, {})

    assert main(command) == 4
    assert "the orchestrator is not running" in capsys.readouterr().err


def test_settings_reach_the_orchestrator_as_text(data: Path, orchestrator: Path) -> None:
    (data / "wide.yaml").write_text('price_interval: "0.5"\nbuy_window_size: 3\n')

    assert main(["add-symbol", "XRPUSDT", "-f", "wide.yaml", "--set", "price_interval=0.25"]) == 0
    assert main(["add-symbol", "XRPUSDT", "--dry-run"]) == 0

    assert calls(orchestrator) == [
        ["add", "XRPUSDT", {"price_interval": "0.25", "buy_window_size": 3}, False],
        ["add", "XRPUSDT", None, True],
    ]


def test_wrong_settings_are_told_with_file_and_line_and_nothing_is_asked(
    data: Path, orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "bad.yaml").write_text("price_interval: 0.5\nbuy_windw_size: 3\n")

    assert main(["add-symbol", "XRPUSDT", "-f", "bad.yaml", "--set", "hysteresis=x"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": got")[0] for line in lines] == [
        "--set hysteresis",
        "bad.yaml:1 price_interval",
        "bad.yaml:2 buy_windw_size",
    ]
    assert not orchestrator.exists()


def test_some_targets_failing_ends_with_six_and_all_with_their_own_code(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add-symbol", "XRPUSDT", "NOPEUSDT", "--json"]) == 6
    answers = json.loads(capsys.readouterr().out)
    assert main(["add-symbol", "NOPEUSDT"]) == 2
    assert main(["resume", "BTCUSDT"]) == 5
    assert main(["remove-symbol", "ETHUSDT"]) == 5

    assert [answer.get("code") for answer in answers] == [None, "invalid"]


def test_removing_waits_until_it_is_done(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove-symbol", "BTCUSDT", "--mode", "flatten"]) == 0

    assert [call[:3] for call in calls(orchestrator)] == [["remove", "BTCUSDT", "flatten"]] * 3
    assert (
        "paper/BTCUSDT:perp stopped, position 0, 0 open orders, removed" in capsys.readouterr().out
    )


def test_removing_without_waiting_asks_once(orchestrator: Path) -> None:
    assert main(["remove-symbol", "BTCUSDT", "--no-wait"]) == 0

    assert calls(orchestrator) == [["remove", "BTCUSDT", "drain", 0, False]]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["pause", "btcusdt"], "did you mean 'BTCUSDT'?"),
        (["pause", "BTCUSDT", "--mode", "flatten"], "--mode: expected drain or cancel"),
        (["remove-symbol", "BTCUSDT", "--mode", "x"], "expected drain or cancel or flatten"),
        (["add-symbol", "BTCUSDT", "--set", "x"], "--set: expected KEY=VALUE, got 'x'"),
        (["up", "--replay", "none.gz"], "--replay none.gz: no such file"),
        (["up", "--replay", "/etc/passwd"], "--replay: expected a recording; /etc/passwd:1"),
        (["up", "--speed", "fast"], "--speed: expected a number above 0"),
        (["up", "-c", "none.yaml"], "none.yaml: got no such file"),
        (["down", "--orders", "maybe"], "--orders: expected cancel or keep, got 'maybe'"),
        (["up", "--speed", "2"], "--speed and --loop go with --replay FILE"),
        (["logs", "ray"], "no log in "),
        (["config", "check", "none.yaml"], "none.yaml: got no such file"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_usage_errors_end_with_two(
    data: Path, capsys: pytest.CaptureFixture[str], command: list[str], said: str
) -> None:
    assert main(command) == 2
    assert said in capsys.readouterr().err


def test_config_check_tells_all_problems_and_show_hides_secrets(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "bad.yaml").write_text("accounts: {}\napp: {mode: live}\n")
    monkeypatch.setenv("OPENSQT_PAPER_SECRET", "hush-hush")
    shipped = str(ROOT / "configs/paper.yaml")

    assert main(["config", "check", "bad.yaml", "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert main(["config", "check", shipped]) == 0
    assert main(["config", "show", shipped]) == 0
    assert main(["config", "show", shipped, "--json"]) == 0
    assert main(["config", "schema"]) == 0

    assert [problem["key"] for problem in problems] == ["accounts", "app.mode"]
    text = capsys.readouterr().out
    assert "hush-hush" not in text
    assert "trading.price_interval" in text


def test_a_second_up_says_who_runs_already(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunDir(data, {}).lock("supervisor"):
        assert main(["up", "-c", str(ROOT / "configs/paper.yaml"), "--detach"]) == 5

    assert f"already running: process {os.getpid()} (supervisor)" in capsys.readouterr().err


def test_down_with_nothing_running_is_done(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down"]) == 0
    assert capsys.readouterr().out == "nothing is running\n"


def test_down_cancels_prints_positions_and_ends_only_our_processes(
    data: Path, orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDir(data, {})
    child, bystander = start_child(run, "ray"), start_child(None, "")

    assert main(["down"]) == 0

    assert child.wait(10) == -signal.SIGTERM
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert calls(orchestrator) == [["shutdown", "cancel"]]
    assert capsys.readouterr().out.splitlines() == [
        "canceling our orders",
        "position kept: paper/BTCUSDT:perp 0.004",
        "no order of ours is left at the venue",
        "all processes have ended",
    ]
    assert read_children(run) == {}


def test_down_without_orchestrator_and_connector_says_so_and_ends_with_six(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = start_child(RunDir(data, {}), "ray")

    assert main(["down"]) == 6

    child.wait(10)
    assert capsys.readouterr().out.splitlines() == [
        "canceling our orders",
        (
            "the orchestrator could not do it: the orchestrator is not running; "
            "start with: opensqt up --detach"
        ),
        "no connector runs: our orders could not be canceled",
        "all processes have ended",
    ]


def test_down_ends_trading_of_a_deployment_that_a_job_has_launched(
    data: Path, orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["down"]) == 0

    assert calls(orchestrator)[-1] == ["shutdown", "cancel"]
    assert capsys.readouterr().out.splitlines() == [
        "canceling our orders",
        "position kept: paper/BTCUSDT:perp 0.004",
        "no order of ours is left at the venue",
        "trading has ended; the Ray cluster was not started by `up` and runs on",
    ]


def test_down_ends_processes_whose_run_directory_is_gone(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDir(data, {})
    child = start_child(run, "ray")
    shutil.rmtree(run.path)

    assert main(["down"]) == 6

    child.wait(10)
    lines = capsys.readouterr().out.splitlines()
    assert "no connector runs: our orders could not be canceled" in lines
    assert lines[-1] == "all processes have ended"


def test_purge_deletes_the_data_only_after_a_clean_end(data: Path) -> None:
    (data / "logs").mkdir()
    (data / "logs" / "ray.log").write_text("x")
    run = RunDir(data, {})

    assert main(["down", "--purge"]) == 0

    assert not data.exists()
    assert run.path.exists()


def test_purge_leaves_what_is_not_ours_in_a_shared_folder(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("logs", "symbols", "paper", "src"):
        (data / folder).mkdir()
        (data / folder / "file.log").write_text("x")
    for file in ("control.db", "control.db-wal", "notes.txt"):
        (data / file).write_text("x")

    assert main(["down", "--purge"]) == 0

    assert {path.name for path in data.iterdir()} == {"src", "notes.txt"}
    assert "kept" in capsys.readouterr().out


def test_logs_shows_the_end_of_each_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "logs").mkdir()
    (data / "logs" / "ray.log").write_text("one\ntwo\nthree\n")
    (data / "logs" / "actors.log").write_text("four\n")

    assert main(["logs", "ray", "-n", "2"]) == 0
    assert main(["logs"]) == 0
    assert main(["logs", "none"]) == 2

    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        *("two", "three"),
        *("actors: four", "ray: one", "ray: two", "ray: three"),
    ]
    assert "no log 'none' in " in captured.err
    assert "there are: actors, ray" in captured.err


def test_doctor_finds_this_machine_fit(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-c", str(ROOT / "configs/paper.yaml"), "--json"]) == 0

    findings = json.loads(capsys.readouterr().out)
    assert {"configuration", "disk", "memory"} <= {finding["name"] for finding in findings}
    assert {finding["verdict"] for finding in findings} <= {"ok", "warn"}


def start_child(run: RunDir | None, name: str) -> subprocess.Popen[bytes]:
    """Start a process as the supervisor would have, or one that is nobody's."""
    mark = {MARK: mark_of(run.path, name)} if run is not None else {}
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(300)"],
        env={**os.environ, **mark},
        start_new_session=True,
    )
    process = ProcessName(pid=child.pid, start=start_ticks(child.pid) or 0)
    if run is not None:
        entry = {name: {"pid": process.pid, "start": process.start, "is_ready": True}}
        write_atomically(run.path / "children.json", json.dumps(entry))
    return child
