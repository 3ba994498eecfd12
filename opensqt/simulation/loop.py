"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, TypeAlias, TypeVar, TypeVarTuple

from opensqt.core.ids import UnixMs

ResultT = TypeVar("ResultT")
ArgumentTs = TypeVarTuple("ArgumentTs")
# Any fixed moment: a simulation never sees the real clock.
START_MS = 1_700_000_000_000


class _Handle(asyncio.TimerHandle):
    """A callback that waits; lighter than the original, of which a seed would make 1,500."""

    __slots__ = ("arguments", "context", "is_cancelled", "work")

    def __init__(
        self,
        work: Callable[..., object],
        arguments: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        self.work = work
        self.arguments = arguments
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def __repr__(self) -> str:
        return f"<{self.work!r}>"


_Step: TypeAlias = tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]
"""A callback of a task or a future, which never takes one back; a seed makes 7,000."""
_OF_NO_USE: Final = _Handle(lambda: None, (), None)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that runs at the speed of its callbacks; deterministic for one seed."""

    _stopping: bool
    """Set by ``stop``; kept by the base class."""

    def __init__(self) -> None:
        super().__init__()
        # Asked for every task and future.
        self.get_debug = bool  # type: ignore[method-assign]  # the quickest way to say False
        self.now_s = 0.0
        """Virtual seconds since the start."""
        self.now_ms = 0
        """The same in whole milliseconds."""
        self._soon: deque[_Handle | _Step] = deque()
        self._later: list[tuple[float, int, _Handle | asyncio.Future[None]]] = []
        self._count = 0

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self.now_s

    def create_future(self) -> "asyncio.Future[Any]":
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, ResultT] | Coroutine[Any, Any, ResultT],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[ResultT]":
        """Return a task that begins soon; ``name`` is read by nobody."""
        _ = name
        return asyncio.Task(coro, loop=self, name="", context=context)

    def call_soon(
        self,
        callback: Callable[[*ArgumentTs], object],
        *args: *ArgumentTs,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Call back before time passes, after what waits already.

        Who names a context is a task or a future, and gets a handle that cancels nothing.
        """
        if context is not None:
            self._soon.append((callback, args, context))
            return _OF_NO_USE
        handle = _Handle(callback, args, context)
        self._soon.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self,
        when: float,
        callback: Callable[[*ArgumentTs], object],
        *args: *ArgumentTs,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a virtual time; those of the same moment in the order of the calls."""
        handle = _Handle(callback, args, context)
        self._count += 1
        heapq.heappush(self._later, (when, self._count, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*ArgumentTs], object],
        *args: *ArgumentTs,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after virtual seconds."""
        handle = _Handle(callback, args, context)
        self._count += 1
        heapq.heappush(self._later, (self.now_s + delay, self._count, handle))
        return handle

    def pause(self, delay: float) -> "asyncio.Future[None]":
        """Return what is done after virtual seconds: ``asyncio.sleep`` without its frills."""
        pause: asyncio.Future[None] = asyncio.Future(loop=self)
        self._count += 1
        heapq.heappush(self._later, (self.now_s + delay, self._count, pause))
        return pause

    def _run_once(self) -> None:
        """Run until stopped; whenever nothing is due, let time jump. Called by ``run_forever``."""
        soon = self._soon
        while not self._stopping:
            if not soon:
                self._jump()
                continue
            due = soon.popleft()
            try:
                if isinstance(due, tuple):
                    work, arguments, context = due
                    context.run(work, *arguments)
                elif not due.is_cancelled:
                    due.work(*due.arguments)
            except Exception as error:  # noqa: BLE001 - as every event loop does
                self._failed(due, error)

    def _jump(self) -> None:
        """Let time pass until something is due, and do it; what follows from it comes after."""
        later = self._later
        while later and later[0][2].cancelled():
            heapq.heappop(later)
        if not later:
            message = "the simulation waits for something that will never happen"
            raise RuntimeError(message)
        now_s = max(self.now_s, later[0][0])
        self.now_s = now_s
        self.now_ms = round(now_s * 1_000)
        while later and later[0][0] <= now_s:
            due = heapq.heappop(later)[2]
            if not isinstance(due, _Handle):
                if not due.done():
                    due.set_result(None)
            elif not due.is_cancelled:
                try:
                    due.work(*due.arguments)
                except Exception as error:  # noqa: BLE001 - as every event loop does
                    self._failed(due, error)

    def _failed(self, due: object, error: Exception) -> None:
        message = f"a callback failed: {due!r}"
        self.call_exception_handler({"message": message, "exception": error})

    def close(self) -> None:
        """Forget everything that waits."""
        self._soon.clear()
        self._later.clear()
        super().close()


async def first_of(one: "asyncio.Future[Any]", other: "asyncio.Future[Any]") -> None:
    """Return when one of two is done: ``asyncio.wait`` without its frills."""
    done: asyncio.Future[None] = one.get_loop().create_future()

    def note(_: object) -> None:
        if not done.done():
            done.set_result(None)

    one.add_done_callback(note)
    other.add_done_callback(note)
    try:
        await done
    finally:
        one.remove_done_callback(note)
        other.remove_done_callback(note)


class VirtualClock:
    """``ClockPort`` on the running virtual loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, skew_ms: int = 0) -> None:
        """Show the time of a virtual loop, wrong by ``skew_ms`` on the wall clock."""
        assert isinstance(loop, VirtualLoop)
        self._loop = loop
        self._skew_ms = skew_ms

    def now_ms(self) -> UnixMs:
        """Return wall milliseconds of the simulated host."""
        return UnixMs(START_MS + self._skew_ms + self._loop.now_ms)

    def set_by(self, jump_ms: int) -> None:
        """Set the wall clock forward, or back; the monotonic one does not notice."""
        self._skew_ms += jump_ms

    def monotonic_ms(self) -> int:
        """Return virtual milliseconds since the start."""
        return self._loop.now_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        if duration_ms > 0:
            await self._loop.pause(duration_ms / 1_000)
        else:
            await asyncio.sleep(0)


def run_virtual(main: Coroutine[object, object, ResultT], loop: VirtualLoop) -> ResultT:
    """Run ``main`` to its end on ``loop``, then end every task that is left and close the loop."""
    try:
        return loop.run_until_complete(main)
    finally:
        while asyncio.all_tasks(loop):
            # A task that is cancelled before its first step would leave its work unawaited.
            loop.run_until_complete(asyncio.sleep(0))
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
