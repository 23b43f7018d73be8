"""Incidents from traps as a receiver gets them: one by one, late, out of order, copied, through relays."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
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
from hamon.model.incident import Incident, IncidentKind, Outcome, Severity
from hamon.model.observation import Tick, Trap
from tests.alerts import made
from tests.cases import rules
from tests.recordings import NAMES, RECORDINGS, truth_of
from tests.traps import START, attribute, fencing, node_state, operation, recorded, trap
from tests.truth import faults

MATCHER = TrapMatcher(rules())


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


# -- distinctions

AT = START + timedelta(minutes=5)
PM01, PM02 = "192.0.2.1", "192.0.2.2"


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def moved(seconds: float, source: str = "pm01", target: str = "pm02", names: Sequence[str] = ("prmFs", "prmPg")) -> list[Trap]:
    """A group goes from node to node."""
    addresses = {"pm01": PM01, "pm02": PM02}
    steps = [
        operation(name, "stop", source, after(seconds + 0.1 * number), source=addresses[source]) for number, name in enumerate(names[::-1])
    ]
    seconds += 0.1 * len(names)
    return steps + [
        operation(name, "start", target, after(seconds + 0.1 * number), source=addresses[target]) for number, name in enumerate(names)
    ]


def main_of(receiver: Receiver) -> Incident:
    (main,) = receiver.mains
    return main


def test_a_group_that_moves_without_a_sign_of_work_or_fault_is_a_fail_over_of_which_nobody_knows() -> None:
    main = main_of(Receiver().take(moved(0)).wait(60))
    assert (main.kind, main.planned, main.severity, main.outcome) == (IncidentKind.FAILOVER, None, Severity.WARNING, Outcome.SUCCEEDED)
    assert (main.from_node, main.to_node, main.service_down_seconds) == ("pm01", "pm02", 0.3)


def test_a_request_to_stop_the_node_makes_it_planned_and_a_fault_makes_it_not() -> None:
    asked = attribute("pm01", "shutdown", "1795344755", after(-1))
    failed = operation("prmPg", "monitor", "pm01", after(-2), rc=7, text="not running")
    gone = node_state("pm01", "lost", after(3), source=PM02)
    main = main_of(Receiver().take([asked, *moved(0), gone]).wait(60))
    assert (main.kind, main.planned, main.severity) == (IncidentKind.SWITCHOVER, True, Severity.INFO)
    main = main_of(Receiver().take([failed, asked, *moved(0), gone]).wait(60))
    assert (main.kind, main.planned, main.severity) == (IncidentKind.FAILOVER, False, Severity.MAJOR)
    assert main.cause is not None
    assert main.cause.resource == "prmPg"


def test_an_operator_who_fences_a_node_is_known_by_the_client() -> None:
    known = moved(-600, "pm02", "pm01")
    for client, kind, planned in (("stonith_admin.4242", IncidentKind.SWITCHOVER, True), ("crmd.17", IncidentKind.FAILOVER, False)):
        taken = [operation(name, "start", "pm02", after(2 + number), source=PM02) for number, name in enumerate(("prmFs", "prmPg"))]
        fenced = fencing("pm01", "pm02", after(-1), client=client, source=PM02)
        gone = node_state("pm01", "lost", after(0), source=PM02)
        receiver = Receiver().take([*known, fenced, gone, *taken]).wait(60)
        main = next(main for main in receiver.mains if main.from_node == "pm01")
        assert main.kind is IncidentKind.FAILOVER or main.planned is True
        assert (main.kind, main.planned) == (kind, planned), client


def test_what_stops_on_a_node_and_starts_nowhere_is_an_outage_only_where_it_is_known_to_be_a_service() -> None:
    stop = operation("web", "stop", "pm01", AT)
    assert Receiver().take([stop]).wait(120).mains == []  # it may be the instance of a clone on a node in standby
    main = main_of(Receiver({"web": ("web",)}).take([stop]).wait(120))
    assert (main.kind, main.outcome, main.severity) == (IncidentKind.SERVICE_DOWN, Outcome.FAILED, Severity.CRITICAL)
    receiver = Receiver().take([*moved(-600, names=["web"]), operation("web", "stop", "pm02", AT, source=PM02)]).wait(120)
    assert [main.kind for main in receiver.mains if main.detected_at >= AT] == [IncidentKind.SERVICE_DOWN]  # it moved before: no clone


def test_several_that_stop_together_after_a_fault_and_start_nowhere_are_an_outage() -> None:
    lost = attribute("pm01", "default_ping_set", "0", after(-1))
    stops = [operation(name, "stop", "pm01", after(number * 0.1)) for number, name in enumerate(("prmPg", "prmIp", "prmFs"))]
    mains = Receiver().take([lost, *stops]).wait(120).mains
    assert [(main.kind, main.planned, main.outcome) for main in mains] == [(IncidentKind.SERVICE_DOWN, False, Outcome.FAILED)]


def test_a_clone_that_restarts_on_one_node_after_the_other_is_no_fail_over() -> None:
    both = [operation("apache", "start", node, after(-100), source=address) for node, address in (("pm01", PM01), ("pm02", PM02))]
    rolling = [
        step
        for seconds, node, address in ((0, "pm01", PM01), (30, "pm02", PM02))
        for step in (
            operation("apache", "stop", node, after(seconds), source=address),
            operation("apache", "start", node, after(seconds + 1), source=address),
        )
    ]
    assert Receiver().take([*both, *rolling]).wait(120).mains == []


def test_a_promotion_on_the_survivor_of_a_lost_node_is_a_fail_over() -> None:
    gone = [node_state("pm01", "lost", AT, source=PM02), fencing("pm01", "pm02", after(1), source=PM02)]
    main = main_of(Receiver().take([*gone, operation("drbd", "promote", "pm02", after(2), source=PM02)]).wait(60))
    assert (main.kind, main.from_node, main.to_node, main.planned, main.fenced) == (IncidentKind.FAILOVER, "pm01", "pm02", False, ("pm01",))


def test_a_standby_that_is_lost_takes_no_service_with_it() -> None:
    known = moved(-600, "pm02", "pm01")
    gone = [node_state("pm02", "lost", AT, source=PM01), fencing("pm02", "pm01", after(1), source=PM01)]
    later = [operation("ipmi_pm02", "start", "pm01", after(3), source=PM01), operation("report", "start", "pm01", after(5), source=PM01)]
    receiver = Receiver().take([*known, *gone, *later]).wait(60)
    assert [main.kind for main in receiver.mains if main.started_at is not None and main.started_at >= AT] == [IncidentKind.STANDBY_FAULT]


def test_an_attribute_that_is_written_again_changes_nothing() -> None:
    sent = [attribute("pm01", "default_ping_set", "100", after(number * 20)) for number in range(4)]
    receiver = Receiver().take(sent).wait(60)
    assert [event.witness for event in receiver.events] == [False, True, True, True]
    assert receiver.mains == []


# -- Corosync and Heartbeat


def notifyd(kind: str, host: str, number: int, status: str, at: datetime, source: str = PM01) -> Trap:
    names = {"NodeStatus": "corosyncObjectsNodeStatus", "QuorumStatus": "corosyncObjectsQuorumStatus"}
    return trap(
        f"corosyncNotices{kind}",
        {"corosyncObjectsNodeName": host, "corosyncObjectsNodeID": number, names[kind]: status},
        at=at,
        source=source,
    )


def link(status: str, at: datetime, *, peer: int = 2, host: str = "pm01.example.com", source: str = PM01) -> Trap:
    values: dict[str, str | int | bytes] = {
        "corosyncObjectsNodeName": host,
        "corosyncObjectsLocalNodeID": 3 - peer,
        "corosyncObjectsNodeID": peer,
        "corosyncObjectsIfaceNo": 1,
        "corosyncObjectsIfaceStatus": status,
    }
    return trap("corosyncNoticesIfaceStatus", values, at=at, source=source)


def test_a_link_that_is_cut_at_both_ends_is_one_fault_and_ends_when_it_works() -> None:
    both = [link("disconnected", AT), link("disconnected", after(0.2), peer=1, host="pm02.example.com", source=PM02)]
    receiver = Receiver().take([*moved(-600), *both]).wait(30)
    (cut,) = (main for main in receiver.mains if main.kind is IncidentKind.INTERCONNECT_DEGRADED)
    assert (cut.nodes, cut.resolved_at) == (("pm01", "pm02"), None)
    receiver.take([link("operational", after(60))]).wait(30)
    (cut,) = (main for main in receiver.mains if main.kind is IncidentKind.INTERCONNECT_DEGRADED)
    assert cut.resolved_at == after(60)
    assert not any(incident.kind is IncidentKind.NODE_LOST for incident in receiver.incidents.values())


def test_a_member_that_left_is_the_node_that_pacemaker_calls_lost() -> None:
    receiver = Receiver().take(
        [
            *moved(-600),
            notifyd("NodeStatus", "pm02.example.com", 2, "left", AT),
            node_state("pm02", "lost", after(0.3), source=PM01),
            notifyd("NodeStatus", "192.0.2.2", 2, "joined", after(60)),  # its name could not be resolved this time
        ]
    )
    losses = [event for event in receiver.events if event.kind is EventKind.NODE_LOST]
    assert [(event.node, event.witness) for event in losses] == [("pm02", False), ("pm02", True)]
    joined = [event for event in receiver.events if event.kind is EventKind.NODE_JOINED]
    assert [(event.node, event.witness) for event in joined] == [("pm02", False)]


def test_quorum_that_is_lost_is_told_and_closed() -> None:
    receiver = Receiver().take([*moved(-600), notifyd("QuorumStatus", "pm01", 1, "NOT quorate", AT)]).wait(30)
    assert [main.kind for main in receiver.mains if main.detected_at >= AT] == [IncidentKind.QUORUM_LOST]
    receiver.take([notifyd("QuorumStatus", "pm01", 1, "quorate", after(60))]).wait(5)
    (lost,) = (main for main in receiver.mains if main.kind is IncidentKind.QUORUM_LOST)
    assert lost.resolved_at == after(60)


def test_heartbeat_tells_a_take_over() -> None:
    def resource(name: str, node: str, status: int, seconds: float) -> Trap:
        values: dict[str, str | int | bytes] = {"LHAResourceName": name, "LHAResourceNode": node, "LHAResourceStatus": status}
        return trap("LHAResourceStatusUpdate", values, at=after(seconds), source=PM02)

    main = main_of(
        Receiver()
        .take(
            [
                resource("ip", "node1", 2, -600),
                trap("LHANodeStatusUpdate", {"LHANodeName": "node1", "LHANodeStatus": 4}, at=AT, source=PM02),
                resource("ip", "node2", 2, 3),
            ]
        )
        .wait(60)
    )
    assert (main.kind, main.from_node, main.to_node, main.planned) == (IncidentKind.FAILOVER, "node1", "node2", False)


def test_a_trap_that_no_rule_knows_is_kept_and_opens_nothing() -> None:
    receiver = Receiver().take([trap("1.3.6.1.4.1.9.9.1", {"1.3.6.1.4.1.9.1": "x"}, at=after(number)) for number in range(3)]).wait(60)
    assert [event.kind for event in receiver.events] == [EventKind.UNCLASSIFIED] * 3
    assert receiver.mains == []
