"""What the constraints of the CIB say about where resources may run: preferences, colocations, tickets; with their sets of resources.

The rules of sets are those of Pacemaker's scheduler (`pcmk_sched_colocation.c`): in a sequential set each member is placed with the one
before it; the first member of a set is placed with the last one of the set that follows; where a set is not sequential each of its
members stands for itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hamon.model.cluster import CibStatus, ClusterStatus, Constraint

INFINITY = 1_000_000


@dataclass(frozen=True, slots=True)
class ResourceSet:
    """One `resource_set` of a constraint. `score` None: that of the constraint counts."""

    members: tuple[str, ...]
    sequential: bool = True
    score: int | None = None


def resource_sets(constraint: Constraint) -> list[ResourceSet]:
    """The sets of a constraint, in its order. They are kept as text: attributes with `=`, then the members."""
    found = []
    for name, text in constraint.attributes:
        if name == "set":
            words = text.split()
            given = dict(word.split("=", 1) for word in words if "=" in word)
            own = given.get("score")
            found.append(
                ResourceSet(
                    members=tuple([word for word in words if "=" not in word]),
                    sequential=given.get("sequential", "true").lower() in ("true", "on", "yes", "y", "1"),
                    score=None if own is None else score(own),
                )
            )
    return found


def resources(constraint: Constraint) -> list[str]:
    """All that a location or ticket is about: one resource, or the members of its sets."""
    named = dict(constraint.attributes).get("rsc")
    return [named] if named else [member for group in resource_sets(constraint) for member in group.members]


def colocations(constraint: Constraint) -> Iterator[tuple[str, str, int]]:
    """What is placed with what, and with which score."""
    given = dict(constraint.attributes)
    strength = score(given.get("score", "0"))
    groups = resource_sets(constraint)
    if not groups:
        yield given.get("rsc", ""), given.get("with-rsc", ""), strength
        return
    for number, group in enumerate(groups):
        own = strength if group.score is None else group.score
        if own < 0:
            # They keep away from each other, in whatever order.
            yield from ((member, other, own) for place, member in enumerate(group.members) for other in group.members[:place])
        elif group.sequential:
            yield from ((member, before, own) for before, member in zip(group.members, group.members[1:], strict=False))
        if number + 1 < len(groups):
            following = groups[number + 1]
            dependents = group.members[:1] if group.sequential else group.members
            others = following.members[-1:] if following.sequential else following.members
            yield from ((member, other, strength) for member in dependents for other in others)


def dependents(cib: CibStatus | None) -> dict[str, list[str]]:
    """Ticket -> the resources that may run only where it is granted."""
    found: dict[str, list[str]] = {}
    for constraint in cib.constraints if cib is not None else ():
        if constraint.kind == "ticket" and (ticket := dict(constraint.attributes).get("ticket")):
            found.setdefault(ticket, []).extend(resources(constraint))
    return found


class Constraints:
    """What the constraints say, where the CIB is known. Without it everything that only they tell is not known."""

    def __init__(self, status: ClusterStatus) -> None:
        self.known = status.cib is not None
        self.symmetric = status.options.symmetric
        self.with_resource: dict[str, set[str]] = {}
        self.apart: dict[str, set[str]] = {}
        self.wanted: dict[str, dict[str, bool | None]] = {}
        self.tickets: dict[str, set[str]] = {}
        self.rules: dict[str, str] = {}
        for constraint in status.cib.constraints if status.cib else ():
            if constraint.kind == "location":
                self._location(constraint)
            elif constraint.kind == "colocation":
                self._colocation(constraint)
        granted = {ticket.id for ticket in status.tickets if ticket.granted and not ticket.standby}
        for ticket, held in dependents(status.cib).items():
            for resource in held if ticket not in granted else ():
                self.tickets.setdefault(resource, set()).add(ticket)

    def _location(self, constraint: Constraint) -> None:
        given = dict(constraint.attributes)
        node = given.get("node")
        if constraint.rules:
            # A ban by a rule carries the id of the rule, which is the first word of its text.
            self.rules |= {constraint.id: " ".join(constraint.rules)} | {text.split(" ", 1)[0]: text for text in constraint.rules}
        for resource in resources(constraint):
            if constraint.rules:
                self.wanted.setdefault(resource, {}).setdefault("", None)
            elif node is not None and score(given.get("score", "0")) > 0:
                self.wanted.setdefault(resource, {})[node] = True

    def _colocation(self, constraint: Constraint) -> None:
        for resource, other, strength in colocations(constraint):
            if strength >= INFINITY:
                self.with_resource.setdefault(resource, set()).add(other)
            elif strength <= -INFINITY:
                self.apart.setdefault(resource, set()).add(other)
                self.apart.setdefault(other, set()).add(resource)

    def required(self, ids: set[str]) -> set[str]:
        """Resources that it must run with, directly or by others."""
        found: set[str] = set()
        waiting = list(ids)
        while waiting:
            more = self.with_resource.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found

    def allows(self, ids: Iterable[str], node: str) -> bool | None:
        """Whether an asymmetric cluster lets it run there; None: not known."""
        if self.symmetric is not False:
            return True
        if not self.known:
            return None
        answers = [places.get(node, places.get("", False)) for id in ids if (places := self.wanted.get(id))]
        return True if True in answers else None if None in answers else False


def score(text: str) -> int:
    """A score as Pacemaker writes it: a number, or INFINITY with a sign; what is neither counts as 0."""
    word = text.strip()
    if word.lstrip("+-").upper() == "INFINITY":
        return -INFINITY if word.startswith("-") else INFINITY
    try:
        return int(float(word))
    except (ValueError, OverflowError):
        return 0
