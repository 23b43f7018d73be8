"""Who is told of what: transitions to deliveries, pure.

The laws: a step without a notice is told to nobody; an incident that is part of another one is never told on its own; a target that
was told of an incident is told its end, and one that was not is not told the end either. The end is also that the incident becomes part
of another one: the rest is told within that, and nobody waits for an all-clear that never comes. A target is not told that it lags
behind itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from hamon.model.delivery import Delivery
from hamon.model.incident import Incident, IncidentKind, Notice, Severity, Transition

Language = Literal["en", "ja"]
Told = Mapping[tuple[str, str], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One receiver and what it wants to hear.

    `clusters` and `kinds` are shell globs, matched with case; an incident of the user's own is also known by its name.
    `planned`: a switchover, which is only `info`, is told as well.
    `remind` and `remind_planned`: the ages of missing redundancy, and of planned work that switched it off, at which it is told again.
    `max_attempts_hours`: after that time a delivery that still fails is given up.
    """

    name: str
    language: Language = "en"
    clusters: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    min_severity: Severity = Severity.WARNING
    planned: bool = True
    max_attempts_hours: float = 72.0
    remind: tuple[timedelta, ...] = ()
    remind_planned: tuple[timedelta, ...] = ()
    in_order: bool = False
    """Nothing is sent while what came before it waits: of all incidents, not only of one."""
    max_pending: int | None = None
    """Above this number of waiting deliveries, those that a later step of the same incident overtook are given up."""

    def for_alarms(self, max_pending: int) -> "Target":
        """The same for a receiver that keeps a list of alarms."""
        return replace(self, in_order=True, max_pending=max_pending)

    def wants(self, incident: Incident) -> bool:
        """Whether the incident, as it is now, is for this target."""
        if not self._covers(incident):
            return False
        if self.planned and incident.kind is IncidentKind.SWITCHOVER:
            return True
        return incident.severity.rank >= self.min_severity.rank

    def _covers(self, incident: Incident) -> bool:
        clusters = any(fnmatchcase(incident.cluster, glob) for glob in self.clusters)
        return clusters and any(fnmatchcase(name, glob) for glob in self.kinds for name in {incident.kind.value, incident.called})

    def is_reminded(self, transition: Transition, *, heard: bool) -> bool:
        """Whether a reminder is for this target: of what it was told, or wants to be, at one of the ages that it asks for.

        Planned work is only `info` and not told as such; that it was left on is, unless planned work is not wanted at all.
        """
        incident = transition.incident
        ages = self.remind_planned if incident.planned else self.remind
        if not any(age.total_seconds() in transition.ages for age in ages):
            return False
        return heard or self.wants(incident) or (incident.planned is True and self.planned and self._covers(incident))


def plan(transitions: Sequence[Transition], targets: Sequence[Target], now: datetime, told: Told | None = None) -> list[Delivery]:
    """Make the deliveries of these transitions, in their order.

    `told` names, per (cluster, incident key), the targets that already got a message of the incident; the deliveries made here are added to
    it for the transitions that follow in the same call. With it:

    - a target that did not get the opening (the severity was too low then) gets the first update that it wants; every transition carries
      the whole incident, so that its first message tells the story so far like an opening does (it stays an update: a delivery refers to
      the transition that is stored);
    - a target that was told gets every further step, also when the severity fell or the kind changed since;
    - a reminder goes to those that ask for one at this age;
    - a closing goes exactly to the targets that were told;
    - so does, once, the step in which the incident becomes part of another one.

    Without it (None) the incident as it is now decides alone: who wants it gets it. That is the same as long as its severity never falls
    and rises only in steps that are told. A target that is new in the configuration then also gets the closing of what it never heard of.
    """
    known: dict[tuple[str, str], set[str]] = {}
    deliveries = []
    for transition in transitions:
        incident = transition.incident
        identity = (incident.cluster, incident.key)
        if incident.part_of is not None and told is not None:
            heard = known.setdefault(identity, set(told.get(identity, ())))
            for target in targets:
                if target.name in heard:
                    heard.discard(target.name)
                    deliveries.append(_delivery(transition, target, now))
        if transition.notice is None or incident.part_of is not None:
            continue
        if identity not in known:
            known[identity] = set(told.get(identity, ())) if told is not None else set()
        heard = known[identity]
        for target in targets:
            first = target.name not in heard
            if incident.kind is IncidentKind.DELIVERY_BACKLOG and target.name in incident.resources:
                continue
            if transition.notice is Notice.REMINDER:
                wanted = target.is_reminded(transition, heard=not first)
            else:
                wanted = not first or (target.wants(incident) and (transition.notice is not Notice.CLOSING or told is None))
            if not wanted:
                continue
            heard.add(target.name)
            deliveries.append(_delivery(transition, target, now))
    return deliveries


def _delivery(transition: Transition, target: Target, now: datetime) -> Delivery:
    incident = transition.incident
    return Delivery(
        id=f"{incident.cluster}/{incident.key}/{transition.sequence}/{target.name}",
        target=target.name,
        transition=transition,
        created_at=now,
    )
