"""Incidents from traps as a receiver gets them: one by one, late, out of order, copied, through relays."""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamon.analyze import incident_json
from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.classify.traps import TrapMatcher
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentKind
from hamon.model.observation import Tick, Trap
from hamon.parse.trap import decode
from tests.alerts import made
from tests.cases import rules
from tests.traps import START
from tests.truth import faults

RECORDINGS = Path(__file__).parent.parent / "corpus" / "recordings"
NAMES = sorted(path.name for path in RECORDINGS.iterdir())
MATCHER = TrapMatcher(rules())


@cache
def recorded(name: str) -> tuple[Trap, ...]:
    """The traps of a recording, in the order in which they arrived."""
    rows = gzip.decompress((RECORDINGS / name / "monitor" / "traps.jsonl.gz").read_bytes()).splitlines()
    found = []
    for row in rows:
        fields = json.loads(row)
        message = decode(bytes.fromhex(fields["hex"]))
        found.append(
            Trap(
                cluster="test",
                collector="test",
                received_at=datetime.fromtimestamp(fields["t"], UTC),
                source=fields["src"],
                version=message.version,
                credential="",
                notification=message.notification,
                varbinds=message.varbinds,
                request_id=message.request_id,
                uptime=message.uptime,
            )
        )
    return tuple(found)


def truth_of(name: str) -> Mapping[str, Any]:
    truth: Mapping[str, Any] = json.loads((RECORDINGS / name / "truth.json").read_text(encoding="utf-8"))
    return truth


class Receiver:
    """An engine that is given traps as they come; `batch_seconds`: what arrives within it is judged together, as the gateway does."""

    def __init__(self, services: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.settings = ClusterSettings(name="test", services=services or {})
        self.engine = Engine(self.settings)
        self.events: list[Event] = []
        self.incidents: dict[str, Incident] = {}

    def take(self, traps: Iterable[Trap], batch_seconds: float = 0.01) -> "Receiver":
        batch: list[Trap] = []
        for received in traps:
            if batch and (received.received_at - batch[0].received_at).total_seconds() > batch_seconds:
                self._advance(MATCHER.scan(batch).events)
                batch = []
            batch.append(received)
        self._advance(MATCHER.scan(batch).events)
        return self

    def wait(self, seconds: float) -> "Receiver":
        last = self.engine.state.now or START
        self._advance([Tick(now=last + timedelta(seconds=seconds))])
        return self

    def _advance(self, items: Sequence[Event | Tick]) -> None:
        advance = self.engine.advance(items)
        self.events += advance.events
        for transition in advance.transitions:
            self.incidents[transition.incident.key] = transition.incident

    @property
    def mains(self) -> list[Incident]:
        return [incident for incident in self.incidents.values() if incident.part_of is None]

    def brief(self) -> list[tuple[str, tuple[str, ...], bool | None, str]]:
        return sorted((item.kind.value, item.nodes, item.planned, item.outcome.value) for item in self.mains)

    def answer(self) -> dict[str, Any]:
        return {
            "incidents": [incident_json(incident, "en") for incident in self.incidents.values()],
            "events": [{"kind": event.kind.value, "at": event.at.isoformat()} for event in self.events if not event.witness],
        }

    def wrong(self, name: str) -> list[str]:
        return faults(truth_of(name), self.answer(), sources={"trap"})


def essence(receiver: Receiver) -> list[tuple[object, ...]]:
    """What people are told, without keys and exact times."""
    return sorted(
        (item.kind.value, str(item.planned), item.outcome.value, item.severity.value, item.from_node or "", item.to_node or "", item.fenced)
        for item in receiver.mains
    )


# -- the recordings, as they arrived


@pytest.mark.parametrize("batch_seconds", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_traps_tell_the_truth_in_the_order_in_which_they_arrive(name: str, batch_seconds: float) -> None:
    assert Receiver().take(recorded(name), batch_seconds).wait(10).wrong(name) == []


def late(traps: Sequence[Trap], random: Random, most_seconds: float) -> list[Trap]:
    """Every trap is late by a time of its own, as alert agents are on a busy node."""
    delayed = [replace(item, received_at=item.received_at + timedelta(seconds=random.uniform(0, most_seconds))) for item in traps]
    return sorted(delayed, key=lambda item: item.received_at)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", NAMES)
def test_traps_that_overtake_each_other_tell_the_truth(name: str, seed: int) -> None:
    wrong = Receiver().take(late(recorded(name), Random(f"{name} {seed}"), 1.5)).wait(15).wrong(name)
    # A loss that was told before the request to stop was recorded as a loss; what it was is known from the request on.
    assert [fault for fault in wrong if fault != "planned_stop: nothing says node_leave"] == []


def copied(traps: Sequence[Trap], random: Random) -> list[Trap]:
    """Two recipients, a relay, and a network that doubles datagrams."""
    copies = list(traps)
    for item in traps:
        again = item.received_at + timedelta(seconds=random.uniform(0, 0.4))
        number = random.randrange(1 << 30)
        copies.append(replace(item, received_at=again, request_id=number, uptime=(item.uptime or 0) + 3))
        copies.append(replace(item, received_at=again, source="198.51.100.1", request_id=number))
        if random.random() < 0.3:
            copies.append(item)
    return sorted(copies, key=lambda item: item.received_at)


@pytest.mark.parametrize("name", NAMES)
def test_copies_of_a_trap_change_nothing(name: str) -> None:
    once = Receiver().take(recorded(name)).wait(10)
    often = Receiver().take(copied(recorded(name), Random(name))).wait(10)
    assert often.wrong(name) == []
    assert essence(often) == essence(once)
    assert failures(often) == failures(once)


def failures(receiver: Receiver) -> int:
    return sum(event.kind is EventKind.FENCING_FAILED and not event.witness for event in receiver.events)


@pytest.mark.parametrize("name", NAMES)
def test_all_traps_through_one_relay_tell_the_truth(name: str) -> None:
    relayed = [replace(item, source="198.51.100.1") for item in recorded(name)]
    assert Receiver().take(relayed).wait(10).wrong(name) == []


@pytest.mark.parametrize("name", NAMES)
def test_traps_without_a_time_of_their_own_tell_the_truth(name: str) -> None:
    bare = [replace(item, varbinds=item.varbinds[:-1]) for item in recorded(name)]
    assert Receiver().take(bare).wait(10).wrong(name) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_lost_traps_never_make_planned_work_of_a_fail_over(name: str, random: Random) -> None:
    kept = [item for item in recorded(name) if random.random() > 0.3]
    receiver = Receiver().take(late(kept, random, 3.0)).wait(60)
    for incident in receiver.incidents.values():
        assert incident.kind is not IncidentKind.FAILOVER or incident.planned is not True
        assert incident.kind is not IncidentKind.SWITCHOVER or "planned_switchover" in json.dumps(truth_of(name)["expected"])


# -- recordings without traps: those that their logs say were to be sent

FURTHER = RECORDINGS.parent / "further"
ONLY_FROM_A_STANDBY = {
    "ping_lost_standby": "connectivity_degraded",
    "split_active_wins": "interconnect_degraded",
    "standby_crash_3": "node_lost",
}
"""No trap tells which node is active: what happened to the standby is told of a node whose role is not known."""


def told(traps: Iterable[Trap]) -> set[tuple[object, ...]]:
    names = ("operation", "attribute", "new", "value", "ref")
    return {(event.kind, event.node, event.resource, *(event.detail.get(name) for name in names)) for event in MATCHER.scan(traps).events}


@pytest.mark.parametrize("name", NAMES)
def test_the_traps_made_of_logs_are_those_that_were_sent(name: str) -> None:
    sent, made_ = told(recorded(name)), told(made(RECORDINGS / name))
    joined = {told_ for told_ in made_ if told_[0] is EventKind.NODE_JOINED}  # a node that is only starting sends nothing yet
    assert made_ - sent <= joined
    # Of attributes whose value was known before the recording begins the log says nothing.
    assert {kind for kind, *_ in sent - made_} <= {EventKind.ATTRIBUTE_CHANGED}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(path.name for path in FURTHER.iterdir()))
def test_what_was_done_is_what_traps_say(name: str, seed: int) -> None:
    truth = json.loads((FURTHER / name / "truth.json").read_text(encoding="utf-8"))
    traps = made(FURTHER / name)
    receiver = Receiver().take(late(traps, Random(f"{name} {seed}"), seed * 0.5)).wait(30)
    wrong = faults(truth, receiver.answer(), sources={"trap"})
    if name in ONLY_FROM_A_STANDBY:
        (main,) = receiver.mains
        assert main.kind.value == ONLY_FROM_A_STANDBY[name]
        assert truth["expected"]["node"] in main.nodes
        return
    # The value that is gone is not sent, only the other node's again.
    assert [fault for fault in wrong if fault != "standby_fault: nothing says attribute_change"] == []
