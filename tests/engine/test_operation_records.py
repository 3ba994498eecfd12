"""What becomes of the record of an operation whose attempts fail, or whose store is away."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from opensqt.core.registry import UnitRecord
from opensqt.engine.operations import ATTEMPTS_MAX
from opensqt.engine.orchestrator import Orchestrator
from opensqt.engine.unit_tender import UnitView, is_settled
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.workflow import WorkflowFailedError, WorkflowStoreError
from tests.engine.test_operations import BTC, Story, tell


@dataclass
class Records(DirectWorkflows):
    """A store that answers an id for ever as it did the first time, also with an error."""

    runs: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    is_away: bool = False
    asked: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        self.asked += 1
        if self.is_away:
            raise WorkflowStoreError("the file is locked")
        if workflow_id in self.errors:
            raise WorkflowFailedError(self.errors[workflow_id])
        self.runs.append(workflow_id)
        try:
            return await super().run(name, workflow_id, inputs)
        except Exception as error:
            self.errors[workflow_id] = f"{type(error).__name__}: {error}"
            raise


@dataclass
class Failing:
    """Whether a unit is settled, which a bug keeps from being said a number of times."""

    times: int

    def __call__(self, row: UnitRecord, view: UnitView) -> bool:
        if self.times:
            self.times -= 1
            raise ValueError("a bug\nof two lines")
        return is_settled(row, view)


def said(story: Story, event: str) -> list[str]:
    return [str(fields["reason"]) for name, fields in story.log.events if name == event]


async def idle_reason(orchestrator: Orchestrator) -> object:
    (symbol,) = cast(list[dict[str, object]], (await orchestrator.status())["symbols"])
    return symbol["idle_reason"]


FIRST = f"add_symbol:{BTC.path}:1"


def test_an_operation_that_failed_is_tried_again_under_another_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = Records()
    failing = Failing(times=2)
    monkeypatch.setattr("opensqt.engine.orchestrator.is_settled", failing)

    async def story(story: Story) -> None:
        monkeypatch.setattr(story, "workflows", lambda: records)
        for _ in range(2):  # the second orchestrator learns from the store what the first one did
            orchestrator = story.orchestrator()
            await orchestrator.start()
            await orchestrator.add_symbol("BTCUSDT")
            await story.until(story.is_quoting)
            await story.clock.sleep_ms(60_000)
            assert await idle_reason(orchestrator) is None
            await orchestrator.stop()

        assert records.runs == [FIRST, f"{FIRST}:2", f"{FIRST}:3", f"{FIRST}:3"]
        assert len(said(story, "operation.failed")) == 4, "two of each orchestrator"
        assert said(story, "operation.given_up") == []

    tell(story)


def test_an_operation_that_always_fails_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = Records()
    monkeypatch.setattr("opensqt.engine.orchestrator.is_settled", Failing(times=10_000))

    async def story(story: Story) -> None:
        monkeypatch.setattr(story, "workflows", lambda: records)
        orchestrator = story.orchestrator()
        for number in (1, 2):
            await orchestrator.start()
            await orchestrator.add_symbol("BTCUSDT")
            await story.until(story.is_quoting)
            await story.clock.sleep_ms(600_000)

            lines = said(story, "operation.given_up")
            assert len(lines) == number
            assert "\n" not in lines[0]
            assert f"after {ATTEMPTS_MAX} attempts" in lines[0]
            assert "ValueError: a bug of two lines" in lines[0]
            assert [await idle_reason(orchestrator)] * number == lines
            assert len(records.runs) == ATTEMPTS_MAX, "what the store knows is not run again"
            if number == 1:
                await orchestrator.stop()
                orchestrator = story.orchestrator()
        answer = await orchestrator.remove_symbol("BTCUSDT", "cancel", wait_ms=60_000)
        assert answer["done"] is True, "the record is not the work"
        await orchestrator.stop()

    tell(story)


def test_a_store_that_is_away_delays_a_record_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = Records(is_away=True)

    async def story(story: Story) -> None:
        monkeypatch.setattr(story, "workflows", lambda: records)
        orchestrator = story.orchestrator()
        await orchestrator.start()
        await orchestrator.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)
        await story.clock.sleep_ms(600_000)

        told = await idle_reason(orchestrator)
        asked, lines = records.asked, said(story, "operation.not_recorded")
        records.is_away = False
        await story.clock.sleep_ms(70_000)

        assert "the file is locked" in str(told)
        assert asked < 20, "it is not asked in every look"
        assert len(lines) == 1, "said once"
        assert records.runs == [FIRST], "nothing of it had begun, so it keeps its id"
        assert await idle_reason(orchestrator) is None
        await orchestrator.stop()

    tell(story)
