"""Native log lines to the messages of pm_logconv, for the log monitors that know these. Pure: lines in, messages out.

Which lines count, in the wording of every Pacemaker version, is said by the rules; what is made of them stands here: the text of each
message, its priority, and the state machine that tells a fail-over. The law: one node's lines in their order give what that node's
converter would have written. Where the original is known to err (a start that returns 7 gives nothing; an old failure makes a later planned
move a fail-over) this does not.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from hamon.classify.match import interpret
from hamon.classify.read import ABSENT, Reading
from hamon.model.event import EventKind
from hamon.parse.lines import LogLine
from hamon.rules.schema import Rule, RuleSet

INFO, WARNING, ERROR = "info", "warning", "error"

# Number of the message -> priority and text. The numbers are pm_logconv's own.
MESSAGES: Mapping[str, tuple[str, str]] = {
    "23-1": (INFO, "Starting Corosync {version}."),
    "23-4": (INFO, "Starting Pacemaker {version}."),
    "14-1": (INFO, "Corosync is shutting down."),
    "14-2": (INFO, "Corosync shutdown complete."),
    "14-3": (INFO, "Pacemaker is shutting down."),
    "14-4": (INFO, "Pacemaker shutdown complete."),
    "14-5": (INFO, "Pacemaker on {node} is shutting down."),
    "10-1": (INFO, 'Start "{daemon}" process. (pid={pid})'),
    "10-2": (WARNING, 'Managed "{daemon}" process exited. (pid={pid}, rc={rc})'),
    "10-3": (WARNING, 'Managed "{daemon}" process terminated with signal {signal}. (pid={pid})'),
    "10-6": (INFO, 'Stop "{daemon}" process normally. (pid={pid})'),
    "10-7": (ERROR, 'Respawn count exceeded by "{daemon}".'),
    "6-1": (WARNING, "Node {node} is lost"),
    "6-2": (INFO, "Node {node} is member"),
    "13-2": (INFO, "Set DC node to {node}."),
    "13-5": (INFO, "Unset DC node {old}."),
    "7-1": (WARNING, "Ring number {link} is FAULTY (interface {address})."),
    "7-2": (INFO, "Ring number {link} is recovered."),
    "8-1": (ERROR, "Network to {target} is unreachable."),
    "9-1": (ERROR, "Disk connection to {device} is ERROR. (attr_name={attribute})"),
    "22-1": (INFO, 'Attribute "{attribute}" is updated to "{new}" at "{node}".'),
    "22-2": (INFO, 'Attribute "{attribute}" is deleted at "{node}".'),
    "21-1": (INFO, "Try to STONITH ({action}) {node}."),
    "21-2": (INFO, "Succeeded to STONITH ({action}) {node} by {delegate}."),
    "21-3": (ERROR, "Failed to STONITH ({action}) {node} by {delegate}."),
    "21-4": (ERROR, "Too many failures to STONITH {node}."),
    "21-5": (INFO, "Try to execute STONITH device {device}on {delegate} for {action} {node}."),
    "21-6": (INFO, "Succeeded to execute STONITH device {device} for {node}."),
    "21-7": (WARNING, "Failed to execute STONITH device {device} for {node}."),
    "21-8": (INFO, "Succeeded to STONITH ({action}) {node} by a human."),
    "F0-0": (ERROR, "Start to fail-over."),
    "F11-8": (INFO, "Resource {resource} : {text}"),
    "F11-9": (ERROR, "Resource {resource} : Stopped"),
    "F11-5": (ERROR, "Unmanaged resource exists."),
    "F12-1": (INFO, "fail-over succeeded."),
    "F12-2": (ERROR, "fail-over failed."),
    "begin": (INFO, "Resource {resource} tries to {operation}."),
    "success": (INFO, "Resource {resource} {done}. (rc=0) ok"),
    "failure": (ERROR, "Resource {resource} failed to {operation}. (rc={rc}) {result}"),
    "not running": (ERROR, "Resource {resource} does not work. (rc=7) not running"),
    "timeout": (ERROR, "Resource {resource} failed to {operation}. (Timed Out)"),
    "status": (ERROR, "Resource {resource} failed to {operation}. {result}"),
}

# Rules whose lines need nothing but their fields put into the text.
_PLAIN: Mapping[str, str] = {
    "pacemaker-stopping": "14-3",
    "pacemaker-stopped": "14-4",
    "shutdown-request-created": "14-5",
    "daemon-forked": "10-1",
    "daemon-forked-2": "10-1",
    "daemon-killed": "10-3",
    "daemon-killed-1": "10-3",
    "daemon-killed-2": "10-3",
    "daemon-gave-up": "10-7",
    "daemon-gave-up-3": "10-7",
    "dc-set": "13-2",
    "ring-faulty": "7-1",
    "ring-recovered": "7-2",
    "ping-target-inactive": "8-1",
    "diskd-status": "9-1",
    "fencing-requested": "21-1",
    "fencing-requested-1": "21-1",
    "fencing-gave-up": "21-4",
    "fencing-gave-up-1": "21-4",
}
_DONE = {"start": "started", "stop": "stopped", "promote": "promoted", "demote": "demoted"} | {
    name: name.replace("migrate", "migrated") for name in ("migrate_to", "migrate_from")
}
_HIDDEN_ATTRIBUTES = re.compile(r"fail-count-|last-failure-|probe_complete$|shutdown$|#")
_FAIL_COUNT = re.compile(r"fail-count-")
_EXECUTION = frozenset({"Error", "Not installed"})
"""Execution statuses whose words an agent's own result has too, but in lower case."""
_GONE = re.compile(r"no longer (?:part of the cluster|available)")
"""Why a node is fenced that failed itself; the other reasons are failures of its resources, and requests."""
_FENCED = re.compile(r"ok|complete|done", re.IGNORECASE)
_BRACKETS = str.maketrans("", "", "()")
_DELETED = str.maketrans("", "", "(),.;:[]=<>'")
"""The converter deletes these from names of nodes and devices in some messages; monitors expect them without."""
_ONLINE = re.compile(r"^(?:Node )?(?P<node>\S+) is (?P<state>online|standby|pending|maintenance|shutting down)\b")

_NO_LINKS = re.compile(r"^host: host: (?P<peer>\d+) has no active links")
_BEST_LINK = re.compile(r"^host: host: (?P<peer>\d+) \([^)]*\) best link: (?P<link>\d+)")
_OF_LINKS = re.compile(r"^(?:link: host: \d+ link: \d+ is down|host: host: \d+ )")
"""What Corosync 3 says of links that go, within the same moment."""

AGAIN = timedelta(seconds=5)
"""What two lines of a daemon say of one fact within this time is told once."""
TRIGGER_AGE = timedelta(minutes=5)
"""A failure that led to nothing for so long is no reason for what moves later."""


class Trigger(IntEnum):
    """What makes a move a fail-over."""

    NONE = 0
    RESOURCE = 1
    ATTRIBUTE = 2
    NODE = 3


class Plan(IntEnum):
    """What the scheduler wants for a service resource."""

    NONE = 0
    START = 1
    MOVE = 2
    STOP = 3
    STAYS_STOPPED = 4


_IS_FAILOVER = {
    *((Trigger.RESOURCE, plan) for plan in (Plan.MOVE, Plan.STOP)),
    *((Trigger.ATTRIBUTE, plan) for plan in (Plan.MOVE, Plan.STOP)),
    *((Trigger.NODE, plan) for plan in (Plan.START, Plan.MOVE, Plan.STOP, Plan.STAYS_STOPPED)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One line of pm_logconv.out. `number` is pm_logconv's, or for operations what happened."""

    at: datetime
    host: str
    number: str
    priority: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """`attribute operator value` of a location rule."""

    attribute: str
    operator: str
    value: str

    def holds(self, value: str) -> bool:
        """Compare as pm_logconv does: as numbers where both sides are all digits, else as text; `defined` is not evaluated."""
        left: str | int = value
        right: str | int = self.value
        if value.isdigit() and self.value.isdigit():
            left, right = int(value), int(self.value)
        elif self.operator not in ("eq", "ne"):
            left, right = value, self.value
        match self.operator:
            case "lt":
                return left < right  # type: ignore[operator]  # both numbers or both text
            case "gt":
                return left > right  # type: ignore[operator]
            case "lte" | "le":
                return left <= right  # type: ignore[operator]
            case "gte" | "ge":
                return left >= right  # type: ignore[operator]
            case "eq":
                return left == right
            case "ne":
                return left != right
            case _:
                return False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogconvSettings:
    """What is configured: the primitives of the service, and rules on attributes (alternatives of conditions that hold together)."""

    service_resources: tuple[str, ...] = ()
    attribute_rules: tuple[tuple[tuple[Condition, ...], ...], ...] = ()


@dataclass(slots=True)
class Summary:
    """What the scheduler decided for one resource."""

    text: str = ""
    unmanaged: bool = False
    operated: bool = False


@dataclass(slots=True)
class FailoverState:
    """The state machine of one node's converter. Plain data, so that it survives a restart."""

    trigger: Trigger = Trigger.NONE
    triggered_at: datetime | None = None
    plan: Plan = Plan.NONE
    in_failover: bool = False
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Node -> attribute -> value."""
    online: dict[str, bool] = field(default_factory=dict)
    summary: dict[str, Summary] = field(default_factory=dict)
    said: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Subject -> what was said of it last, and when."""
    peers: dict[str, bool] = field(default_factory=dict)
    """Number of a node -> whether it is one of Corosync's members, as far as that was told."""
    begins_alone: bool = False
    """Corosync started while this was read: who did not join since is no member."""
    faulty: list[str] = field(default_factory=list)
    """Links that were told as faulty, by peer and number."""

    def clear(self) -> None:
        """Begin anew: the cluster is idle, stops, or has just started."""
        self.trigger, self.triggered_at, self.plan, self.in_failover = Trigger.NONE, None, Plan.NONE, False
        self.attributes.clear()
        self.online.clear()


class Converter:
    """Convert the lines of one node. `state` may be written down and given back to a new converter."""

    def __init__(self, rules: RuleSet, settings: LogconvSettings, state: FailoverState | None = None) -> None:
        self._settings = settings
        self.state = state or FailoverState()
        self._held: list[tuple[str, str, Message]] = []
        """Peer, link and message of links that are down; whether that is a fault of links, the lines that follow at once tell."""
        self._special: dict[str, Callable[[LogLine, Rule, re.Match[str]], Iterable[Message]]] = {
            "pacemaker-starting": self._started,
            "corosync-starting": self._started,
            "corosync-starting-2": self._started,
            "corosync-stopping": self._corosync_stops,
            "corosync-stopped": self._corosync_stops,
            "daemon-exited": self._exited,
            "daemon-exited-1": self._exited,
            "daemon-exited-2": self._exited,
            "daemon-fatal": self._exited,
            "daemon-fatal-1": self._exited,
            "daemon-panic": self._exited,
            "daemon-panic-1": self._exited,
            "node-state": self._node_state,
            "node-state-notice": self._node_state,
            "node-state-1": self._node_state,
            "node-state-2": self._node_state,
            "node-vanished": self._node_vanished,
            "node-will-be-fenced": self._node_to_be_fenced,
            "node-will-be-fenced-1": self._node_to_be_fenced,
            "dc-unset": self._dc_unset,
            "controller-state": self._controller_state,
            "link-down": self._link_down,
            "link-up": self._link_up,
            "membership": self._membership,
            "attribute-set": self._attribute,
            "operation-requested": self._operation_begins,
            "operation-performing": self._operation_begins,
            "operation-initiated": self._operation_initiated,
            "operation-initiated-1": self._operation_initiated,
            "operation-asked": self._operation_initiated,
            "operation-result": self._operation_ended,
            "operation-result-1": self._operation_ended,
            "fail-count-updated": self._fail_count,
            "plan-action": self._planned,
            "plan-action-1": self._planned,
            "plan-leave": self._planned,
            "fencing-result": self._fenced,
            "fencing-result-1": self._fenced,
            "fence-device-asked": self._device_asked,
            "fence-device-asked-1": self._device_asked,
            "fence-device-asked-2": self._device_asked,
            "fence-device-result": self._device_result,
            "fence-device-result-1": self._device_result,
            "fence-device-result-2": self._device_result,
        }
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules.rules:
            if rule.id in _PLAIN or rule.id in self._special:
                self._rules.setdefault(rule.daemon, []).append(rule)

    def convert(self, line: LogLine) -> Sequence[Message]:
        """The messages that one line gives: mostly none."""
        given: list[Message] = [*self._faults_after(line)] if self._held else []
        for rule in self._rules.get(line.daemon, ()):
            found = rule.pattern.search(line.text)
            if found is None:
                continue
            if (number := _PLAIN.get(rule.id)) is not None:
                given.append(_message(line, number, found.groupdict()))
            else:
                given += self._special[rule.id](line, rule, found)
            break
        else:
            if line.daemon == "pacemaker-schedulerd" and (found := _ONLINE.match(line.text)) is not None:
                self.state.online[found["node"].translate(_DELETED)] = found["state"] == "online"
        return [message for message in given if self._is_news(message)]

    def _is_news(self, message: Message) -> bool:
        """Two lines that mean the same (a node's state at info and at notice, a daemon's end and what follows of it) are one message."""
        family = message.number.partition("-")[0]
        if family not in ("6", "10"):
            return True
        subject = re.sub(r"\W+", " ", f"{family} {message.text.split()[1]}")
        known = self.state.said.get(subject)
        self.state.said[subject] = (message.text, message.at)
        return known is None or known[0] != message.text or not timedelta(0) <= message.at - known[1] <= AGAIN

    # -- the stack, daemons, nodes

    def _started(self, line: LogLine, rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        self.state.clear()
        number = "23-4" if rule.id == "pacemaker-starting" else "23-1"
        if number == "23-1":
            self.state.begins_alone = True
            self.state.peers.clear()
            self.state.faulty.clear()
        version = found["version"].partition("-")[0] if number == "23-4" else found["version"]
        yield _message(line, number, {"version": version})

    def _corosync_stops(self, line: LogLine, rule: Rule, _found: re.Match[str]) -> Iterable[Message]:
        self.state.online.clear()
        yield _message(line, "14-1" if rule.id == "corosync-stopping" else "14-2", {})

    def _exited(self, line: LogLine, rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        fields = found.groupdict()
        rc = {"daemon-fatal": "100", "daemon-fatal-1": "100", "daemon-panic": "255", "daemon-panic-1": "255"}.get(rule.id, fields.get("rc"))
        if rc is None:  # the older of two wordings
            fields |= {"pid": fields["pid2"]}
            rc = fields["rc2"]
        yield _message(line, "10-6" if rc == "0" else "10-2", fields | {"rc": rc})

    def _node_state(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        number = {"lost": "6-1", "member": "6-2"}.get(found["state"])
        if number is not None:
            yield _message(line, number, {"node": found["node"]})

    def _node_vanished(self, line: LogLine, _rule: Rule, _found: re.Match[str]) -> Iterable[Message]:
        return self._triggered(line, Trigger.NODE)

    def _node_to_be_fenced(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        """In a log of Pacemaker alone, without Corosync's, this is the only sign that the node did not leave in order."""
        return self._triggered(line, Trigger.NODE) if _GONE.search(found["reason"]) else ()

    def _dc_unset(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        if found["old"]:
            yield _message(line, "13-5", {"old": found["old"]})

    def _membership(self, _line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        self.state.peers |= dict.fromkeys((found["joined"] or "").split(), True) | dict.fromkeys((found["left"] or "").split(), False)
        return ()

    def _is_member(self, peer: str) -> bool:
        return self.state.peers.get(peer, not self.state.begins_alone)

    def _link_down(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        """Corosync 3 tells this also of the links of a node that left, or is lost, which are no fault of links. It does not say which
        interface: the peer stands in its place."""
        peer, link = found["peer_id"], found["link"]
        if self._is_member(peer):
            self._held.append((peer, link, _message(line, "7-1", {"link": link, "address": f"host {peer}"})))
        return ()

    def _faults_after(self, line: LogLine) -> Iterable[Message]:
        """The links that are known to be at fault, now that this line is read: their peer is reached on another one."""
        at = self._held[-1][2].at
        if line.daemon != "corosync" or _OF_LINKS.match(line.text) is None or abs(line.at - at) >= timedelta(seconds=1):
            yield from self.rest()
        elif (lost := _NO_LINKS.match(line.text)) is not None:
            self._held = [held for held in self._held if held[0] != lost["peer"]]
        elif (best := _BEST_LINK.match(line.text)) is not None and (best["peer"], best["link"]) not in [held[:2] for held in self._held]:
            yield from self.rest(best["peer"])

    def rest(self, peer: str | None = None) -> Iterable[Message]:
        """The links that were held back, of one peer or all: nothing more is known of them."""
        for held in [held for held in self._held if peer in (None, held[0])]:
            self._held.remove(held)
            name = f"{held[0]} {held[1]}"
            self.state.faulty = [*(other for other in self.state.faulty if other != name), name]
            yield held[2]

    def _link_up(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        """That of a node which joins is no recovery, unless the link was told as faulty."""
        name = f"{found['peer_id']} {found['link']}"
        if name in self.state.faulty or self._is_member(found["peer_id"]):
            self.state.faulty = [other for other in self.state.faulty if other != name]
            yield _message(line, "7-2", {"link": found["link"]})

    # -- attributes

    def _attribute(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        attribute, new, node = found["attribute"], found["new"], found["node"].translate(_DELETED)
        is_gone = new in ABSENT
        if _FAIL_COUNT.match(attribute) and not is_gone:
            # In a log at notice this is the only sign of a failure; the line of the controller is at info.
            yield from self._triggered(line, Trigger.RESOURCE)
        if _HIDDEN_ATTRIBUTES.match(attribute):
            return
        if not is_gone:
            self.state.attributes.setdefault(node, {})[attribute] = new
        yield _message(line, "22-2" if is_gone else "22-1", {"attribute": attribute, "new": new, "node": node})

    def _attribute_is_bad(self) -> bool:
        """Whether an online node has values for which a configured rule is true."""
        known = self.state.online
        nodes = [values for node, values in self.state.attributes.items() if known.get(node, not known)]
        return any(
            all(condition.operator in ("defined", "not_defined") or _holds(condition, values) for condition in together)
            and any(condition.operator not in ("defined", "not_defined") for condition in together)
            for rule in self._settings.attribute_rules
            for together in rule
            for values in nodes
        )

    # -- operations

    def _operation_begins(self, line: LogLine, rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        reading = interpret(rule, found)
        if reading is None or reading.resource is None:
            return
        self._operated(reading)
        yield _message(line, "begin", {"resource": found["resource"], "operation": found["operation"]})

    def _operation_initiated(self, _line: LogLine, rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        reading = interpret(rule, found)
        if reading is not None:
            self._operated(reading)
        return ()

    def _operated(self, reading: Reading) -> None:
        if reading.resource in self._settings.service_resources:
            self.state.summary.setdefault(reading.resource or "", Summary()).operated = True

    def _operation_ended(self, line: LogLine, rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        reading = interpret(rule, found)
        if reading is None:
            return
        detail = reading.detail
        operation = str(detail.get("operation"))
        fields = {"resource": found["resource"], "operation": operation, "rc": detail.get("rc")}
        if operation == "monitor" and detail.get("interval") == 0:  # a probe
            return
        if reading.kind is not EventKind.OPERATION_FAILED:
            if operation != "monitor":
                yield _message(line, "success", fields | {"done": _DONE.get(operation, f"{operation} ok")})
        elif detail.get("status") == "timeout":
            yield _message(line, "timeout", fields)
        elif detail.get("rc") is None or (detail.get("result") in _EXECUTION and not re.search(r"rc=|: \d", line.text)):
            yield _message(line, "status", fields | {"result": detail.get("result")})
        elif operation == "monitor" and detail.get("rc") == 7:
            yield _message(line, "not running", fields)
        else:
            yield _message(line, "failure", fields | {"result": str(detail.get("result")).translate(_BRACKETS)})

    # -- fencing

    def _fenced(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        fields = found.groupdict()
        if "arrived too late" in fields["result"].lower():
            return
        if fields["negated"] or not _FENCED.match(fields["result"]):
            nobody = fields["delegate"] in ("the cluster", "<anyone>")
            yield _message(line, "21-3", fields | ({"delegate": "<anyone>"} if nobody else {}))
        elif fields["delegate"] == "a human":
            yield _message(line, "21-8", fields)
            yield from self._triggered(line, Trigger.NODE)
        else:
            yield _message(line, "21-2", fields)

    def _device_asked(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        fields = _names(found)
        yield _message(line, "21-5", fields | {"device": f"{fields['device']} " if fields["device"] else ""})

    def _device_result(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        fields = _names(found)
        if fields["device"]:
            yield _message(line, "21-6" if _FENCED.match(found["result"]) else "21-7", fields)

    # -- the fail-over

    def _fail_count(self, line: LogLine, _rule: Rule, _found: re.Match[str]) -> Iterable[Message]:
        return self._triggered(line, Trigger.RESOURCE)

    def _triggered(self, line: LogLine, trigger: Trigger) -> Iterable[Message]:
        self.state.trigger, self.state.triggered_at = trigger, line.at
        yield from self._failover_begins(line)

    def _planned(self, line: LogLine, rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        reading = interpret(rule, found)
        if reading is None or reading.resource is None:
            return
        detail, name = reading.detail, found["resource"]
        if detail.get("unmanaged"):
            self.state.summary.setdefault(name, Summary()).unmanaged = True
            return
        if name not in self._settings.service_resources:
            return
        action, source, target = detail.get("action", "Leave"), detail.get("from"), detail.get("to")
        if action in ("Promote", "Demote"):
            return
        summary = self.state.summary.setdefault(name, Summary())
        if action == "Stop":
            summary.text, self.state.plan = "Stopped", Plan.STOP
        elif action == "Leave" and detail.get("to_role") == "Stopped":
            summary.text, self.state.plan = "Stopped", Plan.STAYS_STOPPED
        elif action == "Start":
            summary.text, self.state.plan = f"Started on {target}", Plan.START
        elif action in ("Move", "Migrate", "Recover") and source != target:
            summary.text, self.state.plan = f"Move {source} -> {target}", Plan.MOVE
        else:
            summary.text = f"Started on {target}"
        yield from self._failover_begins(line)

    def _failover_begins(self, line: LogLine) -> Iterable[Message]:
        state = self.state
        if state.in_failover or not self._settings.service_resources:
            return
        if state.triggered_at is not None and line.at - state.triggered_at > TRIGGER_AGE:
            state.trigger, state.triggered_at = Trigger.NONE, None
        if state.trigger is Trigger.NONE and state.plan in (Plan.MOVE, Plan.STOP) and self._attribute_is_bad():
            state.trigger, state.triggered_at = Trigger.ATTRIBUTE, line.at
        if (state.trigger, state.plan) in _IS_FAILOVER:
            state.in_failover = True
            yield _message(line, "F0-0", {})

    def _controller_state(self, line: LogLine, _rule: Rule, found: re.Match[str]) -> Iterable[Message]:
        state = self.state
        if found["from"] == "S_IDLE" and found["to"] == "S_POLICY_ENGINE":
            state.summary.clear()
        elif found["to"] in ("S_IDLE", "S_STOPPING"):
            if state.in_failover:
                yield from self._failover_ends(line)
            state.clear()

    def _failover_ends(self, line: LogLine) -> Iterable[Message]:
        summary = self.state.summary
        if any(item.unmanaged for item in summary.values()):
            yield _message(line, "F11-5", {})
            yield _message(line, "F12-2", {})
            return
        shown, good = 0, True
        for name, item in summary.items():
            if item.text == "Stopped":
                good = False
                yield _message(line, "F11-9", {"resource": name})
            elif item.operated and item.text:
                yield _message(line, "F11-8", {"resource": name, "text": item.text})
            else:
                continue
            shown += 1
        yield _message(line, "F12-1" if good and shown else "F12-2", {})


def _message(line: LogLine, number: str, fields: Mapping[str, object]) -> Message:
    priority, text = MESSAGES[number]
    return Message(at=line.at, host=line.host, number=number, priority=priority, text=text.format_map(fields).rstrip())


def _names(found: re.Match[str]) -> dict[str, str]:
    return {
        name: (value or "").translate(_DELETED) if name in ("node", "delegate", "device") else value
        for name, value in found.groupdict().items()
    }


def _holds(condition: Condition, values: Mapping[str, str]) -> bool:
    value = values.get(condition.attribute)
    return value is not None and condition.holds(value)


_OPERATORS = frozenset({"lt", "gt", "lte", "le", "gte", "ge", "eq", "ne"})
_UNARY = frozenset({"defined", "not_defined"})


def attribute_rule(text: str) -> tuple[tuple[Condition, ...], ...]:
    """Read a rule on attributes in the words of a location rule; `and` binds closer than `or`. Raises ValueError.

    >>> attribute_rule("not_defined default_ping_set or default_ping_set lt 100")[1]
    (Condition(attribute='default_ping_set', operator='lt', value='100'),)
    >>> attribute_rule("diskcheck_status, eq, ERROR")
    ((Condition(attribute='diskcheck_status', operator='eq', value='ERROR'),),)
    """
    if "," in text:
        words = [word.strip() for word in text.split(",")]
        if len(words) != 3:
            raise ValueError(f"{text!r} is not `attribute, operator, value`")
        return ((_condition(words, text),),)
    alternatives = re.split(r"\s+or\s+", text.strip(), flags=re.IGNORECASE)
    return tuple(
        tuple(_condition(part.split(), text) for part in re.split(r"\s+and\s+", alternative, flags=re.IGNORECASE))
        for alternative in alternatives
    )


def _condition(words: Sequence[str], text: str) -> Condition:
    if len(words) == 2 and words[0].lower() in _UNARY:
        return Condition(words[1], words[0].lower(), "")
    if len(words) == 3 and words[1].lower() in _OPERATORS:
        return Condition(words[0], words[1].lower(), words[2])
    raise ValueError(f"{text!r} is no rule on attributes, such as `default_ping_set lt 100`")
