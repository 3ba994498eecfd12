"""The orchestrator against processes in memory: what is asked becomes true, once, and stays."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from opensqt.core.ids import AccountName, Symbol, UnitId
from opensqt.engine.orchestrator import Orchestrator
from opensqt.ports.catalog import UnitPlan
from opensqt.ports.control import ControlCode, ControlError
from tests.engine.fleet import Catalog, Scene

BTC = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
ETH = UnitId(account=AccountName("paper"), symbol=Symbol("ETHUSDT:perp"))
PATIENCE_SECONDS = 60


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(PATIENCE_SECONDS * 100):
        if await condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("the condition never came true")


async def state_of(orchestrator: Orchestrator, unit: UnitId = BTC) -> object:
    symbols = (await orchestrator.status())["symbols"]
    assert isinstance(symbols, list)
    return next((entry["state"] for entry in symbols if entry["symbol"] == unit.symbol), None)


async def reaches(orchestrator: Orchestrator, state: str, unit: UnitId = BTC) -> None:
    async def is_there() -> bool:
        return await state_of(orchestrator, unit) == state

    await until(is_there)


async def refusal(call: Awaitable[object]) -> ControlError:
    with pytest.raises(ControlError) as caught:
        await call
    return caught.value


async def test_an_added_symbol_gets_its_exchange_and_its_process(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    answer = await orchestrator.add_symbol("BTCUSDT")

    assert answer == {"target": "paper/BTCUSDT:perp", "state": "starting", "created": True}
    await reaches(orchestrator, "quoting")
    assert scene.fleet.exchanges == {"paper"}
    assert scene.fleet.started == [BTC]


async def test_adding_twice_starts_one_process(scene: Scene, orchestrator: Orchestrator) -> None:
    await asyncio.gather(*(orchestrator.add_symbol("BTCUSDT") for _ in range(5)))
    await reaches(orchestrator, "quoting")

    again = await orchestrator.add_symbol("paper/BTCUSDT:perp")

    assert again == {"target": "paper/BTCUSDT:perp", "state": "quoting", "created": False}
    assert scene.fleet.started == [BTC]


async def test_another_configuration_is_a_conflict(orchestrator: Orchestrator) -> None:
    await orchestrator.add_symbol("BTCUSDT")

    error = await refusal(orchestrator.add_symbol("BTCUSDT", {"interval": "5"}))

    assert error.code is ControlCode.CONFLICT


async def test_a_position_belongs_to_one_strategy(scene: Scene, orchestrator: Orchestrator) -> None:
    wanted = ("BTCUSDT#a", "BTCUSDT#b", "BTCUSDT#c")
    added = await asyncio.gather(
        *(orchestrator.add_symbol(target) for target in wanted), return_exceptions=True
    )

    refused = [answer for answer in added if isinstance(answer, ControlError)]
    assert [error.code for error in refused] == [ControlCode.CONFLICT] * 2
    assert refused[0].message == (
        "paper/BTCUSDT:perp#b: expected one unit per symbol, but paper/BTCUSDT:perp#a trades it; "
        "remove that one first: opensqt remove-symbol paper/BTCUSDT:perp#a"
    )
    assert len(await scene.registry.units()) == 1


async def test_the_files_symbol_stays_out_while_another_strategy_trades_it(scene: Scene) -> None:
    plan = UnitPlan(unit=BTC, config_text="c")
    rival = scene.orchestrator()
    await rival.start()
    await rival.add_symbol("BTCUSDT#a")
    await rival.stop()

    successor = scene.orchestrator(catalog=Catalog(plans=(plan,)))
    await successor.start()
    await successor.stop()

    assert [row.unit.instance for row in await scene.registry.units()] == ["a"]


async def test_a_wrong_configuration_or_target_is_invalid(orchestrator: Orchestrator) -> None:
    calls = (
        orchestrator.add_symbol("BTCUSDT", {"intervall": "5"}),
        orchestrator.add_symbol("BTC/USDT/perp"),
        orchestrator.add_symbol("other/BTCUSDT"),
        orchestrator.remove_symbol("BTCUSDT:option"),
    )

    assert {(await refusal(call)).code for call in calls} == {ControlCode.INVALID}


async def test_a_dry_run_changes_nothing(scene: Scene, orchestrator: Orchestrator) -> None:
    answer = await orchestrator.add_symbol("BTCUSDT", dry_run=True)

    assert answer["created"] is True
    assert await scene.registry.units() == ()


async def test_a_removal_waits_for_the_unit_to_stop_and_then_ends_its_process(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")

    answer = await orchestrator.remove_symbol("BTCUSDT", "flatten", wait_ms=20_000)

    assert answer == {
        "target": "paper/BTCUSDT:perp",
        "state": "stopped",
        "done": True,
        "position": "0.5",
        "open_orders": 0,
    }
    assert scene.fleet.processes == {}
    assert scene.fleet.orders[BTC] == 0
    assert (await orchestrator.list_symbols())["symbols"] == []


async def test_removing_again_gives_the_same_answer_and_adding_again_starts_anew(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    first = await orchestrator.remove_symbol("BTCUSDT", "cancel", wait_ms=20_000)

    second = await orchestrator.remove_symbol("BTCUSDT", "cancel", wait_ms=20_000)
    await orchestrator.add_symbol("BTCUSDT")

    assert second == first
    await reaches(orchestrator, "quoting")


async def test_what_was_never_added_is_not_found(orchestrator: Orchestrator) -> None:
    calls = (
        orchestrator.remove_symbol("BTCUSDT"),
        orchestrator.pause("BTCUSDT"),
        orchestrator.resume("BTCUSDT"),
        orchestrator.status(("BTCUSDT",)),
    )

    assert {(await refusal(call)).code for call in calls} == {ControlCode.NOT_FOUND}


async def test_pause_and_resume_reach_the_process(orchestrator: Orchestrator) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")

    await orchestrator.pause("BTCUSDT")
    await reaches(orchestrator, "paused")
    await orchestrator.resume("BTCUSDT")
    await reaches(orchestrator, "quoting")


async def test_a_restarted_orchestrator_goes_on_without_touching_what_runs(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    await orchestrator.stop()

    successor = scene.orchestrator()
    await successor.start()
    await reaches(successor, "quoting")
    await successor.stop()

    assert scene.fleet.started == [BTC]
    assert scene.fleet.stopped == []


async def test_a_restarted_orchestrator_finishes_a_removal_and_starts_what_is_missing(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await orchestrator.add_symbol("ETHUSDT")
    await reaches(orchestrator, "quoting", ETH)
    await orchestrator.remove_symbol("BTCUSDT", "cancel")
    await orchestrator.stop()
    del scene.fleet.processes[ETH]

    successor = scene.orchestrator()
    await successor.start()
    answer = await successor.remove_symbol("BTCUSDT", "cancel", wait_ms=20_000)
    await reaches(successor, "quoting", ETH)
    await successor.stop()

    assert answer["done"] is True


async def test_a_lost_answer_of_a_start_does_not_start_a_second_process(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    scene.fleet.failures = 2

    await orchestrator.add_symbol("BTCUSDT")

    await reaches(orchestrator, "quoting")
    assert scene.fleet.started == [BTC]


async def test_a_crash_loop_ends_in_quarantine_with_the_orders_canceled_and_others_trading(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    scene.fleet.crashing = {BTC}
    scene.fleet.orders[BTC] = 4

    await orchestrator.add_symbol("BTCUSDT")
    await orchestrator.add_symbol("ETHUSDT")
    await reaches(orchestrator, "quarantined")

    await reaches(orchestrator, "quoting", ETH)
    await until(lambda: _has_no_orders(scene))
    assert BTC not in scene.fleet.processes
    assert await scene.registry.symbol_epoch(BTC) >= 5


async def _has_no_orders(scene: Scene) -> bool:
    return scene.fleet.orders[BTC] == 0


async def test_resume_gives_a_quarantined_unit_five_more_starts(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    scene.fleet.crashing = {BTC}
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quarantined")
    scene.fleet.crashing = set()

    await orchestrator.resume("BTCUSDT")

    await reaches(orchestrator, "quoting")


async def test_a_process_that_does_not_answer_delays_nobody(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    scene.fleet.hanging = {BTC}

    await orchestrator.add_symbol("ETHUSDT")
    await until(lambda: _is_trading(scene, ETH))

    assert await state_of(orchestrator, BTC) == "starting"
    assert await state_of(orchestrator, ETH) == "quoting"


async def _is_trading(scene: Scene, unit: UnitId) -> bool:
    return bool(scene.fleet.orders.get(unit))


async def test_starts_come_in_waves(scene: Scene) -> None:
    scene.fleet.start_seconds = 0.02
    orchestrator = scene.orchestrator(wave_max=2)
    await orchestrator.start()

    for number in range(6):
        await orchestrator.add_symbol(f"COIN{number}USDT")
    await until(lambda: _count(scene, 6))
    await orchestrator.stop()

    assert scene.fleet.starting_most == 2


async def _count(scene: Scene, number: int) -> bool:
    return len(scene.fleet.processes) == number


async def test_the_files_symbols_are_registered_once_and_a_removed_one_stays_removed(
    scene: Scene,
) -> None:
    catalog = Catalog(
        plans=(UnitPlan(unit=BTC, config_text="1"), UnitPlan(unit=ETH, config_text="1"))
    )
    orchestrator = scene.orchestrator(catalog=catalog)
    await orchestrator.start()
    await orchestrator.remove_symbol("ETHUSDT", "cancel", wait_ms=20_000)

    await orchestrator.launch(catalog)

    await reaches(orchestrator, "quoting", BTC)
    assert await state_of(orchestrator, ETH) is None
    await orchestrator.stop()


async def test_shutdown_leaves_no_order_and_no_process_but_what_is_desired(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await orchestrator.add_symbol("ETHUSDT")
    await reaches(orchestrator, "quoting", BTC)
    await reaches(orchestrator, "quoting", ETH)
    rows = await scene.registry.units()

    answer = await orchestrator.shutdown()

    assert answer["orders_empty"] is True
    assert answer["open_orders"] == []
    assert answer["positions"] == [
        {"account": "paper", "symbol": unit.symbol, "quantity": "0.5"} for unit in (BTC, ETH)
    ]
    assert (scene.fleet.processes, scene.fleet.exchanges) == ({}, set())
    assert scene.fleet.orders == {BTC: 0, ETH: 0}
    assert scene.endings == 1
    assert await scene.registry.units() == rows


async def test_shutting_down_again_gives_the_same_answer(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    first = await orchestrator.shutdown()

    again = await orchestrator.shutdown()
    after_restart = await scene.orchestrator().shutdown()

    assert again == first
    assert after_restart["orders_empty"] is True
    assert scene.fleet.exchanges == set()


async def test_a_restart_after_shutdown_starts_nothing_until_the_next_launch(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    await orchestrator.shutdown()

    successor = scene.orchestrator()
    await successor.start()
    assert await state_of(successor) == "stopped"
    error = await refusal(successor.add_symbol("ETHUSDT"))
    await asyncio.sleep(0.1)
    assert scene.fleet.processes == {}
    await successor.launch(Catalog())
    await reaches(successor, "quoting")
    await successor.stop()

    assert error.code is ControlCode.NOT_READY


async def test_shutdown_ends_a_hanging_process_and_cancels_for_it(
    scene: Scene, orchestrator: Orchestrator
) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")
    scene.fleet.hanging = {BTC}

    answer = await orchestrator.shutdown(wait_ms=30_000)

    assert answer["orders_empty"] is True
    assert scene.fleet.orders[BTC] == 0
    assert scene.fleet.processes == {}


async def test_status_has_the_promised_shape(scene: Scene, orchestrator: Orchestrator) -> None:
    await orchestrator.add_symbol("BTCUSDT")
    await reaches(orchestrator, "quoting")

    status = await orchestrator.status()

    assert status == {
        "mode": "paper",
        "timezone": "UTC",
        "kill": {"state": "released"},
        "memory": {"plan_mb": 310, "used_mb": 230},
        "symbols": [
            {
                "account": "paper",
                "symbol": "BTCUSDT:perp",
                "market": "perp",
                "strategy": "grid",
                "state": "quoting",
                "idle_reason": None,
                "position": "0.5",
                "open_orders": 4,
                "fills": None,
                "realized_pnl": None,
                "unrealized_pnl": None,
                "fees": None,
                "price": None,
                "price_age_ms": None,
                "pid": 101,
                "restarts": 0,
                "capital": "1000",
            }
        ],
        "processes": [
            {"name": "orchestrator", "pid": 1, "restarts": 0},
            {"name": "exchange-paper", "pid": 7, "restarts": 0},
            {"name": "paper-BTCUSDT-perp-grid", "pid": 101, "restarts": 0},
        ],
        "endpoints": {
            "ray_dashboard": None,
            "control": "unix:/run/control.sock",
            "paper_control": None,
            "metrics": None,
            "live": None,
        },
    }
