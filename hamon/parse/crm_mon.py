"""`crm_mon` as XML to the status of the cluster: both frames, `pacemaker-result` (`--output-as=xml`) and `crm_mon` (`--as-xml`).

Read from the API schemas 2.0 to 2.42 (Pacemaker 2.0.3 to 3.0.2) and, for `--as-xml`, from output of 1.1 and 2.1. Each attribute is used or
stands in `IGNORED` with the reason; elements and attributes that no schema knows are passed over.

The reasons of a ParseError begin with stable words: `not connected`, `no data`, `insufficient privileges`, `truncated`, `not XML`,
`refused`, `grouped by node`, `exit status N`.
"""

import re
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from xml.etree.ElementTree import Element
from xml.sax.saxutils import unescape

from hamon.errors import ParseError
from hamon.model.cluster import (
    AttributeStatus,
    BanStatus,
    BundleStatus,
    CloneStatus,
    ClusterStatus,
    ConfigurationChange,
    FailureStatus,
    FencingStatus,
    GroupStatus,
    HistoryStatus,
    InstanceStatus,
    NodeStatus,
    NodeType,
    OperationStatus,
    OptionsStatus,
    Placement,
    ReplicaStatus,
    ResourceStatus,
    Role,
    TicketStatus,
)
from hamon.parse.document import read_tree
from hamon.parse.stamp import read_time

INFINITY = 1_000_000

IGNORED: dict[str, dict[str, str]] = {
    "pacemaker-result": {
        "api-version": "form of the document; what it changes is told by the elements themselves",
        "request": "the command, which the caller knows",
    },
    "crm_mon": {"version": "of the crm_mon that was run; the version of the DC is what counts"},
    "pacemakerd": {"sys_from": "always pacemakerd", "last_updated": "changes by time alone"},
    "current_dc": {"id": "the node of that name has it"},
    "nodes_configured": {"expected_votes": "of stacks before Corosync 2, mostly `unknown`; corosync-quorumtool tells the votes"},
    "resource": {
        "nodes_running_on": "the number of its node elements",
        "provisional": "scheduler's internals, 1.1 with details",
        "runnable": "scheduler's internals, 1.1 with details",
        "priority": "scheduler's internals, 1.1 with details",
        "variant": "scheduler's internals, 1.1 with details",
    },
    "group": {"number_resources": "the number of its resource elements"},
    "ban": {"master_only": "the old name of promoted-only, read where that is missing"},
    "ticket": {"granted": "what status says, again (3.0.0); read where that is missing"},
    "status": {"message": "the words of the code"},
}
"""Element -> attribute -> why it is not read."""

IGNORED_ELEMENTS: dict[str, str] = {
    "xml": "the definition of a resource, shown in a debugging mode only",
    "constraints": "inside a ticket: cibadmin gives all constraints",
}

_ROLES = {role.value.lower(): role for role in Role} | {"master": Role.PROMOTED, "slave": Role.UNPROMOTED}
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|min|h|us)?$")
_SECONDS = {None: 0.001, "ms": 0.001, "us": 0.000001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_OPERATION = re.compile(r"(?P<resource>.+?)_(?P<task>migrate_to|migrate_from|last_failure|[A-Za-z-]+)_(?P<interval>\d+)$")
_REMEMBERED = 8192
"""Most of an answer is the same in the next one. Equal parts are one record then, which costs less to read, to compare and to keep."""

_ROOTS = ("pacemaker-result", "crm_mon")
_OCTAL = re.compile(r"(?:\\37777777[0-7]{3})+")
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_WORDS = {4: "insufficient privileges", 102: "not connected"}


def parse(data: bytes, *, at: datetime, reporter: str | None = None, timezone: str = "UTC") -> ClusterStatus:
    """Read one answer. `timezone`: of the node that gave it, for times without a zone. Raises ParseError."""
    root = read_tree(data, roots=_ROOTS)
    by_name = {child.tag: child for child in root}
    errors = _check(root, by_name, data)
    summary = _summary(by_name.get("summary", _NONE), at=at, reporter=reporter, timezone=timezone)
    fencing = by_name.get("fence_history", _NONE)
    return replace(
        summary,
        pacemakerd_state=by_name.get("pacemakerd", _NONE).get("state") or summary.pacemakerd_state,
        nodes=tuple([_node(item, data) for item in by_name.get("nodes", _NONE) if item.tag == "node"]),
        resources=_resources(by_name.get("resources", _NONE)),
        attributes=_attributes(by_name.get("node_attributes", _NONE)),
        history=_history(by_name.get("node_history", _NONE), timezone),
        failures=tuple([_failure(item, timezone) for item in by_name.get("failures", _NONE) if item.tag == "failure"]),
        fencing=tuple([_fence_event(item, timezone) for item in fencing if item.tag == "fence_event"]),
        fencing_code=_optional(fencing.get("status")),
        bans=tuple([_ban(item) for item in by_name.get("bans", _NONE) if item.tag == "ban"]),
        tickets=tuple([_ticket(item, timezone) for item in by_name.get("tickets", _NONE) if item.tag == "ticket"]),
        errors=errors,
    )


def digest(data: bytes) -> str:
    """A fingerprint of an answer that leaves out what changes by time alone, to recognise an unchanged state before it is parsed.

    These are the time of the answer, which node gave it, and what the command line was.
    """
    mark = blake2b(digest_size=16)
    view = memoryview(data)
    position = 0
    for opening, closing in _TIMELY:
        begin = data.find(opening, position)
        end = data.find(closing, begin + len(opening)) if begin >= 0 else -1
        if end >= 0:
            mark.update(view[position:begin])
            position = end
    mark.update(view[position:])
    return mark.hexdigest()


_TIMELY = ((b' request="', b'"'), (b' last_updated="', b'"'), (b"<last_update ", b">"))
"""In the order in which they stand."""
_NONE = Element("none")


# --- the frame


def _check(root: Element, by_name: dict[str, Element], data: bytes) -> tuple[str, ...]:
    """Raise ParseError when the document holds no state; give what the command complained of."""
    status = by_name.get("status", _NONE)
    errors = tuple([" ".join((item.text or "").split()) for item in status.iter("error")])
    text = f": {'; '.join(errors)}" if errors else ""
    code = _number(status.get("code", "0"))
    if code:
        word = _WORDS.get(code, f"exit status {code}")
        raise ParseError(f"{word}{text or ': ' + status.get('message', '')}", data[:1000])
    gone = by_name.get("crm-mon-disconnected")
    if gone is not None:
        state = gone.get("pacemakerd-state")
        said = gone.get("description", "disconnected") + (f", pacemakerd state {state}" if state else "")
        raise ParseError(f"not connected: {said}", data[:1000])
    if "nodes" not in by_name and "summary" not in by_name:
        daemon = by_name.get("pacemakerd")
        if daemon is not None and daemon.get("state"):
            text = f": pacemakerd state {daemon.get('state')}{text.replace(':', ',', 1)}"
        raise ParseError(f"no data{text or ': an empty document, as when the cluster is not running'}", data[:1000])
    return errors


# --- the summary


def _summary(element: Element, *, at: datetime, reporter: str | None, timezone: str) -> ClusterStatus:
    """What the summary tells; any of its parts may be missing."""
    part = {child.tag: child for child in element}
    stack, dc, update = part.get("stack", _NONE), part.get("current_dc", _NONE), part.get("last_update", _NONE)
    present = dc.get("present") == "true"
    resources = part.get("resources_configured", _NONE)
    change = part.get("last_change")
    return ClusterStatus(
        at=at,
        reporter=reporter or update.get("origin") or None,
        pacemakerd_state=stack.get("pacemakerd-state"),
        stack=stack.get("type"),
        version=dc.get("version") if present else None,
        dc=dc.get("name") if present else None,
        has_quorum=_truth(dc.get("with_quorum")) if present else None,
        mixed_versions=_truth(dc.get("mixed_version")) if present else None,
        nodes_configured=_optional(part.get("nodes_configured", _NONE).get("number")),
        resources_configured=_optional(resources.get("number")),
        resources_disabled=_optional(resources.get("disabled")),
        resources_blocked=_optional(resources.get("blocked")),
        last_update_at=read_time(update.get("time", ""), timezone),
        last_change=None if change is None else _change(change, timezone),
        options=_options(dict(part.get("cluster_options", _NONE).attrib)),
    )


def _change(element: Element, timezone: str) -> ConfigurationChange:
    get = element.get
    text = get("time", "")
    return ConfigurationChange(
        at=read_time(text, timezone), at_text=text, user=get("user", ""), client=get("client", ""), origin=get("origin", "")
    )


def _options(given: dict[str, str]) -> OptionsStatus:
    """Take the options out of `given`; 3.0.2 has new names for those of fencing, beside the old ones."""
    old_enabled, old_timeout = given.pop("stonith-enabled", None), given.pop("stonith-timeout-ms", None)
    enabled, timeout = given.pop("fencing-enabled", old_enabled), given.pop("fencing-timeout-ms", old_timeout)
    policy, delay = given.pop("no-quorum-policy", None), given.pop("priority-fencing-delay-ms", None)
    return OptionsStatus(
        fencing_enabled=_truth(enabled),
        symmetric=_truth(given.pop("symmetric-cluster", None)),
        no_quorum_policy="fence" if policy == "suicide" else policy,
        maintenance_mode=_truth(given.pop("maintenance-mode", None)),
        stop_all_resources=_truth(given.pop("stop-all-resources", None)),
        fencing_timeout_seconds=None if timeout is None else _seconds(timeout),
        priority_fencing_delay_seconds=None if delay is None else _seconds(delay),
        other=tuple(given.items()),
    )


# --- nodes and resources


def _node(element: Element, data: bytes) -> NodeStatus:
    if len(element):
        raise ParseError("grouped by node: run crm_mon without -n (--group-by-node)", data[:1000])
    get = element.get
    kind = get("type", "unknown")
    running = get("resources_running")
    return NodeStatus(
        name=get("name", ""),
        id=get("id", ""),
        online=get("online") == "true",
        standby=get("standby") == "true",
        standby_on_fail=get("standby_onfail") == "true",
        maintenance=get("maintenance") == "true",
        pending=get("pending") == "true",
        unclean=get("unclean") == "true",
        shutdown=get("shutdown") == "true",
        expected_up=get("expected_up") == "true",
        is_dc=get("is_dc") == "true",
        type=NodeType(kind) if kind in _NODE_TYPES else NodeType.UNKNOWN,
        resources_running=None if running is None else _number(running),
        health=get("health"),
        feature_set=get("feature_set"),
        hosted_by=get("id_as_resource") or get("container_id"),
    )


_NODE_TYPES = frozenset(NodeType)


def _resources(parent: Element) -> tuple[ResourceStatus, ...]:
    found: list[ResourceStatus] = []
    for item in parent:
        match item.tag:
            case "resource":
                found.append(_instance(item))
            case "group":
                found.append(_group(item))
            case "clone":
                found.append(_clone(item))
            case "bundle":
                found.append(_bundle(item))
    return tuple(found)


def _instance(element: Element) -> InstanceStatus:
    return _read_instance(_pack(element), "\x1e".join([_pack(place) for place in element if place.tag == "node"]))


@lru_cache(maxsize=_REMEMBERED)
def _read_instance(packed: str, places: str) -> InstanceStatus:
    get = _unpack(packed).get
    name, number = _name(get("id", ""))
    wish = get("target_role")
    return InstanceStatus(
        id=name,
        agent=get("resource_agent", "").replace("::", ":"),
        role=_role(get("role", "")),
        active=get("active") == "true",
        orphaned=get("orphaned") == "true" or get("removed") == "true",
        blocked=get("blocked") == "true",
        managed=get("managed") != "false",
        maintenance=get("maintenance") == "true",
        failed=get("failed") == "true",
        failure_ignored=get("failure_ignored") == "true",
        instance=number,
        target_role=None if wish is None else _role(wish),
        pending=get("pending"),
        locked_to=get("locked_to"),
        description=get("description"),
        nodes=tuple([_placement(place) for place in places.split("\x1e")]) if places else (),
    )


def _group(element: Element) -> GroupStatus:
    get = element.get
    name, number = _name(get("id", ""))
    return GroupStatus(
        id=name,
        members=tuple([_instance(item) for item in element if item.tag == "resource"]),
        managed=get("managed") != "false",
        disabled=get("disabled") == "true",
        maintenance=get("maintenance") == "true",
        instance=number,
        description=get("description"),
    )


def _clone(element: Element) -> CloneStatus:
    get = element.get
    wish = get("target_role")
    return CloneStatus(
        id=get("id", ""),
        promotable=get("multi_state") == "true",
        unique=get("unique") == "true",
        managed=get("managed") != "false",
        disabled=get("disabled") == "true",
        maintenance=get("maintenance") == "true",
        failed=get("failed") == "true",
        failure_ignored=get("failure_ignored") == "true",
        target_role=None if wish is None else _role(wish),
        description=get("description"),
        instances=tuple([_instance(item) for item in element if item.tag == "resource"]),
        groups=tuple([_group(item) for item in element if item.tag == "group"]),
    )


def _bundle(element: Element) -> BundleStatus:
    get = element.get
    return BundleStatus(
        id=get("id", ""),
        type=get("type", ""),
        image=get("image", ""),
        unique=get("unique") == "true",
        managed=get("managed") != "false",
        maintenance=get("maintenance") == "true",
        failed=get("failed") == "true",
        description=get("description"),
        replicas=tuple(
            [
                ReplicaStatus(id=replica.get("id", ""), resources=tuple([_instance(item) for item in replica if item.tag == "resource"]))
                for replica in element
                if replica.tag == "replica"
            ]
        ),
    )


def _pack(element: Element) -> str:
    """Attributes as one text, names first, by which what was read of them is remembered. No separator can occur in XML."""
    attributes = element.attrib
    return "\x1f".join((*attributes, *attributes.values()))


def _unpack(packed: str) -> dict[str, str]:
    parts = packed.split("\x1f") if packed else []
    half = len(parts) // 2
    return dict(zip(parts[:half], parts[half:], strict=True))


def _name(text: str) -> tuple[str, str | None]:
    """`prmX:0` -> `prmX`, `0`. Names of resources hold no colon (they are XML ids)."""
    name, colon, number = text.rpartition(":")
    return (name, number) if colon and number.isdigit() else (text, None)


def _role(text: str) -> Role:
    return _ROLES.get(text.lower(), Role.UNKNOWN)


@lru_cache(maxsize=_REMEMBERED)
def _placement(packed: str) -> Placement:
    get = _unpack(packed).get
    return Placement(node=get("name", ""), node_id=get("id", ""), cached=get("cached") != "false")


# --- what is recorded


def _attributes(parent: Element) -> tuple[AttributeStatus, ...]:
    return tuple(
        [
            AttributeStatus(node=name, name=item.get("name", ""), value=item.get("value", ""), expected=item.get("expected"))
            for node in parent
            if node.tag == "node"
            for name in (node.get("name", ""),)
            for item in node
            if item.tag == "attribute"
        ]
    )


def _history(parent: Element, timezone: str) -> tuple[HistoryStatus, ...]:
    return tuple(
        [
            _read_history(
                timezone,
                name,
                _pack(item),
                "\x1e".join([_pack(operation) for operation in item if operation.tag == "operation_history"]),
            )
            for node in parent
            if node.tag == "node"
            for name in (node.get("name", ""),)
            for item in node
            if item.tag == "resource_history"
        ]
    )


@lru_cache(maxsize=_REMEMBERED)
def _read_history(timezone: str, node: str, packed: str, operations: str) -> HistoryStatus:
    get = _unpack(packed).get
    name, number = _name(get("id", ""))
    threshold, count, failure = get("migration-threshold"), get("fail-count"), get("last-failure", "")
    return HistoryStatus(
        node=node,
        resource=name,
        instance=number,
        orphaned=get("orphan") == "true" or get("removed") == "true",
        migration_threshold=INFINITY if threshold is None else _number(threshold),
        fail_count=0 if count is None else _number(count),
        last_failure_at=read_time(failure, timezone),
        last_failure_text=failure,
        operations=tuple([_operation(timezone, operation) for operation in operations.split("\x1e")]) if operations else (),
    )


def _operation(timezone: str, packed: str) -> OperationStatus:
    get = _unpack(packed).get
    change, exec_time, queue_time = get("last-rc-change", ""), get("exec-time"), get("queue-time")
    return OperationStatus(
        call=_optional(get("call")),
        task=get("task", ""),
        rc=_optional(get("rc")),
        rc_text=get("rc_text", ""),
        interval_seconds=_seconds(get("interval", "0")),
        last_change_at=read_time(change, timezone),
        last_change_text=change,
        last_run_text=get("last-run", ""),
        execution_seconds=None if exec_time is None else _seconds(exec_time),
        queue_seconds=None if queue_time is None else _seconds(queue_time),
    )


def _failure(element: Element, timezone: str) -> FailureStatus:
    get = element.get
    key = get("op_key", "") or get("id", "")
    parts = _OPERATION.fullmatch(key)
    task, interval = get("task"), get("interval")
    if task is not None and interval is not None and key.endswith(f"_{task}_{interval}"):
        resource = key[: -len(f"_{task}_{interval}")]
    else:
        resource = parts["resource"] if parts else key
    name, number = _name(resource)
    reason, change, exec_time, queue_time = get("exitreason", ""), get("last-rc-change", ""), get("exec"), get("queued")
    return FailureStatus(
        operation_key=key,
        resource=name,
        task=task or (parts["task"] if parts else ""),
        node=get("node", ""),
        rc=_optional(get("exitcode")),
        instance=number,
        rc_text=get("exitstatus", ""),
        reason="" if reason == "none" else _plain(reason),
        status=get("status", ""),
        call=_optional(get("call")),
        interval_seconds=_seconds(interval if interval is not None else parts["interval"] if parts else "0"),
        last_change_at=read_time(change, timezone),
        last_change_text=change,
        execution_seconds=None if exec_time is None else _seconds(exec_time),
        queue_seconds=None if queue_time is None else _seconds(queue_time),
    )


def _fence_event(element: Element, timezone: str) -> FencingStatus:
    get = element.get
    completed = get("completed", "")
    return FencingStatus(
        action=get("action", ""),
        target=get("target", ""),
        status=get("status", "") or get("state", ""),
        client=get("client", ""),
        origin=get("origin", ""),
        delegate=get("delegate") or None,
        reason=_plain(get("exit-reason", "")),
        extended_status=get("extended-status", ""),
        completed_at=read_time(completed, timezone),
        completed_text=completed,
    )


def _ban(element: Element) -> BanStatus:
    get = element.get
    return BanStatus(
        id=get("id", ""),
        resource=get("resource", ""),
        node=get("node", ""),
        weight=_number(get("weight", "0")),
        promoted_only=get("promoted-only", get("master_only")) == "true",
    )


def _ticket(element: Element, timezone: str) -> TicketStatus:
    granted = element.get("last-granted", "")
    return TicketStatus(
        id=element.get("id", ""),
        granted=element.get("status") == "granted" if "status" in element.attrib else element.get("granted") == "true",
        standby=element.get("standby") == "true",
        last_granted_at=read_time(granted, timezone),
        last_granted_text=granted,
    )


# --- values


def _plain(text: str) -> str:
    """A reason as it was meant. 2.0.5 to 3.0.0 escape it twice, so that `&quot;` is left; 2.0.5 writes byte E8 as `\\37777777750`."""
    if "\\37777777" in text:
        text = _OCTAL.sub(lambda found: bytes(int(part, 8) & 0xFF for part in found[0].split("\\")[1:]).decode("utf-8", "replace"), text)
    return unescape(text, _QUOTES) if "&" in text else text


def _truth(text: str | None) -> bool | None:
    return None if text is None else text.lower() in ("true", "1", "yes", "on")


@lru_cache(maxsize=8192)
def _number(text: str) -> int:
    """A whole number or INFINITY. What is neither reads as 0: a lying number must not stop the rest from being read."""
    word = text.strip()
    if word.lstrip("+-").upper() == "INFINITY":
        return -INFINITY if word.startswith("-") else INFINITY
    try:
        return int(word) if len(word) < 20 else 0
    except ValueError:
        return 0


def _optional(text: str | None) -> int | None:
    return None if text is None else _number(text)


@lru_cache(maxsize=8192)
def _seconds(text: str) -> float:
    """`10000ms`, `10000` (milliseconds), `10s`; 0.0 where it is no such thing."""
    found = _INTERVAL.match(text.strip())
    return float(found[1]) * _SECONDS[found[2]] if found else 0.0
