"""What the venue's rules say about a unit, and how a unit is built from settings on request."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.config.deployment import Deployment
from opensqt.config.load import load
from opensqt.config.problems import ConfigError
from opensqt.config.units import build_unit, check_unit, settings_of
from opensqt.core.grid.config import GridConfig, IntervalUnit, QuantityUnit
from opensqt.core.ids import Symbol
from opensqt.core.unit_config import UnitConfig
from opensqt.market.instruments import INSTRUMENTS

ROOT = Path(__file__).parents[2]
ETH = INSTRUMENTS[Symbol("ETHUSDT:perp")]


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return load(ROOT / "configs/paper.yaml", {})


def config(**changes: object) -> UnitConfig:
    grid = GridConfig(price_interval=Decimal(1), order_quantity=Decimal(200))
    return UnitConfig(capital=Decimal(10_000), grid=replace(grid, **changes))  # type: ignore[arg-type]


def told(unit: UnitConfig, price: str | None = None) -> list[str]:
    found = check_unit(unit, ETH, price=None if price is None else Decimal(price))
    return [problem.text for problem in found]


def test_a_sound_unit_has_no_problem() -> None:
    assert told(config()) == []
    assert told(config(), "2680") == []


def test_an_interval_below_the_tick_is_told_in_the_unit_it_was_written_in() -> None:
    percent = config(price_interval=Decimal("0.0001"), price_interval_unit=IntervalUnit.PERCENT)

    assert told(config(price_interval=Decimal("0.009"))) == [
        (
            "configuration price_interval: got 0.009, expected at least the tick 0.01 of "
            "ETHUSDT:perp; fix: raise price_interval"
        )
    ]
    assert told(percent) == []
    assert told(percent, "2680")[0].startswith(
        "configuration price_interval: got 0.0001 % of 2680 = 0.00268, expected at least the tick"
    )


def test_a_quantity_below_lot_or_minimum_is_told() -> None:
    base = {"order_quantity_unit": QuantityUnit.BASE}

    assert told(config(order_quantity=Decimal(19))) == [
        (
            "configuration order_quantity: got 19 quote units, expected at least 20 quote units, "
            "the least ETHUSDT:perp accepts; fix: change order_quantity"
        )
    ]
    assert told(config(order_quantity=Decimal("0.0015"), **base)) == [
        (
            "configuration order_quantity: got 0.0015 base units, expected a multiple of the lot "
            "0.001 of ETHUSDT:perp; fix: change order_quantity"
        )
    ]
    assert told(config(order_quantity=Decimal("0.0001"), **base), "2680")[-1].endswith(
        "at least 20 quote units, the least ETHUSDT:perp accepts; fix: change order_quantity"
    )
    (line,) = told(config(order_quantity=Decimal(10_001), **base))
    assert "at most 10000 of ETHUSDT:perp" in line


def test_a_quantity_that_is_floored_below_the_minimum_is_told_with_its_price() -> None:
    # 20.5 quote units at 9000 are 0.0022 ETH, floored to 0.002: 18 quote units.
    (line,) = told(config(order_quantity=Decimal("20.5")), "9000")

    assert "got 20.5 quote units = 0.002 at 9000, expected at least 20 quote units" in line


def test_more_levels_than_the_venue_allows_are_told() -> None:
    (line,) = told(config(buy_window_size=100, sell_window_size=100))

    assert "got 200 levels in both windows, expected at most 160" in line


def test_a_target_of_the_file_keeps_its_settings_and_takes_overrides(
    deployment: Deployment,
) -> None:
    unit, built = build_unit(deployment, "BTCUSDT", {"buy_window_size": 7})

    assert unit.text == "paper/BTCUSDT:perp"
    assert built.grid.order_quantity == Decimal(250)
    assert built.grid.buy_window_size == 7


def test_a_new_target_takes_the_defaults(deployment: Deployment) -> None:
    unit, built = build_unit(deployment, "paper/XRPUSDT#wide", {"price_interval": "0.5"})

    assert unit.text == "paper/XRPUSDT:perp#wide"
    assert built.grid.price_interval == Decimal("0.5")
    assert built.grid.order_quantity == Decimal(200)


def test_settings_describe_exactly_the_configuration_they_came_from(deployment: Deployment) -> None:
    for unit, built in deployment.units:
        assert build_unit(deployment, unit.text, settings_of(built)) == (unit, built)


@pytest.mark.parametrize(
    ("target", "overrides", "expected"),
    [
        ("NOPEUSDT", {}, "NOPEUSDT: got NOPEUSDT:perp, expected a symbol of the paper venue"),
        ("btcusdt", {}, "did you mean 'BTCUSDT'?"),
        ("BTCUSDT:spot", {}, "fix: one of: paper: perp"),
        ("BTCUSDT", {"buy_windw_size": 3}, "did you mean 'buy_window_size'?"),
        ("BTCUSDT", {"price_interval": 0.5}, "got 0.5 without quotes"),
        ("BTCUSDT", {"order_quantity": "600"}, "expected at most 500 (5 % of the capital 10000)"),
        ("BTCUSDT", {"order_quantity": ["1"]}, "got a list"),
        ("BTCUSDT", {"order_quantity": {"a": "1"}}, "got a mapping"),
    ],
)  # fmt: skip
def test_a_bad_request_is_told_like_a_bad_file(
    deployment: Deployment, target: str, overrides: dict[str, object], expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_unit(deployment, target, overrides)

    assert expected in str(caught.value)


@pytest.mark.parametrize(("visibility_ms", "horizon_ms"), [(5_001, 20_000), (60_000, 74_999)])
def test_a_horizon_that_leaves_no_room_for_lags_is_told(
    deployment: Deployment, visibility_ms: int, horizon_ms: int
) -> None:
    given = {"visibility_ms": visibility_ms, "horizon_ms": horizon_ms}

    with pytest.raises(ConfigError) as told:
        build_unit(deployment, "ETHUSDT", given)

    least = visibility_ms + 15_000
    assert str(told.value) == (
        f"ETHUSDT horizon_ms: got {horizon_ms}, expected at least {least}: visibility_ms and 15000 "
        "for clocks and venue; fix: raise horizon_ms or lower visibility_ms"
    )
    sound = given | {"horizon_ms": least}
    assert build_unit(deployment, "ETHUSDT", sound)[1].horizon_ms == least


def test_neither_horizon_nor_visibility_goes_below_the_table(deployment: Deployment) -> None:
    with pytest.raises(ConfigError) as told:
        build_unit(deployment, "ETHUSDT", {"visibility_ms": 4_999, "horizon_ms": 19_999})

    assert str(told.value) == (
        "ETHUSDT horizon_ms: got 19999, expected an integer from 20000 to 120000; "
        "fix: the default is 20000\n"
        "ETHUSDT visibility_ms: got 4999, expected an integer from 5000 to 60000; "
        "fix: the default is 5000"
    )
