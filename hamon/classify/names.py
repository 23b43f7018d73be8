"""One node, one name: a host in full (`pm01.example.com`) and the node that the cluster calls `pm01` are one, and the reverse.

The name that the cluster uses wins: that of polls, of traps, and of what nodes say of each other. Until it is heard, a node has the name
that its log has; then all that is remembered takes the other one. Two names in full are two nodes, even where their first parts are
alike; a short name then belongs to the one that it was first heard with.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from hamon.classify.state import State
from hamon.model.event import Event, EventKind
from hamon.model.observation import Source

_LOG, _TRAP = Source.LOG, Source.TRAP
_MOST_NAMES = 1024
_FIELDS = ("from", "to", "delegate", "origin", "target", "peer", "host", "old")


def spoken(events: Iterable[Event], polled: Iterable[str]) -> list[str]:
    """The names that the cluster itself uses. Of two for one node that of polls, then what nodes say of each other, then the short one."""
    count: Counter[str] = Counter()
    hosts: set[str] = set()
    for event in events:
        if event.source is _LOG:
            hosts |= {event.reporter} if event.reporter is not None else set()
            for name in _said(event):
                count[name] += 1
    shown = set(polled)
    kept: list[str] = []
    for name in sorted({*count, *shown, *hosts}, key=lambda name: (name not in shown, -count[name], len(name), name)):
        if not any(_is_kin(name, other) for other in kept):
            kept.append(name)
    return sorted(kept)


SAYING = {
    EventKind.PLAN: ("from", "to"),
    EventKind.FAILOVER_SUMMARY: ("from", "to"),
    EventKind.DC_CHANGED: ("old",),
    EventKind.FENCING_DONE: ("delegate", "origin"),
    EventKind.FENCING_FAILED: ("delegate", "origin"),
}
"""Fields in which the cluster names nodes."""


def _said(event: Event) -> list[str]:
    """The names of nodes that the cluster uses in an event: what a log has as its own host is none of them."""
    found = [] if event.node is None or (event.node == event.reporter and event.source is _LOG) else [event.node]
    if event.kind not in SAYING:
        return found
    return found + [value for field in SAYING[event.kind] if isinstance(value := event.detail.get(field), str) and " " not in value]


def one_name(state: State, event: Event) -> Event:
    """The event with each node by its one name."""
    node, reporter, is_log = event.node, event.reporter, event.source is _LOG
    for name in _said(event):
        if name not in state.nodes or name in state.hosts:
            cluster_says(state, name)
    if node is not None and node not in state.nodes:
        if node == reporter and is_log:
            _host_says(state, node)
        node = canonical(state, node)
    if reporter is not None and reporter not in state.nodes and event.source is not _TRAP:
        if is_log:
            _host_says(state, reporter)
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


def cluster_says(state: State, name: str) -> None:
    """Take the name that the cluster has for a node: it had perhaps only that of its log until now."""
    if name in state.hosts:
        state.hosts.remove(name)
    kin = [host for host in state.hosts if _is_kin(name, host)]
    if len(kin) != 1:
        return
    rename(state, kin[0], name)
    for host in [host for host in state.hosts if _without_domain(state, host) is not None]:
        short = str(_without_domain(state, host))
        rename(state, host, short)
        state.hosts.append(short)


def _without_domain(state: State, host: str) -> str | None:
    """The first part of a host's name, where the cluster leaves out this domain for another node."""
    short, _, domain = host.partition(".")
    known = bool(domain) and any(alias == f"{name}.{domain}" for alias, name in state.names.items())
    return short if known and short not in state.nodes else None


def _host_says(state: State, name: str) -> None:
    """A log has this name for its node. If the cluster has none for it yet, it is all that is known."""
    new = name not in state.nodes and name not in state.names and name not in state.spoken and name not in state.hosts
    if new and len(state.hosts) < _MOST_NAMES and not any(_is_kin(name, other) for other in (*state.nodes, *state.spoken)):
        state.hosts.append(name)


_ORIGINAL = frozenset({"raw", "text", "key", "part_of", "names", "hosts", "reads"})
"""What is said as it was said, keys that never change, and what is told of names."""


def rename(state: State, old: str, new: str) -> None:
    """Give a node another name, in all that is remembered."""
    word = re.compile(rf"(?<![\w.-]){re.escape(old)}(?![\w.-])")
    _rename(state, word, new)
    state.names = {alias: new if name == old else name for alias, name in state.names.items() if alias != new} | {old: new}
    state.hosts = [host for host in state.hosts if host != old]


def _rename(value: Any, word: re.Pattern[str], new: str) -> Any:
    """The value with another name in it. What can be changed in place is, since others hold it."""
    if type(value) is str:
        return word.sub(lambda _: new, value)
    if isinstance(value, list):
        value[:] = [_rename(item, word, new) for item in value]
    elif isinstance(value, dict):
        renamed = {_rename(key, word, new): _rename(item, word, new) for key, item in value.items()}
        value.clear()
        value.update(renamed)
    elif isinstance(value, tuple | set | frozenset):
        return type(value)(_rename(item, word, new) for item in value)
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: found
            for field in fields(value)
            if field.name not in _ORIGINAL
            and (found := _rename(before := getattr(value, field.name), word, new)) is not before
            and found != before
        }
        if changed and type(value).__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return replace(value, **changed)
        for name, found in changed.items():
            setattr(value, name, found)
    return value


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
    if not kin and (short := _without_domain(state, name)) is not None:
        kin = [short]
    if len(kin) != 1 or len(state.names) >= _MOST_NAMES:
        return name
    state.names[name] = kin[0]
    return kin[0]


def _is_kin(one: str, other: str) -> bool:
    """Whether one is the other without its domain. The parts of an address are no names."""
    short, full = sorted((one, other), key=len)
    return "." not in short and full.startswith(f"{short}.") and not short.isdigit()
