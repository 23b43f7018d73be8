"""Judge an answer of `hamon analyze` by what is known of a recording.

A recording's `truth.json` says what the experiment was; `faults` lists everything in which an answer falls short of it. The rules are those
of the comparison that every kind of evidence must stand: the main incident is what an operator must know (the effect), the causes behind it
are part of it, and nothing else may alarm. A log at priority notice lacks the marks of planned work, so there `planned` may be unknown; the
opposite of the truth is never allowed. Polls alone show neither a link that is cut nor a daemon that died, but what the node lost with it.
Traps alone know less (`TRAPS_SAY_NOTHING` and what follows); what they cannot know they may leave out, and never turn round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Incident = Mapping[str, Any]
Event = Mapping[str, Any]

ALARMING = frozenset({"warning", "minor", "major", "critical"})
PLANNED = frozenset({"planned_switchover", "planned_stop", "planned_standby", "maintenance"})
NO_ALARM = PLANNED - {"planned_switchover"} | {"node_join", "none"}
EFFECTS = frozenset({"failover", "service_down", "standby_fault"})

# What may stand behind an effect; on its own it would be a second story about the same thing.
CAUSES = frozenset(
    {
        "fencing",
        "node_lost",
        "resource_failure",
        "local_recovery",
        "stop_failed",
        "failcount_threshold",
        "connectivity_degraded",
        "disk_degraded",
        "replication_degraded",
        "daemon_failed",
        "attribute_changed",
    }
)

TRAPS_SAY_NOTHING = frozenset({"kill_execd_standby", "kill_execd_standby_db"})
"""By traps alone a daemon that dies on the standby shows in nothing; only "no fail-over" is asked."""
TRAPS_SEE_NO_REASON = frozenset({"kill_attrd_active", "kill_controld_active"})
"""Fail-overs whose cause no trap tells: whether they were planned is not known."""
TRAPS_SEE_NO_SIDE = frozenset({"standby_clone_failure", "standby_crash", "standby_promotable_failure"})
"""Recordings in which no trap tells which node is active, so that a fault of the standby is one of a node whose role is not known."""
STANDS_FOR_STANDBY_FAULT = ("resource_failure", "node_lost", "connectivity_degraded")

# Times in `truth.json` are those of the command, lines of syslog are cut to whole seconds.
SLACK_SECONDS = 1.0
INTERVAL_SECONDS = 1.0
"""Between two polls of a recording, and between two looks of its recorder."""
RESTORED_SECONDS = 3.0
"""How much earlier than the recorder's look a service may be said to be back."""
STARTED_SECONDS = 2.0
"""How much later than its first evidence a story may be said to begin."""
OBSERVED = ("observed: group active", "observed: group runs")


def seconds(time: str | None) -> float | None:
    """Epoch seconds of a time of the answer."""
    return None if time is None else datetime.fromisoformat(time).timestamp()


def mains(incidents: Iterable[Incident]) -> list[Incident]:
    return [incident for incident in incidents if incident["part_of"] is None]


def is_alarm(incident: Incident) -> bool:
    """Whether a main incident calls people; what was already bad when the evidence begins does not."""
    return incident["planned"] is not True and incident["severity"] in ALARMING and incident["started_at"] is not None


def brief(incident: Incident) -> str:
    ends = f" {incident['from_node']}->{incident['to_node']}" if incident["from_node"] or incident["to_node"] else ""
    return f"{incident['kind']}({','.join(incident['nodes'])}{ends}, planned {incident['planned']}, {incident['outcome']})"


@dataclass(frozen=True, slots=True)
class Phase:
    """One thing that was done to the cluster, and what the answer says about it. `everything` are the incidents of all phases."""

    expected: Mapping[str, Any]
    incidents: Sequence[Incident]
    everything: Sequence[Incident]
    events: Sequence[Event]
    sources: frozenset[str]
    """The kinds of evidence that were given: log, trap, poll."""
    marks_are_missing: bool
    """The log is at priority notice, or there are only traps: standby, bans, target-role and maintenance cannot be seen."""
    name: str
    """Of the recording, where one thing was done in it."""

    @property
    def only_traps(self) -> bool:
        return self.sources == {"trap"}

    @property
    def without_logs(self) -> bool:
        return "log" not in self.sources

    @property
    def ends(self) -> tuple[str | None, str | None]:
        # Where only the promoted instance moved, from and to are those of the instance.
        return self.expected.get("active_before"), self.expected.get("promoted_after", self.expected.get("active_after"))

    def main(self, *kinds: str) -> list[Incident]:
        return [incident for incident in mains(self.incidents) if incident["kind"] in kinds]

    def any(self, *kinds: str) -> list[Incident]:
        return [incident for incident in self.incidents if incident["kind"] in kinds]

    def alarms(self) -> list[Incident]:
        excused = self.marks_are_missing and self.expected["classification"] in PLANNED
        return [incident for incident in mains(self.incidents) if is_alarm(incident) and not (excused and incident["planned"] is None)]

    def parent(self, incident: Incident) -> Incident | None:
        return next((other for other in self.everything if other["key"] == incident["part_of"]), None)

    def stands_in(self, incident: Incident, *kinds: str) -> bool:
        """Whether an incident is a main one, or part of one of these kinds."""
        parent = self.parent(incident)
        return incident["part_of"] is None or (parent is not None and parent["kind"] in kinds)


def faults(
    truth: Mapping[str, Any], answer: Mapping[str, Any], *, sources: Iterable[str] = ("log",), marks_are_missing: bool = False
) -> list[str]:
    """Everything in which an answer from these kinds of evidence falls short of the truth; empty: it is right."""
    incidents, events = answer["incidents"], answer["events"]
    found = [f"a fail-over is called planned: {brief(item)}" for item in incidents if item["kind"] == "failover" and item["planned"]]
    found += [f"part of an unknown incident: {brief(item)}" for item in incidents if not _knows_parent(item, incidents)]
    for expected, inside in _phases(truth):
        phase = Phase(
            expected,
            [item for item in incidents if inside(seconds(item["started_at"] or item["detected_at"]))],
            incidents,
            [event for event in events if inside(seconds(event["at"]))],
            frozenset(sources),
            marks_are_missing or set(sources) == {"trap"},
            "" if expected is not truth["expected"] else str(truth["run"]),
        )
        name = expected["classification"]
        found += [f"{name}: {fault}" for fault in (*_JUDGES[name](phase), *_also(phase), *_fenced(phase))]
    return found


def _knows_parent(incident: Incident, incidents: Sequence[Incident]) -> bool:
    if incident["part_of"] is None:
        return True
    parents = [other for other in incidents if other["key"] == incident["part_of"]]
    return len(parents) == 1 and parents[0]["part_of"] is None and parents[0] is not incident


def _phases(truth: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Callable[[float | None], bool]]]:
    if truth["expected"]["classification"] != "several":
        return [(truth["expected"], lambda _at: True)]
    starts = [float(phase["start"]) - SLACK_SECONDS for phase in truth["phases"]] + [float("inf")]
    starts[0] = float("-inf")

    def within(begin: float, end: float) -> Callable[[float | None], bool]:
        return lambda at: at is not None and begin <= at < end

    return [(phase, within(starts[number], starts[number + 1])) for number, phase in enumerate(truth["phases"])]


# -- one judge for each classification


def _others(phase: Phase, allowed: Iterable[Incident]) -> list[str]:
    keys = {incident["key"] for incident in allowed}
    return [f"another alarm: {brief(incident)}" for incident in phase.alarms() if incident["key"] not in keys]


def _no(phase: Phase, *kinds: str) -> list[str]:
    return [f"there was none: {brief(incident)}" for incident in phase.any(*kinds)]


def _causes_belong_to(phase: Phase, effect: Incident) -> list[str]:
    """What explains the effect is part of it, and the first of it stands in `cause`."""
    loose = [
        incident for incident in mains(phase.incidents) if incident["kind"] in CAUSES and is_alarm(incident) and incident is not effect
    ]
    found = [f"not part of {effect['kind']}: {brief(incident)}" for incident in loose]
    if effect["cause"] is None:
        found.append(f"{effect['kind']} without a cause")
    return found


def _failover(phase: Phase) -> list[str]:
    main = phase.main("failover")
    if len(main) != 1:
        return [f"{len(main)} main fail-overs, but {[brief(incident) for incident in phase.incidents]}"]
    (failover,) = main
    unexplained = phase.only_traps and phase.name in TRAPS_SEE_NO_REASON and failover["planned"] is None
    found = _others(phase, main) + _no(phase, "switchover")
    if not unexplained:
        found += _causes_belong_to(phase, failover)
    if failover["planned"] is not False and not unexplained:
        found.append(f"planned {failover['planned']}")
    if (failover["from_node"], failover["to_node"]) != phase.ends:
        found.append(f"went {failover['from_node']} -> {failover['to_node']}, not {phase.ends}")
    if failover["outcome"] != "succeeded":
        found.append(f"outcome {failover['outcome']}")
    if failover["service_restored_at"] is None or failover["service_down_seconds"] is None:
        found.append("the end of the outage is unknown")
    if failover["severity"] != ("warning" if unexplained else "major"):
        found.append(f"severity {failover['severity']}")
    return found


def _service_down(phase: Phase) -> list[str]:
    main = [item for item in phase.main("service_down", "failover") if item["kind"] == "service_down" or item["outcome"] == "failed"]
    if not main and phase.only_traps and phase.expected.get("active_after") is not None:
        return _no(phase, "failover", "switchover")  # that nothing can run it, no trap says
    if not main:
        return ["no main service_down"]
    found = _others(phase, main)
    if phase.expected.get("active_after") is not None:
        found += [f"not resolved: {brief(incident)}" for incident in main if incident["service_restored_at"] is None]
    return found


def _failover_failed(phase: Phase) -> list[str]:
    main = [item for item in phase.main("service_down", "failover") if item["kind"] == "service_down" or item["outcome"] == "failed"]
    moved_before = phase.main("failover") if "failover" in phase.expected.get("also", ()) else []
    return _others(phase, [*main, *moved_before]) if main else ["no failed fail-over"]


def _planned_switchover(phase: Phase) -> list[str]:
    main = phase.main("switchover")
    unknown = [item for item in phase.main("failover") if item["planned"] is None and item["severity"] == "warning"]
    if phase.marks_are_missing and not main and len(unknown) == 1:
        main = unknown
    elif len(main) != 1 or main[0]["planned"] is not True:
        return [f"not one planned switchover, but {[brief(incident) for incident in phase.incidents]}"]
    found = _others(phase, [] if main is not unknown else main)
    if main is not unknown:
        found += _no(phase, "failover")
    if (main[0]["from_node"], main[0]["to_node"]) != phase.ends:
        found.append(f"went {main[0]['from_node']} -> {main[0]['to_node']}, not {phase.ends}")
    if main[0]["outcome"] != "succeeded":
        found.append(f"outcome {main[0]['outcome']}")
    return found


def _nothing_alarming(phase: Phase) -> list[str]:
    return _others(phase, ()) + [f"there was none: {brief(item)}" for item in phase.any("failover") if item["planned"] is False]


def _standby_fault(phase: Phase) -> list[str]:
    main = phase.main("standby_fault")
    stand_in = [item for item in phase.main(*STANDS_FOR_STANDBY_FAULT) if phase.expected["node"] in item["nodes"]]
    if phase.only_traps and phase.name in TRAPS_SEE_NO_SIDE and not main and len(stand_in) == 1:
        return _others(phase, stand_in) + _no(phase, "failover", "switchover", "service_down")
    if len(main) != 1 or phase.expected["node"] not in main[0]["nodes"]:
        return [f"not one standby fault of {phase.expected['node']}, but {[brief(incident) for incident in phase.incidents]}"]
    return _others(phase, main) + _causes_belong_to(phase, main[0]) + _no(phase, "failover", "switchover", "service_down")


def _resource_failure(phase: Phase) -> list[str]:
    node, resource = phase.expected["node"], phase.expected["resource"]
    main = [
        item
        for item in phase.main("resource_failure", "local_recovery")
        if node in item["nodes"] and resource in item["resources"] and item["outcome"] == "succeeded"
    ]
    found = _others(phase, main) + _no(phase, "failover", "switchover", "service_down")
    return found if len(main) == 1 else [f"{len(main)} recovered failures of {resource} on {node}", *found]


def _fencing_failure(phase: Phase) -> list[str]:
    node = phase.expected["node"]
    failed = [item for item in phase.any("fencing_failed") if node in item["nodes"] and phase.stands_in(item, *EFFECTS)]
    if not failed:
        return [f"no failed fencing of {node}"]
    parents = [parent for item in failed if (parent := phase.parent(item)) is not None]
    found = _others(phase, [*failed, *parents])
    moved = "failover" in phase.expected.get("also", ())
    for item in phase.any("failover"):
        right = item["from_node"] == node and item["planned"] is False and (item["outcome"] == "succeeded") == moved
        if not right or (moved and (item["from_node"], item["to_node"]) != phase.ends):
            found.append(f"not what the failed fencing delayed: {brief(item)}")
    return found


def _process_failure(phase: Phase) -> list[str]:
    if phase.only_traps and phase.name in TRAPS_SAY_NOTHING:
        return _no(phase, "failover")
    if phase.without_logs:
        return _standby_fault(phase)
    node = phase.expected["node"]
    died = [item for item in phase.any("daemon_failed") if node in item["nodes"] and phase.stands_in(item, "standby_fault")]
    if not died:
        return [f"no dead daemon on {node}"]
    parents = [parent for item in died if (parent := phase.parent(item)) is not None]
    found = [f"the fault of another node: {brief(item)}" for item in parents if node not in item["nodes"]]
    return found + _others(phase, [*died, *parents]) + _no(phase, "failover", "switchover", "service_down")


def _interconnect_fault(phase: Phase) -> list[str]:
    main = phase.main("interconnect_degraded")
    found = _others(phase, main) + _no(phase, "node_lost", "failover", "switchover", "standby_fault")
    if phase.without_logs:
        return found
    return found if len(main) == 1 else [f"{len(main)} interconnect faults", *found]


_JUDGES: Mapping[str, Callable[[Phase], list[str]]] = {
    "failover": _failover,
    "failover_failed": _failover_failed,
    "service_down": _service_down,
    "planned_switchover": _planned_switchover,
    "standby_fault": _standby_fault,
    "resource_failure": _resource_failure,
    "fencing_failure": _fencing_failure,
    "process_failure": _process_failure,
    "interconnect_fault": _interconnect_fault,
} | dict.fromkeys(NO_ALARM, _nothing_alarming)


# -- what else must be known

_ALSO_INCIDENTS: Mapping[str, tuple[str, ...]] = {
    "failover": ("failover",),
    "fencing": ("fencing",),
    "interconnect_fault": ("interconnect_degraded",),
    "node_failure": ("node_lost",),
    "process_failure": ("daemon_failed",),
    "resource_failure": ("resource_failure", "local_recovery"),
    "standby_fault": ("standby_fault",),
}
_ALSO_EVENTS: Mapping[str, tuple[str, ...]] = {
    "attribute_change": ("attribute_changed", "attributes_removed"),
    "configuration_change": ("config_changed", "move_constraint_set", "target_role_changed"),
    "cleanup": ("cleanup",),
    "node_join": ("node_joined",),
    "quorum_loss": ("quorum_lost",),
    "node_leave": ("node_left",),
    "cluster_start": ("service_stack_started",),
    "planned_stop": ("shutdown_requested", "node_left"),
}
_MARKS = frozenset({"configuration_change", "cleanup"})
"""Words for changes of the CIB, which only lines at priority info tell."""
_NOT_BY_TRAPS = frozenset({"process_failure", "cluster_start", "quorum_loss"})
"""Words for what no alert of Pacemaker tells."""


def _also(phase: Phase) -> list[str]:
    kinds = {event["kind"] for event in phase.events}
    found = []
    for word in phase.expected.get("also", ()):
        if phase.only_traps and _traps_leave_out(phase, word):
            known = True
        elif word == "service_down":
            known = bool(phase.any("service_down")) or any(item["outcome"] in ("failed", "ongoing") for item in phase.any("failover"))
        elif word == "process_failure" and phase.without_logs:
            known = True
        elif word == "standby_fault" and phase.expected["classification"] == "process_failure" and "poll" not in phase.sources:
            known = True  # by log alone the dead daemon stands alone; only polls show what its node lost with it
        elif word in _ALSO_INCIDENTS:
            known = bool(phase.any(*_ALSO_INCIDENTS[word]))
        else:
            known = bool(kinds & set(_ALSO_EVENTS[word])) or (phase.marks_are_missing and word in _MARKS)
        if not known:
            found.append(f"nothing says {word}")
    return found


def _traps_leave_out(phase: Phase, word: str) -> bool:
    """Whether no trap tells this here."""
    if word in ("service_down", "standby_fault"):
        # What a node did that was lost before any trap told of it, and was not taken over, is not known.
        return phase.expected["classification"] in ("fencing_failure", "process_failure")
    return word in _NOT_BY_TRAPS or (word == "attribute_change" and phase.name == "kill_controld_active")


def _fenced(phase: Phase) -> list[str]:
    fenced = sorted({name for incident in phase.incidents for name in incident["fenced"]})
    wanted = sorted(phase.expected.get("fenced", ()))
    return [] if fenced == wanted else [f"fenced {fenced}, not {wanted}"]


# -- when

_STILL = frozenset({"none", "resource_failure", "standby_fault", "process_failure", "node_join"})
"""Here the recorder looked whether the service goes on where it is; there is no story of its coming back."""
_STOPPED_IN_PLACE = frozenset({"group_stop_start", "ping_lost_both"})
"""Stopped and started where it was, within the time of grace: no trap says that it was down."""
_ANOTHER_SERVICE = frozenset({"switchover_standby_3"})
"""Here an instance was promoted after the group was up, and the recorder looked at the group only; what left is back when all is."""
# What shows that something is wrong, or is being done: the first evidence of a story. A token that is late may still come.
_TELLING = frozenset(
    {
        "operation_failed",
        "fail_count_changed",
        "node_lost",
        "node_left",
        "node_unclean",
        "shutdown_requested",
        "daemon_died",
        "link_down",
        "standby_on",
        "move_constraint_set",
        "target_role_changed",
        "maintenance_on",
        "network_unreachable",
        "resource_stopped",
        "resource_demoted",
        "fencing_requested",
        "attributes_removed",
    }
)


def misdated(truth: Mapping[str, Any], answer: Mapping[str, Any], *, sources: Iterable[str]) -> list[str]:
    """The times of an answer that are further from those of the recording than its evidence allows."""
    sources = frozenset(sources)
    found = []
    for expected, inside in _phases(truth):
        done = [event for event in truth["events"] if inside(event["t"])]
        incidents = [item for item in mains(answer["incidents"]) if inside(seconds(item["started_at"] or item["detected_at"]))]
        found += _begins(done, incidents, [event for event in answer["events"] if inside(seconds(event["at"]))], sources)
        still = (
            expected["classification"] in _STILL
            or truth["run"] in _ANOTHER_SERVICE
            or (sources == {"trap"} and truth["run"] in _STOPPED_IN_PLACE)
        )
        found += [] if still else _ends(done, incidents, sources)
    return found


def _begins(done: Sequence[Event], incidents: Sequence[Incident], events: Sequence[Event], sources: frozenset[str]) -> list[str]:
    injuries = [event["t"] for event in done if not event["action"].startswith(("phase", "observed"))]
    slack = STARTED_SECONDS + (INTERVAL_SECONDS if sources == {"poll"} else 0.0)
    told = [at for event in events if event["kind"] in _TELLING and (at := seconds(event["at"])) is not None]
    found = []
    for item in incidents:
        at = seconds(item["started_at"])
        if at is None or not injuries:
            continue
        before = [injury for injury in injuries if injury - SLACK_SECONDS <= at]
        if not before:
            found.append(f"began {injuries[0] - at:.1f} s before it was done: {brief(item)}")
            continue
        first = min((moment for moment in told if moment >= before[-1] - SLACK_SECONDS), default=at)
        judged = item["kind"] == "switchover" or (item["kind"] in EFFECTS and is_alarm(item))
        if judged and at > first + slack:
            found.append(f"began {at - first:.1f} s after its first evidence: {brief(item)}")
    return found


def _ends(done: Sequence[Event], incidents: Sequence[Incident], sources: frozenset[str]) -> list[str]:
    slack = RESTORED_SECONDS + (INTERVAL_SECONDS if sources == {"poll"} else 0.0)
    restored = [
        (seconds(item["service_restored_at"]) or 0.0) for item in incidents if item["kind"] in ("failover", "switchover", "service_down")
    ]
    seen = [event["t"] for event in done if event["action"].startswith(OBSERVED)]
    return [
        f"the service was back at {at:.1f}, not at {restored}"
        for at in seen
        if not any(at - slack <= back <= at + INTERVAL_SECONDS for back in restored)
    ]
