"""Goal: what the orchestrator answers is what the operator reads, key by key."""

import copy
from typing import Any

import pytest
from google.protobuf.message import Message

from opensqt.core.registry import Desire, UnitPhase
from opensqt.market_maker.v1 import control_pb2
from opensqt.wire.control import (
    ORDERS_AT_SHUTDOWN,
    STOP_MODE,
    decode_answer,
    decode_config,
    encode_answer,
    encode_config,
)
from opensqt.wire.errors import WireError

STATUS: dict[str, Any] = {
    "mode": "paper",
    "timezone": "UTC",
    "kill": {"state": "released", "epoch": None, "operator": None, "reason": None, "at_ms": None},
    "memory": {"plan_mb": 900, "used_mb": None},
    "symbols": [
        {
            "account": "paper",
            "symbol": "BTCUSDT:perp",
            "market": "perp",
            "strategy": "grid",
            "state": "quoting",
            "idle_reason": None,
            "position": "-0.010",
            "open_orders": 20,
            "fills": 3,
            "realized_pnl": "1.25",
            "unrealized_pnl": None,
            "fees": "-0.1",
            "price": "60000.1",
            "price_age_ms": 12,
            "pid": 4711,
            "restarts": 0,
            "capital": "1000",
        }
    ],
    "processes": [{"name": "connector", "pid": None, "restarts": 2}],
    "endpoints": {
        "ray_dashboard": "http://127.0.0.1:8265",
        "control": "unix:/run/x.sock",
        "paper_control": None,
        "metrics": None,
        "live": None,
    },
}
ANSWERS: dict[str, tuple[type[Message], dict[str, Any]]] = {
    "add": (
        control_pb2.AddSymbolResponse,
        {"target": "paper/BTCUSDT:perp", "state": "starting", "created": True},
    ),
    "remove": (
        control_pb2.RemoveSymbolResponse,
        {
            "target": "paper/BTCUSDT:perp",
            "state": "stopped",
            "done": True,
            "position": None,
            "open_orders": 0,
        },
    ),
    "pause": (control_pb2.PauseResponse, {"target": "paper/BTCUSDT:perp", "state": "paused"}),
    "resume": (control_pb2.ResumeResponse, {"target": "paper/BTCUSDT:perp", "state": "quoting"}),
    "status": (control_pb2.StatusResponse, STATUS),
    "list": (
        control_pb2.ListSymbolsResponse,
        {
            "symbols": [
                {
                    "target": "paper/BTCUSDT:perp",
                    "account": "paper",
                    "symbol": "BTCUSDT:perp",
                    "instance": "grid",
                    "desired": "running",
                    "observed": None,
                    "config": "{}",
                }
            ]
        },
    ),
    "shutdown": (
        control_pb2.ShutdownResponse,
        {
            "orders_empty": False,
            "open_orders": ["q1abc"],
            "positions": [{"account": "paper", "symbol": "BTCUSDT:perp", "quantity": "0.5"}],
        },
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_survives_the_wire(name: str) -> None:
    kind, answer = ANSWERS[name]

    message = encode_answer(answer, kind)

    assert decode_answer(kind.FromString(message.SerializeToString())) == answer


@pytest.mark.parametrize("name", ANSWERS)
def test_keys_without_a_field_travel_too(name: str) -> None:
    kind, answer = ANSWERS[name]
    if name == "list":
        answer = {"symbols": [answer["symbols"][0] | {"note": ["x", None, {"y": 1}]}]}
    else:
        answer = answer | {"note": ["x", None, {"y": 1}]}

    assert decode_answer(encode_answer(answer, kind)) == answer


@pytest.mark.parametrize("name", ANSWERS)
def test_every_key_is_required(name: str) -> None:
    kind, answer = ANSWERS[name]
    optional = {"position", "open_orders"} if name == "remove" else set()
    for key in answer.keys() - optional:
        shorter = {other: value for other, value in answer.items() if other != key}
        with pytest.raises(WireError, match=f"answer.{key}"):
            encode_answer(shorter, kind)


def test_a_wrong_type_is_refused_with_its_path() -> None:
    broken = copy.deepcopy(STATUS)
    broken["symbols"][0]["position"] = 0.1

    with pytest.raises(WireError, match=r"symbols\[0\]\.position: expected str, got 0\.1$"):
        encode_answer(broken, control_pb2.StatusResponse)


def test_a_flag_is_not_a_count() -> None:
    broken = copy.deepcopy(STATUS)
    broken["symbols"][0]["restarts"] = True

    with pytest.raises(WireError, match=r"restarts: expected int, got True"):
        encode_answer(broken, control_pb2.StatusResponse)


def test_an_unknown_state_is_refused_both_ways() -> None:
    with pytest.raises(WireError, match=r"answer\.state"):
        encode_answer({"target": "x", "state": "dreaming"}, control_pb2.PauseResponse)
    with pytest.raises(WireError, match=r"answer\.state"):
        decode_answer(control_pb2.PauseResponse(target="x"))


@pytest.mark.parametrize("phase", UnitPhase)
def test_every_phase_of_a_unit_has_a_wire_name(phase: UnitPhase) -> None:
    answer = {"target": "x", "state": phase}

    assert decode_answer(encode_answer(answer, control_pb2.PauseResponse)) == answer


@pytest.mark.parametrize("desire", Desire)
def test_every_desire_has_a_wire_name(desire: Desire) -> None:
    _, listing = ANSWERS["list"]
    answer = {"symbols": [listing["symbols"][0] | {"desired": desire}]}

    assert decode_answer(encode_answer(answer, control_pb2.ListSymbolsResponse)) == answer


def test_settings_are_json_objects() -> None:
    assert decode_config(encode_config({"grid": {"price_interval": "1"}}) or "") == {
        "grid": {"price_interval": "1"}
    }
    assert encode_config(None) is None
    for text in ("[]", "{", "1"):
        with pytest.raises(WireError, match=r"^config: "):
            decode_config(text)


def test_stop_words_have_wire_values() -> None:
    for word in ("drain", "cancel", "flatten"):
        assert STOP_MODE.to_core(STOP_MODE.to_wire(word, "mode"), "mode") == word
    for word in ("cancel", "keep"):
        assert ORDERS_AT_SHUTDOWN.to_core(ORDERS_AT_SHUTDOWN.to_wire(word, "o"), "o") == word
    with pytest.raises(WireError):
        STOP_MODE.to_core(control_pb2.STOP_MODE_UNSPECIFIED, "mode")
