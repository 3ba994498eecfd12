"""A line is one JSON object with the fields that were given, and never holds a secret."""

import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from opensqt.core.orders import Side
from opensqt.system import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Return where logs go, and leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    log.configure(level="info", stream=text, as_json=True)
    yield text
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("opensqt").setLevel(logging.NOTSET)
    log._hidden.clear()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_fields(stream: io.StringIO) -> None:
    logger = log.get("opensqt.engine", account="paper").bind(symbol="BTCUSDT:perp")

    logger.info("order.rejected", reason="tick", price=Decimal("1.50"), side=Side.BUY, count=2)

    (line,) = lines(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "opensqt.engine",
        "event": "order.rejected",
        "account": "paper",
        "symbol": "BTCUSDT:perp",
        "reason": "tick",
        "price": "1.5",
        "side": "buy",
        "count": 2,
    }


def test_a_binding_does_not_reach_the_logger_it_came_from(stream: io.StringIO) -> None:
    logger = log.get("opensqt.engine")
    logger.bind(symbol="X")

    logger.info("started")

    assert "symbol" not in lines(stream)[0]


def test_levels_below_the_configured_one_are_silent(stream: io.StringIO) -> None:
    logger = log.get("opensqt.engine")

    logger.debug("tick")
    logger.warning("feed.stale")
    logger.error("unit.quarantined")

    assert [line["event"] for line in lines(stream)] == ["feed.stale", "unit.quarantined"]
    assert not logger.is_enabled("debug")
    assert logger.is_enabled("info")


def test_libraries_are_heard_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("aiohttp").info("chatter")
    logging.getLogger("aiohttp").warning("slow %s", "reply")

    assert [line["event"] for line in lines(stream)] == ["slow reply"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a log level of debug, info, warning, error"):
        log.configure(level="loud")


def test_an_exception_comes_with_its_trace_but_without_secrets(stream: io.StringIO) -> None:
    log.hide("hunter22")
    try:
        int("/order?signature=abc123 for hunter22")
    except ValueError:
        log.get("opensqt.engine").exception("request.failed")

    (line,) = lines(stream)
    assert line["level"] == "error"
    assert "ValueError: invalid literal" in line["exception"]
    assert "/order?signature=*** for ***" in line["exception"]
    assert "Traceback" in line["exception"]


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "secret", "api_secret", "password", "token", "auth_token", "signature",
     "passphrase", "private_key", "Authorization", "X-MBX-APIKEY", "listenKey"],
)  # fmt: skip
def test_a_field_with_a_telling_name_is_masked(stream: io.StringIO, name: str) -> None:
    log.get("opensqt.x").info("event", **{name: "abc", "nested": {"deep": [{name: "abc"}]}})

    assert "abc" not in stream.getvalue()
    assert lines(stream)[0][name] == log.MASK


def test_an_empty_secret_is_shown_as_such(stream: io.StringIO) -> None:
    log.get("opensqt.x").info("event", api_key="", token=None)

    assert lines(stream)[0]["api_key"] == ""
    assert lines(stream)[0]["token"] is None


@pytest.mark.parametrize(
    "text",
    [
        "GET /fapi/v1/order?symbol=A&signature=SEKRET&x=1",
        "headers {'X-MBX-APIKEY': 'SEKRET', 'a': 'b'}",
        '{"apiKey":"SEKRET","secret": "SEKRET"}',
        "Authorization: Bearer SEKRET",
        "postgresql://user:SEKRET@host/db",
        "token=SEKRET",
        "listenKey=SEKRET",
    ],
)
def test_a_secret_inside_a_text_is_masked(text: str) -> None:
    assert "SEKRET" not in log.redacted_text(text)


@pytest.mark.parametrize("text", ["client_order_id=q1abc", "tokens 5", "https://a.b/c:d", "key: 5"])
def test_an_innocent_text_is_left_alone(text: str) -> None:
    assert log.redacted_text(text) == text


def test_a_hidden_value_never_shows_wherever_it_occurs(stream: io.StringIO) -> None:
    log.hide("s3cr3tvalue")
    log.hide("ab")  # too short to be one, and would blank out half of every line

    log.get("opensqt.x").info("got s3cr3tvalue", note=["x s3cr3tvalue y"], label="ab")

    assert "s3cr3tvalue" not in stream.getvalue()
    assert lines(stream)[0]["label"] == "ab"


def test_values_of_any_type_make_a_valid_line(stream: io.StringIO) -> None:
    log.get("opensqt.x").info(
        "event",
        ratio=0.5,
        endless=float("inf"),
        nan=Decimal("NaN"),
        none=None,
        flag=True,
        many=frozenset({1}),
        thing=object,
        level="mine",
    )

    (line,) = lines(stream)
    assert line["ratio"] == 0.5
    assert (line["endless"], line["nan"], line["none"], line["flag"]) == ("inf", "NaN", None, True)
    assert line["many"] == [1]
    assert line["thing"] == "<class 'object'>"
    assert (line["level"], line["level_"]) == ("info", "mine")


def test_a_line_for_people_is_readable(stream: io.StringIO) -> None:
    log.configure(stream=stream, as_json=False)

    log.get("opensqt.x").info("order.placed", symbol="A", reason="too far", token="abc")

    assert stream.getvalue()[12:] == (' info    order.placed symbol=A reason="too far" token=***\n')


def test_a_terminal_gets_lines_for_people_and_a_pipe_gets_json(stream: io.StringIO) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    log.configure(stream=terminal)
    log.get("opensqt.x").info("seen")
    log.configure(stream=pipe)
    log.get("opensqt.x").info("seen")

    assert terminal.getvalue().endswith("info    seen\n")
    assert json.loads(pipe.getvalue())["event"] == "seen"
