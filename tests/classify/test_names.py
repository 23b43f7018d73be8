"""One node has one name; two names in full are two nodes."""

import pytest

from hamon.classify.names import one_name, spoken
from hamon.classify.state import Node, State
from hamon.model.event import Event, EventKind
from tests.classify.happenings import BEGIN
from tests.events import happened


def said(node: str | None, reporter: str | None) -> Event:
    return happened(EventKind.NODE_LOST, BEGIN, node=node, reporter=reporter)


@pytest.mark.parametrize(("known", "host"), [("pm01", "pm01.example.com"), ("pm01.example.com", "pm01")])
def test_a_host_is_the_node_that_is_known_with_or_without_its_domain(known: str, host: str) -> None:
    state = State(nodes={known: Node(name=known), "pm02": Node(name="pm02")})
    event = one_name(state, said(host, host))
    assert (event.node, event.reporter) == (known, known)


def test_two_names_in_full_stay_two_nodes() -> None:
    state = State(nodes={"pm01.a.example": Node(name="pm01.a.example")})
    assert one_name(state, said("pm01.b.example", "pm01.b.example")).node == "pm01.b.example"
    short = State(nodes={"pm01": Node(name="pm01")})
    assert one_name(short, said("pm01.a.example", None)).node == "pm01"
    assert one_name(short, said("pm01.b.example", None)).node == "pm01.b.example"


def test_a_short_name_that_could_be_two_nodes_is_neither() -> None:
    names = ("pm01.a.example", "pm01.b.example")
    state = State(nodes={name: Node(name=name) for name in names})
    assert one_name(state, said("pm01", "pm01")).node == "pm01"


@pytest.mark.parametrize(("known", "other"), [("10", "10.0.0.1"), ("pm01", "pm010.example.com"), ("pm01", "pm02.example.com")])
def test_other_names_are_other_nodes(known: str, other: str) -> None:
    state = State(nodes={known: Node(name=known)})
    assert one_name(state, said(other, other)).node == other


def test_the_cluster_s_own_name_counts_whichever_was_heard_first() -> None:
    events = [said("pm01.example.com", "pm01.example.com"), said("pm01", "pm02.example.com"), said("pm02", "pm01.example.com")]
    state = State(spoken=spoken(events, ()))
    assert state.spoken == ["pm01", "pm02"]
    assert {one_name(state, event).reporter for event in events} == {"pm01", "pm02"}
    assert spoken([said("pm01", "pm02")], ["pm01.example.com"]) == ["pm01.example.com", "pm02"]
