"""An orchestrator made of a dictionary, served like the real one: ``python -m … DATA_DIR``."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.rpc.control_server import control_service
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.server import RpcServer
from opensqt.system import log
from opensqt.system.rundir import RunDir

SYMBOL = {
    "account": "paper",
    "symbol": "BTCUSDT:perp",
    "market": "perp",
    "strategy": "grid",
    "state": "quoting",
    "idle_reason": None,
    "position": "0.004",
    "open_orders": 5,
    "fills": 12,
    "realized_pnl": "1.25",
    "unrealized_pnl": "-0.5",
    "fees": "0",
    "price": "61800.1",
    "price_age_ms": 40,
    "pid": 4242,
    "restarts": 0,
    "capital": "1250",
}
STATUS: Answer = {
    "mode": "paper",
    "timezone": "UTC",
    "kill": {"state": "released"},
    "memory": {"plan_mb": 400, "used_mb": 350},
    "symbols": [SYMBOL],
    "processes": [{"name": "orchestrator", "pid": 4241, "restarts": 0}],
    "endpoints": {
        "ray_dashboard": None,
        "control": "unix:/run/control.sock",
        "paper_control": None,
        "metrics": None,
        "live": None,
    },
}


class FakeControl:
    """Implements ``ControlPort``; writes down every call."""

    def __init__(self, calls: Path) -> None:
        self._calls = calls
        self._removals = 0

    def _note(self, *call: object) -> None:
        with self._calls.open("a") as stream:
            stream.write(f"{json.dumps(call)}\n")

    async def add_symbol(
        self, target: str, config: Mapping[str, object] | None = None, *, dry_run: bool = False
    ) -> Answer:
        self._note("add", target, config, dry_run)
        if target == "NOPEUSDT":
            raise ControlError(ControlCode.INVALID, "NOPEUSDT is not traded here")
        return {"target": f"paper/{target}:perp", "state": "starting", "created": not dry_run}

    async def remove_symbol(
        self, target: str, mode: str = "drain", *, wait_ms: int = 0, dry_run: bool = False
    ) -> Answer:
        self._note("remove", target, mode, wait_ms, dry_run)
        if target == "ETHUSDT":
            raise ControlError(ControlCode.NOT_FOUND, "no unit 'ETHUSDT' is registered")
        self._removals += wait_ms > 0
        done = self._removals >= 3
        return {
            "target": "paper/BTCUSDT:perp",
            "state": "stopped" if done else "draining",
            "done": done,
            "position": "0" if done else "0.004",
            "open_orders": 0 if done else 1,
        }

    async def pause(self, target: str, mode: str = "cancel") -> Answer:
        self._note("pause", target, mode)
        return {"target": target, "state": "paused"}

    async def resume(self, target: str) -> Answer:
        self._note("resume", target)
        raise ControlError(ControlCode.CONFLICT, f"{target} is quarantined")

    async def status(self, targets: tuple[str, ...] = ()) -> Answer:
        self._note("status", targets)
        return STATUS

    async def explain(self, target: str) -> Answer:
        self._note("explain", target)
        if target == "ETHUSDT":
            raise ControlError(ControlCode.NOT_FOUND, "ETHUSDT is not registered")
        level: Answer = {
            "level": -1,
            "price": "61750",
            "role": "open",
            "inventory": "0",
            "reason": "backing_off",
            "detail": "",
            "client_order_id": None,
            "order_status": None,
            "until_ms": 1_700_000_000_000,
        }
        order = {"client_order_id": "q1abc00000000000000000000", "order_status": "working"}
        return {
            "target": f"paper/{target}:perp",
            "state": "quoting",
            "reason": "",
            "detail": "",
            "price": "61800.1",
            "top_level": -1,
            "levels": [level, {**level, **order, "level": -2, "reason": "working"}],
        }

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
        self._note("adopt", target, operator, reason, quantity, price, dry_run)
        if target == "ETHUSDT":
            raise ControlError(ControlCode.CONFLICT, "2 orders of ours may still trade")
        nothing = target == "XRPUSDT"
        return {
            "target": f"paper/{target}:perp",
            "state": "quarantined",
            "adopted": not dry_run and not nothing,
            "steps": [] if nothing else ["book an adjustment of 0.5 at 100"],
            "book": "0",
            "venue": "0" if nothing else "0.5",
            "difference": "0" if nothing else "0.5",
            "price": None if nothing else "100",
            "quarantine": "" if nothing else "position: book 0, venue 0.5",
        }

    async def list_symbols(self) -> Answer:
        return {"symbols": []}

    async def shutdown(self, *, orders: str = "cancel", wait_ms: int = 0) -> Answer:
        self._note("shutdown", orders)
        position = {"account": "paper", "symbol": "BTCUSDT:perp", "quantity": "0.004"}
        return {
            "orders_empty": orders == "cancel",
            "open_orders": [] if orders == "cancel" else ["q1"],
            "positions": [position],
        }


def calls(file: Path) -> list[list[object]]:
    """Return what was asked, oldest first."""
    return [json.loads(line) for line in file.read_text().splitlines()]


async def main(data: Path) -> None:
    """Serve until killed."""
    server = RpcServer(
        [control_service(FakeControl(data / "calls.jsonl"), log=log.get("opensqt.fake"))]
    )
    server.listen(Endpoint(RunDir(data, {}).path, "control"))
    await server.start()
    print("ready: fake", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
