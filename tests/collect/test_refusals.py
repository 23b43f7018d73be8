"""What receivers do not take: counted always, told in the log within bounds."""

import logging
from datetime import UTC, datetime

import pytest

from hamon.collect.refusals import LOG_SECONDS, MOST_LOGGED, Refusals
from hamon.model.observation import Refusal, Source
from tests.fakes import FakeClock

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def test_a_flood_from_forged_addresses_is_counted_and_fills_neither_memory_nor_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(AT)
    refusals = Refusals("main", "not taken", clock, Source.TRAP)
    with caplog.at_level(logging.WARNING):
        for number in range(5 * MOST_LOGGED):
            refusals.count(Refusal.SOURCE, f"10.0.{number // 256}.{number % 256}")
        assert len(caplog.records) == MOST_LOGGED
        clock.advance(LOG_SECONDS.total_seconds() + 2)
        refusals.count(Refusal.SOURCE, "192.0.2.1")
    assert len(caplog.records) == MOST_LOGGED + 1
    assert refusals.counts[Refusal.SOURCE] == 5 * MOST_LOGGED + 1
    assert list(refusals.told(["web"], "127.0.0.1:9162", AT)) == []


def test_a_loss_is_told_as_evidence_of_the_receiver() -> None:
    refusals = Refusals("main", "not taken", FakeClock(AT), Source.TRAP)
    refusals.count(Refusal.RATE, "192.0.2.1", number=3)
    (lost,) = refusals.told(["web"], "127.0.0.1:9162", AT)
    assert (lost.source, lost.dropped, lost.cluster) == (Source.TRAP, 3, "web")
