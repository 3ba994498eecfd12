"""A configuration file and the environment, read into one checked deployment.

Everything is checked before anything starts, and all problems are told at once.
"""

import stat
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from opensqt.config.deployment import (
    AccountConfig,
    AccountKeys,
    Deployment,
    EngineType,
    ExchangeName,
    Mode,
    PaperConfig,
    RayConfig,
    RemoteConfig,
    ReplayConfig,
)
from opensqt.config.expand import expand
from opensqt.config.files import read_file, resolved
from opensqt.config.problems import ConfigError, Problem, Where, quoted
from opensqt.config.schema import check
from opensqt.config.settings import (
    ENVIRONMENT_PREFIX,
    MARKETS_OF_VENUE,
    NESTING,
    AccountSettings,
    Settings,
    UnitSettings,
)
from opensqt.config.symbols import Merged, merge_symbols
from opensqt.config.target import NAME_FORM
from opensqt.config.tree import Branch, Fraction, Leaf, Node, find, read_tree, resolve_plain
from opensqt.config.units import judge, reserve_of, unit_config
from opensqt.core.ids import AccountName, UnitId
from opensqt.core.money import MoneyError, parse_decimal
from opensqt.core.unit_config import UnitConfig
from opensqt.market.frames import FrameError, check_recording

DATA_DIR_VARIABLE: Final = "OPENSQT_DATA_DIR"
_CAPITAL_MAX: Final = Decimal(10**12)
_SECRETS: Final = ("api_key", "secret_key", "passphrase")


def load(path: Path, environment: Mapping[str, str]) -> Deployment:
    """Return the deployment a file describes; raise ``ConfigError`` with every problem.

    ``OPENSQT_<SECTION>__<KEY>`` in the environment wins over the file.
    """
    return _read(path, environment).deployment


def load_keys(path: Path, environment: Mapping[str, str]) -> dict[AccountName, AccountKeys]:
    """Return the secrets of every account; only the process that signs may ask for them."""
    accounts = _read(path, environment).settings.accounts
    return {
        AccountName(name): AccountKeys(
            api_key=account.api_key.get_secret_value(),
            secret_key=account.secret_key.get_secret_value(),
            passphrase=account.passphrase.get_secret_value(),
        )
        for name, account in accounts.items()
    }


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings themselves, secrets hidden; for showing them."""
    return _read(path, environment).settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    settings: Settings
    deployment: Deployment


def _read(path: Path, environment: Mapping[str, str]) -> _Result:
    data = read_file(path)
    root, problems = read_tree(data, source=str(path))
    if root is None:
        raise ConfigError(problems)
    filled, unset = expand(_overlaid(root, environment), environment)
    assert isinstance(filled, Branch)
    problems += unset
    problems += _literal_secrets(filled)
    settings, wrong = check(Settings, filled)
    problems += wrong
    merged, wrong = merge_symbols(filled, path, environment)
    problems += wrong
    if isinstance(settings, Settings):
        problems += _judged(settings, filled)
    problems += merged.name_units(markets) if (markets := _markets(filled)) else []
    problems += _untradable(filled, merged)
    if problems or not isinstance(settings, Settings):
        raise ConfigError(_first_per_place(problems))
    return _Result(settings=settings, deployment=_deployment(settings, merged, path))


def _overlaid(root: Branch, environment: Mapping[str, str]) -> Branch:
    for name in sorted(environment):
        steps = name.removeprefix(ENVIRONMENT_PREFIX).lower().split(NESTING)
        if name == DATA_DIR_VARIABLE:
            steps = ["app", "data_dir"]
        elif not name.startswith(ENVIRONMENT_PREFIX) or len(steps) < 2 or not all(steps):  # noqa: PLR2004 - section and key
            continue
        value = resolve_plain(environment[name])
        leaf = Leaf(
            value=value.text if isinstance(value, Fraction) else value,
            where=Where(source=f"environment {name}"),
            key=".".join(steps),
            is_from_variable=True,
        )
        root = _put(root, steps, leaf)
    return root


def _put(branch: Branch, steps: list[str], leaf: Leaf) -> Branch:
    name, *rest = steps
    child: Node = leaf
    if rest:
        below = branch.children.get(name)
        key = f"{branch.key}.{name}" if branch.key else name
        empty = Branch(children={}, where=leaf.where, key=key)
        child = _put(below if isinstance(below, Branch) else empty, rest, leaf)
    return Branch(children={**branch.children, name: child}, where=branch.where, key=branch.key)


def _literal_secrets(root: Branch) -> Iterable[Problem]:
    accounts = root.children.get("accounts")
    if not isinstance(accounts, Branch):
        return
    for account in accounts.children.values():
        children = account.children if isinstance(account, Branch) else {}
        for name in _SECRETS:
            node = children.get(name)
            is_written = isinstance(node, Leaf) and node.value not in {None, ""}
            if isinstance(node, Leaf) and is_written and not node.is_from_variable:
                yield Problem(
                    where=node.where,
                    key=node.key,
                    got="a secret written into the file",
                    expected="${VAR}",
                    fix=f"export it, write {name}: ${{{name.upper()}}}, and replace the key",
                )


def _judged(settings: Settings, root: Branch) -> Iterable[Problem]:
    accounts = root.children["accounts"]
    assert isinstance(accounts, Branch)
    for name in settings.accounts:
        if not NAME_FORM.fullmatch(name):
            node = accounts.children[name]
            yield Problem(
                where=node.where,
                key=node.key,
                got=f"the account name {quoted(name)}",
                expected="a lower-case word of at most 20 letters, digits and _",
                fix="rename the account",
            )
    yield from _bad_paths(settings, root)
    yield from _bad_token(settings, root)
    yield from _shared_connector(settings, root)
    zone = settings.app.timezone
    if zone != "UTC" and not _is_zone(zone):
        app = root.children["app"]
        node = app.children["timezone"] if isinstance(app, Branch) else app
        yield Problem(
            where=node.where,
            key="app.timezone",
            got=quoted(zone),
            expected="a time zone this machine knows",
            fix="write UTC or a name such as Europe/Berlin",
        )


def _bad_paths(settings: Settings, root: Branch) -> Iterable[Problem]:
    if resolved(settings.app.data_dir) is None:
        node, _ = find(root, ("app", "data_dir"))
        yield Problem(
            where=node.where,
            key="app.data_dir",
            got=quoted(settings.app.data_dir),
            expected="a folder that can exist",
            fix="write a path such as ./data",
        )
    for number, file in enumerate(settings.paper.replay.files):
        got = _unplayable(file)
        if got:
            node, _ = find(root, ("paper", "replay", "files", number))
            yield Problem(
                where=node.where,
                key=f"paper.replay.files[{number}]",
                got=got,
                expected="a recording",
                fix="correct the path; relative ones start at the current folder",
            )


def _absolute(file: str) -> str:
    """Return the path of a file, empty for none."""
    return str(resolved(file) or "") if file else ""


def _shared_connector(settings: Settings, root: Branch) -> Iterable[Problem]:
    if settings.remote.address and len(settings.accounts) > 1:
        node, _ = find(root, ("remote", "address"))
        yield Problem(
            where=node.where,
            key="remote.address",
            got=f"one connector for {len(settings.accounts)} accounts",
            expected="one account, because a connector serves one",
            fix="give each account a deployment of its own, or leave the address empty",
        )


def _bad_token(settings: Settings, root: Branch) -> Iterable[Problem]:
    remote = settings.remote
    got, expected, fix = "", "a file that its owner alone may read", ""
    path = resolved(remote.token_file) if remote.token_file else None
    if not remote.token_file:
        if not remote.address or remote.address.startswith("unix:"):
            return
        got, expected = "none", "a file with the connector's token, because it is not on a socket"
        fix = "write one and start the connector with: --listen HOST:PORT --token-file FILE"
    elif path is None or not path.is_file():
        got = f"no such file {quoted(remote.token_file)}"
        fix = "correct the path; relative ones start at the current folder"
    elif stat.S_IMODE(path.stat().st_mode) & 0o077:
        got = f"mode {stat.S_IMODE(path.stat().st_mode):04o} of {quoted(remote.token_file)}"
        fix = f"chmod 600 {remote.token_file}"
    if got:
        node, _ = find(root, ("remote", "token_file"))
        yield Problem(
            where=node.where, key="remote.token_file", got=got, expected=expected, fix=fix
        )


def _unplayable(file: str) -> str:
    path = resolved(file)
    if path is None or not path.is_file():
        return f"no such file {quoted(file)}"
    try:
        check_recording(path)
    except FrameError:
        return f"a file without recorded prices {quoted(file)}"
    return ""


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def _untradable(root: Branch, merged: Merged) -> Iterable[Problem]:
    # Read from the tree as well, so that every symbol is judged whatever else is wrong.
    for unit, chosen, tree in merged.units:
        venue, _ = find(root, ("accounts", unit.account, "venue"))
        config = unit_config(chosen, capital=_capital(root, unit.account))
        yield from judge(unit, config, venue=_text(venue), root=tree)


def _capital(root: Branch, account: AccountName) -> Decimal:
    """Return the account's capital; while it is unusable, so much that no limit is broken."""
    node, _ = find(root, ("accounts", account, "capital"))
    try:
        capital = parse_decimal(_text(node))
    except MoneyError:
        return _CAPITAL_MAX
    return capital if capital > 0 else _CAPITAL_MAX


def _text(node: Node) -> str:
    return str(node.value) if isinstance(node, Leaf) else ""


def _first_per_place(problems: Iterable[Problem]) -> list[Problem]:
    # A value that could not be filled in or read is often also of the wrong type: say it once.
    seen: dict[tuple[Where, str], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.where, problem.key), problem)
    return list(seen.values())


def _markets(root: Branch) -> dict[str, tuple[str, ...]]:
    # Read from the tree, so that targets are judged even when something else is wrong. One
    # unknown venue leaves open what could be meant; then nothing is said about targets.
    accounts = root.children.get("accounts")
    markets: dict[str, tuple[str, ...]] = {}
    for name, account in accounts.children.items() if isinstance(accounts, Branch) else ():
        venue = account.children.get("venue") if isinstance(account, Branch) else None
        known = MARKETS_OF_VENUE.get(str(venue.value)) if isinstance(venue, Leaf) else None
        if known is None:
            return {}
        markets[name] = known
    return markets


def _accounts(settings: Settings) -> tuple[AccountConfig, ...]:
    return tuple(
        AccountConfig(
            name=AccountName(name),
            venue=account.venue,
            capital=account.capital,
            base_url=account.base_url,
            reserve=dict(account.reserve),
        )
        for name, account in settings.accounts.items()
    )


def _unit_config(unit: UnitId, chosen: UnitSettings, account: AccountSettings) -> UnitConfig:
    reserve = reserve_of(unit, account.reserve)
    return unit_config(chosen, capital=account.capital, reserve=reserve)


def _deployment(settings: Settings, merged: Merged, path: Path) -> Deployment:
    app, paper, ray = settings.app, settings.paper, settings.ray
    accounts = _accounts(settings)
    return Deployment(
        source=path.absolute(),
        mode=Mode(app.mode),
        timezone=app.timezone,
        data_dir=resolved(app.data_dir) or Path("data"),
        store=app.store,
        engine_type=EngineType(app.engine_type),
        current_exchange=ExchangeName(app.current_exchange),
        remote=RemoteConfig(
            address=settings.remote.address, token_file=_absolute(settings.remote.token_file)
        ),
        accounts=accounts,
        defaults=merged.defaults,
        units=tuple(
            (unit, _unit_config(unit, chosen, settings.accounts[unit.account]))
            for unit, chosen, _ in merged.units
        ),
        paper=PaperConfig(
            host=paper.host,
            port=paper.port,
            control_port=paper.control_port,
            seed=paper.seed,
            maker_fee=paper.maker_fee,
            taker_fee=paper.taker_fee,
            balance=paper.balance,
            replay=ReplayConfig(
                files=tuple(resolved(file) or Path(file) for file in paper.replay.files),
                speed=paper.replay.speed,
                is_looping=paper.replay.loop,
            ),
        ),
        ray=RayConfig(
            port=ray.port,
            dashboard_port=ray.dashboard_port,
            cpus=ray.cpus,
            object_store_mb=ray.object_store_mb,
        ),
    )
