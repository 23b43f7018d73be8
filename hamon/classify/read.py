"""Readings: what the named groups of a rule mean, where the rule's own event kind does not say it all.

A reading is a pure function from the fields of a match to an Outcome, or None when the line tells nothing (a probe, a cancelled operation).
Rules name it with `read = "..."`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hamon.model.event import EventKind
from hamon.parse.results import OCF, RUNNING, Result, read_result

Value = str | int | float | bool | None


@dataclass(slots=True)
class Reading:
    """An event in the making: kind, node, resource, and its own fields."""

    kind: EventKind
    node: str | None
    resource: str | None
    detail: dict[str, Value]


ABSENT = frozenset({"(unset)", "(null)", ""})
_TRUE = frozenset({"true", "on", "yes", "y", "1"})
SUCCESS = {
    "start": EventKind.RESOURCE_STARTED,
    "stop": EventKind.RESOURCE_STOPPED,
    "promote": EventKind.RESOURCE_PROMOTED,
    "demote": EventKind.RESOURCE_DEMOTED,
    "migrate_from": EventKind.RESOURCE_MIGRATED,
}
# Operations that change nothing that is watched.
_SILENT = frozenset({"probe", "notify", "cancel", "meta-data", "validate-all"})


def without_instance(resource: str) -> str:
    """Strip the instance number of a clone: scheduler lines name `prmPing:1`, results `prmPing`."""
    name, _, number = resource.rpartition(":")
    return name if name and number.isdigit() else resource


def is_true(value: Value) -> bool:
    return str(value).lower() in _TRUE


def _text(value: Value) -> str:
    return "" if value is None else str(value)


def operation_begin(reading: Reading) -> Reading | None:
    """An operation begins. That a monitor begins on another node tells that the start before it came off, of which no line here tells."""
    detail = reading.detail
    operation, local = _text(detail.get("operation")), detail.pop("local", None)
    if operation == "monitor":
        is_elsewhere = reading.node is not None and local is None and bool(_integer(detail.get("interval")))
        return reading if is_elsewhere else None
    notify = (reading.resource or "").endswith(("_pre_notify", "_post_notify"))
    return None if operation in _SILENT or notify else reading


def agent_output(reading: Reading) -> Reading | None:
    """What an agent says in its output; what it says in a probe is no failure."""
    is_probe = reading.detail.get("operation") == "monitor" and reading.detail.get("interval") == 0
    return None if is_probe or _text(reading.detail.get("operation")) in _SILENT else reading


def _merged(detail: dict[str, Value], *names: str) -> None:
    """What stands in one of several groups, since a pattern of alternatives cannot name them alike: the first keeps it."""
    found = [detail.pop(other, None) for other in names]
    detail[names[0]] = next((value for value in found if value is not None), None)


def disk(reading: Reading) -> Reading | None:
    _merged(reading.detail, "device", "device_2")
    return reading


def unit(reading: Reading) -> Reading | None:
    """A unit of systemd and what it tells of it: together they are the text."""
    detail = reading.detail
    detail["text"] = f"{detail.get('unit')}.service: {detail.pop('text_2', None)}"
    return reading


def unit_failed(reading: Reading) -> Reading | None:
    """A unit of systemd: of Pacemaker's it is pacemakerd that ended."""
    detail = reading.detail
    _merged(detail, "signal", "signal_2")
    for name in ("signal", "rc"):
        if detail.get(name) is None:
            detail.pop(name, None)
        else:
            detail[name] = int(_text(detail[name]))
    if detail.get("daemon") == "pacemaker":
        detail["daemon"] = "pacemakerd"
    detail["effect"] = "fatal"
    return reading


def ticket(reading: Reading) -> Reading | None:
    reading.detail["granted"] = is_true(reading.detail.pop("value", None))
    return reading


def nothing(_reading: Reading) -> Reading | None:
    """A line that is known and tells nothing: noise that would otherwise be kept as unclassified."""
    return None


def _failed(operation: str, result: Result) -> dict[str, Value]:
    return {"operation": operation, "rc": result.rc, "status": result.status, "reason": result.reason, "result": result.text}


def operation_result(reading: Reading) -> Reading | None:
    detail = reading.detail
    operation = _text(detail.pop("operation", None))
    interval = detail.pop("interval", None)
    number, rctext, text = detail.pop("rc", None), detail.pop("rctext", None), detail.pop("text", None)
    details, text2, text3 = _text(detail.pop("details", None)), detail.pop("text2", None), detail.pop("text3", None)
    if number is None and (found := re.search(r"\brc=(-?\d+)", details)):
        number = found[1]
    if (found := re.search(r"\bnode=([^,)\s]+)", details)) and reading.node is None:
        reading.node = found[1]
    result = read_result(_text(rctext or text or text2 or text3), int(_text(number)) if number is not None else None)
    if number is None and (found := re.search(r"\bstatus=(\d+)", details)) and result.status is None:
        result = replace(result, rc=None, status=_EXECUTION.get(int(found[1]), "error"))
    if operation == "monitor" and interval is not None and int(_text(interval)) == 0:  # a probe
        return None
    if operation in _SILENT or result.status in ("cancelled", "pending"):
        return None
    good = RUNNING if operation == "monitor" else frozenset({0, 190, 191})
    if result.status is None and result.rc in good:
        reading.kind = SUCCESS.get(operation, EventKind.OPERATION_SUCCEEDED)
        detail.update(operation=operation, rc=result.rc)
    else:
        reading.kind = EventKind.OPERATION_FAILED
        detail.update(_failed(operation, result))
    if interval is not None:
        detail["interval"] = int(_text(interval))
    return reading


_RECORD = re.compile(r"[ @](?P<name>operation|transition-magic|on_node|interval|last-rc-change)=\"?(?P<value>[^\",]*)")
_MAGIC = re.compile(r"(?P<status>-?\d+):(?P<rc>-?\d+);(?P<key>\S+)")
_RECORDED = frozenset({"start", "stop", "promote", "demote", "migrate_from", "migrate_to"})


def operation_recorded(reading: Reading) -> Reading | None:
    """A record of an operation in the CIB. Monitors count where they failed: `last_failure`; the pending ones name the operation."""
    detail = reading.detail
    identity, text = _text(detail.pop("id", None)), _text(detail.pop("text", None))
    fields = {found["name"]: found["value"] for found in _RECORD.finditer(text)}
    magic = _MAGIC.match(fields.get("transition-magic", ""))
    if not identity and (found := re.match(r'<lrm_rsc_op id="([^"]+)"', text)) is not None:
        identity = found[1]
    is_failure = "_last_failure_" in identity
    operation = fields.get("operation")
    is_probe = is_failure and fields.get("interval") == "0" and operation == "monitor"
    if magic is None or is_probe or not (is_failure or identity.endswith("_last_0")):
        detail["on_node"] = fields.get("on_node")
        return reading if detail["on_node"] is not None else None  # it names a node that others call by number
    if operation is not None and operation not in _RECORDED and not (is_failure and operation == "monitor"):
        detail["operation"] = "other"
    elif operation is not None:
        detail["operation"] = operation
    detail.update(status=int(magic["status"]), rc=int(magic["rc"]), key=magic["key"])
    if is_failure:
        detail["last_failure"] = True
    if "on_node" in fields:
        detail["on_node"] = fields["on_node"]
    if fields.get("last-rc-change", "").isdigit():
        detail["changed"] = int(fields["last-rc-change"])
    return reading


_WORDS = {rc: word for word, rc in reversed(OCF.items())}
"""The oldest word for each return code."""


def operation_unexpected(reading: Reading) -> Reading | None:
    detail = reading.detail
    operation, got, expected = _text(detail.get("operation")), _text(detail.pop("got", None)), detail.pop("expected", None)
    interval = int(_text(detail.get("interval")) or 0)
    if operation in _SILENT or (operation == "monitor" and interval == 0):  # interval 0: a probe
        return None
    result = read_result(got)
    if (rc := _integer(detail.pop("rc", None))) is not None and result.status in (None, "error"):
        result = read_result(_WORDS.get(rc, got), rc)
        expected = _WORDS.get(_integer(expected) or 0, _text(expected))
    detail.update(_failed(operation, result) | {"interval": interval, "expected": expected})
    for key in ("transition", "action_id", "call"):
        detail.pop(key, None)
    return reading


def node_state(reading: Reading) -> Reading | None:
    state = _text(reading.detail.pop("state", None))
    reading.detail.pop("was", None)
    reading.kind = EventKind.NODE_JOINED if state == "member" else EventKind.NODE_LOST
    return reading if state in ("member", "lost") else None


_FAIL_COUNT = re.compile(r"^fail-count-(?P<resource>[^#]+)(?:#(?P<operation>.+)_(?P<interval>\d+))?$")
_BOOKKEEPING = ("last-failure-", "probe_complete", "#feature-set", "#attrd-protocol")


def attribute(reading: Reading) -> Reading | None:
    """A node attribute: most are just that; some are how Pacemaker counts failures, asks for a stop, or sets standby."""
    detail = reading.detail
    name = _text(detail.get("attribute"))
    here: dict[str, Value] = {"here": detail["here"]} if "here" in detail else {}
    old, new = (None if _text(detail.get(key)) in ABSENT else _text(detail.get(key)) for key in ("old", "new"))
    detail["old"], detail["new"] = old, new
    detail.pop("settype", None)
    detail.pop("writer", None)
    if name.startswith(_BOOKKEEPING):
        return None
    if (count := _FAIL_COUNT.match(name)) is not None:
        reading.kind = EventKind.FAIL_COUNT_CHANGED
        reading.resource = without_instance(count["resource"])
        reading.detail = {"value": new, "operation": count["operation"], "old": old} | here
        return reading
    if name == "shutdown":
        if new in (None, "0"):
            return None
        reading.kind = EventKind.SHUTDOWN_REQUESTED
        reading.detail = {"requested_at": new, **here}
    elif name in ("standby", "maintenance"):
        on = is_true(new)
        reading.kind = {
            ("standby", True): EventKind.STANDBY_ON,
            ("standby", False): EventKind.STANDBY_OFF,
            ("maintenance", True): EventKind.MAINTENANCE_ON,
            ("maintenance", False): EventKind.MAINTENANCE_OFF,
        }[(name, on)]
        reading.detail = {"lifetime": "reboot", **here}
    return reading


def on_off(reading: Reading) -> Reading | None:
    """Standby or maintenance as the CIB or the DC words it: the value decides; `maintenance-mode` is the whole cluster's."""
    value = reading.detail.pop("value", None)
    if not is_true(value):
        reading.kind = EventKind.STANDBY_OFF if reading.kind is EventKind.STANDBY_ON else EventKind.MAINTENANCE_OFF
    return reading


def config_change(reading: Reading) -> Reading | None:
    if "last-lrm-refresh" in _text(reading.detail.get("object")):
        reading.kind = EventKind.CLEANUP
        reading.detail = {"expired": False}
    return reading


def fencing_result(reading: Reading) -> Reading | None:
    detail = reading.detail
    negated, result = detail.pop("negated", None), _text(detail.pop("result", None))
    delegate = _text(detail.get("delegate"))
    words = result.lower()
    good = negated is None and (words.startswith(("ok", "complete", "done")))
    if "arrived too late" in words:
        return None
    if good and delegate == "a human":
        detail["manual"] = True
    reading.kind = EventKind.FENCING_DONE if good else EventKind.FENCING_FAILED
    if not good:
        detail["reason"] = result
    return reading


def daemon_exit(reading: Reading) -> Reading | None:
    detail = reading.detail
    rc2, pid2 = detail.pop("rc2", None), detail.pop("pid2", None)  # of another wording in the same rule
    rc = int(_text(detail.get("rc") or rc2) or 0)
    detail["rc"] = rc
    if pid2 is not None:
        detail["pid"] = int(_text(pid2))
    detail.pop("text", None)
    if rc == 0:
        reading.kind = EventKind.DAEMON_STOPPED
    elif rc in (100, 255):
        detail["effect"] = {100: "fatal", 255: "panic"}[rc]
    return reading


_ROLE = {
    "Master": "Promoted",
    "Slave": "Unpromoted",
    "Promoted": "Promoted",
    "Unpromoted": "Unpromoted",
    "Started": "Started",
    "Stopped": "Stopped",
}


def plan_action(reading: Reading) -> Reading | None:
    """`a -> b`, `Role a`, `Role1 -> Role2 node`, `Role1 a -> Role2 b`: nodes and roles before and after."""
    detail = reading.detail
    details, _, why = _text(detail.pop("details", None)).partition(" - ")
    blocked = detail.pop("blocked", None) or "blocked" in why
    left, arrow, right = (part.strip() for part in details.partition("->"))
    from_role, from_node = _role_and_node(left)
    to_role, to_node = _role_and_node(right) if arrow else (from_role, from_node)
    if arrow and from_node is None:  # Role1 -> Role2 node
        from_node = to_node
    if arrow and to_node is None:
        to_node = from_node
    action = _text(detail.get("action"))
    if action == "Start":
        from_node, from_role = None, "Stopped"
    elif action == "Stop":
        to_node, to_role = None, "Stopped"
    detail.update({"from": from_node, "to": to_node, "from_role": from_role, "to_role": to_role})
    if blocked:
        detail["blocked"] = True
    return reading


def _role_and_node(text: str) -> tuple[str | None, str | None]:
    words = text.split()
    role = next((_ROLE[word] for word in words if word in _ROLE), None)
    node = next((word for word in words if word not in _ROLE and word != "blocked"), None)
    return role, node


def plan_node(reading: Reading) -> Reading | None:
    if reading.detail.get("action") == "Shutdown":
        reading.kind = EventKind.SHUTDOWN_REQUESTED
        reading.detail = {}
    return reading


def plan_leave(reading: Reading) -> Reading | None:
    role = _text(reading.detail.pop("role", None))
    if reading.node == "unmanaged":
        reading.node, reading.detail["unmanaged"] = None, True
    reading.detail["to_role"] = _ROLE.get(role, role)
    reading.detail["to"], reading.node = reading.node, None
    return reading


def logconv_result(reading: Reading) -> Reading | None:
    """pm_logconv: `(rc=1) unknown error`, `(Timed Out)`, or an execution status."""
    detail = reading.detail
    text = _text(detail.pop("text", None))
    rc = detail.pop("rc", None)
    operation = _text(detail.get("operation"))
    text = text.strip("()")
    result = read_result(text, int(_text(rc)) if rc is not None else None)
    if result.rc is None and result.status == "error" and text.lower() in OCF:
        result = Result(OCF[text.lower()], None, None, text)
    detail.update(_failed(operation, result))
    return reading


def logconv_fenced(reading: Reading) -> Reading | None:
    if reading.detail.get("delegate") == "a human":
        reading.detail["manual"] = True
    return reading


_EXECUTION = {
    2: "timeout",
    3: "not supported",
    4: "error",
    5: "error",
    6: "error",
    7: "not installed",
    8: "no executor connection",
    9: "cannot execute now",
    10: "no fence device",
    11: "cib secrets unavailable",
}
"""Execution status by its number (`pcmk_exec_status` of Pacemaker's common/results.h), in the words of the logs."""
_NOT_DONE = frozenset({-2, -1, 1})
"""Unknown, pending, cancelled."""


def _integer(value: Value) -> int | None:
    text = _text(value)
    return int(text) if text.lstrip("-").isdigit() else None


def alert_operation(reading: Reading) -> Reading | None:
    """An operation as an alert tells it: by numbers. It gives no interval: a monitor that expects rc 7 is a probe.

    A probe that finds the resource running tells where it is; a notification, that it is a clone.
    """
    detail = reading.detail
    operation, description = _text(detail.pop("operation", None)), _text(detail.pop("description", None))
    status, rc, expected = (_integer(detail.pop(name, None)) for name in ("status", "rc", "expected"))
    result = read_result(description, rc)
    if status in _NOT_DONE or description.lower() in ("cancelled", "pending") or rc in (193, 196):
        return None
    if status is None or status == 0:
        rc = result.rc
        good = rc in (190, 191) or (rc == expected if expected is not None else rc in (RUNNING if operation == "monitor" else {0}))
        word = None if rc is not None else result.status
    else:
        good, word = False, _EXECUTION.get(status, "error")
    if operation == "monitor" and expected == 7:
        if rc not in RUNNING or word is not None:
            return None
        operation, good = "probe", True
    elif operation in _SILENT and not (operation == "notify" and good):
        return None
    if good:
        reading.kind = SUCCESS.get(operation, EventKind.OPERATION_SUCCEEDED)
        detail.update(operation=operation, rc=rc)
    else:
        reading.kind = EventKind.OPERATION_FAILED
        detail.update(operation=operation, rc=rc, status=word, reason=result.reason, result=description, expected=expected)
    return reading


def alert_fencing(reading: Reading) -> Reading | None:
    """A fencing that ended: rc 0, or where there is none the result "OK", is success."""
    detail = reading.detail
    rc, result, reason = _integer(detail.get("rc")), _text(detail.pop("result", None)), _text(detail.pop("reason", None))
    if detail.get("delegate") == "a human":
        detail["manual"] = True
    if rc == 0 or (rc is None and result.lower().startswith("ok")):
        reading.kind = EventKind.FENCING_DONE
    else:
        reading.kind = EventKind.FENCING_FAILED
        detail["reason"] = f"{result} ({reason})" if reason else result
    return reading


_MEMBERS = {"joined": True, "left": False, "2": True, "3": False}
_HEARTBEAT_NODES = {"active": True, "dead": False, "3": True, "4": False}


def corosync_node(reading: Reading) -> Reading | None:
    """A member of Corosync, or of Heartbeat's membership, joined or left."""
    return _came_or_went(reading, _MEMBERS)


def heartbeat_node(reading: Reading) -> Reading | None:
    """A node of Heartbeat is active or dead; what is between tells nothing."""
    return _came_or_went(reading, _HEARTBEAT_NODES)


def _came_or_went(reading: Reading, words: Mapping[str, bool]) -> Reading | None:
    here = words.get(_text(reading.detail.pop("state", None)).lower())
    if here is None:
        return None
    reading.kind = EventKind.NODE_JOINED if here else EventKind.NODE_LOST
    return reading


def quorum(reading: Reading) -> Reading | None:
    """`quorate`, or `not quorate` in any case of letters."""
    reading.kind = EventKind.QUORUM_ACQUIRED if _text(reading.detail.pop("state", None)).lower() == "quorate" else EventKind.QUORUM_LOST
    return reading


def link_state(reading: Reading) -> Reading | None:
    """A link by the words of Corosync 1 to 3, or the number of Heartbeat (1 up, 2 down)."""
    state = _text(reading.detail.pop("state", None)).lower()
    if state in ("operational", "1", "up"):
        reading.kind = EventKind.LINK_UP
    elif state in ("disconnected", "2", "down") or "faulty" in state or "failed" in state:
        reading.kind = EventKind.LINK_DOWN
    else:
        return None
    return reading


_HEARTBEAT_RESOURCES = {
    "1": (EventKind.RESOURCE_STOPPED, None),
    "2": (EventKind.RESOURCE_STARTED, None),
    "3": (EventKind.RESOURCE_STARTED, "Unpromoted"),
    "4": (EventKind.RESOURCE_PROMOTED, None),
}


def heartbeat_resource(reading: Reading) -> Reading | None:
    """Where and in which role a resource is, by Heartbeat's number."""
    known = _HEARTBEAT_RESOURCES.get(_text(reading.detail.pop("state", None)))
    if known is None:
        return None
    reading.kind, role = known
    if role is not None:
        reading.detail["role"] = role
    return reading


READINGS: Mapping[str, Callable[[Reading], Reading | None]] = {
    function.__name__: function
    for function in (
        nothing,
        agent_output,
        disk,
        ticket,
        unit,
        unit_failed,
        operation_begin,
        operation_result,
        operation_recorded,
        operation_unexpected,
        node_state,
        attribute,
        on_off,
        config_change,
        fencing_result,
        daemon_exit,
        plan_action,
        plan_node,
        plan_leave,
        logconv_result,
        logconv_fenced,
        alert_operation,
        alert_fencing,
        corosync_node,
        heartbeat_node,
        quorum,
        link_state,
        heartbeat_resource,
    )
}
