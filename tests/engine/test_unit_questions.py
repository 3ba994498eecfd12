"""What an operator asks of one unit's process: through the orchestrator, and of the engine."""

import pytest

from opensqt.core.facts import Directive
from opensqt.core.registry import KillRow
from opensqt.engine.orchestrator import Orchestrator
from opensqt.engine.unit_explanation import explained_unit
from opensqt.ports.control import ControlCode, ControlError
from tests.engine.fleet import Scene
from tests.engine.stage import Stage, play
from tests.engine.test_orchestrator import BTC, reaches


async def test_the_process_answers_with_target_and_state(orchestrator: Orchestrator) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")

    answer = await orchestrator.explain("BTCUSDT")

    assert (answer["target"], answer["state"], answer["reason"]) == (BTC.text, "quoting", "")
    assert (answer["price"], answer["levels"]) == ("1", [])


async def test_a_unit_without_a_process_is_explained_by_its_row(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    scene.fleet.crashing.add(BTC)
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quarantined")

    answer = await orchestrator.explain("BTCUSDT")

    assert answer["reason"] == "quarantined"
    assert "starts in a row" in str(answer["detail"])


async def test_a_process_that_hangs_and_a_deployment_that_is_down_are_said(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    scene.fleet.hanging.add(BTC)

    assert (await orchestrator.explain("BTCUSDT"))["reason"] == "starting"

    await orchestrator.shutdown()
    assert (await orchestrator.explain("BTCUSDT"))["reason"] == "down"


@pytest.mark.parametrize(
    ("target", "code"), [("ETHUSDT", ControlCode.NOT_FOUND), ("btc", ControlCode.INVALID)]
)
async def test_what_is_not_registered_is_not_explained(
    orchestrator: Orchestrator, target: str, code: ControlCode
) -> None:
    with pytest.raises(ControlError) as refused:
        await orchestrator.explain(target)

    assert refused.value.code is code


async def test_a_wish_reaches_the_process_and_its_answer_the_operator(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")

    answer = await orchestrator.adopt(
        "BTCUSDT", operator="ann", reason="by hand", quantity="1", dry_run=True
    )

    wish = {"operator": "ann", "reason": "by hand", "quantity": "1", "price": None}
    assert scene.fleet.adopted == [(BTC, wish, True)]
    assert (answer["target"], answer["state"], answer["adopted"]) == (BTC.text, "quoting", False)


@pytest.mark.parametrize(
    ("wish", "code", "said"),
    [
        ({"reason": "refused"}, ControlCode.CONFLICT, "because of this"),
        ({"reason": "problem"}, ControlCode.NOT_READY, "because of this"),
        ({"reason": " "}, ControlCode.INVALID, "--reason: expected a text"),
        ({"operator": ""}, ControlCode.INVALID, "--operator: expected a text"),
        ({"quantity": "much"}, ControlCode.INVALID, "--quantity: expected a decimal"),
        ({"quantity": "inf"}, ControlCode.INVALID, "--quantity: expected a decimal"),
        ({"quantity": "1e999999999"}, ControlCode.INVALID, "--quantity: expected a decimal"),
        ({"price": "-1"}, ControlCode.INVALID, "--price: expected a number above 0"),
    ],
)
async def test_what_cannot_be_adopted_says_why_and_how_to_go_on(
    scene: Scene, orchestrator: Orchestrator, wish: dict[str, str], code: ControlCode, said: str
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")

    with pytest.raises(ControlError) as refused:
        await orchestrator.adopt(
            "BTCUSDT",
            operator=wish.get("operator", "ann"),
            reason=wish.get("reason", "x"),
            quantity=wish.get("quantity"),
            price=wish.get("price"),
        )

    assert refused.value.code is code
    assert said in refused.value.message
    assert scene.fleet.adopted == []


async def test_a_unit_without_a_process_is_resumed_first(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    scene.fleet.crashing.add(BTC)
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quarantined")

    with pytest.raises(ControlError, match="opensqt resume") as refused:
        await orchestrator.adopt("BTCUSDT", operator="ann", reason="x")

    assert refused.value.code is ControlCode.CONFLICT


async def test_an_answer_that_does_not_come_is_not_known(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    scene.fleet.hanging.add(BTC)

    with pytest.raises(ControlError, match="not known") as refused:
        await orchestrator.adopt("BTCUSDT", operator="ann", reason="x")

    assert refused.value.code is ControlCode.NOT_READY


def reasons(stage: Stage) -> list[str]:
    answer = explained_unit(stage.engine, problem="", now_ms=stage.clock.now_ms())
    levels = answer["levels"]
    assert isinstance(levels, list)
    return [one["reason"] for one in levels]


def test_an_engine_says_what_is_in_the_way() -> None:
    async def story(stage: Stage) -> None:
        begun = explained_unit(None, problem="no journal", now_ms=stage.clock.now_ms())
        assert (begun["reason"], begun["detail"]) == ("starting", "no journal")
        await stage.open()
        assert reasons(stage) == ["working"] * 3

        stage.kill = KillRow(epoch=1, is_engaged=True, operator="test", reason="drill")
        await stage.sleep(2_500)
        stage.quote("1003")
        await stage.sleep(1_500)
        assert "gate_shut" in reasons(stage)

        stage.direct(Directive.CANCEL)
        await stage.until(lambda: stage.engine.is_stopped)
        assert set(reasons(stage)) == {"paused"}

    play(story)
