"""What is not as it should be in a cluster now, in stable words `what node [subject]`: the state that ticks the steps of an incident.

The law: a word is there only on evidence, and goes away only on evidence. Words about the whole cluster have `-` for the node.
"""

from functools import lru_cache

from hamon.classify import topology
from hamon.classify.state import State, Story

LIMIT = 60
"""Words that a cluster, and an incident, keep at most."""


def amiss(state: State) -> tuple[str, ...]:
    """All that is known to be amiss, in the order of nodes."""
    return tuple(dict.fromkeys(_words(state)))[:LIMIT]


def _words(state: State) -> list[str]:
    words: list[str] = []
    if state.maintenance_at is not None:
        words.append("maintenance -")
    if state.has_quorum is False:
        words.append("no_quorum -")
    is_polled = topology.is_polled(state)
    for known in state.nodes.values():
        if known.member is not True and (known.member is False or known.fenced_at or known.lost_at):
            words.append(f"{topology.absence(known)} {known.name}")
        if is_polled:
            words += topology.hindrances(state, known.name)
        words += topology.faults(known)  # polls say what speaks against a standby; an active node has faults as well
        # A failure that does not bar the resource yet: the next one may.
        if known.fail_counts:
            words += [f"fail_count_left {known.name} {resource}" for resource in known.fail_counts]
    for mark in state.marks:
        if mark.kind == "prefer" and mark.ended_at is None and mark.constraint:
            words.append(f"prefer {mark.node or '-'} {mark.constraint}")
    return words


@lru_cache(maxsize=1024)
def _about(word: str) -> tuple[str, str | None]:
    """Node and subject of a word; the same few are asked about again and again."""
    _what, node, *subject = word.split(" ", 2)
    return node, subject[0] if subject else None


def concerning(words: tuple[str, ...], story: Story) -> list[str]:
    """Those that are about the nodes of a story, its constraint, or the whole cluster."""
    nodes = {*story.nodes, *story.fenced, story.from_node, story.to_node, "-"}
    if story.cause is not None:
        nodes.add(story.cause.node)
    found = []
    for word in words:
        node, subject = _about(word)
        if node in nodes or (subject is not None and subject == story.subject):
            found.append(word)
    return found
