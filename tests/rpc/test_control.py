"""Goal: an operator behind a socket gets the orchestrator's own answers and reasons."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from opensqt.market_maker.v1 import control_pb2
from opensqt.market_maker.v1.control_pb2_grpc import ControlServiceStub
from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.rpc.control_client import ControlClient
from opensqt.rpc.control_server import STATUS_OF, control_service
from opensqt.rpc.endpoint import Endpoint, UnixLocator
from opensqt.rpc.server import RpcServer
from tests.rpc.fakes import RecordingLog

NAME = "control"
TARGET = "paper/BTCUSDT:perp"
STATUS: Answer = {
    "mode": "paper",
    "timezone": "UTC",
    "kill": {"state": "released"},
    "memory": {"plan_mb": 1, "used_mb": None},
    "symbols": [],
    "processes": [{"name": "orchestrator", "pid": 1, "restarts": 0}],
    "endpoints": dict.fromkeys(("ray_dashboard", "control", "paper_control", "metrics", "live")),
}

LEVEL: Answer = {
    "level": -1,
    "price": "1",
    "role": "open",
    "inventory": "0",
    "reason": "working",
    "detail": "",
    "client_order_id": "q1",
    "order_status": "working",
    "until_ms": None,
}
EXPLANATION: Answer = {
    "state": "quoting",
    "reason": "",
    "detail": "",
    "price": None,
    "top_level": -1,
    "levels": [LEVEL],
}

ADOPTION: Answer = {
    "state": "quoting",
    "adopted": True,
    "steps": ["book an adjustment", "end the quarantine"],
    "book": "0",
    "venue": "0.5",
    "difference": "0.5",
    "price": "100",
    "quarantine": "position",
}


class FakeControl:
    """Remembers the calls, answers or raises what it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.error: Exception | None = None
        self.answer: Answer | None = None

    async def add_symbol(
        self, target: str, config: Mapping[str, object] | None = None, *, dry_run: bool = False
    ) -> Answer:
        return self._did(
            ("add", target, config, dry_run),
            {"target": target, "state": "starting", "created": True},
        )

    async def remove_symbol(
        self, target: str, mode: str = "drain", *, wait_ms: int = 0, dry_run: bool = False
    ) -> Answer:
        answer = {
            "target": target,
            "state": "stopped",
            "done": True,
            "position": "0",
            "open_orders": 0,
        }
        return self._did(("remove", target, mode, wait_ms, dry_run), answer)

    async def pause(self, target: str, mode: str = "cancel") -> Answer:
        return self._did(("pause", target, mode), {"target": target, "state": "paused"})

    async def resume(self, target: str) -> Answer:
        return self._did(("resume", target), {"target": target, "state": "quoting"})

    async def status(self, targets: tuple[str, ...] = ()) -> Answer:
        return self._did(("status", targets), STATUS)

    async def explain(self, target: str) -> Answer:
        return self._did(("explain", target), EXPLANATION | {"target": target})

    async def adopt(
        self,
        target: str,
        *,
        operator: str,
        reason: str,
        quantity: str | None = None,
        price: str | None = None,
        dry_run: bool = False,
    ) -> Answer:
        call = ("adopt", target, operator, reason, quantity, price, dry_run)
        return self._did(call, ADOPTION | {"target": target})

    async def list_symbols(self) -> Answer:
        return self._did(("list",), {"symbols": []})

    async def shutdown(self, *, orders: str = "cancel", wait_ms: int = 0) -> Answer:
        answer: Answer = {"orders_empty": True, "open_orders": [], "positions": []}
        return self._did(("shutdown", orders, wait_ms), answer)

    def _did(self, call: tuple[object, ...], answer: Mapping[str, object]) -> Answer:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return dict(answer) if self.answer is None else self.answer


@asynccontextmanager
async def orchestrator(run_dir: Path, control: FakeControl) -> AsyncIterator[RecordingLog]:
    log = RecordingLog()
    server = RpcServer([control_service(control, log=log)])
    server.listen(Endpoint(run_dir, NAME))
    await server.start()
    try:
        yield log
    finally:
        await server.stop(grace_ms=50)


@asynccontextmanager
async def operator(run_dir: Path) -> AsyncIterator[ControlClient]:
    client = ControlClient(UnixLocator(run_dir, NAME))
    try:
        yield client
    finally:
        await client.close()


async def test_every_request_arrives_with_its_arguments(run_dir: Path) -> None:
    control = FakeControl()
    async with orchestrator(run_dir, control), operator(run_dir) as client:
        added = await client.add_symbol(TARGET, {"capital": "1000"}, dry_run=True)
        await client.add_symbol(TARGET)
        removed = await client.remove_symbol(TARGET, "flatten", wait_ms=500)
        await client.pause(TARGET, "drain")
        await client.resume(TARGET)
        status = await client.status((TARGET,))
        explained = await client.explain(TARGET)
        adopted = await client.adopt(
            TARGET, operator="ann", reason="moved", quantity="0.5", price="100", dry_run=True
        )
        await client.adopt(TARGET, operator="ann", reason="moved")
        await client.list_symbols()
        down = await client.shutdown(orders="keep", wait_ms=7)

    assert control.calls == [
        ("add", TARGET, {"capital": "1000"}, True),
        ("add", TARGET, None, False),
        ("remove", TARGET, "flatten", 500, False),
        ("pause", TARGET, "drain"),
        ("resume", TARGET),
        ("status", (TARGET,)),
        ("explain", TARGET),
        ("adopt", TARGET, "ann", "moved", "0.5", "100", True),
        ("adopt", TARGET, "ann", "moved", None, None, False),
        ("list",),
        ("shutdown", "keep", 7),
    ]
    assert adopted == ADOPTION | {"target": TARGET}
    assert explained == EXPLANATION | {"target": TARGET}
    assert added == {"target": TARGET, "state": "starting", "created": True}
    assert (removed["position"], removed["open_orders"]) == ("0", 0)
    assert down == {"orders_empty": True, "open_orders": [], "positions": []}
    assert {key: status[key] for key in STATUS if key != "kill"} == {
        key: value for key, value in STATUS.items() if key != "kill"
    }
    assert isinstance(status["kill"], dict)
    assert status["kill"]["state"] == "released"


@pytest.mark.parametrize("code", ControlCode)
async def test_a_refusal_keeps_its_code_and_words(run_dir: Path, code: ControlCode) -> None:
    control = FakeControl()
    control.error = ControlError(code, "because of this")
    async with orchestrator(run_dir, control), operator(run_dir) as client:
        with pytest.raises(ControlError) as refused:
            await client.resume(TARGET)

    assert (refused.value.code, refused.value.message) == (code, "because of this")


def test_every_code_has_a_status() -> None:
    assert set(STATUS_OF) == set(ControlCode)
    assert len(set(STATUS_OF.values())) == len(ControlCode)


REQUESTS: dict[str, Callable[[ControlClient], Awaitable[object]]] = {
    "status": lambda client: client.status(),
    "add": lambda client: client.add_symbol(TARGET),
    "shutdown": lambda client: client.shutdown(),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_nobody_to_ask_is_not_ready(run_dir: Path, name: str) -> None:
    async with operator(run_dir) as client:
        with pytest.raises(ControlError) as refused:
            await REQUESTS[name](client)

    assert refused.value.code is ControlCode.NOT_READY


async def test_a_word_that_is_not_one_of_ours_is_refused_here(run_dir: Path) -> None:
    async with operator(run_dir) as client:
        for call in (
            client.pause(TARGET, "softly"),
            client.remove_symbol(TARGET, "run"),
            client.shutdown(orders="burn"),
        ):
            with pytest.raises(ControlError) as refused:
                await call
            assert refused.value.code is ControlCode.INVALID


async def test_requests_of_foreign_clients_are_checked(run_dir: Path) -> None:
    control = FakeControl()
    async with (
        orchestrator(run_dir, control),
        grpc.aio.insecure_channel(UnixLocator(run_dir, NAME)()) as channel,
    ):
        stub = ControlServiceStub(channel)
        for call in (
            stub.Pause(control_pb2.PauseRequest(target=TARGET)),
            stub.Shutdown(control_pb2.ShutdownRequest()),
            stub.AddSymbol(control_pb2.AddSymbolRequest(target=TARGET, config="[1]")),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    assert control.calls == []


@pytest.mark.parametrize("name", ["Kill", "Release"])
async def test_the_kill_switch_is_declared_and_not_served_yet(run_dir: Path, name: str) -> None:
    async with (
        orchestrator(run_dir, FakeControl()),
        grpc.aio.insecure_channel(UnixLocator(run_dir, NAME)()) as channel,
    ):
        method: Any = getattr(ControlServiceStub(channel), name)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await method(getattr(control_pb2, f"{name}Request")())

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_answer_of_the_wrong_shape_is_our_own_error(run_dir: Path) -> None:
    control = FakeControl()
    control.answer = {"target": TARGET}
    async with orchestrator(run_dir, control) as log, operator(run_dir) as client:
        with pytest.raises(ControlError, match=r"answer\.state") as failed:
            await client.resume(TARGET)

    assert failed.value.code is ControlCode.INTERNAL
    assert ("error", "control.unsendable") in log.events
