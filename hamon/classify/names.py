"""One node, one name: a host in full (`pm01.example.com`) and the node that the cluster calls `pm01` are one, and the reverse.

The name that the cluster uses counts where it is known first; else the first that was heard. Two names in full are two nodes, even where
their first parts are alike; a short name then belongs to the one that it was first heard with.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from hamon.classify.state import State
from hamon.model.event import Event
from hamon.model.observation import Source

_MOST_NAMES = 1024
_FIELDS = ("from", "to", "delegate", "origin", "target", "peer", "host", "old")


def spoken(events: Iterable[Event], polled: Iterable[str]) -> list[str]:
    """The names that the cluster itself uses. Of two for one node that of polls, then what nodes say of each other, then the short one."""
    count: Counter[str] = Counter()
    hosts: set[str] = set()
    for event in events:
        if event.source is Source.LOG:
            hosts |= {event.reporter} if event.reporter is not None else set()
            if event.node is not None and event.node != event.reporter:
                count[event.node] += 1
    shown = set(polled)
    kept: list[str] = []
    for name in sorted({*count, *shown, *hosts}, key=lambda name: (name not in shown, -count[name], len(name), name)):
        if not any(_is_kin(name, other) for other in kept):
            kept.append(name)
    return sorted(kept)


def one_name(state: State, event: Event) -> Event:
    """The event with each node by its one name."""
    node, reporter = event.node, event.reporter
    if node is not None and node not in state.nodes:
        node = canonical(state, node)
    if reporter is not None and reporter not in state.nodes and event.source is not Source.TRAP:
        reporter = canonical(state, reporter)
    detail = event.detail
    if state.names and any(detail.get(field) in state.names for field in _FIELDS):
        detail = {
            field: state.names.get(value, value) if field in _FIELDS and isinstance(value, str) else value
            for field, value in detail.items()
        }
    if node == event.node and reporter == event.reporter and detail is event.detail:
        return event
    return replace(event, node=node, reporter=reporter, detail=detail)


def canonical(state: State, name: str) -> str:
    """The one name of the node that is called so; the name itself where nothing says whose it is."""
    if (known := state.names.get(name)) is not None:
        return known
    if name in state.spoken:
        return name
    full = {alias if "." in alias else known for alias, known in state.names.items() if "." in alias or "." in known}
    kin = [
        other
        for other in sorted({*state.nodes, *state.spoken})
        if _is_kin(name, other) and not ("." in name and any(_is_kin(alias, other) for alias in full))
    ]
    if len(kin) != 1 or len(state.names) >= _MOST_NAMES:
        return name
    state.names[name] = kin[0]
    return kin[0]


def _is_kin(one: str, other: str) -> bool:
    """Whether one is the other without its domain. The parts of an address are no names."""
    short, full = sorted((one, other), key=len)
    return "." not in short and full.startswith(f"{short}.") and not short.isdigit()
