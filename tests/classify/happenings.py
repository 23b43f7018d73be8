"""Arbitrary but plausible happenings of a small cluster, for the laws of the engine."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from hamon.model.event import Detail, Event, EventKind
from hamon.model.observation import Source, Tick

BEGIN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NODES = ("pm01", "pm02", "pm03")
RESOURCES = ("prmPg", "prmIp", "prmDb", "prmPing", "fence1")
OPERATIONS = ("start", "stop", "monitor", "promote", "demote", "migrate_from", "notify", "probe")
PLANS = ("Start", "Stop", "Move", "Recover", "Restart", "Promote", "Demote", "Leave", "End", "Fence")
STATES = ("S_IDLE", "S_POLICY_ENGINE", "S_TRANSITION_ENGINE", "S_ELECTION", "S_INTEGRATION", "S_STOPPING")
ROLES = ("Started", "Stopped", "Promoted", "Unpromoted", None)

_node = st.sampled_from(NODES)
_node_or_none = st.sampled_from((*NODES, None))


def _fields(**strategies: st.SearchStrategy[object]) -> st.SearchStrategy[Detail]:
    return st.fixed_dictionaries(strategies)  # type: ignore[arg-type]  # the values are scalars


_DETAILS: dict[EventKind, st.SearchStrategy[Detail]] = {
    EventKind.PLAN: _fields(
        **{"action": st.sampled_from(PLANS), "from": _node_or_none, "to": _node_or_none},
        from_role=st.sampled_from(ROLES),
        to_role=st.sampled_from(ROLES),
        blocked=st.sampled_from((None, None, None, True)),
        instance=st.sampled_from((None, None, "0", "1")),
    ),
    EventKind.STATE_CHANGED: _fields(**{"from": st.sampled_from(STATES), "to": st.sampled_from(STATES)}),
    EventKind.OPERATION_FAILED: _fields(
        operation=st.sampled_from(OPERATIONS), rc=st.sampled_from((1, 7, None)), reason=st.just("it hurts")
    ),
    EventKind.OPERATION_SUCCEEDED: _fields(operation=st.sampled_from(OPERATIONS), rc=st.sampled_from((0, 8))),
    EventKind.OPERATION_STARTED: _fields(operation=st.sampled_from(OPERATIONS)),
    EventKind.FAIL_COUNT_CHANGED: _fields(value=st.sampled_from(("1", "2", "INFINITY", "0", None)), old=st.sampled_from(("1", None))),
    EventKind.ATTRIBUTE_CHANGED: st.one_of(
        _fields(attribute=st.just("default_ping_set"), old=st.sampled_from(("100", None)), new=st.sampled_from(("100", "0", "50", None))),
        _fields(attribute=st.just("pgsql-data-status"), new=st.sampled_from(("STREAMING|SYNC", "DISCONNECT", "LATEST"))),
        _fields(attribute=st.just("diskcheck_status"), new=st.sampled_from(("ERROR", "normal", None))),
        _fields(attribute=st.just("ringnumber_0"), new=st.sampled_from(("10.0.0.1 is UP", "10.0.0.1 is FAULTY"))),
    ),
    EventKind.NETWORK_UNREACHABLE: _fields(target=st.just("10.0.0.254")),
    EventKind.DISK_ERROR: _fields(device=st.just("/dev/sdb"), attribute=st.just("diskcheck_status")),
    EventKind.LINK_DOWN: _fields(link=st.sampled_from(("0", "1", None)), peer_id=st.sampled_from(("1", "2", "3", None))),
    EventKind.LINK_UP: _fields(link=st.sampled_from(("0", "1")), peer_id=st.sampled_from(("1", "2", "3", None))),
    EventKind.NODE_LOST: st.sampled_from(({}, {"abrupt": True}, {"node_ids": "1", "abrupt": True}, {"node_ids": "2 3", "abrupt": True})),
    EventKind.STANDBY_ON: st.sampled_from(({}, {"node_id": "2"})),
    EventKind.STANDBY_OFF: st.sampled_from(({}, {"node_id": "2"})),
    EventKind.MAINTENANCE_ON: st.sampled_from(({}, {"node_id": "1"}, {"name": "maintenance-mode"})),
    EventKind.MAINTENANCE_OFF: st.sampled_from(({}, {"node_id": "1"}, {"name": "maintenance-mode"})),
    EventKind.MOVE_CONSTRAINT_SET: _fields(
        constraint=st.sampled_from(("cli-ban-grp-on-pm01", "cli-prefer-grp")), what=st.sampled_from(("ban", "prefer"))
    ),
    EventKind.MOVE_CONSTRAINT_CLEARED: _fields(constraint=st.sampled_from(("cli-ban-grp-on-pm01", "cli-prefer-grp"))),
    EventKind.TARGET_ROLE_CHANGED: _fields(value=st.sampled_from(("Stopped", "Started"))),
    EventKind.DAEMON_DIED: _fields(
        daemon=st.sampled_from(("pacemaker-execd", "crmd")), signal=st.sampled_from((9, None)), rc=st.sampled_from((0, 1))
    ),
    EventKind.DAEMON_RESPAWNED: _fields(daemon=st.just("pacemaker-execd")),
    EventKind.FENCING_REQUESTED: _fields(action=st.sampled_from(("reboot", "off", "on"))),
    EventKind.FENCING_ATTEMPTED: _fields(device=st.sampled_from(("fence1", None)), result=st.sampled_from(("OK", "error"))),
    EventKind.FENCING_DONE: _fields(
        action=st.sampled_from(("reboot", "on")),
        client=st.sampled_from(("pacemaker-controld.1", "stonith_admin.2")),
        manual=st.sampled_from((None, True)),
    ),
    EventKind.FENCING_FAILED: _fields(reason=st.just("Timed Out"), final=st.sampled_from((None, True))),
    EventKind.NODE_UNCLEAN: st.sampled_from(({}, {"can_fence": False})),
    EventKind.DC_CHANGED: st.sampled_from(({}, {"old": "pm01"})),
    EventKind.FAILOVER_SUMMARY: _fields(**{"from": _node_or_none, "to": _node_or_none}),
    EventKind.SOURCE_LOST: _fields(path=st.just("/var/log/ha-log"), reason=st.just("gone")),
    EventKind.SOURCE_BACK: _fields(path=st.just("/var/log/ha-log")),
    EventKind.TARGET_LAGS: _fields(target=st.just("noc"), pending=st.just(5000), refuses=st.booleans(), reason=st.just("no answer")),
    EventKind.TARGET_DELIVERS: _fields(target=st.just("noc")),
    EventKind.RECORDS_REFUSED: _fields(records=st.just(1), what=st.just("event"), about=st.just("/log@0"), reason=st.just("too large")),
}
# Kinds that move stories are drawn more often than those that only stand in timelines.
_KINDS = (*EventKind, *_DETAILS, *(kind for kind in EventKind if kind.value.startswith("resource_")), *_DETAILS)


# What traps tell too.
_TRAPPED = frozenset(
    {
        *(kind for kind in EventKind if kind.value.startswith("resource_") and kind.value.endswith(("ed", "moted"))),
        EventKind.OPERATION_FAILED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.NODE_LOST,
        EventKind.NODE_JOINED,
        EventKind.FENCING_DONE,
        EventKind.FENCING_FAILED,
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.FAIL_COUNT_CHANGED,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.STANDBY_ON,
        EventKind.LINK_DOWN,
        EventKind.LINK_UP,
        EventKind.QUORUM_LOST,
        EventKind.QUORUM_ACQUIRED,
    }
)


@st.composite
def _event(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(_KINDS))
    detail = draw(_DETAILS.get(kind, st.just({})))
    reporter = draw(_node)
    trapped = kind in _TRAPPED and draw(st.booleans())
    address = draw(st.sampled_from(("192.0.2.1", "192.0.2.2", "192.0.2.3")))
    named = "node_id" not in detail and "node_ids" not in detail and detail.get("name") != "maintenance-mode"
    return Event(
        at=BEGIN,
        received_at=BEGIN,
        cluster="test",
        kind=kind,
        rule=f"rule-{kind}",
        source=Source.TRAP if trapped else Source.LOG,
        collector="traps" if trapped else f"log-{reporter}",
        node=draw(_node_or_none) if named else None,
        resource=draw(st.sampled_from((*RESOURCES, None)))
        if kind.value.startswith(("resource", "oper", "fail", "plan", "cleanup", "thresh"))
        else None,
        reporter=address if trapped else reporter,
        detail=detail,
        raw=f"{kind} {detail}",
        ref=f"traps {address}@0" if trapped else f"/logs/{reporter}@0",
    )


@st.composite
def happenings(draw: st.DrawFn, *, max_size: int = 40, ticks: bool = True) -> list[Event | Tick]:
    """Events in the order of arrival: bursts, pauses, and now and then one that comes late."""
    given: list[Event | Tick] = []
    at = BEGIN
    for number, event in enumerate(draw(st.lists(_event(), min_size=1, max_size=max_size))):
        at += timedelta(seconds=draw(st.sampled_from((0, 0, 0, 1, 1, 2, 5, 12, 30, 130, 700))))
        late = timedelta(seconds=draw(st.sampled_from((0, 0, 0, 0, 0, 3))))
        given.append(replace(event, at=at - late, ref=f"{event.ref.partition('@')[0]}@{number * 100}"))
        if ticks and draw(st.integers(0, 5)) == 0:
            given.append(Tick(now=at))
    return given


def cut(items: Sequence[Event | Tick], places: Sequence[int]) -> list[list[Event | Tick]]:
    """The items in batches that end at these places."""
    ends = sorted({place % (len(items) + 1) for place in places} | {len(items)})
    batches, begin = [], 0
    for end in ends:
        if end > begin:
            batches.append(list(items[begin:end]))
            begin = end
    return batches
