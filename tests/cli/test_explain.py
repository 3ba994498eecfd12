"""What `opensqt explain` prints, for whom, and how it ends when there is nothing to tell."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from opensqt.cli.main import main
from opensqt.core.facts import OrderIntended, TradeFilled
from opensqt.storage.journal import open_journal
from opensqt.system.rundir import RunDir
from tests.engine.stage import UNIT
from tests.fakes.lived import lived, store_life

STRANGER = "q1abc00000000000000000000"


@pytest.fixture
def order(data: Path) -> OrderIntended:
    """Return an order that traded, of a journal that is stored."""
    store_life(data)
    traded = {fact.client_order_id for fact in lived() if isinstance(fact, TradeFilled)}
    return next(
        fact
        for fact in lived()
        if isinstance(fact, OrderIntended) and fact.client_order_id in traded
    )


def test_an_order_is_explained_to_people(
    order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", order.client_order_id]) == 0

    text = capsys.readouterr().out
    words = [
        *(order.client_order_id, UNIT.text, "because", "decided again from the journal: the same"),
        *("OrderIntended", "TradeFilled", "intent ->", "-> filled", "settled with fact"),
        f"{UNIT.path}:1:{order.decided_at}",
    ]
    assert [word for word in words if word not in text] == []


def test_an_order_is_explained_to_programs_also_while_the_journal_is_written(
    data: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_journal(data, UNIT)):
        assert main(["explain", order.client_order_id, "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["client_order_id"] == order.client_order_id
    assert answer["workflow_id"] == f"{UNIT.path}:1:{order.decided_at}"
    assert answer["config_version"] == 1
    assert answer["review"] == {
        "verdict": "approved",
        "final": "passed",
        "repeated": True,
        "note": "",
    }
    assert answer["trigger"]["kind"] in {"price", "fact"}
    assert answer["trigger"]["prices"]["last"]
    assert answer["changes"][0]["from"] is None
    assert answer["changes"][-1]["to"] == answer["status"] == "filled"
    assert answer["filled"] == answer["booked"] == answer["quantity"]
    assert answer["settled_at"] == answer["changes"][-1]["sequence"]


def test_an_unknown_order_is_one_line_and_two(
    order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", STRANGER]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert f"no order {STRANGER} in 1 journal of" in line
    assert order.client_order_id not in line


@pytest.mark.parametrize("what", ["", "q", "nonsense!", "q" * 26, "../../etc/passwd"])
def test_nonsense_is_one_line_and_two(
    data: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert main(["explain", what]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert repr(what) in line
    assert list(data.iterdir()) == []


def test_a_damaged_journal_is_one_line(
    data: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "symbols" / UNIT.path / "journal.db").write_bytes(b"rubbish" * 1000)

    assert main(["explain", order.client_order_id]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert "journal.db" in line
    assert "not a database" in line


def test_a_damaged_journal_of_another_symbol_is_in_nobodys_way(
    data: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    other = data / "symbols" / "paper-ETHUSDT-perp-grid"
    other.mkdir()
    (other / "journal.db").write_bytes(b"rubbish" * 1000)

    assert main(["explain", order.client_order_id]) == 0
    assert main(["explain", "BTCUSDT"]) == 0
    assert main(["explain", STRANGER]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert "is in no journal that can be read" in line


def test_a_target_whose_journal_is_damaged_is_not_explained(
    data: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "symbols" / UNIT.path / "journal.db").write_bytes(b"rubbish" * 1000)

    assert main(["explain", "BTCUSDT"]) == 4

    (line,) = capsys.readouterr().err.splitlines()
    assert "not a database" in line


def test_a_target_is_explained_from_its_journal_when_nothing_runs(
    data: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "BTCUSDT", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main(["explain", "paper/BTCUSDT:perp"]) == 0
    text = capsys.readouterr().out

    assert (answer["source"], answer["reason"], answer["state"]) == ("journal", "down", "stopped")
    assert answer["price"] is not None
    reasons = {one["reason"] for one in answer["levels"]}
    assert reasons <= {"working", "waiting_settlement", "down"}
    assert "down" in reasons
    ids = [one["client_order_id"] for one in answer["levels"] if one["client_order_id"]]
    assert ids
    assert "from the journal" in text
    assert "all levels: down: the deployment is down" in text
    assert ids[0] in text


def test_without_an_orchestrator_a_unit_that_may_trade_is_not_called_down(
    data: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunDir(data, {}).lock("link-paper"):
        assert main(["explain", "BTCUSDT"]) == 0

    text = capsys.readouterr().out
    assert "the orchestrator does not answer; the unit may trade on" in text
    assert "down" not in text


def test_a_target_is_explained_by_its_process(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "BTCUSDT", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main(["explain", "BTCUSDT"]) == 0
    text = capsys.readouterr().out

    assert answer["source"] == "process"
    assert [one["reason"] for one in answer["levels"]] == ["backing_off", "working"]
    assert "until 22:13:20Z" in text
    assert "journal" not in text


def test_an_unknown_target_is_one_line_and_two_running_or_not(
    orchestrator: Path, order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "ETHUSDT"]) == 2
    (running,) = capsys.readouterr().err.splitlines()
    assert "ETHUSDT is not registered" in running


def test_an_unknown_target_of_a_deployment_that_is_down_is_one_line_and_two(
    order: OrderIntended, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "ETHUSDT"]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "no unit 'ETHUSDT' is registered; one of: paper/BTCUSDT:perp" in line


def test_a_target_without_any_store_is_not_ready(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "BTCUSDT"]) == 4

    (line,) = capsys.readouterr().err.splitlines()
    assert "control.db does not exist" in line
    assert list(data.iterdir()) == []
