"""Operations as the CIB records them: every node logs what every other one did, which counts where that one's own log is not read.

The law: which log is heard first does not matter. What a node told itself as well is still an event, that only confirms.
A record begins when an operation does and is completed by its result, in lines of which the second does not name the operation again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hamon.classify import topology
from hamon.classify.read import SUCCESS
from hamon.classify.state import State
from hamon.model.event import Event, EventKind
from hamon.model.record import changed
from hamon.parse.results import RUNNING

MAX_RECORDED = 1024
"""Of so many resources on nodes it is remembered which operation was recorded last."""
CONTROLLERS = frozenset(
    {
        EventKind.STATE_CHANGED,
        EventKind.OPERATION_STARTED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.OPERATION_FAILED,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.RESOURCE_MIGRATED,
    }
)
"""What only the controller of a node tells of the node itself."""
BY_NUMBER = frozenset({EventKind.STANDBY_ON, EventKind.STANDBY_OFF, EventKind.MAINTENANCE_ON, EventKind.MAINTENANCE_OFF})
"""What the configuration says of a node that it calls by number."""
MOST_WAITING = 63
_STATUS: Mapping[int, str] = {1: "cancelled", 2: "timeout", 3: "not supported", 4: "error", 7: "not installed"}
_PENDING = -1
_FRESH = timedelta(seconds=60)
_ZONE_STEP = timedelta(minutes=15)
"""A zone that is given wrongly is wrong by a multiple of it."""


class Records:
    """Records to what they tell. Those of a node whose name is not known yet wait for it: the next record of a monitor there names it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def told(self, event: Event) -> list[Event]:
        """What a record tells: a witness where the node concerned tells it itself, nothing in that node's own log."""
        state, detail = self._state, event.detail
        number, named = str(detail.get("node_id")), detail.get("on_node")
        if named is not None:
            event = replace(event, node=str(named))
            state.node_ids.setdefault(number, str(named))
            topology.node(state, str(named))
        elif event.node is None:
            self.wait(event)
            return []
        if not state.waiting:  # as nearly always
            return [] if (told := self._result(event)) is None else [told]
        return [told for record in [*self._named_by_now(), event] if (told := self._result(record)) is not None]

    def wait(self, event: Event) -> None:
        """Keep what is said of a node of which only the number is known."""
        if event.detail.get("node_id") is not None:
            self._state.waiting = [*self._state.waiting[-MOST_WAITING:], event]

    def _named_by_now(self) -> list[Event]:
        """What waited for the name of a node that is known now."""
        if not self._state.waiting:
            return []
        found, waiting = [], []
        for event in self._state.waiting:
            name = topology.named(self._state, str(event.detail.get("node_id")))
            if name is None:
                waiting.append(event)
            else:
                found.append(replace(event, node=name))
        self._state.waiting = waiting
        return found

    def _result(self, event: Event) -> Event | None:
        state, detail = self._state, event.detail
        if event.kind is not EventKind.OPERATION_RECORDED:
            return event
        if event.node is None or event.resource is None or detail.get("status") is None:
            return None
        slot = f"{event.reporter} {event.node} {event.resource}"  # another log may be behind
        operation, status, rc = detail.get("operation"), int(str(detail["status"])), detail.get("rc")
        if operation is None:
            key, _, recorded = state.recorded.get(slot, "").partition(" ")
            operation = recorded if key == detail.get("key") else None
        elif detail.get("last_failure") is None:
            state.recorded.pop(slot, None)
            while len(state.recorded) >= MAX_RECORDED:
                del state.recorded[next(iter(state.recorded))]
            state.recorded[slot] = f"{detail.get('key')} {operation}"
        if operation in (None, "other") or status == _PENDING or event.reporter == event.node or not _is_fresh(event):
            return None
        told_itself = event.node in state.controllers
        good = RUNNING if operation == "monitor" else frozenset({0, 190, 191})
        if status == 0 and rc in good:
            kind = SUCCESS.get(str(operation), EventKind.OPERATION_SUCCEEDED)
            return changed(event, kind=kind, detail={"operation": operation, "rc": rc, "recorded": True}, witness=told_itself)
        failure = {"operation": operation, "rc": None if status else rc, "status": _STATUS.get(status, "error") if status else None}
        detail = {**failure, "reason": None, "result": None, "recorded": True}
        return changed(event, kind=EventKind.OPERATION_FAILED, detail=detail, witness=told_itself)


def _is_fresh(event: Event) -> bool:
    """Whether a record is of now: a node that joins brings its old ones along."""
    changed = event.detail.get("changed")
    if not isinstance(changed, int):
        return True
    age = timedelta(seconds=event.at.timestamp() - changed)
    return age % _ZONE_STEP <= _FRESH
