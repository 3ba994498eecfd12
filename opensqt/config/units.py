"""From the settings of a symbol to the frozen configuration its process runs on."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from opensqt.config.deployment import AccountConfig, Deployment
from opensqt.config.problems import ConfigError, Problem, Where, did_you_mean, listing
from opensqt.config.schema import check
from opensqt.config.settings import MARKETS_OF_VENUE, UnitSettings
from opensqt.config.target import TargetError, complete
from opensqt.config.tree import Branch, Fraction, Leaf, Node, Series
from opensqt.core.grid.config import (
    GridConfig,
    GridMode,
    IntervalUnit,
    PriceSource,
    QuantityUnit,
    StartingPosition,
)
from opensqt.core.ids import UnitId
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO, is_multiple, to_text
from opensqt.core.risk.limits import Limits
from opensqt.core.unit_config import UnitConfig
from opensqt.market.instruments import INSTRUMENTS, PROFILES

VENUE_WAIT_MS: Final = 15_000
"""What H holds besides V: errors of clocks, and how long orders wait inside a venue (10 s)."""
_HERE: Final = Where(source="configuration")
_PERCENT: Final = Decimal(100)


def markets_of(accounts: Sequence[AccountConfig]) -> dict[str, tuple[str, ...]]:
    """Return what each account can trade."""
    return {account.name: MARKETS_OF_VENUE[account.venue] for account in accounts}


def reserve_of(unit: UnitId, reserve: Mapping[str, Decimal]) -> Decimal:
    """Return what of a unit's asset is never sold, base units."""
    instrument = INSTRUMENTS.get(unit.symbol)
    return ZERO if instrument is None else reserve.get(instrument.base_asset, ZERO)


def unit_config(settings: UnitSettings, *, capital: Decimal, reserve: Decimal = ZERO) -> UnitConfig:
    """Return the core configuration of validated settings."""
    grid = GridConfig(
        mode=GridMode(settings.grid_mode),
        price_interval=settings.price_interval,
        price_interval_unit=IntervalUnit(settings.price_interval_unit),
        order_quantity=settings.order_quantity,
        order_quantity_unit=QuantityUnit(settings.order_quantity_unit),
        buy_window_size=settings.buy_window_size,
        sell_window_size=settings.sell_window_size,
        buffer_fraction=settings.buffer_fraction,
        hysteresis=settings.hysteresis,
        price_source=PriceSource(settings.price_source),
        starting_position=StartingPosition(settings.starting_position),
        retry_backoff_ms=settings.retry_backoff_ms,
        flatten_slippage=settings.flatten_slippage,
    )
    return UnitConfig(
        capital=capital,
        grid=grid,
        order_ttl_ms=settings.order_ttl_ms,
        horizon_ms=settings.horizon_ms,
        visibility_ms=settings.visibility_ms,
        reserve=reserve,
    )


def settings_of(config: UnitConfig) -> dict[str, object]:
    """Return the settings a configuration was made of; money as text."""
    grid = config.grid
    return {
        "grid_mode": grid.mode.value,
        "price_interval": to_text(grid.price_interval),
        "price_interval_unit": grid.price_interval_unit.value,
        "order_quantity": to_text(grid.order_quantity),
        "order_quantity_unit": grid.order_quantity_unit.value,
        "buy_window_size": grid.buy_window_size,
        "sell_window_size": grid.sell_window_size,
        "buffer_fraction": to_text(grid.buffer_fraction),
        "hysteresis": grid.hysteresis,
        "price_source": grid.price_source.value,
        "starting_position": grid.starting_position.value,
        "retry_backoff_ms": grid.retry_backoff_ms,
        "flatten_slippage": to_text(grid.flatten_slippage),
        "order_ttl_ms": config.order_ttl_ms,
        "horizon_ms": config.horizon_ms,
        "visibility_ms": config.visibility_ms,
    }


def build_unit(
    deployment: Deployment, target: str, overrides: Mapping[str, object] | None = None
) -> tuple[UnitId, UnitConfig]:
    """Return the unit a target names, configured by the file and the given settings on top.

    Without settings of its own in the file a symbol takes those of ``trading``. Money in
    ``overrides`` is text. Raise ``ConfigError`` with every problem.
    """
    where = Where(source=target)
    try:
        unit = complete(target, markets_of(deployment.accounts))
    except TargetError as error:
        raise ConfigError([_target_problem(target, where, error)]) from error
    account = deployment.account(unit.account)
    assert account is not None  # complete() answers with configured accounts only
    configured = dict(deployment.units).get(unit)
    base = settings_of(configured) if configured else dict(deployment.defaults)
    children = {
        name: _node(value, where, name) for name, value in (base | dict(overrides or {})).items()
    }
    root = Branch(children=children, where=where, key="")
    settings, problems = check(UnitSettings, root)
    if not isinstance(settings, UnitSettings):
        raise ConfigError(problems)
    reserve = reserve_of(unit, account.reserve)
    config = unit_config(settings, capital=account.capital, reserve=reserve)
    found = judge(unit, config, venue=account.venue, root=root)
    if found:
        raise ConfigError(found)
    return unit, config


def judge(unit: UnitId, config: UnitConfig, *, venue: str, root: Branch) -> list[Problem]:
    """Return everything that would keep the unit from ever trading, as far as known offline."""
    found = _limit_problems(config, root) + _horizon_problems(config, root)
    if venue != "paper":
        return found
    instrument = INSTRUMENTS.get(unit.symbol)
    if instrument is None:
        known = [*INSTRUMENTS]
        return [
            Problem(
                where=root.where,
                key=root.key,
                got=str(unit.symbol),
                expected=f"a symbol of the paper venue: {listing(known)}",
                fix=did_you_mean(unit.symbol, known, otherwise="use one of these"),
            )
        ]
    price = PROFILES[unit.symbol].price
    return found + check_unit(config, instrument, price=price, root=root)


def _limit_problems(config: UnitConfig, root: Branch) -> list[Problem]:
    grid = config.grid
    limits = Limits.from_capital(config.capital, venue_orders_open_max=10**6)
    if grid.order_quantity_unit is not QuantityUnit.QUOTE:
        return []
    if grid.order_quantity <= limits.order_notional_max:
        return []
    cap = to_text(limits.order_notional_max)
    return [
        Problem(
            where=_where(root, "order_quantity"),
            key=_key(root, "order_quantity"),
            got=to_text(grid.order_quantity),
            expected=f"at most {cap} (5 % of the capital {to_text(config.capital)})",
            fix="lower order_quantity or raise the capital of the account",
        )
    ]


def _horizon_problems(config: UnitConfig, root: Branch) -> list[Problem]:
    least = config.visibility_ms + VENUE_WAIT_MS
    if config.horizon_ms >= least:
        return []
    return [
        Problem(
            where=_where(root, "horizon_ms"),
            key=_key(root, "horizon_ms"),
            got=str(config.horizon_ms),
            expected=f"at least {least}: visibility_ms and {VENUE_WAIT_MS} for clocks and venue",
            fix="raise horizon_ms or lower visibility_ms",
        )
    ]


def check_unit(
    config: UnitConfig,
    instrument: Instrument,
    *,
    price: Decimal | None = None,
    root: Branch | None = None,
) -> list[Problem]:
    """Return what the venue's rules for the symbol would never let pass.

    ``price`` is a recent price; without one, settings that depend on it are not judged.
    """
    tree = root or Branch(children={}, where=_HERE, key="")
    found = [
        *_interval_problems(config, instrument, price, tree),
        *_quantity_problems(config, instrument, price, tree),
    ]
    wanted = config.grid.buy_window_size + config.grid.sell_window_size
    allowed = Limits.from_capital(
        config.capital, venue_orders_open_max=instrument.orders_open_max
    ).orders_open_max
    if wanted > allowed:
        found.append(
            Problem(
                where=_where(tree, "buy_window_size"),
                key=_key(tree, "buy_window_size"),
                got=f"{wanted} levels in both windows",
                expected=f"at most {allowed} (80 % of the open orders {instrument.symbol} allows)",
                fix="lower buy_window_size or sell_window_size",
            )
        )
    return found


def _interval_problems(
    config: UnitConfig, instrument: Instrument, price: Decimal | None, tree: Branch
) -> list[Problem]:
    grid = config.grid
    if grid.price_interval_unit is IntervalUnit.QUOTE:
        step, shown = grid.price_interval, to_text(grid.price_interval)
    elif price is not None:
        step = price * grid.price_interval / _PERCENT
        shown = f"{to_text(grid.price_interval)} % of {to_text(price)} = {step:f}"
    else:
        return []
    if step >= instrument.tick_size:
        return []
    return [
        Problem(
            where=_where(tree, "price_interval"),
            key=_key(tree, "price_interval"),
            got=shown,
            expected=f"at least the tick {to_text(instrument.tick_size)} of {instrument.symbol}",
            fix="raise price_interval",
        )
    ]


def _quantity_problems(
    config: UnitConfig, instrument: Instrument, price: Decimal | None, tree: Branch
) -> list[Problem]:
    grid = config.grid
    is_base = grid.order_quantity_unit is QuantityUnit.BASE
    quantity = grid.order_quantity if is_base else None
    notional = None if is_base else grid.order_quantity
    if price is not None:
        quantity = quantity or instrument.quantity_for(grid.order_quantity, price)
        notional = instrument.notional(price, quantity)
    lot, least = to_text(instrument.lot_size), to_text(instrument.notional_min)
    complaints = []
    if is_base and not is_multiple(grid.order_quantity, instrument.lot_size):
        complaints.append(f"a multiple of the lot {lot} of {instrument.symbol}")
    if quantity is not None and quantity < max(instrument.quantity_min, instrument.lot_size):
        smallest = to_text(max(instrument.quantity_min, instrument.lot_size))
        complaints.append(f"at least the lot {smallest} of {instrument.symbol}")
    if quantity is not None and quantity > instrument.quantity_max:
        complaints.append(f"at most {to_text(instrument.quantity_max)} of {instrument.symbol}")
    if notional is not None and notional < instrument.notional_min:
        complaints.append(f"at least {least} quote units, the least {instrument.symbol} accepts")
    got = to_text(grid.order_quantity) + (" base units" if is_base else " quote units")
    if price is not None and not is_base and quantity is not None:
        got = f"{got} = {to_text(quantity)} at {to_text(price)}"
    return [
        Problem(
            where=_where(tree, "order_quantity"),
            key=_key(tree, "order_quantity"),
            got=got,
            expected=complaint,
            fix="change order_quantity",
        )
        for complaint in complaints
    ]


def _target_problem(target: str, where: Where, error: TargetError) -> Problem:
    return Problem(
        where=where,
        key="",
        got=repr(target),
        expected="[ACCOUNT/]SYMBOL[:spot|:perp][#INSTANCE]",
        fix=error.fix,
    )


def _where(root: Branch, name: str) -> Where:
    child = root.children.get(name)
    return child.where if child is not None else root.where


def _key(root: Branch, name: str) -> str:
    child = root.children.get(name)
    return child.key if child is not None else name


def _node(value: object, where: Where, key: str) -> Node:
    match value:
        case str() | bool() | int() | None:
            return Leaf(value=value, where=where, key=key)
        case float():
            return Leaf(value=Fraction(repr(value)), where=where, key=key)
        case list() | tuple():
            items = tuple(_node(item, where, f"{key}[{n}]") for n, item in enumerate(value))
            return Series(items=items, where=where, key=key)
        case Mapping():
            children = {str(name): _node(item, where, key) for name, item in value.items()}
            return Branch(children=children, where=where, key=key)
        case _:
            return Leaf(value=repr(value), where=where, key=key)
