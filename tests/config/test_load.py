"""Every mistake gets one line: where, what was found, what was expected, how to fix it."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from opensqt.bootstrap.runtime import Runtime
from opensqt.config.deployment import EngineType, ExchangeName, Mode
from opensqt.config.load import load, load_keys
from opensqt.config.problems import ConfigError
from opensqt.config.units import build_unit
from opensqt.core.grid.config import IntervalUnit, QuantityUnit
from opensqt.core.ids import AccountName, Symbol, UnitId

ROOT = Path(__file__).parents[2]
GOOD = """\
accounts:
  paper:
    venue: paper
    capital: "10000"
trading:
  price_interval: "0.02"
  price_interval_unit: percent
  order_quantity: "200"
symbols:
  - BTCUSDT:perp
"""
BTC = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))


def write(folder: Path, text: str | bytes, *, name: str = "c.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines_of(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environment or {})
    return [problem.text.replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_the_shipped_configuration_trades_three_symbols_on_paper() -> None:
    deployment = load(ROOT / "configs/paper.yaml", {})

    assert deployment.mode is Mode.PAPER
    assert deployment.current_exchange is ExchangeName.REMOTE
    assert [unit.text for unit, _ in deployment.units] == [
        "paper/BTCUSDT:perp",
        "paper/ETHUSDT:perp",
        "paper/SOLUSDT:perp",
    ]
    for _, config in deployment.units:
        assert config.capital == Decimal(10_000)
        assert config.grid.price_interval == Decimal("0.02")
        assert config.grid.price_interval_unit is IntervalUnit.PERCENT
    assert deployment.paper.maker_fee == 0
    assert deployment.data_dir == (Path.cwd() / "data").resolve()


def test_every_key_of_the_shipped_configuration_has_a_comment() -> None:
    lines = (ROOT / "configs/paper.yaml").read_text("utf-8").splitlines()
    keys = [line for line in lines if ":" in line and not line.lstrip().startswith(("#", "-"))]
    sections = ("app:", "remote:", "accounts:", "secret_key", "template", "trading:", "symbols:")

    bare = [line for line in keys if "#" not in line and not line.strip().startswith(sections)]

    assert len(keys) > 40
    assert bare == []


def test_a_reserve_reaches_the_units_of_its_asset_and_no_others(tmp_path: Path) -> None:
    text = GOOD.replace('capital: "10000"', 'capital: "10000"\n    reserve: {BTC: "0.5", XYZ: "1"}')
    path = write(tmp_path, text.replace("  - BTCUSDT:perp", "  - BTCUSDT:perp\n  - ETHUSDT:perp"))

    units = dict(load(path, {}).units)

    assert [units[unit].reserve for unit in sorted(units)] == [Decimal("0.5"), Decimal(0)]
    assert build_unit(load(path, {}), "BTCUSDT")[1].reserve == Decimal("0.5")


@pytest.mark.parametrize("wrong", ['{BTC: "-1"}', "{BTC: 0.5}", "BTC", '{BTC: "much"}'])
def test_a_reserve_that_is_no_quantity_is_one_line(tmp_path: Path, wrong: str) -> None:
    text = GOOD.replace('capital: "10000"', f'capital: "10000"\n    reserve: {wrong}')

    (line,) = lines_of(write(tmp_path, text))

    assert line.startswith("c.yaml:5 accounts.paper.reserve")


@pytest.mark.parametrize(
    ("mode", "file", "got"),
    [
        (0o600, "", "got none"),
        (0o644, "token", "got mode 0644 of"),
        (0o600, "nowhere", "got no such file"),
        (0o600, "token", ""),
    ],
)
def test_a_connector_elsewhere_is_reached_with_a_token_nobody_else_can_read(
    tmp_path: Path, mode: int, file: str, got: str
) -> None:
    token = tmp_path / "token"
    token.write_text("a" * 32)
    token.chmod(mode)
    path = tmp_path / file if file else ""
    remote = f'remote: {{address: "10.0.0.1:50051", token_file: "{path}"}}\n'

    found = lines_of(write(tmp_path, remote + GOOD)) if got else []

    assert [line for line in found if "remote.token_file" not in line or got not in line] == []
    assert len(found) == bool(got)
    if not got:
        assert load(write(tmp_path, remote + GOOD), {}).remote.token_file == str(token)


def test_one_connector_elsewhere_serves_one_account(tmp_path: Path) -> None:
    remote = 'remote: {address: "unix:/run/connector"}\n'
    second = '  second: {venue: paper, capital: "10000"}\ntrading:'
    assert load(write(tmp_path, remote + GOOD), {}).remote.address

    found = lines_of(write(tmp_path, remote + GOOD.replace("trading:", second)))

    expected = "remote.address: got one connector for 2 accounts, expected one account"
    assert any(expected in line for line in found), found


def test_a_symbol_takes_trading_then_its_template_then_its_own_keys(tmp_path: Path) -> None:
    write(tmp_path, 'order_quantity: "300"\nbuy_window_size: 3\n', name="btc.yaml")
    text = GOOD.replace(
        "- BTCUSDT:perp", "- target: BTCUSDT\n    template: btc.yaml\n    buy_window_size: 4"
    )

    ((unit, config),) = load(write(tmp_path, text), {}).units

    assert unit == BTC
    assert config.grid.order_quantity == Decimal(300)
    assert config.grid.order_quantity_unit is QuantityUnit.QUOTE
    assert config.grid.buy_window_size == 4
    assert config.grid.sell_window_size == 10


def test_an_instance_has_its_own_name_but_never_shares_a_position(tmp_path: Path) -> None:
    second = "  - paper/BTCUSDT:perp#second\n"
    renamed = GOOD.replace("BTCUSDT:perp", "BTCUSDT:perp#second")

    ((unit, _),) = load(write(tmp_path, renamed), {}).units

    assert unit.instance == "second"
    assert lines_of(write(tmp_path, GOOD + second)) == [
        (
            "c.yaml:11 symbols[1]: got paper/BTCUSDT:perp#second a second time "
            "(first in c.yaml:10), expected one strategy for each account and symbol; "
            "fix: remove one of them"
        )
    ]


def test_symbols_are_judged_even_when_other_sections_are_wrong(tmp_path: Path) -> None:
    text = GOOD + "  - NOPEUSDT\n  - {target: ETHUSDT, order_quantity: '1'}\nray: {cpus: many}\n"

    lines = lines_of(write(tmp_path, text.replace('capital: "10000"', "capital: 1.5")))

    assert [line.partition(":")[2].partition(":")[0] for line in lines] == [
        "4 accounts.paper.capital",
        "11 symbols[1]",
        "12 symbols[2].order_quantity",
        "13 ray.cpus",
    ]


def test_variables_are_filled_in_and_typed(tmp_path: Path) -> None:
    text = GOOD.replace('"10000"', '"${CAPITAL:-7000}"') + "paper:\n  seed: ${SEED:-3}\n"
    path = write(tmp_path, text)

    assert load(path, {}).accounts[0].capital == Decimal(7000)
    assert load(path, {}).paper.seed == 3
    assert load(path, {"CAPITAL": "8000.5", "SEED": "4"}).accounts[0].capital == Decimal("8000.5")
    assert load(path, {"SEED": "4"}).paper.seed == 4


def test_a_variable_cannot_change_the_shape_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "app:\n  timezone: ${ZONE}\n")

    (line,) = lines_of(path, {"ZONE": "UTC\n  mode: live"})

    assert line.startswith("c.yaml:12 app.timezone: got 'UTC\\n  mode: live', expected a time zone")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    environment = {
        "OPENSQT_PAPER__PORT": "8123",
        "OPENSQT_ACCOUNTS__PAPER__CAPITAL": "9000.5",
        "OPENSQT_PAPER__REPLAY__LOOP": "true",
        "OPENSQT_DATA_DIR": str(tmp_path / "elsewhere"),
        "OPENSQT_EXAMPLES": "thorough",
    }

    deployment = load(path, environment)

    assert deployment.paper.port == 8123
    assert deployment.accounts[0].capital == Decimal("9000.5")
    assert deployment.paper.replay.is_looping
    assert deployment.data_dir == tmp_path / "elsewhere"


def test_a_mistake_in_the_environment_is_named_there(tmp_path: Path) -> None:
    environment = {"OPENSQT_APP__MOED": "paper", "OPENSQT_PAPER__SEED": "x"}

    assert lines_of(write(tmp_path, GOOD), environment) == [
        (
            "environment OPENSQT_APP__MOED app.moed: got unknown key 'moed', expected mode, "
            "current_exchange, engine_type, store, timezone or data_dir; fix: did you mean 'mode'?"
        ),
        (
            "environment OPENSQT_PAPER__SEED paper.seed: got 'x', expected an integer from 0 to "
            "2147483647; fix: the default is 7"
        ),
    ]


def test_decisions_run_as_durable_workflows_unless_told_otherwise(tmp_path: Path) -> None:
    text = GOOD.replace("accounts:", "app: {engine_type: simple}\naccounts:", 1)

    assert load(write(tmp_path, GOOD), {}).engine_type is EngineType.DBOS
    assert load(write(tmp_path, text), {}).engine_type is EngineType.SIMPLE
    assert load(ROOT / "configs/paper.yaml", {}).engine_type is EngineType.DBOS
    assert Runtime(data_dir=str(tmp_path)).engine == EngineType.DBOS


@pytest.mark.parametrize(
    "address", ["postgresql:///sqt", "postgresql://me@db:5432/sqt", "postgres://db", ""]
)
def test_a_server_is_named_without_a_password(tmp_path: Path, address: str) -> None:
    environment = {"OPENSQT_APP__STORE": address}

    assert load(write(tmp_path, GOOD), environment).store == address


def test_secrets_stay_out_of_the_deployment_and_of_every_text(tmp_path: Path) -> None:
    text = GOOD.replace("capital:", "api_key: ${KEY}\n    secret_key: ${SECRET}\n    capital:")
    path, environment = write(tmp_path, text), {"KEY": "public-id", "SECRET": "hush-hush"}

    deployment, keys = load(path, environment), load_keys(path, environment)

    assert "hush-hush" not in repr(deployment) + repr(keys)
    assert keys[AccountName("paper")].secret_key == "hush-hush"


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    text = GOOD.replace("capital:", "api_key: ${KEY}\n    capital:")

    (line,) = lines_of(write(tmp_path, text), {"KEY": "12345678"})

    assert "12345678" not in line
    assert "got a hidden value" in line


START = "start from configs/paper.yaml"
CHECK = "check indentation, colons and quotes here"


@pytest.mark.parametrize(
    ("text", "line", "got", "expected", "fix"),
    [
        ("", 1, "an empty file", "a mapping of sections", START),
        ("# only this\n", 1, "an empty file", "a mapping of sections", START),
        ("- a\n", 1, "no mapping", "a mapping of sections", START),
        ("app:\n\tmode: paper\n", 2, "a tab", "YAML", "indent with spaces"),
        ("app: [1\n", 2, "expected ',' or ']', but got '<stream end>'", "YAML", CHECK),
        ("app: a: b\n", 1, "mapping values are not allowed here", "YAML", CHECK),
        ("app: \x07\n", 1, "a character that cannot be printed", "YAML", CHECK),
        (b"app:\n  mode: \xff\n", 2, "byte 0xff", "UTF-8 text", "save the file as UTF-8"),
        (
            f"{GOOD}---\napp: {{}}\n",
            *(11, "a second document", "one document in a file", "remove the '---' line"),
        ),
        (
            "#" * 300_000,
            *(1, "262145 bytes", "at most 262144 bytes", "is this the right file?"),
        ),
    ],
)
def test_a_file_that_is_no_configuration(
    tmp_path: Path, text: str | bytes, line: int, got: str, expected: str, fix: str
) -> None:
    told = f"c.yaml:{line}: got {got}, expected {expected}; fix: {fix}"

    assert told in lines_of(write(tmp_path, text))


def test_a_missing_file_a_directory_and_a_pipe_are_told_apart(tmp_path: Path) -> None:
    tail = "expected a YAML file; fix: give the configuration with -c FILE"

    assert lines_of(tmp_path / "none.yaml") == [f"none.yaml: got no such file, {tail}"]
    assert lines_of(tmp_path) == [f"{tmp_path.name}: got a directory, {tail}"]
    assert lines_of(Path("/dev/null")) == [f"null: got not a regular file, {tail}"]


MISTAKES = yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text("utf-8"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["by"].strip()[:40])
def test_one_mistake_is_one_line(tmp_path: Path, mistake: dict[str, str]) -> None:
    assert mistake["replace"] in GOOD

    found = lines_of(write(tmp_path, GOOD.replace(mistake["replace"], mistake["by"], 1)))

    assert mistake["line"] in found


def test_values_with_quotes_or_line_breaks_from_the_environment_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("capital:", "api_key: ${KEY}\n    capital:")
    path = write(tmp_path, text)
    expected = (
        "c.yaml:4 accounts.paper.api_key: got KEY with blanks, a line break or quotes around its "
        "value, expected the bare value; fix: export KEY again without them"
    )

    assert [lines_of(path, {"KEY": key}) for key in ("k\n", " k", '"k"', "'k'")] == [[expected]] * 4


def test_all_problems_are_told_in_one_run_in_reading_order(tmp_path: Path) -> None:
    text = """\
app:
  mode: demo
accounts:
  paper:
    venue: paper
    capital: 1.5
trading:
  price_interval: 0.02
  order_quantity: "200"
symbols:
  - BTCUSDT
  - BTCUSDT:perp
  - target: ETHUSDT
    hysteresis: -1
ray:
  port: 80
"""

    found = lines_of(write(tmp_path, text))

    assert [line.split(":")[1].split()[1] for line in found] == [
        "app.mode",
        "accounts.paper.capital",
        "trading.price_interval",
        "symbols[1]",
        "symbols[2].hysteresis",
        "ray.port",
    ]
    assert [line.split(":")[1].split()[0] for line in found] == ["2", "6", "8", "12", "14", "16"]


def test_a_mistake_in_trading_is_told_once_however_many_symbols_share_it(tmp_path: Path) -> None:
    text = GOOD.replace("percent", "percentage") + "  - ETHUSDT\n  - SOLUSDT\n"

    assert len(lines_of(write(tmp_path, text))) == 1


def test_trading_is_checked_even_without_symbols(tmp_path: Path) -> None:
    text = GOOD.replace("symbols:\n  - BTCUSDT:perp\n", "").replace(
        "price_interval:", "price_intervall:"
    )

    (line,) = lines_of(write(tmp_path, text))

    assert "did you mean 'price_interval'?" in line


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert load(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()), {}).units
