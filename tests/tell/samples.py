"""Incidents as the engine makes them, and strategies that make any other."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from hamon.model.event import EventKind
from hamon.model.incident import (
    Cause,
    Incident,
    IncidentKind,
    IncidentState,
    Outcome,
    Severity,
    TimelineEntry,
    Tools,
)
from hamon.model.observation import Source
from hamon.tell.words import raw

START = datetime(2026, 11, 22, 11, 10, 21, 400000, tzinfo=UTC)


def entry(
    seconds: float, event: EventKind, node: str | None = None, resource: str | None = None, **detail: str | int | None
) -> TimelineEntry:
    return TimelineEntry(
        at=START + timedelta(seconds=seconds),
        node=node,
        resource=resource,
        source=Source.LOG,
        event=event,
        detail=detail,
        raw=f"line of {event}",
    )


FAILOVER = Incident(
    key="departure-pm01-20261122T111021Z",
    cluster="web01",
    kind=IncidentKind.FAILOVER,
    severity=Severity.MAJOR,
    state=IncidentState.OPEN,
    planned=False,
    outcome=Outcome.SUCCEEDED,
    services=("grpPg",),
    nodes=("pm01",),
    resources=("grpPg", "prmEx", "prmFs", "prmIp", "prmPg"),
    from_node="pm01",
    to_node="pm02",
    started_at=START,
    detected_at=START + timedelta(seconds=0.1),
    service_restored_at=START + timedelta(seconds=2),
    service_down_seconds=1.3,
    redundancy=False,
    reasons=("pm01",),
    cause=Cause(
        kind="resource_failure",
        node="pm01",
        resource="prmPg",
        at=START,
        text="Result of monitor operation for prmPg on pm01: error (rc 1)",
    ),
    sources=(Source.LOG,),
    timeline=(
        entry(0, EventKind.OPERATION_FAILED, "pm01", "prmPg", operation="monitor", rc=1, reason="error"),
        entry(0.1, EventKind.PLAN, None, "prmPg", action="Recover", **{"from": "pm01", "to": "pm02"}),
        entry(0.6, EventKind.RESOURCE_STOPPED, "pm01", "prmPg"),
        entry(41.6, EventKind.RESOURCE_STARTED, "pm02", "prmPg"),
    ),
)

ONGOING = replace(
    FAILOVER, outcome=Outcome.ONGOING, to_node=None, service_restored_at=None, service_down_seconds=None, redundancy=None, reasons=()
)
RESOLVED = replace(
    FAILOVER,
    state=IncidentState.RESOLVED,
    redundancy=True,
    reasons=(),
    redundancy_restored_at=START + timedelta(seconds=90),
    resolved_at=START + timedelta(seconds=90),
)
FAILED = replace(FAILOVER, severity=Severity.CRITICAL, outcome=Outcome.FAILED, service_restored_at=None, service_down_seconds=None)
STANDBY_FAULT = Incident(
    key="standby_fault-pm02-20261122T111129Z",
    cluster="web01",
    kind=IncidentKind.STANDBY_FAULT,
    severity=Severity.MAJOR,
    state=IncidentState.OPEN,
    planned=False,
    services=("grpPg",),
    nodes=("pm02",),
    fenced=("pm02",),
    started_at=START,
    detected_at=START,
    redundancy=False,
    reasons=("pm02",),
    cause=Cause(kind="node_lost", node="pm02", at=START, text="Node pm02 state is now lost"),
)
MISSING = f"missing: /var/log/pacemaker.log does not exist; {raw('remedy.log_missing', 'en')}"
UNSEEN = Incident(
    key="monitoring_lost-logs__var_log_pacemaker.log-20261122T111021Z",
    cluster="web01",
    kind=IncidentKind.MONITORING_LOST,
    severity=Severity.WARNING,
    state=IncidentState.OPEN,
    nodes=("pm01",),
    resources=("/var/log/pacemaker.log",),
    started_at=START,
    detected_at=START,
    cause=Cause(kind="source_lost", node="pm01", at=START, text=MISSING),
)

anything = st.text(max_size=80)
names = st.lists(anything, max_size=5).map(tuple)
times = st.timedeltas(timedelta(days=-9000), timedelta(days=9000)).map(lambda shift: START + shift)
causes = st.builds(
    Cause, kind=st.one_of(st.sampled_from([*IncidentKind, *EventKind]).map(str), anything), node=st.none() | anything, text=anything
)
scalars = st.one_of(st.none(), anything, st.integers(), st.floats(), st.booleans())
detail_keys = st.sampled_from(
    sorted({name for kind in EventKind for group in re.findall(r"{([^{}]*)}", raw(f"entry.{kind}", "en")) for name in group.split("|")})
)
entries = st.builds(
    TimelineEntry,
    at=times,
    node=st.none() | anything,
    resource=st.none() | anything,
    source=st.sampled_from(Source),
    event=st.sampled_from(EventKind),
    detail=st.dictionaries(detail_keys | anything, scalars, max_size=8),
    raw=anything,
)
amiss_words = st.builds(
    "{} {} {}".format,
    st.sampled_from(
        (
            "node_lost",
            "node_fenced",
            "node_stopped",
            "standby",
            "maintenance",
            "fail_count",
            "resource_failed",
            "attribute",
            "ban",
            "prefer",
        )
    ),
    anything,
    anything,
)
incidents = st.builds(
    Incident,
    key=anything,
    cluster=anything,
    kind=st.sampled_from(IncidentKind),
    severity=st.sampled_from(Severity),
    state=st.sampled_from(IncidentState),
    planned=st.none() | st.booleans(),
    outcome=st.sampled_from(Outcome),
    part_of=st.none() | anything,
    services=names,
    nodes=names,
    resources=names,
    from_node=st.none() | anything,
    to_node=st.none() | anything,
    fenced=names,
    started_at=st.none() | times,
    detected_at=times,
    service_restored_at=st.none() | times,
    redundancy_restored_at=st.none() | times,
    resolved_at=st.none() | times,
    service_down_seconds=st.none() | st.floats(),
    redundancy=st.none() | st.booleans(),
    reasons=names,
    cause=st.none() | causes,
    sources=st.lists(st.sampled_from(Source), max_size=3).map(tuple),
    timeline=st.lists(entries, max_size=4).map(tuple),
    amiss=st.lists(amiss_words, max_size=3).map(tuple),
    tools=st.none() | st.sampled_from(Tools),
)
