"""What changes of the user's own (`[[change]]` with `incidents`) make of an incident: its severity, and whether anybody is told."""

from collections.abc import Iterator, Mapping, Sequence

from hamon.model.incident import Incident, Severity
from hamon.rules.own import Change


def severity_of(changes: Sequence[Change], incident: Incident) -> Severity:
    """The severity as the first change that fits says. Planned work stays information."""
    change = None if incident.planned else _change_of(changes, incident)
    return incident.severity if change is None else change.severity or incident.severity


def is_suppressed(changes: Sequence[Change], incident: Incident) -> bool:
    """Whether nobody is to be told of an incident."""
    change = _change_of(changes, incident)
    return change is not None and change.suppress


def _change_of(changes: Sequence[Change], incident: Incident) -> Change | None:
    for change in changes:
        if (incident.kind in change.subjects or incident.name in change.subjects) and all(
            any(pattern.search(value) for value in _values_of(incident, name)) for name, pattern in change.conditions
        ):
            return change
    return None


def _values_of(incident: Incident, name: str) -> Iterator[str]:
    cause = incident.cause
    nodes = (incident.from_node, incident.to_node, *incident.nodes)
    values: Mapping[str, Sequence[str | None]] = {
        "kind": [incident.kind.value],
        "name": [incident.name],
        "service": incident.services,
        "node": nodes,
        "resource": incident.resources,
        "cause": [str(cause.kind), cause.text] if cause is not None else [],
    }
    yield from (value for value in values[name] if value)
