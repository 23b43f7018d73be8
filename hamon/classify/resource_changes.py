"""What two statuses of a cluster differ in about resources: failures, fail counts, roles, restarts, flags, what somebody wants of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from hamon.classify.changes import Change, Operations, Pair, Rank, changed_by
from hamon.classify.constraints import INFINITY
from hamon.classify.read import without_instance
from hamon.classify.survey import Surveyed
from hamon.model.cluster import (
    FailureStatus,
    HistoryStatus,
    Role,
)
from hamon.model.event import EventKind

SERVING = frozenset({Role.STARTED, Role.UNPROMOTED, Role.PROMOTED})


def target_role_change(item: Surveyed, seen: Pair) -> Iterator[Change]:
    """The operator's wish for a primitive; where all members of a group changed alike it is the group's."""
    name = item.id
    if item.group is not None:
        members = [other for other in seen.surveyed.values() if other.group == item.group]
        if all(other.target_role is item.target_role for other in members):
            if members[0] is not item:
                return
            name = item.group
    elif item.clone and item.path:
        name = item.path[0]
    yield Change(
        kind=EventKind.TARGET_ROLE_CHANGED,
        rule="poll-target-role",
        text=f"{name}: target-role {item.target_role or 'removed'}",
        rank=Rank.MARK,
        resource=name,
        detail={"value": None if item.target_role is None else item.target_role.value, **changed_by(seen.after)},
    )


def _failure_key(item: FailureStatus) -> tuple[str, str, str, float]:
    return item.node, item.resource, item.task, item.interval_seconds


def _is_probe(item: FailureStatus) -> bool:
    return item.task == "monitor" and item.interval_seconds == 0


def failure_changes(seen: Pair) -> Iterator[Change]:
    then = {_failure_key(item): item for item in seen.before.failures}
    for item in seen.after.failures:
        old = then.get(_failure_key(item))
        again = old is not None and (old.call, old.last_change_at, old.last_change_text) == (
            item.call,
            item.last_change_at,
            item.last_change_text,
        )
        if again or (_is_probe(item) and item.rc in (0, 7, 8)):
            continue
        yield Change(
            kind=EventKind.OPERATION_FAILED,
            rule="poll-operation-failed",
            text=f"{item.operation_key} on {item.node} '{item.rc_text}' ({item.rc}): call={item.call}, status='{item.status}'"
            + (f", exitreason='{item.reason}'" if item.reason else "")
            + (
                f", last-rc-change='{item.last_change_text or item.last_change_at}'" if item.last_change_text or item.last_change_at else ""
            ),
            rank=Rank.FAULT,
            node=item.node,
            resource=without_instance(item.resource),
            detail={
                "operation": item.task,
                "interval": round(item.interval_seconds * 1000),
                "rc": item.rc,
                "status": None if item.status.lower() in ("complete", "done", "") else item.status,
                "reason": item.reason or None,
                "result": item.rc_text,
            },
            stamp=item.last_change_at,
        )


def _counts(history: Iterable[HistoryStatus]) -> dict[tuple[str, str], HistoryStatus]:
    return {(item.node, without_instance(item.resource)): item for item in history if item.fail_count}


def _is_barred(item: HistoryStatus) -> bool:
    threshold = item.migration_threshold
    return item.fail_count >= INFINITY or (0 < threshold < INFINITY and item.fail_count >= threshold)


def _count(number: int) -> str:
    return "INFINITY" if number >= INFINITY else str(number)


def fail_count_changes(seen: Pair) -> Iterator[Change]:
    then, now = _counts(seen.before.history), _counts(seen.after.history)
    for (node, resource), item in now.items():
        old = then.get((node, resource))
        value = _count(item.fail_count)
        counted = f"{resource} on {node}: migration-threshold={_count(item.migration_threshold)} fail-count={value}"
        if old is None or old.fail_count != item.fail_count:
            yield Change(
                kind=EventKind.FAIL_COUNT_CHANGED,
                rule="poll-fail-count",
                text=counted,
                rank=Rank.FAULT,
                node=node,
                resource=resource,
                detail={"value": value, "old": None if old is None else _count(old.fail_count)},
                stamp=item.last_failure_at,
            )
        if _is_barred(item) and not (old is not None and _is_barred(old)):
            yield Change(
                kind=EventKind.THRESHOLD_REACHED,
                rule="poll-threshold",
                text=counted,
                rank=Rank.FAULT,
                node=node,
                resource=resource,
                detail={"count": item.fail_count, "threshold": item.migration_threshold},
                stamp=item.last_failure_at,
            )
    failed = {(item.node, without_instance(item.resource)) for item in seen.after.failures}
    gone = [*then, *((item.node, without_instance(item.resource)) for item in seen.before.failures)]
    for node, resource in dict.fromkeys(gone):
        if (node, resource) in now or (node, resource) in failed or not seen.stayed(node):
            continue
        if (node, resource) in then:
            yield Change(
                kind=EventKind.FAIL_COUNT_CHANGED,
                rule="poll-fail-count",
                text=f"{resource} on {node}: no fail-count any more",
                rank=Rank.MARK,
                node=node,
                resource=resource,
                detail={"value": None, "old": str(then[node, resource].fail_count)},
            )
        yield Change(
            kind=EventKind.CLEANUP,
            rule="poll-cleanup",
            text=f"{resource} on {node}: the recorded failures are gone",
            rank=Rank.MARK,
            node=node,
            resource=resource,
            detail={"expired": None},
        )


def role_changes(
    item: Surveyed, then: Mapping[str, Role], now: Mapping[str, Role], operations: Operations, members: Mapping[str, bool]
) -> Iterator[Change]:
    if then == now:
        return
    for node in dict.fromkeys((*then, *now)):
        was, role = then.get(node), now.get(node)
        if was is role:
            continue
        if was is Role.PROMOTED and role is not Role.PROMOTED and members.get(node, True):
            yield _role_change(EventKind.RESOURCE_DEMOTED, item, node, "no longer promoted", operations, "demote")
        if role is None and members.get(node, True):  # what went with its node is told by the loss of the node
            yield _role_change(EventKind.RESOURCE_STOPPED, item, node, "stopped", operations, "stop", "migrate_to")
        if was is None and role is not None:
            source = next((other for other in then if other not in now), None)
            migrated = operations.last(node, item.id, "migrate_from")
            started = operations.last(node, item.id, "start")
            live = migrated is not None and source is not None and (started is None or (migrated.call or 0) > (started.call or 0))
            kind = EventKind.RESOURCE_MIGRATED if live else EventKind.RESOURCE_STARTED
            change = _role_change(kind, item, node, f"{role.value}", operations, "migrate_from" if live else "start")
            yield replace(change, detail={"from": source, "to": node} if live else {"role": role.value})
        if role is Role.PROMOTED:
            yield _role_change(EventKind.RESOURCE_PROMOTED, item, node, "Promoted", operations, "promote")


def _role_change(kind: EventKind, item: Surveyed, node: str, words: str, operations: Operations, *tasks: str) -> Change:
    return Change(
        kind=kind,
        rule=f"poll-{kind.value.replace('_', '-')}",
        text=f"{item.id} on {node}: {words}",
        rank=Rank.STOP if kind in (EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_DEMOTED) else Rank.START,
        node=node,
        resource=item.id,
        stamp=operations.stamp(node, item.id, *tasks),
    )


def restarts(
    item: Surveyed, old: Surveyed, then: Mapping[str, Role], now: Mapping[str, Role], before: Operations, after: Operations
) -> Iterator[Change]:
    """What runs where it ran, but was started or promoted anew meanwhile, or no longer counts as failed."""
    for node, role in now.items():
        if then.get(node) is not role:
            continue
        again = False
        for task, kind in (("start", EventKind.RESOURCE_STARTED), ("promote", EventKind.RESOURCE_PROMOTED)):
            was, operation = before.last(node, item.id, task), after.last(node, item.id, task)
            if was is None or operation is None or (was.call, was.last_change_at) == (operation.call, operation.last_change_at):
                continue
            again = True
            yield _role_change(kind, item, node, f"{role.value}, by a new {task}", after, task)
        if node in old.failed and node not in item.failed and not again and item.roles.get(node) in SERVING:
            yield Change(
                kind=EventKind.OPERATION_SUCCEEDED,
                rule="poll-no-longer-failed",
                text=f"{item.id} on {node}: {role.value}, no longer FAILED",
                rank=Rank.START,
                node=node,
                resource=item.id,
                detail={"operation": "monitor", "rc": 8 if role is Role.PROMOTED else 0},
            )


def flag_changes(item: Surveyed, old: Surveyed, resting: set[str] | None) -> Iterator[Change]:
    """Blocked and unmanaged. `resting`: nodes in maintenance, where everything is unmanaged; None: the whole cluster is."""
    for node in sorted(item.blocked ^ old.blocked):
        blocked = node in item.blocked
        yield Change(
            kind=EventKind.RESOURCE_BLOCKED if blocked else EventKind.RESOURCE_UNBLOCKED,
            rule="poll-blocked",
            text=f"{item.id} {f'on {node} ' if node else ''}{'(blocked)' if blocked else 'is no longer blocked'}",
            rank=Rank.FAULT if blocked else Rank.AFTER,
            node=node or None,
            resource=item.id,
            detail={"from": node or None},
        )
    if item.blocked or old.blocked:
        return  # what is blocked is unmanaged for that reason
    if resting is None or bool(item.unmanaged) == bool(old.unmanaged) or (item.unmanaged | old.unmanaged) <= resting:
        return
    yield Change(
        kind=EventKind.RESOURCE_UNMANAGED if item.unmanaged else EventKind.RESOURCE_MANAGED,
        rule="poll-unmanaged",
        text=f"{item.id} {'(unmanaged)' if item.unmanaged else 'is managed again'}",
        rank=Rank.MARK,
        resource=item.id,
        detail={"reason": "maintenance" if item.maintenance else None},
    )
