import time
from pathlib import Path

import pytest

from tests.bench import __main__ as runner
from tests.bench.measure import CpuSampler, Deployment, MeasureError, now_ms, p95, wait_for
from tests.bench.part import PRICES, Flood


def test_p95_of_few_is_the_largest_and_of_twenty_the_second_largest() -> None:
    assert p95([3.0]) == 3.0
    assert p95([1.0, 9.0, 2.0]) == 9.0
    assert p95([float(number) for number in range(1, 21)]) == 19.0


def test_waiting_ends_with_the_first_answer_or_says_what_was_missed() -> None:
    answers = iter([None, None, 7])

    assert wait_for(lambda: next(answers), "seven", within_s=5) == 7
    with pytest.raises(MeasureError, match="a miracle did not happen within"):
        wait_for(lambda: None, "a miracle", within_s=0.1)


def test_processor_time_is_read_between_two_samples(tmp_path: Path) -> None:
    sampler = CpuSampler(tmp_path)
    sampler._seen = {1: [(1_000, 500), (1_100, 600)]}

    assert sampler.cpu_s(1, 1_050) == pytest.approx(0.55)
    with pytest.raises(MeasureError):
        sampler.cpu_s(1, 2_000)
    with pytest.raises(MeasureError):
        sampler.cpu_s(2, 1_050)


def test_the_market_crosses_one_level_at_a_time_and_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [{"symbol": "X", "price": price} for price in ("99.98", "100.02", "100", "100.04")]
    monkeypatch.setattr(Deployment, "orders", lambda *_: orders)

    path = Deployment(tmp_path)._path("X")

    assert [next(path) for _ in range(10)] == [
        *("100.03", "100.01", "99.99", "99.97", "99.95"),
        *("99.97", "99.99", "100.01", "100.03", "100.01"),
    ]


def test_a_unit_without_orders_has_no_levels_to_cross(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deployment, "orders", lambda *_: [])

    with pytest.raises(MeasureError, match="X has no grid yet"):
        Deployment(tmp_path)._path("X")


def test_a_flood_repeats_every_stream_and_its_prices_jump() -> None:
    flood = Flood()
    flood.subscribe(["ausdt@bookTicker", "ausdt@trade"])
    before = flood.due(2)

    flood.move(0.31)

    assert before.count(b'"stream"') == 2
    assert PRICES[0].encode() in before
    assert PRICES[1].encode() in flood.due(2)


def test_what_builds_an_environment_runs_only_when_it_is_named() -> None:
    assert "bench_fresh_clone" not in runner.names([])
    assert "bench_deployment" in runner.names([])
    assert runner.names(["fresh"]) == ["bench_fresh_clone"]


def test_the_clock_is_wall_time() -> None:
    assert abs(now_ms() - time.time() * 1_000) < 1_000
