"""hamon's own metrics of a cluster: every status is a row, what is removed disappears, the unknown is never healthy and never absent."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from hamon.classify.services import Pattern
from hamon.classify.settings import ClusterSettings
from hamon.expose.settings import MetricsConfig
from hamon.expose.tally import Tally
from hamon.expose.text import escape, histogram, labels, lines, number
from hamon.metrics import ALL, DROP_IN, Metrics
from hamon.model.cluster import ClusterView, NodeState, NodeView, ServiceView, SourceView
from hamon.model.observation import Polled
from hamon.parse import crm_mon
from tests.cib import SCENARIOS
from tests.ha_cluster_exporter import Outputs, Series, polled, read
from tests.metrics_sample import SampleViews, troubled

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEPT = Path(__file__).parents[1] / "corpus" / "crm_mon" / "pacemaker-2.1.5"
NAMES = sorted(path.stem for path in KEPT.glob("*.xml"))
POLLING = SourceView(collector="polls", kind="crm_mon", cluster="c", path="pm01", up=True)
LOG = SourceView(collector="pm01", kind="log_tail", cluster="c", path="/var/log/ha-log", up=True)


def answer(name: str) -> Polled:
    """The poll of a cluster of that kind, with the digest that a collector gives it."""
    # A ping resource with a host to ping expects its multiplier; the made one has none.
    data = (KEPT / f"{name}.xml").read_bytes().replace(b'expected="0"', b'expected="100"')
    known = polled(Outputs(crm_mon=data, cib=str(SCENARIOS[name]()).encode()))
    assert known.snapshot is not None
    return replace(known, snapshot=replace(known.snapshot, digest=crm_mon.digest(data)))


def lost(known: Polled) -> Polled:
    return replace(known, unknown_since=AT + timedelta(minutes=1), reason="the command took too long")


class Gateway:
    """Metrics over a view and a poll that change."""

    def __init__(
        self, known: Polled | None = None, view: ClusterView | None = None, *sources: SourceView, ha_cluster: bool = False
    ) -> None:
        self.view = view or ClusterView(name="c", title="C")
        self.views = SampleViews((self.view,), sources or (POLLING,), {"c": known} if known is not None else {})
        self.metrics = Metrics(CollectorRegistry(), "0.1.0", MetricsConfig(ha_cluster=ha_cluster))
        self.metrics.watch(self.views, {"c": ClusterSettings(name="c")})

    def now(self, known: Polled | None = None, *sources: SourceView) -> Series:
        """What is exposed of the cluster, after this was polled."""
        if known is not None:
            self.views.polls = {"c": known}
        self.views.change((self.view,), sources or (POLLING,))
        self.metrics.watch(self.views, {"c": ClusterSettings(name="c")})
        return {key: value for key, value in read(self.metrics.exposition()[0].decode()).items() if ("cluster", "c") in key[1]}


def of(series: Series, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one metric by the values of their labels, without the cluster, in the order of the names."""
    return {tuple(value for label, value in sorted(key[1]) if label != "cluster"): found for key, found in series.items() if key[0] == name}


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_cluster_is_exposed_without_a_series_that_is_there_twice(name: str) -> None:
    shown = Gateway(answer(name), ha_cluster=True).now()
    described = {one.name: set(one.labels) for one in ALL} | {one.name: {"cluster", *one.labels} for one in DROP_IN}
    for metric, given_labels in shown:
        assert {label for label, _ in given_labels} == described[metric]
    for node in {key[0] for key in of(shown, "hamon_node_state")}:
        states = {key[1]: on for key, on in of(shown, "hamon_node_state").items() if key[0] == node}
        assert set(states) == set(NodeState)
        assert sum(states.values()) == 1
    assert sum(of(shown, "hamon_cluster_pattern").values()) == 1
    assert set(of(shown, "hamon_cluster_pattern")) == {(one.value,) for one in Pattern}
    assert sum(of(shown, "hamon_nodes").values()) == len(of(shown, "hamon_node_online"))


def test_a_protected_service() -> None:
    shown = Gateway(answer("one_plus_one")).now()
    assert of(shown, "hamon_service_up") == {("grpWeb",): 1}
    assert of(shown, "hamon_service_active") == {("n1", "grpWeb"): 1, ("n2", "grpWeb"): 0}
    assert of(shown, "hamon_service_can_take_over") == {("n1", "grpWeb"): 0, ("n2", "grpWeb"): 1}
    assert of(shown, "hamon_service_redundancy") == {("grpWeb",): 1}
    assert of(shown, "hamon_cluster_pattern")["1+1",] == 1
    assert of(shown, "hamon_cluster_quorum") == {(): 1}
    assert of(shown, "hamon_poll_up") == {(): 1}
    assert of(shown, "hamon_attribute_degraded") == {("pingd", "n1"): 0, ("pingd", "n2"): 0}
    assert of(shown, "hamon_fence_device_up") == {("fence1",): 1, ("fence2",): 1} or all(of(shown, "hamon_fence_device_up").values())


def test_a_service_that_logs_tell_to_have_moved_since_the_poll_is_shown_where_they_have_it() -> None:
    moved = ServiceView(name="grpWeb", resources=("web",), active_node="n2", up=True, able_to_take_over=(), overtaken=True)
    shown = Gateway(answer("one_plus_one"), ClusterView(name="c", title="C", services=(moved,))).now()
    assert of(shown, "hamon_service_active") == {("n1", "grpWeb"): 0, ("n2", "grpWeb"): 1}
    assert of(shown, "hamon_service_redundancy") == {("grpWeb",): 0}
    assert of(shown, "hamon_service_redundancy_known") == {("grpWeb",): 1}


@pytest.mark.parametrize(
    ("name", "metric", "key", "value"),
    [
        ("unclean_node", "hamon_node_state", ("n1", "lost"), 1),
        ("standby_node", "hamon_node_state", ("n2", "standby"), 1),
        ("node_maintenance", "hamon_node_state", ("n2", "maintenance"), 1),
        ("cluster_maintenance", "hamon_cluster_maintenance", (), 1),
        ("stopped_node", "hamon_service_redundancy", ("grpWeb",), 0),
        ("ping_lost", "hamon_attribute_degraded", ("pingd", "n2"), 1),
        ("no_quorum", "hamon_cluster_quorum", (), 0),
        ("no_quorum", "hamon_cluster_quorum_known", (), 1),
        ("no_dc", "hamon_cluster_quorum_known", (), 0),
        ("no_dc", "hamon_service_up_known", ("db",), 0),
        ("failed_monitor", "hamon_failed_actions", ("n1", "monitor", "web"), 1),
        ("failed_start", "hamon_failcount", ("n2", "web"), float("inf")),
        ("unmanaged", "hamon_service_managed", ("db",), 0),
        ("multiple_active", "hamon_service_active", ("n2", "db"), 1),
        ("tickets", "hamon_ticket_granted", ("siteB",), 0),
    ],
)
def test_what_is_wrong_is_shown(name: str, metric: str, key: tuple[str, ...], value: float) -> None:
    assert of(Gateway(answer(name)).now(), metric)[key] == value


HEALTHY = {
    **dict.fromkeys(("hamon_cluster_known", "hamon_cluster_quorum", "hamon_cluster_quorum_known", "hamon_cluster_fencing_enabled"), 0),
    **dict.fromkeys(("hamon_service_up", "hamon_service_up_known", "hamon_service_active", "hamon_service_can_take_over"), 0),
    **dict.fromkeys(("hamon_service_redundancy", "hamon_service_redundancy_known", "hamon_service_managed", "hamon_node_online"), 0),
    **dict.fromkeys(("hamon_cluster_dc", "hamon_fence_device_up", "hamon_link_up", "hamon_sbd_device_up", "hamon_drbd_connected"), 0),
    **dict.fromkeys(("hamon_drbd_up_to_date", "hamon_ticket_granted", "hamon_poll_up", "hamon_poll_part_up"), 0),
    "hamon_attribute_degraded": 1,
}
"""Metrics that speak of health, with the value that is none."""


def test_a_cluster_that_cannot_be_asked_is_neither_healthy_nor_gone() -> None:
    known = replace(troubled(), cluster="c")
    view = ClusterView(
        name="c",
        title="C",
        nodes=(NodeView(name="n1", state=NodeState.ONLINE), NodeView(name="n2", state=NodeState.ONLINE)),
        services=(ServiceView(name="grpWeb", resources=("web",), active_node="n1", up=True, able_to_take_over=("n2",)),),
        dc="n1",
        has_quorum=True,
    )
    gateway = Gateway(known, view)
    before = gateway.now(known)
    after = gateway.now(lost(known))
    for metric, value in HEALTHY.items():
        assert of(before, metric), metric
        assert set(of(after, metric)) == set(of(before, metric)), metric
        assert set(of(after, metric).values()) == {value}, metric
    assert {key for key, on in of(after, "hamon_node_state").items() if on} == {("n1", "unknown"), ("n2", "unknown")}
    assert of(after, "hamon_cluster_pattern")["unknown",] == 1
    assert of(after, "hamon_failed_actions") == of(before, "hamon_failed_actions"), "trouble stays"
    assert of(after, "hamon_poll_last_answer_timestamp_seconds") == {(): AT.timestamp()}


def test_a_cluster_that_never_answered_is_there_and_unknown() -> None:
    shown = Gateway(None, None, replace(POLLING, up=False)).now(None, replace(POLLING, up=False))
    assert of(shown, "hamon_cluster_known") == {(): 0}
    assert of(shown, "hamon_poll_up") == {(): 0}
    assert of(shown, "hamon_poll_last_answer_timestamp_seconds") == {(): 0}


def test_a_cluster_whose_log_is_read_is_known_also_when_polling_is_not_answered() -> None:
    view = ClusterView(
        name="c",
        title="C",
        nodes=(NodeView(name="n1", state=NodeState.ONLINE),),
        services=(ServiceView(name="grpWeb", resources=("web",), active_node="n1", up=True, able_to_take_over=()),),
    )
    down = replace(POLLING, up=False)
    shown = Gateway(lost(answer("one_plus_one")), view, down, LOG).now(None, down, LOG)
    assert of(shown, "hamon_cluster_known") == {(): 1}
    assert of(shown, "hamon_service_up") == {("grpWeb",): 1}
    assert of(shown, "hamon_poll_up") == {(): 0}
    unread = Gateway(lost(answer("one_plus_one")), view, down, replace(LOG, up=False)).now(None, down, replace(LOG, up=False))
    assert of(unread, "hamon_service_up_known") == {("grpWeb",): 0}


def test_what_is_removed_disappears() -> None:
    gateway = Gateway(answer("failed_monitor"))
    assert of(gateway.now(), "hamon_failed_actions")
    cleaned = gateway.now(answer("one_plus_one"))
    assert of(cleaned, "hamon_failed_actions") == {}
    other = gateway.now(answer("promotable"))
    assert {key[-1] for key in of(other, "hamon_service_up")} == {"msDb", "vip"}
    gateway.views.polls = {}
    gateway.views.change((), ())
    gateway.metrics.watch(gateway.views)
    assert 'cluster="c"' not in gateway.metrics.exposition()[0].decode()


def test_an_unchanged_cluster_is_not_written_again() -> None:
    known = answer("one_plus_one")
    gateway = Gateway(known, ha_cluster=True)
    first = gateway.now()
    assert known.snapshot is not None
    later = AT + timedelta(seconds=10)
    # The same digest with another state: what is kept is shown, so this is how it is seen that it was kept.
    status = replace(known.snapshot.status, nodes=())
    again = gateway.now(replace(known, snapshot=replace(known.snapshot, received_at=later, status=status)))
    assert of(again, "ha_cluster_pacemaker_nodes") == of(first, "ha_cluster_pacemaker_nodes")
    assert of(again, "hamon_node_online") == of(first, "hamon_node_online")
    assert of(again, "hamon_poll_last_answer_timestamp_seconds") == {(): later.timestamp()}


async def test_the_drop_in_metrics_are_the_same_in_both_places_but_for_the_cluster() -> None:
    gateway = Gateway(answer("promotable"), ha_cluster=True)
    beside = {(name, found - {("cluster", "c")}): value for (name, found), value in gateway.now().items() if name.startswith("ha_")}
    alone = await gateway.metrics.ha_cluster("c")
    assert alone is not None
    assert read(alone.decode()) == beside
    assert await gateway.metrics.ha_cluster("nowhere") is None
    plain = Gateway(answer("promotable")).now()
    assert not [name for name, _ in plain if name.startswith("ha_")], "only where it is switched on"


async def test_the_drop_in_metrics_follow_the_cluster_from_one_request_to_the_next() -> None:
    gateway = Gateway(answer("one_plus_one"))
    online = ("ha_cluster_pacemaker_nodes", frozenset({("node", "n2"), ("type", "member"), ("status", "online")}))
    seen = []
    for known in (answer("one_plus_one"), answer("stopped_node"), answer("one_plus_one"), lost(answer("one_plus_one"))):
        gateway.views.polls = {"c": known}
        body = await gateway.metrics.ha_cluster("c")
        assert body is not None
        seen.append(read(body.decode())[online])
    assert seen == [1, 0, 1, 0]


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_a_label(text: str) -> None:
    written = lines("m", {labels(("a", "b"), (text, "x")): 1}, first='cluster="c"').decode()
    assert written.count("\n") == 1
    assert re.fullmatch(r'm\{cluster="c",a="(?:[^"\\\n]|\\["\\n])*",b="x"\} 1\n', written)
    assert "\n" not in escape(text)


@given(st.floats())
def test_a_number_is_read_back_as_it_was(value: float) -> None:
    again = float(number(value))
    assert again == value or (again != again and value != value)


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    tally = Tally([histogram("h", "Help.", (1.0, 10.0), "cluster", "kind")])
    tally.observe("h", "c", ("k",), None)
    for value in values:
        tally.observe("h", "c", ("k",), value)
    rows = tally.rows("c")
    buckets = {key.rpartition('le="')[2][:-1]: count for key, count in rows["h_bucket"].items()}
    assert buckets == {"1.0": sum(v <= 1 for v in values), "10.0": sum(v <= 10 for v in values), "+Inf": len(values)}
    assert rows["h_count"]['kind="k"'] == len(values)
    assert rows["h_sum"]['kind="k"'] == pytest.approx(sum(values))
