"""An engine that fails is begun anew: soon, and less soon when it fails again and again."""

from pathlib import Path

from opensqt.bootstrap.runtime import Runtime
from opensqt.bootstrap.symbol import RESTART_FIRST_MS, RESTART_MAX_MS, STEADY_MS, SymbolProcess
from opensqt.engine.symbol_engine import StaleProcessError
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from tests.engine.stage import UNIT


def pauses_between(runs_ms: list[int], tmp_path: Path) -> list[int]:
    """Return how long the process waits after each of its engine's runs."""
    loop = VirtualLoop()
    clock = VirtualClock(loop)
    process = SymbolProcess(UNIT, Runtime(data_dir=str(tmp_path)), ended=lambda _: None)
    process._clock = clock  # type: ignore[assignment]
    moments: list[int] = []
    left = list(runs_ms)

    async def run_once(_: object) -> None:
        moments.append(clock.monotonic_ms())
        if not left:
            raise StaleProcessError("enough")
        await clock.sleep_ms(left.pop(0))
        moments.append(clock.monotonic_ms())
        raise RuntimeError("broken")

    process._run_once = run_once  # type: ignore[assignment,method-assign]
    run_virtual(process._keep_running(None), loop)  # type: ignore[arg-type]
    return [began - ended for ended, began in zip(moments[1::2], moments[2::2], strict=True)]


def test_failures_in_a_row_are_retried_less_and_less_often(tmp_path: Path) -> None:
    assert pauses_between([10] * 6, tmp_path) == [500, 1_000, 2_000, 4_000, 8_000, RESTART_MAX_MS]


def test_a_long_run_is_no_failure_in_a_row(tmp_path: Path) -> None:
    pauses = pauses_between([10, 10, STEADY_MS, 10], tmp_path)

    assert pauses == [RESTART_FIRST_MS, 1_000, RESTART_FIRST_MS, 1_000]
