"""Scenarios over real sockets: a scripted venue, the production processes, and what must be true.

Theory of operation. The paper venue runs in the test's own loop; the trading side runs in processes
of its own, forked from a server that has imported everything, so that killing one with SIGKILL and
starting it again takes a fraction of a second. After every step the scenario waits until all has
come to rest (``settle``): the engine's snapshot, the replay of its journal and the venue's ledger
agree, and the planner wants nothing at the venue's price. What must never be true at any moment,
such as an id accepted twice, fails at once.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from opensqt.core import codec
from opensqt.core.facts import Directive, Fact, PriceTicked
from opensqt.core.ids import AccountName, ClientOrderId, UnitId, UnixMs
from opensqt.core.orders import Side, TimeInForce
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.symbol import SymbolState, replay
from opensqt.core.unit_config import UnitConfig
from opensqt.market.instruments import INSTRUMENTS
from opensqt.paper.config import Endpoint
from opensqt.ports.exchange import OutcomeClass, PlaceRequest
from opensqt.ports.journal import JournalError
from opensqt.storage.control import SqlControlStore
from opensqt.storage.journal import SqlJournal
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.venues.factory import build_venue
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials
from tests.e2e.agreement import Witnesses, crimes, differences, underived, wishes
from tests.e2e.child import LOOK_S, SETTLE_S, Child, ProcessGoneError
from tests.e2e.expectation import Expectation, View
from tests.e2e.ledger import ZERO, Ledger, earned, parse
from tests.e2e.processes import ALL, Crash, ProcessSpec

ACCOUNT = AccountName("paper")
BALANCE = Decimal(10_000)
_MUCH = "1000"


class ScenarioError(AssertionError):
    """Something did not come to rest, or must never have been."""


@dataclass(slots=True)
class _Prices:
    bid: Decimal
    ask: Decimal
    last: Decimal


@dataclass(slots=True)
class Scenario:
    """One unit on one scripted symbol. Steps return once everything has come to rest."""

    folder: Path
    run_root: str
    endpoint: Endpoint
    control: aiohttp.ClientSession
    registry: SqlControlStore
    journal: SqlJournal
    deployment: str
    unit: UnitId
    config: UnitConfig
    row: UnitRecord
    engine: str = "dbos"
    workflow_abi: str = ""
    store: str = ""
    """Address of the PostgreSQL server the processes use; empty = files."""
    patience_s: float = SETTLE_S
    """How long a step may take to come to rest."""
    kills_after_each_step: bool = False
    """Whether everything is killed and started again whenever a step has come to rest."""
    crashes: list[Crash] = field(default_factory=list)
    """Where the processes started next will die."""
    deaths: int = 0
    """How often a process has died at a crash point and was started again."""
    children: dict[str, Child] = field(default_factory=dict)
    _prices: _Prices = field(default_factory=lambda: _Prices(ZERO, ZERO, ZERO))
    _facts: list[Fact] = field(default_factory=list)
    _replayed: SymbolState | None = None
    _everyone: list[Child] = field(default_factory=list)

    # -- the market

    async def price(self, price: str) -> None:
        """Let the market walk to a price: each order of ours on its way is reached by itself.

        So the public price is never behind a private fill, and what follows is the same each time.
        """
        target = Decimal(price)
        while (level := await self._next_level(target)) is not None:
            tick = self._tick
            is_falling = target < self._prices.last
            bid, ask = (level, level + tick) if is_falling else (level - tick, level)
            await self.quote(str(bid), str(ask))
            await self.trade(str(level), _MUCH)
        await self.jump(price)

    async def jump(self, price: str, *, settle: bool = True) -> None:
        """Let the market be at a price at once, with quotes one tick around it."""
        at, tick = Decimal(price), self._tick
        await self._script({"bid": str(at - tick), "ask": str(at + tick)}, {"price": price})
        await self._settled(settle)

    async def _next_level(self, target: Decimal) -> Decimal | None:
        """Return the price of the next open order on the way to a price."""
        orders = (await self.ledger()).open_orders
        last = self._prices.last
        if target < last:
            return max(
                (o.price for o in orders if o.side == "buy" and o.price >= target), default=None
            )
        return min(
            (o.price for o in orders if o.side == "sell" and o.price <= target), default=None
        )

    async def quote(self, bid: str, ask: str, *, settle: bool = True) -> None:
        """Quote without a trade."""
        await self._script({"bid": bid, "ask": ask})
        await self._settled(settle)

    async def trade(self, price: str, quantity: str, *, settle: bool = True) -> None:
        """Trade a quantity, which fills no more of ours than that; the quotes stay."""
        aggressor = "buy" if Decimal(price) >= self._prices.ask else "sell"
        await self._script({"price": price, "quantity": quantity, "aggressor": aggressor})
        await self._settled(settle)

    async def fault(
        self, kind: str, route: str = "", *, count: int | None = 1, **values: object
    ) -> None:
        """Let something go wrong at the venue; ``count`` None = until it is cleared."""
        body = {"kind": kind, "route": route, "count": count, **values}
        await self._post("faults", body)

    async def struck(self, kind: str) -> int:
        """Return how often the venue's faults of this kind have acted, those used up included."""
        return int((await self._get("faults"))["hits"].get(kind, 0))

    async def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        async with self.control.delete(f"{self.endpoint.control_url}/faults") as response:
            assert response.status == 200

    async def faults_used(self) -> None:
        """Wait until every fault that was asked for has met its request."""
        async with asyncio.timeout(SETTLE_S):
            while (await self._get("state"))["faults"]:
                await asyncio.sleep(LOOK_S)

    async def expire_listen_key(self) -> None:
        """Let the venue forget the key of the private stream."""
        await self._post("listen-key/expire", {"account": ACCOUNT})

    async def place_by_hand(self, name: str, *, side: str, price: str, quantity: str) -> None:
        """Place an order as a human would, with the account's keys and an id of his own."""
        assert self.endpoint.ca_path is not None
        clock = SystemClock()
        venue = build_venue(
            "paper",
            credentials=Credentials(api_key="paper", secret="paper"),
            clock=clock,
            log=log.get("opensqt.tests"),
            local=LocalEndpoint(port=self.endpoint.port, ca_file=self.endpoint.ca_path),
        )
        request = PlaceRequest(
            symbol=self.unit.symbol,
            client_order_id=ClientOrderId(name),
            side=Side(side),
            price=Decimal(price),
            quantity=Decimal(quantity),
            time_in_force=TimeInForce.GTC,
            reduce_only=False,
            deadline_ms=UnixMs(clock.now_ms() + 5_000),
            symbol_epoch=0,
        )
        try:
            outcome = await venue.place(request)
        finally:
            await venue.close()
        assert outcome.outcome is OutcomeClass.ACCEPTED, outcome

    async def _script(self, *events: dict[str, str]) -> None:
        await self._post("market", {"symbol": self._venue_symbol, "events": events})
        raw = await self._get("state")
        found = next(one for one in raw["symbols"] if one["symbol"] == self._venue_symbol)
        self._prices = _Prices(*(Decimal(found[name]) for name in ("bid", "ask", "last")))

    # -- the operator

    async def direct(self, directive: Directive, *, settle: bool = True) -> None:
        """Change what is wanted of the unit, as the orchestrator does."""
        row = await self.registry.unit(self.unit)
        assert row is not None
        self.row = replace(
            row,
            desire=Desire.RUNNING if directive is Directive.RUN else Desire.PAUSED,
            directive=directive,
            revision=row.revision + 1,
        )
        await self.registry.put_unit(self.row, expected_revision=row.revision)
        try:
            await self.children["symbol"].ask("tell", revision=self.row.revision)
        except ProcessGoneError:
            if not self._is_armed:
                raise
        await self._settled(settle)

    # -- processes

    async def start(
        self, *parts: str, crash: Crash | None = None, connector_address: str = ""
    ) -> Child:
        """Start the process that holds these parts."""
        spec = ProcessSpec(
            parts=parts or ALL,
            data_dir=str(self.folder),
            run_root=self.run_root,
            unit=self.unit,
            port=self.endpoint.port,
            ca_file=str(self.endpoint.ca_path),
            log_file=str(self.folder / f"{'-'.join(parts)}.log"),
            engine=self.engine,
            workflow_abi=self.workflow_abi,
            store=self.store,
            crash=crash,
            connector_address=connector_address,
        )
        child = Child(spec)
        self._everyone.append(child)
        self.children |= dict.fromkeys(spec.parts, child)
        # Importing on a busy machine is not what is measured here.
        with suppress(ProcessGoneError):
            await child.ask("is_started")
        return child

    async def kill(self, part: str) -> None:
        """SIGKILL the process that holds a part."""
        await self.children[part].end()

    async def restart(self, part: str, *, settle: bool = True) -> None:
        """SIGKILL the process that holds a part and start it again."""
        child = self.children[part]
        await child.end()
        await self.start(*child.spec.parts)
        await self._settled(settle)

    async def arm(self, part: str, *crashes: Crash) -> None:
        """Let the process that holds a part die at crash points, one after another.

        It is started again each time.
        """
        child = self.children[part]
        first, *self.crashes = crashes
        child.spec = replace(child.spec, crash=first)
        await child.ask("arm", crash=asdict(first))

    @property
    def _is_armed(self) -> bool:
        return any(child.spec.crash is not None for child in self.children.values())

    async def _revive(self) -> None:
        """Start again what has died at its crash point; anything else must not die."""
        for child in set(self.children.values()):
            if child.process.is_alive():
                continue
            code = await child.end(kill=False)
            if child.spec.crash is None:
                raise ScenarioError(f"{child.spec.parts} ended with {code}; {self._log_tail()}")
            self.deaths += 1
            following = self.crashes.pop(0) if self.crashes else None
            await self.start(*child.spec.parts, crash=following)

    # -- what must be true

    async def settle(self, *, within_s: float | None = None) -> View:
        """Wait until everything has come to rest; raise ``ScenarioError`` when it does not."""
        return await self.expect(within_s=within_s, any_quarantine=True)

    async def expect(
        self, *, within_s: float | None = None, any_quarantine: bool = False, **expected: Any
    ) -> View:
        """Wait until everything is at rest and as expected; see ``Expectation``."""
        wanted = Expectation(**expected)
        give_up = time.monotonic() + (self.patience_s if within_s is None else within_s)
        problems: list[str] = ["nothing was seen"]
        while time.monotonic() < give_up:
            view, problems = await self._look()
            if view is not None and not any_quarantine:
                problems = [*problems, *wanted.problems(view)]
            if view is not None and not problems:
                return view
            await asyncio.sleep(LOOK_S)
        raise ScenarioError("\n".join(["not at rest:", *problems, self._log_tail()]))

    async def _settled(self, wanted: bool) -> None:
        if not wanted or not self.children:
            return
        await self.settle()
        if self.kills_after_each_step:
            child = self.children["symbol"]
            await child.end()
            await self.start(*child.spec.parts)
            await self.settle()

    async def _look(self) -> tuple[View | None, list[str]]:
        """Return what there is to see and what keeps it from being at rest."""
        ledger = await self.ledger()
        try:
            answers = [await child.ask("snapshot") for child in set(self.children.values())]
        except ProcessGoneError:
            await asyncio.sleep(LOOK_S)
            await self._revive()
            return None, ["a process has died"]
        answer = {key: value for one in answers for key, value in one.items()}
        try:
            await self._read_journal()
        except JournalError as error:
            return None, [f"the test cannot read the journal: {error}"]
        self._raise_crimes(ledger)
        if not answer.get("state"):
            return None, [f"not loaded: {answer.get('symbol')}"]
        snapshot = codec.decode(answer["state"], SymbolState)
        witnesses = Witnesses(
            snapshot=snapshot, replayed=self.replayed, facts=tuple(self._facts), ledger=ledger
        )
        problems = [] if answer["is_ready"] else [f"not ready: {answer['symbol']}"]
        is_running = snapshot.directive is Directive.RUN and not snapshot.quarantine
        if is_running and snapshot.anchor is None:
            problems.append("the grid has no anchor yet")
        problems += differences(self.deployment, witnesses)
        problems += await self._price_problems(answer.get("price"))
        problems += wishes(snapshot, self.config.grid, self._ticked(), now_ms=self._now())
        status = answer["symbol"]
        view = View(state=snapshot, status=status, ledger=ledger, facts=witnesses.facts)
        return view, problems

    def _raise_crimes(self, ledger: Ledger) -> None:
        found = crimes(self.deployment, self._facts, ledger)
        if found:
            raise ScenarioError("\n".join(["must never be:", *found, self._log_tail()]))

    async def _price_problems(self, known: list[str] | None) -> list[str]:
        prices = self._prices
        wanted = [prices.bid, prices.ask, prices.last]
        if known is not None and [*map(Decimal, known)] == wanted:
            return []
        # A live market repeats itself; a scripted one must, for who has just subscribed.
        await self._script({"bid": str(prices.bid), "ask": str(prices.ask)})
        return [f"the hub has the prices {known}, the venue {[*map(str, wanted)]}"]

    def _ticked(self) -> PriceTicked:
        prices, now_ms = self._prices, UnixMs(self._now())
        return PriceTicked(
            bid=prices.bid, ask=prices.ask, last=prices.last, at_ms=now_ms, read_ms=now_ms
        )

    def _now(self) -> int:
        return time.time_ns() // 1_000_000

    @property
    def replayed(self) -> SymbolState:
        """Return the state that the journal's facts amount to, from the first one on."""
        return self._replayed or SymbolState(unit=self.unit, deployment=self.deployment)

    async def _read_journal(self) -> None:
        news = await self.journal.history(after=len(self._facts))
        self._replayed = replay(self.replayed, news)
        self._facts += news

    async def ledger(self) -> Ledger:
        """Return the venue's ledger."""
        return parse(await self._get("ledger"), account=ACCOUNT, symbol=self._venue_symbol)

    async def audit(self) -> None:
        """Check what can be checked at the end: derived ids, money."""
        ledger = await self.ledger()
        found = underived(self.deployment, self._facts, self.replayed)
        held, kept = ledger.wallet, BALANCE + earned(ledger.fills)
        if abs(held - kept) > Decimal("0.00001"):
            found.append(f"the wallet holds {held}, the fills leave {kept}")
        if found:
            raise ScenarioError("\n".join(found))

    async def close(self) -> None:
        """End every process."""
        for child in self._everyone:
            await child.end(kill=child.process.exitcode is None)

    # -- inside

    @property
    def _tick(self) -> Decimal:
        return INSTRUMENTS[self.unit.symbol].tick_size

    @property
    def _venue_symbol(self) -> str:
        return self.unit.symbol.partition(":")[0]

    async def _get(self, route: str) -> Any:
        async with self.control.get(f"{self.endpoint.control_url}/{route}") as response:
            return await response.json()

    async def _post(self, route: str, body: dict[str, object]) -> Any:
        url = f"{self.endpoint.control_url}/{route}"
        async with self.control.post(url, json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    def _log_tail(self) -> str:
        lines: list[str] = []
        for file in sorted(self.folder.glob("*.log")):
            tail = file.read_text("utf-8").splitlines()[-60:]
            lines += [f"--- {file.name}", *tail]
        return "\n".join(lines)
