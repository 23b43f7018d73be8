"""What polls tell of clusters of other patterns than the recorded ones: N+1, cross, promotable only, bundles, guests, no quorum.

The states are CIBs that Debian's `crm_mon` prints (Pacemaker 2.1.5); between them nothing but the engine is at work.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import FencingStatus, LinkStatus
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentKind, IncidentState, Severity
from hamon.model.observation import Snapshot, Source
from hamon.parse.cibadmin import read_cib
from hamon.tell import cause_text, what
from tests import peers
from tests.cib import (
    FENCE,
    PING,
    REMOTE,
    STATEFUL,
    Cib,
    bundle,
    clone,
    disabled,
    failed_stop,
    group,
    healthy,
    multiple_active,
    one_plus_one,
    ping_lost,
    primitive,
    stopped_node,
    web,
)
from tests.classify.polled import START, Outcome, Scene, judge, snapshots
from tests.events import happened


@pytest.fixture(autouse=True)
def _crm_mon() -> None:
    peers.need("crm_mon")


def film(*scenes: Scene, until: float = 60.0, every: float = 1.0) -> Outcome:
    return judge(snapshots(scenes, until=until, every=every))


def seconds(incident: Incident) -> tuple[float | None, ...]:
    times = (incident.started_at, incident.service_restored_at, incident.resolved_at)
    return tuple(None if time is None else (time - START).total_seconds() for time in times)


def crash(before: Cib, unclean: Cib, offline: Cib, moved: Cib, back: Cib) -> Outcome:
    """Node n1 dies at 10 s, is fenced at 14 s, its service runs elsewhere at 16 s, and n1 is back at 40 s."""
    fenced = ("n1",)
    return film(Scene(0, before), Scene(10, unclean), Scene(14, offline, fenced), Scene(16, moved, fenced), Scene(40, back, fenced))


def n_plus_one(active: str | None = "n1", n1: str = "online") -> Cib:
    cib = Cib("n1", "n2", "n3", "spare")
    for number in (1, 2, 3):
        cib.add(group(f"grp{number}", primitive(f"ip{number}"), primitive(f"db{number}")))
        for other in {1, 2, 3} - {number}:
            cib.ban(f"grp{number}", f"n{other}")
    for number, node in ((2, "n2"), (3, "n3"), (1, active)):
        if node is not None:
            cib.runs(f"ip{number}", node).runs(f"db{number}", node)
    return cib if n1 == "online" else cib.node("n1", n1)


def cross(active: str | None = "n1", n1: str = "online") -> Cib:
    cib = Cib("n1", "n2").add(group("grpA", primitive("a1"), primitive("a2")), group("grpB", primitive("b1"), primitive("b2")))
    cib.runs("b1", "n2").runs("b2", "n2")
    if active is not None:
        cib.runs("a1", active).runs("a2", active)
    return cib if n1 == "online" else cib.node("n1", n1)


def promotable(promoted: str | None = "n1", unpromoted: str | None = "n2", n1: str = "online") -> Cib:
    cib = Cib("n1", "n2").add(clone("msDb", primitive("db", STATEFUL), promotable="true", notify="true"))
    if unpromoted is not None:
        cib.runs("db", unpromoted, agent=STATEFUL, role="Unpromoted").attribute(unpromoted, "master-db", 5)
    if promoted is not None:
        cib.runs("db", promoted, agent=STATEFUL, role="Promoted").attribute(promoted, "master-db", 10)
    return cib if n1 == "online" else cib.node("n1", n1)


def pg_bundle(first: str | None = "Promoted", second: str = "Unpromoted", n1: str = "online") -> Cib:
    cib = Cib("n1", "n2").add(bundle("pg", primitive("postgres", STATEFUL), kind="docker", replicas=2, promoted_max=1))
    for number, (node, role) in reversed(list(enumerate((("n1", first), ("n2", second))))):
        if role is None:
            continue
        guest = f"pg-{number}"
        cib.remote_node(guest)
        cib.runs(f"pg-docker-{number}", node, agent="ocf:heartbeat:docker").runs(guest, node, agent=REMOTE)
        cib.runs(f"pg-ip-192.168.122.{131 + number}", node, agent="ocf:heartbeat:IPaddr2")
        cib.runs("postgres", guest, agent=STATEFUL, role=role).attribute(guest, "master-postgres", 10 if role == "Promoted" else 5)
    return cib if n1 == "online" else cib.node("n1", n1)


def guest(host: str | None = "n1", n1: str = "online", *, app: bool = True) -> Cib:
    machine = "ocf:heartbeat:VirtualDomain"
    cib = Cib("n1", "n2").add(primitive("vm", machine, meta={"remote-node": "guest"}), primitive("app")).remote_node("guest")
    if host is not None:
        cib.runs("vm", host, agent=machine).runs("guest", host, agent=REMOTE)
        if app:
            cib.runs("app", "guest")
    return cib if n1 == "online" else cib.node("n1", n1)


@pytest.mark.parametrize(
    ("scenes", "target", "moved"),
    [
        (
            (n_plus_one(), n_plus_one("n1", "unclean"), n_plus_one(None, "offline"), n_plus_one("spare", "offline"), n_plus_one("spare")),
            "spare",
            {"ip1", "db1"},
        ),
        ((cross(), cross("n1", "unclean"), cross(None, "offline"), cross("n2", "offline"), cross("n2")), "n2", {"a1", "a2"}),
        (
            (
                promotable(),
                promotable(n1="unclean"),
                promotable(None, n1="offline"),
                promotable("n2", None, "offline"),
                promotable("n2", "n1"),
            ),
            "n2",
            {"db"},
        ),
        (
            (
                pg_bundle(),
                pg_bundle(n1="unclean"),
                pg_bundle(None, n1="offline"),
                pg_bundle(None, "Promoted", "offline"),
                pg_bundle("Unpromoted", "Promoted"),
            ),
            "n2",
            {"pg"},
        ),
        ((guest(), guest("n1", "unclean"), guest(None, "offline"), guest("n2", "offline"), guest("n2")), "n2", {"vm"}),
    ],
    ids=["N+1", "cross", "promotable", "bundle", "guest"],
)
def test_the_crash_of_an_active_node_is_one_failover_whatever_the_pattern(
    scenes: tuple[Cib, Cib, Cib, Cib, Cib], target: str, moved: set[str]
) -> None:
    found = crash(*scenes)
    (failover,) = found.mains
    assert (failover.kind, failover.from_node, failover.to_node) == (IncidentKind.FAILOVER, "n1", target)
    assert (failover.planned, failover.outcome, failover.severity, failover.fenced) == (False, "succeeded", "major", ("n1",))
    assert set(failover.resources) == moved
    began, restored, resolved = seconds(failover)
    assert began == 10.0
    assert restored is not None
    assert 14.0 <= restored <= 16.0
    assert resolved is not None  # once n1 is back, by two polls
    assert 41.0 <= resolved <= 46.0
    assert {item.kind for item in found.incidents if item.part_of == failover.key} == {IncidentKind.NODE_LOST, IncidentKind.FENCING}
    assert list(found.told) == [failover.key]


def test_in_an_n_plus_one_cluster_nothing_is_protected_until_there_is_a_spare_node_again() -> None:
    fenced = ("n1",)
    found = film(
        Scene(0, n_plus_one()),
        Scene(10, n_plus_one("n1", "unclean")),
        Scene(14, n_plus_one(None, "offline"), fenced),
        Scene(16, n_plus_one("spare", "offline"), fenced),
        until=35,
    )
    (failover,) = found.mains
    assert (failover.redundancy, failover.reasons, failover.resolved_at) == (False, ("node_fenced n1",), None)


def test_a_rule_that_bans_one_service_from_its_standby_in_a_cross_cluster_is_a_standby_fault() -> None:
    found = film(Scene(0, cross()), Scene(10, cross().ban("grpB", "n1", id="rule-disk")), Scene(25, cross()), until=40)
    (fault,) = found.mains
    assert (fault.kind, fault.nodes, fault.planned, fault.severity) == (IncidentKind.STANDBY_FAULT, ("n1",), False, "major")
    assert seconds(fault) == (10.0, None, 27.0)


def test_a_replica_that_is_gone_is_a_standby_fault() -> None:
    found = film(Scene(0, promotable()), Scene(10, promotable(unpromoted=None)), until=30)
    (fault,) = found.mains
    assert (fault.kind, fault.nodes, fault.reasons) == (IncidentKind.STANDBY_FAULT, ("n2",), ("no_instance n2 db",))


def test_a_lost_ping_target_on_the_standby_is_a_standby_fault_until_it_answers_again() -> None:
    found = film(Scene(0, one_plus_one()), Scene(10, ping_lost()), Scene(20, one_plus_one()), until=30)
    (fault,) = found.mains
    assert (fault.kind, fault.nodes, fault.planned) == (IncidentKind.STANDBY_FAULT, ("n2",), False)
    assert seconds(fault)[2] == 22.0
    assert [item.kind for item in found.incidents if item.part_of] == [IncidentKind.CONNECTIVITY_DEGRADED]


def quorum(active: str | None, *, lost: bool) -> Cib:
    cib = Cib("n1", "n2", "n3", quorum=not lost, no_quorum_policy="stop").add(primitive("db"))
    for name in ("n2", "n3") if lost else ():
        cib.node(name, "lost")
    return cib.stopped("db", "n1") if active is None else cib.runs("db", active)


def test_a_service_that_stops_for_want_of_quorum_is_down_and_comes_back() -> None:
    scenes = (Scene(0, quorum("n1", lost=False)), Scene(10, quorum("n1", lost=True)), Scene(12, quorum(None, lost=True)))
    found = film(*scenes, Scene(45, quorum("n1", lost=False)))
    (down,) = found.mains
    assert (down.kind, down.planned, down.severity, down.outcome) == (IncidentKind.SERVICE_DOWN, False, "critical", "succeeded")
    assert IncidentKind.QUORUM_LOST in {item.kind for item in found.incidents if item.part_of == down.key}


def test_nodes_that_are_away_while_there_is_no_quorum_are_no_standby_faults_beside_the_outage() -> None:
    scenes = (Scene(0, quorum("n1", lost=False)), Scene(10, quorum("n1", lost=True)), Scene(19, quorum(None, lost=True)))
    found = film(*scenes, Scene(45, quorum("n1", lost=False)))
    assert [item.kind for item in found.mains] == [IncidentKind.SERVICE_DOWN]
    assert IncidentKind.STANDBY_FAULT not in {item.kind for item in found.incidents}


@pytest.mark.parametrize(("ready", "faults"), [(53, 0), (90, 2)], ids=["soon", "not for long"])
def test_nodes_that_are_not_ready_when_the_quorum_comes_back_are_given_time(ready: int, faults: int) -> None:
    back = quorum("n1", lost=False).node("n2", "pending").node("n3", "pending")
    scenes = (Scene(0, quorum("n1", lost=False)), Scene(10, quorum("n1", lost=True)), Scene(19, quorum(None, lost=True)))
    found = film(*scenes, Scene(45, back), Scene(ready, quorum("n1", lost=False)), until=120)
    assert [item.kind for item in found.incidents].count(IncidentKind.STANDBY_FAULT) == faults


@pytest.mark.parametrize(
    ("policy", "main", "part"),
    [
        ("freeze", IncidentKind.QUORUM_LOST, IncidentKind.NODE_LOST),
        ("stop", IncidentKind.QUORUM_LOST, IncidentKind.NODE_LOST),
        ("ignore", IncidentKind.STANDBY_FAULT, IncidentKind.QUORUM_LOST),
    ],
)
def test_a_node_that_is_lost_with_the_quorum_is_one_incident_whatever_the_policy(
    policy: str, main: IncidentKind, part: IncidentKind
) -> None:
    def two(*, lost: bool) -> Cib:
        cib = Cib("n1", "n2", quorum=not lost, no_quorum_policy=policy).add(primitive("db")).runs("db", "n1")
        return cib.node("n2", "lost") if lost else cib

    found = film(Scene(0, two(lost=False)), Scene(10, two(lost=True)), until=120)
    (told,) = found.mains
    assert told.kind is main
    assert part in {item.kind for item in found.incidents if item.part_of == told.key}
    again = film(Scene(0, two(lost=False)), Scene(10, two(lost=True)), Scene(60, two(lost=False)), until=120)
    assert all(item.state is not IncidentState.OPEN for item in again.incidents)


def test_a_stop_that_fails_without_fencing_blocks_the_resource_and_is_one_story() -> None:
    before = Cib("n1", "n2", stonith_enabled="false").add(primitive("db"), primitive("app")).runs("app", "n2").runs("db", "n1")
    found = film(Scene(0, before), Scene(10, failed_stop()), until=40)
    (failed,) = found.mains
    assert (failed.kind, failed.nodes, failed.severity) == (IncidentKind.STOP_FAILED, ("n1",), "critical")
    assert IncidentKind.RESOURCE_BLOCKED in {item.kind for item in found.incidents if item.part_of == failed.key}


def test_a_primitive_on_two_nodes_is_a_suspected_split_brain() -> None:
    before = Cib("n1", "n2").add(primitive("db", meta={"multiple-active": "block"})).runs("db", "n1")
    found = film(Scene(0, before), Scene(10, multiple_active()), until=30)
    (split,) = found.mains
    assert (split.kind, set(split.nodes), split.severity) == (IncidentKind.SPLIT_BRAIN_SUSPECTED, {"n1", "n2"}, "critical")


def test_a_fence_device_that_fails_and_works_again() -> None:
    found = film(
        Scene(0, one_plus_one()), Scene(10, one_plus_one().fails("fence-n2", "n1", agent=FENCE)), Scene(20, one_plus_one()), until=30
    )
    (failed,) = found.mains
    assert (failed.kind, failed.resources) == (IncidentKind.FENCE_DEVICE_FAILED, ("fence-n2",))
    assert failed.resolved_at is not None


def test_what_was_already_so_in_the_first_poll_has_no_beginning_and_calls_nobody() -> None:
    found = film(Scene(0, stopped_node()), Scene(10, one_plus_one()), until=30)
    assert found.mains == []
    (fault,) = found.incidents
    assert (fault.kind, fault.nodes, fault.started_at) == (IncidentKind.STANDBY_FAULT, ("n2",), None)
    assert fault.resolved_at is not None
    assert list(found.told) == []


def test_what_somebody_wants_stopped_is_no_outage() -> None:
    assert film(Scene(0, disabled()), until=40).incidents == []


@pytest.mark.parametrize("managed", [False, True])
def test_what_is_stopped_while_it_is_unmanaged_is_work_also_when_it_is_managed_again(managed: bool) -> None:
    def db(is_managed: bool) -> Cib:
        return Cib("n1", "n2").add(primitive("db", meta={"is-managed": str(is_managed).lower()}))

    work = [Scene(0, db(True).runs("db", "n1")), Scene(10, db(managed).runs("db", "n1")), Scene(20, db(managed).stopped("db", "n1", "n2"))]
    found = film(*work, Scene(60, db(True).runs("db", "n1")), until=90).incidents
    outages = [incident.severity for incident in found if incident.kind is IncidentKind.SERVICE_DOWN]
    assert outages == [Severity.CRITICAL if managed else Severity.INFO]
    assert managed or {(incident.planned, incident.severity) for incident in found} == {(True, Severity.INFO)}


def site(granted: bool | None, *, runs: bool) -> Cib:
    """One site of two that a ticket goes between; `granted` None: nothing asks for a ticket."""
    cib = Cib("n1", "n2").add(group("grp", primitive("ip"), primitive("db")))
    if granted is not None:
        cib.ticket("siteA", "grp", granted=granted)
    return cib.runs("ip", "n1").runs("db", "n1") if runs else cib.stopped("ip", "n1", "n2").stopped("db", "n1", "n2")


def with_cib(*scenes: Scene, until: float = 60.0) -> Outcome:
    """As `film`, with what cibadmin gives beside crm_mon."""
    polls = []
    for poll in snapshots(scenes, until=until):
        scene = next(scene for scene in reversed(scenes) if START + timedelta(seconds=scene.seconds) <= poll.status.at)
        polls.append(replace(poll, status=replace(poll.status, cib=read_cib(str(scene.cib).encode()))))
    return judge(polls)


def test_a_service_whose_ticket_is_at_another_site_from_the_start_is_no_incident() -> None:
    assert with_cib(Scene(0, site(False, runs=False)), until=60).incidents == []
    assert [item.kind for item in with_cib(Scene(0, site(None, runs=False)), until=60).incidents] == ["service_down"], (
        "without a ticket it is"
    )


def test_what_stops_because_its_ticket_was_revoked_is_planned_and_ends_when_it_is_granted_again() -> None:
    here, gone = site(True, runs=True), site(False, runs=True)
    outcome = with_cib(Scene(0, here), Scene(10, gone), Scene(12, site(False, runs=False)), Scene(60, here), until=120)
    [story] = outcome.incidents
    assert (story.kind, story.severity, story.planned) == ("service_down", "info", True)
    assert story.state is IncidentState.RESOLVED
    words = cause_text(story, "en")
    assert "siteA revoked" in words
    assert "siteA" in cause_text(story, "ja")
    assert [event.detail["granted"] for event in outcome.events if event.kind is EventKind.TICKET_CHANGED] == [False, True]


def test_what_stops_without_a_word_about_its_ticket_is_an_outage_also_at_a_site_with_tickets() -> None:
    outcome = with_cib(Scene(0, site(True, runs=True)), Scene(12, site(True, runs=False)), until=90)
    [story] = outcome.incidents
    assert (story.kind, story.severity, story.planned) == ("service_down", "critical", None)


def undecided() -> Cib:
    cib = one_plus_one()
    cib.dc = None
    return cib


def test_a_cluster_without_a_dc_for_a_minute_is_told_until_it_has_one() -> None:
    outcome = film(Scene(0, one_plus_one()), Scene(10, undecided()), Scene(100, one_plus_one()), until=120)
    [story] = outcome.incidents
    assert (story.kind, story.severity, seconds(story)) == ("dc_changed", "major", (10, None, 100))
    assert len(outcome.told) == 1
    assert "decides nothing" in what(replace(story, state=IncidentState.OPEN), "en")
    assert "DC 不在" in what(replace(story, state=IncidentState.OPEN), "ja")
    from_the_start = film(Scene(0, undecided()), until=90).incidents
    assert [item.kind for item in from_the_start] == ["dc_changed"]


def test_an_election_is_no_news_nor_is_a_node_that_is_asked_besides_and_has_no_dc() -> None:
    assert film(Scene(0, one_plus_one()), Scene(10, undecided()), Scene(65, one_plus_one()), until=120).incidents == []
    polls = snapshots([Scene(0, one_plus_one())], until=120)
    others = [replace(poll, path="two", beside=True) for poll in snapshots([Scene(0, undecided())], until=120)]
    assert judge([poll for both in zip(polls, others, strict=True) for poll in both]).incidents == []


def test_two_polls_without_a_dc_that_are_far_apart_are_no_row() -> None:
    polls = snapshots([Scene(0, one_plus_one()), Scene(10, undecided())], until=300)
    assert judge([*polls[:12], *polls[290:]]).incidents == []


def test_a_dc_that_changes_again_and_again_is_told_once_and_closed_when_it_stays() -> None:
    changes = [logged(60.0 * number, EventKind.DC_CHANGED, ("n1", "n2")[number % 2], old=("n2", "n1")[number % 2]) for number in range(6)]
    few = judge(changes[:4], after=3600).incidents
    assert few == [], "three changes"
    [story] = judge(changes, after=3600).incidents
    assert (story.kind, story.severity, story.nodes, seconds(story)) == ("dc_changed", "warning", ("n1", "n2"), (60, None, 900))
    assert "again and again" in what(replace(story, state=IncidentState.OPEN), "en")


def test_dcs_that_are_lost_one_after_the_other_are_lost_nodes_and_no_restlessness() -> None:
    events = []
    for number in range(6):
        old, new = ("n1", "n2")[number % 2], ("n2", "n1")[number % 2]
        at = 60.0 * number
        events += [
            logged(at, EventKind.NODE_LOST, old),
            logged(at + 1, EventKind.DC_CHANGED, new, old=old),
            logged(at + 30, EventKind.NODE_JOINED, old),
        ]
    assert IncidentKind.DC_CHANGED not in {item.kind for item in judge(events, after=3600).incidents}


def test_dcs_of_nodes_without_quorum_and_the_one_that_they_agree_on_afterwards_are_no_restlessness() -> None:
    names = ("n1", "n2")
    events = [logged(0, EventKind.DC_CHANGED, "n1"), logged(5, EventKind.QUORUM_LOST, "n1"), logged(40, EventKind.QUORUM_ACQUIRED, "n1")]
    events += [logged(10.0 * number, EventKind.DC_CHANGED, names[number % 2], old=names[number % 2 - 1]) for number in range(1, 7)]
    events.sort(key=lambda event: event.at)
    assert IncidentKind.DC_CHANGED not in {item.kind for item in judge(events, after=3600).incidents}
    alone = [event for event in events if event.kind is EventKind.DC_CHANGED]
    assert IncidentKind.DC_CHANGED in {item.kind for item in judge(alone, after=3600).incidents}


# -- beside logs, and from several nodes


def logged(seconds: float, kind: EventKind, node: str | None, resource: str | None = None, **detail: str | int | None) -> Event:
    at, raw = START + timedelta(seconds=seconds), f"{kind} of {resource} on {node}"
    return happened(
        kind, at, cluster="c", collector="logs", node=node, resource=resource, reporter=node, detail=detail, raw=raw, ref="log@1"
    )


def with_events(polls: list[Snapshot], *events: Event) -> Outcome:
    items: list[Event | Snapshot] = [*polls, *events]
    return judge(sorted(items, key=lambda item: item.status.at if isinstance(item, Snapshot) else item.at))


def test_a_poll_just_after_the_log_of_a_fault_may_not_show_it_yet() -> None:
    before = snapshots((Scene(0, one_plus_one()),), until=10, every=2)
    lost = logged(9.9, EventKind.ATTRIBUTE_CHANGED, "n2", None, attribute="pingd", old="100", new="0")
    after = snapshots((Scene(0, one_plus_one()), Scene(12, ping_lost())), until=60, every=4)[3:]
    found = with_events([*before, *after], lost)
    assert [item.kind for item in found.mains] == [IncidentKind.STANDBY_FAULT]
    assert found.told == [found.mains[0].key]


def test_polls_do_not_contradict_a_log_for_half_a_minute_and_then_do() -> None:
    polls = snapshots((Scene(0, one_plus_one()),), until=70)
    found = with_events(polls, logged(10.3, EventKind.OPERATION_FAILED, "n1", "web", operation="monitor", rc=1))
    (failure,) = found.mains
    assert failure.kind is IncidentKind.LOCAL_RECOVERY
    assert failure.resolved_at is not None
    assert any("resource_failure" in key for key in found.told)
    shorter = with_events(snapshots((Scene(0, one_plus_one()),), until=38), found.events[0])
    assert [item.resolved_at for item in shorter.mains] == [None]


def test_a_node_that_a_log_calls_lost_though_polls_show_it_is_no_longer_lost() -> None:
    polls = snapshots((Scene(0, one_plus_one()),), until=70)
    (lost, *_) = with_events(polls, replace(logged(10.3, EventKind.NODE_LOST, "n2"), reporter="n1")).incidents
    assert (lost.kind, lost.resolved_at is not None) == (IncidentKind.NODE_LOST, True)


def test_a_node_that_was_stopped_in_order_and_starts_at_once_is_away_until_the_others_see_it() -> None:
    """A poll between its own word and theirs shows it offline: that is no loss."""
    polls = snapshots((Scene(0, one_plus_one()), Scene(11, stopped_node()), Scene(14, one_plus_one())), until=60)
    found = with_events(
        polls,
        replace(logged(10.1, EventKind.SHUTDOWN_REQUESTED, "n2"), reporter="n1"),
        replace(logged(10.4, EventKind.NODE_LEFT, "n2"), reporter="n1"),
        replace(logged(10.8, EventKind.SERVICE_STACK_STARTED, "n2", None, program="pacemaker"), reporter="n2"),
        replace(logged(10.9, EventKind.NODE_JOINED, "n2"), reporter="n2"),
        replace(logged(13.9, EventKind.NODE_JOINED, "n2"), reporter="n1"),
    )
    assert [(item.kind, item.planned) for item in found.incidents if item.planned is not True] == []
    assert [item.resolved_at is not None for item in found.mains] == [True]


def test_what_a_log_told_first_is_told_once_and_keeps_its_time() -> None:
    fenced = ("n1",)
    polls = snapshots(
        (
            Scene(0, promotable()),
            Scene(10, promotable(n1="unclean")),
            Scene(14, promotable("n2", None, "offline"), fenced),
        ),
        until=30,
        every=5,
    )
    log = [
        replace(logged(9.2, EventKind.NODE_LOST, "n1"), reporter="n2"),
        replace(logged(13.1, EventKind.FENCING_DONE, "n1", action="reboot"), reporter="n2"),
        logged(13.4, EventKind.RESOURCE_PROMOTED, "n2", "db"),
    ]
    found = with_events(polls, *log)
    (failover,) = found.mains
    assert (failover.kind, failover.planned, failover.from_node, failover.to_node) == (IncidentKind.FAILOVER, False, "n1", "n2")
    assert seconds(failover)[:2] == (9.2, 13.4)
    assert set(failover.sources) == {Source.LOG, Source.POLL}
    assert [event.kind for event in found.events if event.source is Source.POLL and not event.witness] == [EventKind.ATTRIBUTE_CHANGED]


def pair(active: str | None, *, failed: bool = True, tried: bool | None = None) -> Cib:
    """A group of two on `active`. `failed`: its second member failed on n1. `tried`: its start failed on n2, where it still is, or not."""
    limit = {"migration-threshold": 1}
    cib = Cib("n1", "n2").add(group("grp", primitive("ip", meta=limit), primitive("app", meta=limit)))
    if active is not None:
        cib.runs("ip", active)
    if not failed:
        return cib.runs("app", "n1")
    cib.stopped("ip", "n1").fails("app", "n1").stopped("app", "n1")
    if tried is not None:
        cib.fails("app", "n2", "start", count="INFINITY")
    return cib.stopped("app", "n2") if tried is False else cib


@pytest.mark.parametrize("logs", [False, True])
def test_what_could_not_be_started_where_it_was_moved_to_did_not_arrive_there(*, logs: bool) -> None:
    polls = snapshots(
        (
            Scene(0, pair("n1", failed=False)),
            Scene(10, pair(None)),
            Scene(11, pair("n2", tried=True)),
            Scene(12, pair("n2", tried=False)),
        ),
        until=40,
    )
    log = [
        logged(9.2, EventKind.OPERATION_FAILED, "n1", "app", operation="monitor", rc=1),
        logged(9.3, EventKind.RESOURCE_STOPPED, "n1", "app"),
        logged(9.4, EventKind.RESOURCE_STOPPED, "n1", "ip"),
        logged(10.5, EventKind.RESOURCE_STARTED, "n2", "ip"),
        logged(10.6, EventKind.OPERATION_FAILED, "n2", "app", operation="start", rc=1),
        logged(11.4, EventKind.RESOURCE_STOPPED, "n2", "app"),
    ]
    found = with_events(polls, *log) if logs else judge(polls)
    (failover,) = [incident for incident in found.mains if incident.kind is not IncidentKind.RESOURCE_FAILURE]
    assert (failover.kind, failover.from_node, failover.service_restored_at) == (IncidentKind.FAILOVER, "n1", None)
    assert (EventKind.RESOURCE_STARTED, "app") not in {(event.kind, event.resource) for event in found.events}


def test_a_standby_that_is_cleaned_up_before_a_poll_shows_its_fault_can_take_over_when_a_poll_shows_that() -> None:
    """The failed instance of a clone was stopped; it is started again some seconds after the clean-up."""
    polls = snapshots(
        (Scene(0, one_plus_one()), Scene(10, one_plus_one().stopped("ping", "n2")), Scene(14, one_plus_one())), until=40, every=5
    )
    log = [
        logged(5.3, EventKind.OPERATION_FAILED, "n2", "ping", operation="monitor", rc=1),
        logged(5.4, EventKind.FAIL_COUNT_CHANGED, "n2", "ping", value="1"),
        logged(5.5, EventKind.THRESHOLD_REACHED, "n2", "clnPing"),
        logged(5.6, EventKind.RESOURCE_STOPPED, "n2", "ping"),
        logged(9.8, EventKind.FAIL_COUNT_CHANGED, "n2", "ping", value=None, old="1"),
        logged(12.9, EventKind.RESOURCE_STARTED, "n2", "ping"),
    ]
    found = judge(
        sorted([*polls, *log], key=lambda item: item.status.at if isinstance(item, Snapshot) else item.at),
        settings=ClusterSettings(name="c", settle=timedelta(seconds=2)),
    )
    (fault,) = found.mains
    assert (fault.kind, fault.state, found.told) == (IncidentKind.STANDBY_FAULT, IncidentState.RESOLVED, [fault.key])
    assert fault.resolved_at is not None
    assert fault.resolved_at >= START + timedelta(seconds=15)


def three(active: str, n1: str = "online") -> Cib:
    cib = Cib("n1", "n2", "n3").add(primitive("db"), primitive("app")).runs("app", "n2").runs("db", active)
    return cib if n1 == "online" else cib.node("n1", n1)


def test_a_node_whose_service_a_third_one_could_take_over_again_is_no_standby_fault_beside_its_failover() -> None:
    """The fail-over is over before a second poll shows that the lost node could not take the other service over either."""
    fenced = ("n1",)
    gone = (Scene(10, three("n1", "unclean")), Scene(11, three("n2", "offline"), fenced))
    scenes = (Scene(0, three("n1")), *gone, Scene(40, three("n2"), fenced))
    log = [
        replace(logged(9.3, EventKind.NODE_LOST, "n1"), reporter="n2"),
        replace(logged(9.4, EventKind.FENCING_REQUESTED, "n1", action="reboot"), reporter="n2"),
        replace(logged(10.4, EventKind.FENCING_DONE, "n1", action="reboot"), reporter="n2"),
        logged(10.6, EventKind.RESOURCE_STARTED, "n2", "db"),
    ]
    found = with_events(snapshots(scenes, until=60), *log)
    assert found.brief() == ["failover n1,n2 n1->n2 False succeeded"]


def test_where_a_service_is_until_the_next_poll_is_what_logs_tell() -> None:
    log = [
        logged(10.3, EventKind.OPERATION_FAILED, "n1", "db", operation="monitor", rc=1),
        logged(10.4, EventKind.FAIL_COUNT_CHANGED, "n1", "db", value="1"),
        logged(11.0, EventKind.RESOURCE_DEMOTED, "n1", "db"),
        logged(11.5, EventKind.RESOURCE_PROMOTED, "n2", "db"),
    ]
    engine = Engine(ClusterSettings(name="c"))
    engine.advance(snapshots((Scene(0, promotable()),), until=10))
    assert "n1" in [service.active_node for service in engine.view().services]
    engine.advance(log)
    assert ("n2", ()) in [(service.active_node, service.able_to_take_over) for service in engine.view().services]


def test_that_nobody_could_take_over_is_known_from_the_log_before_the_next_poll() -> None:
    before = snapshots((Scene(0, promotable()),), until=8)
    lost = replace(logged(9.2, EventKind.NODE_LOST, "n1"), reporter="n2")
    fenced = replace(logged(9.5, EventKind.FENCING_DONE, "n1", action="reboot"), reporter="n2")
    promoted = logged(9.8, EventKind.RESOURCE_PROMOTED, "n2", "db")
    (failover,) = with_events(before, lost, fenced, promoted).mains
    assert (failover.kind, failover.outcome) == (IncidentKind.FAILOVER, "succeeded")
    assert failover.redundancy is False
    assert any(" n1" in reason for reason in failover.reasons)
    # A poll in the midst of it that does not show it yet takes nothing back.
    failed = logged(9.1, EventKind.OPERATION_FAILED, "n1", "db", operation="monitor", rc=1)
    barred = logged(9.2, EventKind.THRESHOLD_REACHED, "n1", "db")
    demoted = logged(9.7, EventKind.RESOURCE_DEMOTED, "n1", "db")
    midst = snapshots((Scene(0, promotable()),), until=9.6, every=9.6)[1:]
    (behind,) = with_events([*before, *midst], failed, barred, demoted, promoted).mains
    assert (behind.kind, behind.redundancy) == (IncidentKind.FAILOVER, False)
    moved = [logged(9.2, EventKind.RESOURCE_DEMOTED, "n1", "db"), logged(9.8, EventKind.RESOURCE_PROMOTED, "n2", "db")]
    (unknown,) = with_events(before, *moved).mains
    assert unknown.redundancy is None, "nothing speaks against n1; only a poll shows whether it could take over"


def reported(polls: list[Snapshot], node: str, dc: str, later: float) -> list[Snapshot]:
    """The same as another node's answers, which come a little later."""
    found = []
    for poll in polls:
        at = poll.status.at + timedelta(seconds=later)
        nodes = tuple(replace(item, is_dc=item.name == dc) for item in poll.status.nodes)
        status = replace(poll.status, at=at, reporter=node, dc=dc, nodes=nodes)
        found.append(replace(poll, status=status, received_at=at, path=node, digest=poll.digest + dc))
    return found


@pytest.mark.parametrize("winner", ["n1", "n2"])
def test_of_two_nodes_that_call_each_other_lost_one_is_fenced_and_that_is_one_story(winner: str) -> None:
    """n1 serves. Cut off from each other both are DC of their own; the winner fences the other."""
    loser = "n2" if winner == "n1" else "n1"
    fenced = (loser,)
    mine = {
        "n1": promotable().node("n2", "unclean"),
        "n2": promotable(n1="unclean"),
    }
    after = promotable("n1", None).node("n2", "offline") if winner == "n1" else promotable("n2", None, "offline")
    polls: list[Snapshot] = []
    for number, name in enumerate(("n1", "n2")):
        scenes = [Scene(0, promotable()), Scene(10, mine[name]), *([Scene(14, after, fenced)] if name == winner else [])]
        seen = snapshots(scenes, until=40 if name == winner else 13)
        polls += reported(seen[:10], name, "n1", 0.05 * number) + reported(seen[10:], name, name, 0.05 * number)
    found = with_events(polls)
    (main,) = found.mains
    if winner == "n2":
        assert (main.kind, main.from_node, main.to_node, main.planned) == (IncidentKind.FAILOVER, "n1", "n2", False)
    else:
        assert (main.kind, main.nodes, main.planned) == (IncidentKind.STANDBY_FAULT, ("n2",), False)
    assert main.fenced == (loser,)
    assert list(found.told) == [main.key]


def shown_unclean(poll: Snapshot, node: str) -> Snapshot:
    """The same with a member that is unclean, though it is online."""
    nodes = tuple(replace(item, unclean=item.unclean or item.name == node) for item in poll.status.nodes)
    return replace(poll, status=replace(poll.status, nodes=nodes), digest=f"{poll.digest} unclean")


def test_a_standby_that_is_shown_unclean_once_as_it_begins_to_stop_is_no_fault() -> None:
    """Pacemaker 2.1.5: a node is expected down a moment before its wish to stop stands in the CIB; then its resources are stopped."""
    stops = one_plus_one().node("n2", "shutdown").stopped("ping", "n2", agent=PING)
    scenes = (Scene(0, one_plus_one()), Scene(11, stops), Scene(13, stopped_node()), Scene(18, one_plus_one()))
    polls = snapshots(scenes, until=40)
    found = with_events([*polls[:10], shown_unclean(polls[10], "n2"), *polls[11:]])
    assert [item for item in found.mains if item.planned is not True] == []
    assert found.told == []


@pytest.mark.parametrize(("ago", "told"), [(3, True), (20, False)])
def test_a_fencing_that_failed_before_its_target_was_a_member_again_is_history_that_the_other_node_brings_along(
    ago: int, told: bool
) -> None:
    """Two nodes that were cut from each other show each other's attempts once they are one cluster, with the times of the cut."""
    polls = snapshots((Scene(0, one_plus_one()),), until=60)
    entry = FencingStatus(
        action="reboot",
        target="n1",
        status="failed",
        client="pacemaker-controld.100",
        origin="n2",
        delegate="n2",
        completed_at=START + timedelta(seconds=30 - ago),
    )
    merged = [replace(poll, status=replace(poll.status, fencing=(entry,)), digest=f"{poll.digest} merged") for poll in polls[30:]]
    found = with_events([*polls[:30], *merged])
    assert [event.kind for event in found.events] == ([EventKind.FENCING_FAILED] if told else [])


# -- polls that are far apart


def served_by(node: str, *, alone: bool = False) -> Cib:
    cib = web("n1", "n2")
    return healthy(cib, *((node,) if alone else ("n1", "n2")), active=node)


@pytest.mark.parametrize("every", [1.0, 10.0, 30.0])
@pytest.mark.parametrize(
    ("then", "fenced", "kind", "planned", "severity"),
    [
        (served_by("n2", alone=True).node("n1", "standby"), (), IncidentKind.SWITCHOVER, True, "info"),
        (served_by("n2").ban("grpWeb", "n1", id="cli-ban-grpWeb-on-n1"), (), IncidentKind.SWITCHOVER, True, "info"),
        (served_by("n2", alone=True).node("n1", "shutdown"), (), IncidentKind.SWITCHOVER, True, "info"),
        (served_by("n2", alone=True).node("n1", "offline"), ("n1",), IncidentKind.FAILOVER, False, "major"),
        (served_by("n2").fails("web", "n1", count="INFINITY").stopped("web", "n1"), (), IncidentKind.FAILOVER, False, "major"),
        (served_by("n2").attribute("n1", "pingd", 0), (), IncidentKind.FAILOVER, False, "major"),
        # Stopped in order, fenced and cleaned up, or else: nothing tells.
        (served_by("n2", alone=True).node("n1", "offline"), (), IncidentKind.FAILOVER, None, "warning"),
        (served_by("n2"), (), IncidentKind.FAILOVER, None, "warning"),
    ],
    ids=["standby", "ban", "stop", "fenced", "failed", "ping", "gone", "moved"],
)
def test_what_happened_between_two_polls_is_judged_by_what_it_left(
    then: Cib, fenced: tuple[str, ...], kind: IncidentKind, planned: bool | None, severity: str, every: float
) -> None:
    found = film(Scene(0, one_plus_one()), Scene(60, then, fenced), Scene(120, served_by("n2"), fenced), until=200, every=every)
    (main,) = found.mains
    assert (main.kind, main.planned, main.severity, main.outcome) == (kind, planned, severity, "succeeded")
    assert (main.from_node, main.to_node) == ("n1", "n2")
    assert set(main.resources) == {"vip", "fs", "web"}
    assert main.resolved_at is not None
    assert list(found.told) == [main.key]


# -- cleaned up


def cleaned_up() -> Cib:
    """What is recorded of the last member on the active node was cleaned up, and it was not probed yet."""
    cib = web("n1", "n2").runs("vip", "n1").runs("fs", "n1").runs("ping", "n1", "n2", agent=PING)
    return cib.attribute("n1", "pingd", 100).attribute("n2", "pingd", 100)


def test_a_resource_that_waits_for_its_probe_after_a_clean_up_did_not_stop() -> None:
    found = film(Scene(0, one_plus_one()), Scene(10, cleaned_up()), Scene(30, one_plus_one()), until=60)
    assert found.mains == []
    assert EventKind.RESOURCE_STOPPED not in [event.kind for event in found.events]


def test_a_resource_that_no_probe_finds_after_a_clean_up_is_down() -> None:
    found = film(Scene(0, one_plus_one()), Scene(10, cleaned_up()), until=80)
    (down,) = found.mains
    assert (down.kind, down.nodes, down.state) == (IncidentKind.SERVICE_DOWN, ("n1",), IncidentState.OPEN)


# -- links


def linked(polls: list[Snapshot], *, down: range = range(0)) -> list[Snapshot]:
    """The same as asked on n1, with two links to n2, of which the second is down in some polls."""
    found = []
    for number, poll in enumerate(polls):
        links = tuple(LinkStatus(link=str(link), peer="n2", peer_id="2", connected=link == 0 or number not in down) for link in range(2))
        status = replace(poll.status, reporter="n1", links=links)
        found.append(replace(poll, status=status, path="n1", digest=f"{poll.digest}{number in down}"))
    return found


def test_a_link_that_polls_show_down_while_its_peer_is_a_member_is_an_interconnect_fault_until_it_is_up() -> None:
    found = with_events(linked(snapshots((Scene(0, one_plus_one()),), until=60), down=range(10, 40)))
    (fault,) = found.mains
    assert (fault.kind, fault.nodes, fault.resources) == (IncidentKind.INTERCONNECT_DEGRADED, ("n1", "n2"), ("link 1",))
    assert seconds(fault) == (10.0, None, 40.0)
    assert list(found.told) == [fault.key]


def looked_at(seconds: float, every: float, *, until: float, down: range) -> list[Snapshot]:
    """Links that are looked at every so many seconds from a time on; `down`: numbers of looks that show the second one down."""
    found = []
    for poll in snapshots((Scene(0, one_plus_one()),), until=until):
        look = max(0, int(((poll.status.at - START).total_seconds() - seconds) // every))
        [poll] = linked([poll], down=range(1 if look in down else 0))
        found.append(replace(poll, status=replace(poll.status, links_at=START + timedelta(seconds=seconds + look * every))))
    return found


@pytest.mark.parametrize("every", [1.0, 30.0])
def test_a_link_that_one_look_shows_down_is_no_fault(every: float) -> None:
    assert with_events(looked_at(0, every, until=150, down=range(2, 3))).incidents == []


def test_a_link_that_is_looked_at_every_30_s_is_down_by_the_second_look_since_the_first() -> None:
    found = with_events(looked_at(0, 30, until=240, down=range(2, 5)))
    (fault,) = found.mains
    assert (fault.kind, seconds(fault)) == (IncidentKind.INTERCONNECT_DEGRADED, (60.0, None, 150.0))
    [down, up] = [event for event in found.events if event.kind in (EventKind.LINK_DOWN, EventKind.LINK_UP)]
    assert down.detail["after"] == (START + timedelta(seconds=30)).isoformat(timespec="milliseconds")
    assert up.at == START + timedelta(seconds=150)


def test_the_links_of_a_node_that_is_lost_are_no_fault_of_their_own() -> None:
    fenced = ("n2",)
    scenes = (Scene(0, one_plus_one()), Scene(11, one_plus_one().node("n2", "unclean")), Scene(15, stopped_node(), fenced))
    found = with_events(linked(snapshots(scenes, until=60), down=range(10, 61)))
    assert [item.kind for item in found.mains] == [IncidentKind.STANDBY_FAULT]


def test_links_that_come_one_after_the_other_when_their_node_joins_alarm_nobody() -> None:
    scenes = (Scene(0, one_plus_one()), Scene(10, stopped_node()), Scene(40, one_plus_one()))
    found = with_events(linked(snapshots(scenes, until=90), down=range(42, 70)))
    assert [item.kind for item in found.incidents if item.kind is IncidentKind.INTERCONNECT_DEGRADED] == []


def test_a_link_that_stays_down_when_its_node_has_joined_is_a_fault() -> None:
    scenes = (Scene(0, one_plus_one()), Scene(10, stopped_node()), Scene(40, one_plus_one()))
    found = with_events(linked(snapshots(scenes, until=120), down=range(42, 121)))
    assert IncidentKind.INTERCONNECT_DEGRADED in [item.kind for item in found.mains]


@pytest.mark.parametrize("since", [2, 9, 12, 39])
def test_a_link_that_went_down_before_its_node_joined_and_stays_down_is_a_fault(since: int) -> None:
    scenes = (Scene(0, one_plus_one()), Scene(10, stopped_node()), Scene(40, one_plus_one()))
    found = with_events(linked(snapshots(scenes, until=150), down=range(since, 151)))
    (fault,) = [item for item in found.mains if item.kind is IncidentKind.INTERCONNECT_DEGRADED]
    assert (fault.nodes, fault.resources, fault.state) == (("n1", "n2"), ("link 1",), IncidentState.OPEN)
    assert fault.key in found.told


def test_the_link_that_was_down_in_the_first_poll_alarms_nobody() -> None:
    assert with_events(linked(snapshots((Scene(0, one_plus_one()),), until=60), down=range(61))).mains == []


def asked_earlier(polls: list[Snapshot], *, down: range, late: float) -> list[Snapshot]:
    """Links as `linked` shows them, but each answer is so many seconds old when a poll carries it."""
    lag = round(late)
    found = []
    for number, poll in enumerate(linked(polls, down=range(down.start + lag, down.stop + lag))):
        status = replace(poll.status, links_at=poll.status.at - timedelta(seconds=late) if number else poll.status.at)
        found.append(replace(poll, status=status))
    return found


def test_an_old_answer_about_links_neither_ends_a_fault_that_a_log_told_since_nor_begins_one_that_is_over() -> None:
    """The link was down from 10.5 to 20.5 by the log, and polls show each of it 5 s later."""
    polls = asked_earlier(snapshots((Scene(0, one_plus_one()),), until=60), down=range(11, 21), late=5)
    down = replace(logged(10.5, EventKind.LINK_DOWN, "n1", link="1", peer_id="2"), reporter="n1")
    up = replace(logged(20.5, EventKind.LINK_UP, "n1", link="1", peer_id="2"), reporter="n1")
    earlier = asked_earlier(snapshots((Scene(0, one_plus_one()),), until=60), down=range(2, 6), late=7)
    found = with_events(polls, down, up)
    assert [seconds(item)[::2] for item in found.mains] == [(10.5, 20.5)]
    # What was seen down until 6 and up from then on is told at 13: it does not end what a log says of 10.5.
    found = with_events(earlier, down, up)
    assert [seconds(item)[2] for item in found.mains] == [20.5]
