"""What traps leave out, as far as the state of the cluster tells it: who sent them, which node a host's name means, what is no change.

A trap names no sender; its address may be that of a relay. An operation is told by the node that executed it: so an address from which only
one node told its operations is that node's. Writes of an attribute are told for all nodes, also for those whose value stays.
"""

from collections.abc import Sequence

from hamon.classify.state import State
from hamon.model.event import Event, EventKind
from hamon.model.record import in_order

_event = in_order(Event)
# Names of this module: Python 3.11 finds them ten times as fast as members of a class.
_ATTRIBUTE_CHANGED = EventKind.ATTRIBUTE_CHANGED
_NODE_JOINED, _NODE_LOST = EventKind.NODE_JOINED, EventKind.NODE_LOST

_SEVERAL = ""
_MOST_SENDERS = 256
_OPERATIONS = frozenset(
    {
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.OPERATION_FAILED,
    }
)
_LASTING = frozenset(
    {
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.FAIL_COUNT_CHANGED,
        EventKind.STANDBY_ON,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.NODE_JOINED,
        EventKind.NODE_LOST,
    }
)
"""What is so until something else is told."""
_OF_THE_SENDER = frozenset({EventKind.LINK_DOWN, EventKind.LINK_UP, EventKind.QUORUM_LOST, EventKind.QUORUM_ACQUIRED})
"""What corosync-notifyd tells of the node that it runs on."""


def completed(state: State, event: Event) -> Event:
    """The event of a trap with names in place of addresses and hosts, and with what an attribute was before."""
    detail = event.detail
    node, host = event.node, detail.get("host")
    if node is None and host is not None and detail.get("node_id") is None:
        node = node_of_host(state, str(host))
    reporter = _sender(state, event, node)
    kind = event.kind
    if kind is _NODE_LOST or kind is _NODE_JOINED:
        _remember_claims(state, event, node)
    if host is not None and kind in _OF_THE_SENDER:
        reporter = node
    if kind is _ATTRIBUTE_CHANGED:
        detail = {**detail, "old": state.attributes.get(f"{node} {detail.get('attribute')}")}
    elif node == event.node and reporter == event.reporter:
        return event
    return _event(  # `replace` takes several times as long, and most traps come by here
        event.at,
        event.received_at,
        event.cluster,
        kind,
        event.rule,
        event.source,
        event.collector,
        node,
        event.resource,
        reporter,
        detail,
        event.raw,
        event.ref,
        event.witness,
    )


def node_of_host(state: State, host: str) -> str | None:
    """The node that a host's name means: in full, or without its domain. An address names none; where no node is known, the host is one."""
    short = host.partition(".")[0]
    for name in (host, short):
        if name in state.nodes:
            return name
    if state.nodes or ":" in host or short.isdigit():
        return None
    return short


def _sender(state: State, event: Event, node: str | None) -> str | None:
    address = event.reporter or ""
    known = state.senders.get(address)
    if event.kind in _OPERATIONS and node is not None and event.detail.get("host") is None and known != node:
        if len(state.senders) >= _MOST_SENDERS and known is None:
            state.senders.clear()
        known = state.senders[address] = node if known is None else _SEVERAL
    if event.kind is _NODE_LOST and node is not None and (not known or known == node):
        return _who_is_left(state, event, node)
    return known or None


def _who_is_left(state: State, event: Event, lost: str) -> str | None:
    """Of two nodes the one that calls the other lost; then it is alive, even where the other called it lost before."""
    others = [name for name in state.nodes if name != lost]
    if len(others) != 1 or state.nodes[others[0]].member is not False:
        return None
    other = state.nodes[others[0]]
    if other.name in state.claims.get(event.reporter or "", ()):
        return None  # no node calls itself lost
    if other.lost_by in (None, lost) and other.stop_requested_at is None and (other.fenced_at is None or event.at <= other.fenced_at):
        other.lost_by = lost
        return other.name
    return None


def _remember_claims(state: State, event: Event, node: str | None) -> None:
    if node is None:
        return
    if event.kind is _NODE_LOST:
        claimed = state.claims.setdefault(event.reporter or "", [])
        if node not in claimed:
            claimed.append(node)
        while len(state.claims) > _MOST_SENDERS:
            del state.claims[next(iter(state.claims))]
    elif event.kind is _NODE_JOINED:
        for address, claimed in list(state.claims.items()):
            if node in claimed:
                claimed.remove(node)
            if not claimed:
                del state.claims[address]


def isolated(state: State) -> tuple[str, Sequence[str]] | None:
    """A node that calls all others lost and is called lost by one of them, and whom it calls so: it is the one that is cut off.

    Its address tells who it is: no node calls itself lost. Of two nodes neither can be told from the other so.
    """
    nodes = set(state.nodes)
    for address, claimed in state.claims.items():
        rest = nodes - set(claimed)
        if len(nodes) > 2 and len(rest) == 1:
            (name,) = rest
            if any(name in others for other, others in state.claims.items() if other != address):
                return name, tuple(claimed)
    return None


def is_unchanged(state: State, event: Event) -> bool:
    """Whether a trap only repeats a value that is known."""
    if event.node is None or event.kind not in _LASTING:
        return False
    detail = event.detail
    known = state.nodes.get(event.node)
    match event.kind:
        case EventKind.ATTRIBUTE_CHANGED:
            new = detail.get("new")
            return new is not None and state.attributes.get(f"{event.node} {detail.get('attribute')}") == str(new)
        case EventKind.FAIL_COUNT_CHANGED:
            return known is not None and detail.get("value") is not None and known.fail_counts.get(event.resource or "") == detail["value"]
        case EventKind.STANDBY_ON:
            return known is not None and known.standby_at is not None
        case EventKind.SHUTDOWN_REQUESTED:
            return known is not None and known.stop_requested_at is not None
        case EventKind.NODE_JOINED:
            return known is not None and known.member is True
        case EventKind.NODE_LOST:
            return known is not None and known.member is False
        case _:
            return False
