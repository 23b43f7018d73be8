"""What happens again and again is told as one, with how often, until it is quiet."""

from pydantic import TypeAdapter

from hamon import tell
from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.model.incident import Incident, IncidentState
from tests.classify.cluster_log import UP, Cluster, moved, moves

FAILED = "controld: Result of monitor operation for prmPg on pm01: not running"
WORKS = "controld: Result of monitor operation for prmPg on pm01: ok"


def fail(cluster: Cluster, *minutes: int) -> Cluster:
    """prmPg fails and works again 20 s later, at these minutes after ten o'clock."""
    for minute in minutes:
        hour, rest = 10 + minute // 60, minute % 60
        cluster.log(f"{hour}:{rest:02}:00 pm01 {FAILED}\n{hour}:{rest:02}:20 pm01 {WORKS}")
        cluster.until(f"{hour}:{rest:02}:50")
    return cluster


def begun(flapping: int = 5) -> Cluster:
    return Cluster(ClusterSettings(name="test", flapping=flapping)).log(UP)


def flapped(cluster: Cluster) -> list[Incident]:
    return [incident for incident in cluster.incidents if incident.flaps]


def test_what_fails_now_and_then_is_told_each_time() -> None:
    cluster = fail(begun(), 0, 5, 10, 15, 20)
    assert flapped(cluster) == []
    assert len([word for word in cluster.told() if word.endswith("opening")]) == 5


def test_the_sixth_within_an_hour_opens_one_that_holds_all_that_follow_and_is_told_once() -> None:
    cluster = fail(begun(), 0, 5, 10, 15, 20)
    before = len(cluster.told())
    fail(cluster, 25)
    (one,) = flapped(cluster)
    assert (one.kind, one.flaps, one.nodes, one.resources, one.state) == ("resource_failure", 6, ("pm01",), ("prmPg",), IncidentState.OPEN)
    fail(cluster, 30, 34, 38, 42)
    (one,) = flapped(cluster)
    assert one.flaps == 10
    assert len(cluster.parts_of(one)) == 5
    assert cluster.told()[before:] == ["resource_failure opening"]
    assert tell.headline(one, "en").endswith("prmPg failed on pm01, 10 times (flapping)")
    assert "10 回繰り返し" in tell.headline(one, "ja")


def test_it_ends_when_it_was_quiet_for_a_while_and_counts_anew() -> None:
    cluster = fail(begun(), 0, 5, 10, 15, 20, 25, 30).until("10:40:00")
    assert flapped(cluster)[0].state is IncidentState.OPEN
    cluster.until("10:40:30")
    (one,) = flapped(cluster)
    assert (one.state, one.flaps, cluster.told()[-1]) == (IncidentState.RESOLVED, 7, "resource_failure closing")
    fail(cluster, 45, 50)
    assert cluster.told()[-1].startswith(("local_recovery", "resource_failure"))
    assert len(flapped(cluster)) == 1


def test_it_goes_on_while_the_last_of_them_lasts() -> None:
    cluster = fail(begun(), 0, 5, 10, 15, 20, 25).log(f"10:30:00 pm01 {FAILED}").until("12:00:00")
    (one,) = flapped(cluster)
    assert one.state is IncidentState.OPEN
    cluster.log(f"12:05:00 pm01 {WORKS}").until("12:10:00")
    assert flapped(cluster)[0].state is IncidentState.OPEN
    assert flapped(cluster.until("12:30:00"))[0].state is IncidentState.RESOLVED


def test_the_limit_can_be_set_and_none_at_all() -> None:
    assert [one.flaps for one in flapped(fail(begun(flapping=2), 0, 5, 10))] == [3]
    assert flapped(fail(begun(flapping=0), *range(0, 60, 3))) == []


def test_what_is_far_apart_does_not_flap() -> None:
    assert flapped(fail(begun(), *range(0, 240, 15))) == []


def test_a_restart_goes_on_counting() -> None:
    cluster, adapter = begun(), TypeAdapter(State)
    for minute in (0, 5, 10, 15, 20, 25, 30):
        fail(cluster, minute)
        cluster.engine = Engine(cluster.engine.settings, adapter.validate_json(adapter.dump_json(cluster.engine.state)), cluster.events)
    (one,) = flapped(cluster)
    assert one.flaps == 7


def test_failovers_are_told_every_time() -> None:
    cluster = begun(flapping=1)
    for minute, (source, target) in zip((0, 10, 20, 30), (("pm01", "pm02"), ("pm02", "pm01")) * 2, strict=True):
        cluster.log(f"10:{minute:02}:00 {source} controld: Result of monitor operation for prmPg on {source}: not running")
        cluster.log(moves(source, target, f"10:{minute:02}:01")).log(moved(source, target, f"10:{minute:02}:03")).until(
            f"10:{minute:02}:30"
        )
    assert cluster.told().count("failover opening") == 4
    assert flapped(cluster) == []
