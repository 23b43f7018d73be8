"""How much is remembered of a cluster at most, whatever its sources say: names in lines may be anything, so none of them may pile up.

The law: what is dropped is the oldest of what serves nothing now, then the newest; a cluster of real size never comes near a limit. The
figures stand in the README of the package.
"""

from collections.abc import Callable
from typing import Any

from hamon.classify.state import Node, State
from hamon.model.incident import IncidentState

MAX_NODES = 128
MAX_RESOURCES = 1024
MAX_ATTRIBUTES = 4096
MAX_NAMES = 1024
"""Other names of nodes, their ids, senders of traps, best values of attributes, clocks."""
MAX_MARKS = 512
MAX_OPEN = 200
"""Open incidents; of more the oldest expires."""
MAX_ON_NODE = 512
"""Fail counts, failures, bans and the like of one node."""
MAX_PLAN = 2048
MAX_TOLD = 2048
MAX_REPEATED = 1024


def is_within(state: State) -> bool:
    """Whether nothing is over its limit: a few lengths, asked after every batch."""
    return (
        len(state.nodes) <= MAX_NODES
        and len(state.resources) <= MAX_RESOURCES
        and len(state.attributes) <= MAX_ATTRIBUTES
        and len(state.heard) <= MAX_ATTRIBUTES
        and len(state.marks) <= MAX_MARKS
        and len(state.told_at) <= MAX_TOLD
        and max(len(state.plan), len(state.draft)) <= MAX_PLAN
        and all(len(mapping) <= MAX_NAMES for mapping in _names(state))
        and max(len(state.ids_seen), len(state.spoken), len(state.links), len(state.cut_links), len(state.nameless)) <= MAX_NAMES
        and all(len(of_node) <= MAX_ON_NODE for node in state.nodes.values() for of_node in _of(node))
    )


def keep_within(state: State) -> None:
    """Drop what is too much."""
    told_of = {name for story in state.stories if story.state is IncidentState.OPEN for name in (*story.nodes, story.from_node)}
    serving = {name for item in state.resources.values() for name in item.roles}
    _drop(state.nodes, MAX_NODES, lambda name: state.nodes[name].member is True or name in told_of or name in serving or name == state.dc)
    concerned = {name for story in state.stories if story.state is IncidentState.OPEN for name in (*story.resources, *story.moves)}
    _drop(state.resources, MAX_RESOURCES, lambda name: bool(state.resources[name].roles) or name in concerned)
    for item in state.resources.values():
        _drop(item.roles, MAX_NODES)
        _drop(item.told_at, MAX_NODES)
    _drop(state.attributes, MAX_ATTRIBUTES)
    _drop(state.heard, MAX_ATTRIBUTES)
    _drop(state.told_at, MAX_TOLD)
    for of_names in _names(state):
        _drop(of_names, MAX_NAMES)
    for claimed in state.claims.values():
        del claimed[:-MAX_NODES]
    state.suspects_at = {name: at for name, at in state.suspects_at.items() if name in state.suspects}
    del state.ids_seen[MAX_NAMES:], state.spoken[MAX_NAMES:], state.hosts[MAX_NAMES:], state.plan[MAX_PLAN:], state.draft[MAX_PLAN:]
    del state.links[:-MAX_NAMES], state.cut_links[:-MAX_NAMES], state.nameless[:-MAX_NAMES]
    del state.marks[:-MAX_MARKS]
    for node in state.nodes.values():
        for of_node in _of(node):
            _drop(of_node, MAX_ON_NODE)


def _names(state: State) -> tuple[dict[str, Any], ...]:
    known = (state.names, state.node_ids, state.departed, state.senders, state.claims, state.best, state.clocks)
    return (*known, state.suspects, state.restarting, state.doubles, state.returning)


def _of(node: Node) -> tuple[dict[str, Any], ...]:
    return node.fail_counts, node.barred, node.failed, node.degraded, node.bans


def _drop(mapping: dict[str, Any], limit: int, serves: Callable[[str], bool] | None = None) -> None:
    """Drop the oldest beyond the limit. Where some serve something, drop of the others first, then the newest: real names came first."""
    excess = len(mapping) - limit
    if excess <= 0:
        return
    gone = [name for name in mapping if serves is None or not serves(name)][:excess]
    for name in gone:
        del mapping[name]
    for name in list(reversed(mapping))[: excess - len(gone)]:
        del mapping[name]
