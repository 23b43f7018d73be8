"""CIBs of many kinds of clusters, status included, as files that Pacemaker's own tools read (`CIB_file=... crm_mon`).

`SCENARIOS` names them. What a cluster of that kind would have recorded is written as the controller does: node states, transient attributes
and the last operations of each resource on each node.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

WHEN = 1_795_344_000
"""Time of everything that is recorded: 2026-11-22 10:40:00 UTC."""
DUMMY = "ocf:pacemaker:Dummy"
STATEFUL = "ocf:pacemaker:Stateful"
PING = "ocf:pacemaker:ping"
REMOTE = "ocf:pacemaker:remote"
FENCE = "stonith:fence_ipmilan"


def element(name: str, attributes: Mapping[str, object], *children: str) -> str:
    head = "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items() if value is not None)
    return f"<{name}{head}>{''.join(children)}</{name}>" if children else f"<{name}{head}/>"


def pairs(owner: str, tag: str, values: Mapping[str, object]) -> str:
    """A set of name-value pairs; nothing when there are none."""
    inner = [element("nvpair", {"id": f"{owner}-{tag}-{name}", "name": name, "value": value}) for name, value in values.items()]
    return element(tag, {"id": f"{owner}-{tag}"}, *inner) if inner else ""


def agent_parts(agent: str) -> dict[str, str]:
    kind, *rest = agent.split(":")
    return {"class": kind, "provider": rest[0], "type": rest[1]} if len(rest) == 2 else {"class": kind, "type": rest[0]}


def primitive(id: str, agent: str = DUMMY, *, meta: Mapping[str, object] | None = None, params: Mapping[str, object] | None = None) -> str:
    interval = "10s"
    roles = [("Promoted", "9s"), ("Unpromoted", "10s")] if agent == STATEFUL else [(None, interval)]
    ops = [element("op", {"id": f"{id}-monitor-{when}", "name": "monitor", "interval": when, "role": role}) for role, when in roles]
    return element(
        "primitive",
        {"id": id, **agent_parts(agent)},
        pairs(id, "meta_attributes", meta or {}),
        pairs(id, "instance_attributes", params or {}),
        element("operations", {}, *ops),
    )


def group(id: str, *members: str, meta: Mapping[str, object] | None = None) -> str:
    return element("group", {"id": id}, pairs(id, "meta_attributes", meta or {}), *members)


def clone(id: str, inner: str, **meta: object) -> str:
    return element(
        "clone", {"id": id}, pairs(id, "meta_attributes", {name.replace("_", "-"): value for name, value in meta.items()}), inner
    )


def bundle(id: str, inner: str, *, kind: str = "podman", replicas: int = 2, promoted_max: int | None = None) -> str:
    container = {"image": f"registry.example.com/{id}:latest", "replicas": replicas, "promoted-max": promoted_max}
    network = element("network", {"ip-range-start": "192.168.122.131", "control-port": "9999"})
    return element("bundle", {"id": id}, element(kind, container), network, inner)


@dataclass(slots=True)
class State:
    """What is recorded of one node."""

    kind: str = "online"
    operations: dict[str, list[str]] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    transient: dict[str, object] = field(default_factory=dict)


class Cib:
    """A CIB under construction. Nodes are online members until `node` says otherwise; the first one is the DC."""

    def __init__(self, *nodes: str, quorum: bool = True, dc: str | None = "", **options: object) -> None:
        self.names = list(nodes)
        self.states = {name: State() for name in nodes}
        self.permanent: dict[str, dict[str, object]] = {name: {} for name in nodes}
        self.options: dict[str, object] = {
            "stonith-enabled": "true",
            "cluster-infrastructure": "corosync",
            "dc-version": "2.1.5-a3f44794f94",
        }
        self.options |= {name.replace("_", "-"): value for name, value in options.items()}
        self.resources: list[str] = []
        self.constraints: list[str] = []
        self.tickets: list[str] = []
        self.alerts = ""
        self.quorum = quorum
        self.dc = nodes[0] if dc == "" else dc
        self._calls = 10

    def add(self, *resources: str) -> "Cib":
        self.resources += resources
        return self

    def node(self, name: str, kind: str) -> "Cib":
        """Kind: online, offline (stopped), unclean, lost, pending, shutdown, standby, maintenance."""
        self.states[name].kind = kind
        if kind in ("standby", "maintenance"):
            self.permanent[name][kind] = "on" if kind == "standby" else "true"
        return self

    def remote_node(self, name: str) -> "Cib":
        """A remote or guest node, for what is recorded of it."""
        self.states[name] = State("remote")
        return self

    def attribute(self, node: str, name: str, value: object) -> "Cib":
        self.states[node].transient[name] = value
        return self

    def runs(self, resource: str, *nodes: str, agent: str = DUMMY, role: str = "Started") -> "Cib":
        """A resource runs on these nodes: start, promotion and a good monitor are recorded."""
        for node in nodes:
            self._record(node, resource, agent, "start", 0)
            if role == "Promoted":
                self._record(node, resource, agent, "promote", 0)
                self._record(node, resource, agent, "monitor", 8, interval=9000)
            elif role == "Unpromoted":
                self._record(node, resource, agent, "monitor", 0, interval=10000)
            else:
                self._record(node, resource, agent, "monitor", 0, interval=10000)
        return self

    def stopped(self, resource: str, *nodes: str, agent: str = DUMMY) -> "Cib":
        """It was looked for on these nodes and is not there."""
        for node in nodes:
            self._record(node, resource, agent, "monitor", 7)
        return self

    def fails(
        self,
        resource: str,
        node: str,
        operation: str = "monitor",
        rc: int = 1,
        *,
        agent: str = DUMMY,
        interval: int | None = None,
        status: int = 0,
        reason: str | None = None,
        count: object = 1,
    ) -> "Cib":
        """An operation failed there, and is counted."""
        interval = (10000 if operation == "monitor" else 0) if interval is None else interval
        self._record(node, resource, agent, operation, rc, interval=interval, status=status, reason=reason, failure=True)
        self.states[node].transient |= {
            f"fail-count-{resource}#{operation}_{interval}": count,
            f"last-failure-{resource}#{operation}_{interval}": WHEN + 60,
        }
        return self

    def ban(self, resource: str, node: str, score: str = "-INFINITY", *, id: str | None = None, role: str | None = None) -> "Cib":
        given = {"id": id or f"loc-{resource}-{node}", "rsc": resource, "node": node, "score": score, "role": role}
        self.constraints.append(element("rsc_location", given))
        return self

    def ban_by_ping(self, resource: str, attribute: str = "pingd", below: int = 100) -> "Cib":
        rule = f"{resource}-{attribute}"
        expressions = (
            element("expression", {"id": f"{rule}-1", "attribute": attribute, "operation": "not_defined"}),
            element("expression", {"id": f"{rule}-2", "attribute": attribute, "operation": "lt", "value": below, "type": "number"}),
        )
        inner = element("rule", {"id": f"{rule}-rule", "boolean-op": "or", "score": "-INFINITY"}, *expressions)
        self.constraints.append(element("rsc_location", {"id": f"loc-{rule}", "rsc": resource}, inner))
        return self

    def colocate(self, resource: str, other: str, score: str = "INFINITY", role: str | None = None) -> "Cib":
        given = {"id": f"col-{resource}-{other}", "rsc": resource, "with-rsc": other, "score": score, "with-rsc-role": role}
        self.constraints.append(element("rsc_colocation", given))
        return self

    def ticket(self, id: str, resource: str, *, granted: bool, standby: bool = False) -> "Cib":
        self.constraints.append(element("rsc_ticket", {"id": f"{resource}-{id}", "ticket": id, "rsc": resource, "loss-policy": "stop"}))
        state = {"id": id, "granted": str(granted).lower(), "standby": str(standby).lower(), "last-granted": WHEN}
        self.tickets.append(element("ticket_state", state))
        return self

    def __str__(self) -> str:
        ids = {name: str(number) for number, name in enumerate(self.names, 1)}
        nodes = [
            element("node", {"id": ids[name], "uname": name}, pairs(f"nodes-{ids[name]}", "instance_attributes", self.permanent[name]))
            for name in self.names
        ]
        config = element("crm_config", {}, element("cluster_property_set", {"id": "cib-bootstrap-options"}, *self._options()))
        configuration = element(
            "configuration",
            {},
            config,
            element("nodes", {}, *nodes),
            element("resources", {}, *self.resources),
            element("constraints", {}, *self.constraints),
            self.alerts,
        )
        states = [self._state(name, ids.get(name, name)) for name in self.states]
        tickets = element("tickets", {}, *self.tickets) if self.tickets else ""
        head = {
            "crm_feature_set": "3.16.1",
            "validate-with": "pacemaker-3.9",
            "epoch": 10,
            "num_updates": 3,
            "admin_epoch": 0,
            "cib-last-written": "Sun Nov 22 10:40:00 2026",
            "update-origin": self.names[0],
            "update-client": "crm_resource",
            "update-user": "root",
            "have-quorum": int(self.quorum),
            "dc-uuid": ids[self.dc] if self.dc else None,
        }
        return element("cib", head, configuration, element("status", {}, *states, tickets)) + "\n"

    def _options(self) -> list[str]:
        return [element("nvpair", {"id": f"opt-{name}", "name": name, "value": value}) for name, value in self.options.items()]

    def _record(
        self,
        node: str,
        resource: str,
        agent: str,
        operation: str,
        rc: int,
        *,
        interval: int = 0,
        status: int = 0,
        reason: str | None = None,
        failure: bool = False,
    ) -> None:
        state = self.states[node]
        state.agents[resource] = agent
        self._calls += 1
        key = f"{resource}_{operation}_{interval}"
        expected = 7 if rc == 7 and operation == "monitor" and interval == 0 else 8 if rc == 8 else 0
        transition = f"{self._calls}:1:{expected}:{'0' * 8}-0000-0000-0000-{self._calls:012}"
        given = {
            "id": f"{resource}_last_failure_0" if failure else key if interval else f"{resource}_last_0",
            "operation_key": key,
            "operation": operation,
            "crm-debug-origin": "build_active_RAs",
            "crm_feature_set": "3.16.1",
            "transition-key": transition,
            "transition-magic": f"{status}:{rc};{transition}",
            "exit-reason": reason or "",
            "on_node": node,
            "call-id": self._calls,
            "rc-code": rc,
            "op-status": status,
            "interval": interval,
            "last-rc-change": WHEN + self._calls,
            "exec-time": 20 + self._calls % 50,
            "queue-time": 0,
            "op-digest": "f2317cad3d54cec5d7d7aa7d0bf35cf8",
        }
        operations = state.operations.setdefault(resource, [])
        operations[:] = [line for line in operations if f"id={quoteattr(str(given['id']))}" not in line]
        operations.append(element("lrm_rsc_op", given))

    def _state(self, name: str, id: str) -> str:
        state = self.states[name]
        records = [
            element("lrm_resource", {"id": resource, **agent_parts(state.agents[resource])}, *operations)
            for resource, operations in state.operations.items()
        ]
        transient = dict(state.transient)
        if state.kind == "shutdown":
            transient["shutdown"] = WHEN
        inner = [element("lrm", {"id": id}, element("lrm_resources", {}, *records))]
        if state.kind not in ("remote", "offline", "unclean", "lost", "pending"):
            transient["#feature-set"] = "3.16.1"
        if transient:
            inner.append(element("transient_attributes", {"id": id}, pairs(f"status-{id}", "instance_attributes", transient)))
        if state.kind == "remote":
            head: dict[str, object] = {"id": id, "uname": name, "remote_node": "true", "in_ccm": "true", "crm-debug-origin": "test"}
        else:
            up = state.kind not in ("offline", "unclean", "lost")
            joined = up and state.kind != "pending"
            head = {
                "id": id,
                "uname": name,
                "in_ccm": str(up).lower(),
                "crmd": "online" if up else "offline",
                "join": "member" if joined else "pending" if up else "down",
                "expected": "down" if state.kind in ("offline", "shutdown") else "member",
                "crm-debug-origin": "do_state_transition",
            }
        return element("node_state", head, *inner)


# --- what clusters look like


def web(*nodes: str) -> Cib:
    """A group with a ping clone and a fence device for each node: what most of the others begin with."""
    cib = Cib(*nodes)
    cib.add(
        group("grpWeb", primitive("vip"), primitive("fs"), primitive("web")),
        clone("clnPing", primitive("ping", PING, params={"name": "pingd"})),
    )
    for node in nodes:
        cib.add(primitive(f"fence-{node}", FENCE)).ban(f"fence-{node}", node)
    cib.ban_by_ping("grpWeb").colocate("grpWeb", "clnPing")
    return cib


def healthy(cib: Cib, *nodes: str, active: str) -> Cib:
    cib.runs("vip", active).runs("fs", active).runs("web", active)
    for node in nodes:
        cib.runs("ping", node, agent=PING).attribute(node, "pingd", 100)
        cib.runs(f"fence-{next((other for other in nodes if other != node), node)}", node, agent=FENCE)
    return cib


def one_plus_one() -> Cib:
    return healthy(web("n1", "n2"), "n1", "n2", active="n1")


def standby_node() -> Cib:
    cib = web("n1", "n2").node("n2", "standby")
    return cib.runs("vip", "n1").runs("fs", "n1").runs("web", "n1").runs("ping", "n1", agent=PING).attribute("n1", "pingd", 100)


def node_maintenance() -> Cib:
    return one_plus_one().node("n2", "maintenance")


def cluster_maintenance() -> Cib:
    cib = one_plus_one()
    cib.options["maintenance-mode"] = "true"
    return cib


def unclean_node() -> Cib:
    return healthy(web("n1", "n2"), "n1", "n2", active="n1").node("n1", "unclean")


def stopped_node() -> Cib:
    cib = web("n1", "n2").node("n2", "offline")
    return cib.runs("vip", "n1").runs("fs", "n1").runs("web", "n1").runs("ping", "n1", agent=PING).attribute("n1", "pingd", 100)


def pending_node() -> Cib:
    cib = web("n1", "n2").node("n2", "pending")
    return cib.runs("vip", "n1").runs("fs", "n1").runs("web", "n1").runs("ping", "n1", agent=PING).attribute("n1", "pingd", 100)


def stopping_node() -> Cib:
    return one_plus_one().node("n2", "shutdown")


def no_quorum() -> Cib:
    cib = Cib("n1", "n2", "n3", quorum=False, no_quorum_policy="stop").node("n2", "offline").node("n3", "lost")
    return cib.add(primitive("db")).stopped("db", "n1")


def no_dc() -> Cib:
    return Cib("n1", "n2", dc=None).add(primitive("db")).runs("db", "n1")


def ping_lost() -> Cib:
    return one_plus_one().attribute("n2", "pingd", 0)


def failed_monitor() -> Cib:
    return one_plus_one().fails("web", "n1", reason='it said "no" & <stopped>')


def failed_start() -> Cib:
    cib = one_plus_one()
    return cib.stopped("web", "n1").fails("web", "n2", "start", 1, reason="no such configuration", count="INFINITY").stopped("vip", "n2")


def timed_out() -> Cib:
    return one_plus_one().fails("fs", "n1", "monitor", 1, status=2, reason="Resource agent did not complete within 20s")


def failed_stop() -> Cib:
    cib = Cib("n1", "n2", stonith_enabled="false").add(primitive("db"), primitive("app"))
    return cib.runs("app", "n2").runs("db", "n1").fails("db", "n1", "stop", 1, count="INFINITY")


def threshold() -> Cib:
    cib = Cib("n1", "n2").add(primitive("db", meta={"migration-threshold": 2}), primitive("app", meta={"migration-threshold": 5}))
    return (
        cib.runs("db", "n2").fails("db", "n1", count=2).stopped("db", "n1").runs("app", "n1").fails("app", "n1", count=1).runs("app", "n1")
    )


def failure_ignored() -> Cib:
    inner = primitive("log").replace('interval="10s"', 'interval="10s" on-fail="ignore"')
    return Cib("n1").add(inner).runs("log", "n1").fails("log", "n1")


def unmanaged() -> Cib:
    cib = Cib("n1", "n2").add(
        primitive("db", meta={"is-managed": "false"}), group("grp", primitive("a"), primitive("b"), meta={"is-managed": "false"})
    )
    return cib.runs("db", "n1").runs("a", "n2").runs("b", "n2")


def resource_maintenance() -> Cib:
    return Cib("n1", "n2").add(primitive("db", meta={"maintenance": "true"}), primitive("app")).runs("db", "n1").runs("app", "n2")


def disabled() -> Cib:
    cib = Cib("n1", "n2").add(
        primitive("db", meta={"target-role": "Stopped"}), group("grp", primitive("a"), primitive("b"), meta={"target-role": "stopped"})
    )
    cib.add(
        clone("cl", primitive("c"), target_role="Stopped"), clone("ms", primitive("s", STATEFUL), promotable="true", target_role="Slave")
    )
    return cib.stopped("db", "n1", "n2").runs("s", "n1", "n2", agent=STATEFUL, role="Unpromoted")


def orphan() -> Cib:
    return Cib("n1", "n2").add(primitive("db")).runs("db", "n1").runs("gone", "n2").stopped("old", "n1")


def multiple_active() -> Cib:
    return Cib("n1", "n2").add(primitive("db", meta={"multiple-active": "block"})).runs("db", "n1", "n2")


def promotable() -> Cib:
    cib = Cib("n1", "n2", "n3").add(clone("msDb", primitive("db", STATEFUL), promotable="true", notify="true"), primitive("vip"))
    cib.colocate("vip", "msDb", role="Promoted").runs("db", "n1", agent=STATEFUL, role="Promoted").runs("vip", "n1")
    cib.runs("db", "n2", "n3", agent=STATEFUL, role="Unpromoted")
    return cib.attribute("n1", "master-db", 1000).attribute("n2", "master-db", 100).attribute("n3", "master-db", "-INFINITY")


def promotable_failed() -> Cib:
    cib = Cib("n1", "n2").add(clone("msDb", primitive("db", STATEFUL), promotable="true"))
    cib.runs("db", "n1", agent=STATEFUL, role="Promoted").attribute("n1", "master-db", 10)
    return cib.runs("db", "n2", agent=STATEFUL, role="Unpromoted").fails("db", "n2", rc=7, agent=STATEFUL)


def promoted_ban() -> Cib:
    return promotable().ban("msDb", "n2", role="Promoted", id="cli-ban-msDb-on-n2")


def promotable_group() -> Cib:
    inner = group("grpDb", primitive("db", STATEFUL), primitive("log", STATEFUL))
    cib = Cib("n1", "n2").add(clone("msGrp", inner, promotable="true"))
    for id in ("db", "log"):
        cib.runs(id, "n1", agent=STATEFUL, role="Promoted").runs(id, "n2", agent=STATEFUL, role="Unpromoted")
        cib.attribute("n1", f"master-{id}", 10).attribute("n2", f"master-{id}", 5)
    return cib


def dual_promoted() -> Cib:
    cib = Cib("n1", "n2").add(clone("msDrbd", primitive("drbd", STATEFUL), promotable="true", promoted_max=2))
    for node in ("n1", "n2"):
        cib.runs("drbd", node, agent=STATEFUL, role="Promoted").attribute(node, "master-drbd", 10000)
    return cib


def unique_clone() -> Cib:
    cib = Cib("n1", "n2").add(clone("clnIp", primitive("ip"), globally_unique="true", clone_max=3, clone_node_max=2))
    return cib.runs("ip:0", "n1").runs("ip:1", "n2").runs("ip:2", "n1").fails("ip:2", "n1")


def cloned_group() -> Cib:
    cib = Cib("n1", "n2", "n3").add(clone("clnFs", group("grpFs", primitive("dlm"), primitive("gfs")), interleave="true"))
    cib.runs("dlm", "n1", "n2", "n3").runs("gfs", "n1", "n2").fails("gfs", "n3", "start", 5, status=4, count="INFINITY")
    return cib


def clone_with_limit() -> Cib:
    return Cib("n1", "n2", "n3").add(clone("cln", primitive("c"), clone_max=2), primitive("db")).runs("c", "n1", "n2").runs("db", "n1")


def cross() -> Cib:
    cib = Cib("n1", "n2").add(group("grpA", primitive("a1"), primitive("a2")), group("grpB", primitive("b1"), primitive("b2")))
    return cib.runs("a1", "n1").runs("a2", "n1").runs("b1", "n2").runs("b2", "n2")


def n_plus_one() -> Cib:
    cib = Cib("n1", "n2", "n3", "spare")
    for number in (1, 2, 3):
        cib.add(group(f"grp{number}", primitive(f"ip{number}"), primitive(f"db{number}")))
        cib.runs(f"ip{number}", f"n{number}").runs(f"db{number}", f"n{number}")
        for other in {1, 2, 3} - {number}:
            cib.ban(f"grp{number}", f"n{other}")
    return cib


def n_plus_m() -> Cib:
    cib = Cib("n1", "n2", "n3", "s1", "s2")
    for number in (1, 2, 3):
        cib.add(primitive(f"db{number}")).runs(f"db{number}", f"n{number}")
        for other in {1, 2, 3} - {number}:
            cib.colocate(f"db{number}", f"db{other}", "-INFINITY")
    return cib


def symmetric() -> Cib:
    cib = Cib("n1", "n2", "n3")
    for number in (1, 2, 3):
        cib.add(primitive(f"db{number}")).runs(f"db{number}", f"n{number}")
    return cib


def quorum_node() -> Cib:
    cib = Cib("n1", "n2", "arbiter").add(primitive("db"), primitive("app")).runs("db", "n1").runs("app", "n1")
    return cib.ban("db", "arbiter").ban("app", "arbiter")


def asymmetric() -> Cib:
    cib = Cib("n1", "n2", "n3", symmetric_cluster="false").add(primitive("db")).runs("db", "n1")
    return cib.ban("db", "n1", "200").ban("db", "n2", "100")


def moved_by_hand() -> Cib:
    return one_plus_one().ban("grpWeb", "n2", id="cli-ban-grpWeb-on-n2")


def tickets() -> Cib:
    cib = Cib("n1", "n2").add(primitive("db"), primitive("app"), primitive("web"))
    cib.ticket("siteA", "db", granted=True).ticket("siteB", "app", granted=False).ticket("siteC", "web", granted=True, standby=True)
    return cib.runs("db", "n1").stopped("app", "n1", "n2")


def remote_nodes() -> Cib:
    cib = Cib("n1", "n2").add(primitive("r1", REMOTE, params={"server": "r1.example.com"}), primitive("r2", REMOTE), primitive("db"))
    cib.remote_node("r1").runs("r1", "n1", agent=REMOTE).runs("db", "r1")
    return cib.stopped("r2", "n1", "n2", agent=REMOTE)


def guest_node() -> Cib:
    cib = Cib("n1", "n2").add(primitive("vm", "ocf:heartbeat:VirtualDomain", meta={"remote-node": "guest"}), primitive("app"))
    cib.remote_node("guest").runs("vm", "n1", agent="ocf:heartbeat:VirtualDomain").runs("guest", "n1", agent=REMOTE)
    return cib.runs("app", "guest")


def bundles() -> Cib:
    cib = Cib("n1", "n2", "n3").add(bundle("httpd", primitive("apache"), replicas=3))
    for number, node in enumerate(("n1", "n2")):
        guest = f"httpd-{number}"
        cib.remote_node(guest)
        cib.runs(f"httpd-podman-{number}", node, agent="ocf:heartbeat:podman").runs(guest, node, agent=REMOTE)
        cib.runs(f"httpd-ip-192.168.122.{131 + number}", node, agent="ocf:heartbeat:IPaddr2").runs("apache", guest)
    return cib


def promotable_bundle() -> Cib:
    cib = Cib("n1", "n2").add(bundle("pg", primitive("postgres", STATEFUL), kind="docker", replicas=2, promoted_max=1))
    for number, (node, role) in enumerate((("n1", "Promoted"), ("n2", "Unpromoted"))):
        guest = f"pg-{number}"
        cib.remote_node(guest)
        cib.runs(f"pg-docker-{number}", node, agent="ocf:heartbeat:docker").runs(guest, node, agent=REMOTE)
        cib.runs(f"pg-ip-192.168.122.{131 + number}", node, agent="ocf:heartbeat:IPaddr2")
        cib.runs("postgres", guest, agent=STATEFUL, role=role).attribute(guest, "master-postgres", 10 - 5 * number)
    return cib


def red_node() -> Cib:
    cib = Cib("n1", "n2", node_health_strategy="migrate-on-red").add(primitive("db")).runs("db", "n1")
    return cib.attribute("n2", "#health-disk", "red").attribute("n1", "#health-disk", "green")


def japanese() -> Cib:
    return one_plus_one().fails("web", "n1", reason="設定ファイルがありません").attribute("n1", "場所", "東京")


def large(nodes: int = 32, resources: int = 500) -> Cib:
    """Groups of ten spread over the nodes, a ping clone, fence devices."""
    names = [f"node{number:02}" for number in range(1, nodes + 1)]
    cib = Cib(*names).add(clone("clnPing", primitive("ping", PING, params={"name": "pingd"})))
    devices = nodes
    for number in range((resources - 2 * nodes) // 10):
        ids = [f"grp{number:02}-r{place}" for place in range(10)]
        cib.add(group(f"grp{number:02}", *(primitive(id) for id in ids)))
        for id in ids:
            cib.runs(id, names[number % nodes])
    for place in range(devices):
        cib.add(primitive(f"fence-{names[place]}", FENCE)).ban(f"fence-{names[place]}", names[place])
        cib.runs(f"fence-{names[place]}", names[(place + 1) % nodes], agent=FENCE)
        cib.runs("ping", names[place], agent=PING).attribute(names[place], "pingd", 100)
    return cib


SCENARIOS: Mapping[str, Callable[[], Cib]] = {
    build.__name__: build
    for build in (
        one_plus_one,
        standby_node,
        node_maintenance,
        cluster_maintenance,
        unclean_node,
        stopped_node,
        pending_node,
        stopping_node,
        no_quorum,
        no_dc,
        ping_lost,
        failed_monitor,
        failed_start,
        timed_out,
        failed_stop,
        threshold,
        failure_ignored,
        unmanaged,
        resource_maintenance,
        disabled,
        orphan,
        multiple_active,
        promotable,
        promotable_failed,
        promoted_ban,
        promotable_group,
        dual_promoted,
        unique_clone,
        cloned_group,
        clone_with_limit,
        cross,
        n_plus_one,
        n_plus_m,
        symmetric,
        quorum_node,
        asymmetric,
        moved_by_hand,
        tickets,
        remote_nodes,
        guest_node,
        bundles,
        promotable_bundle,
        red_node,
        japanese,
        large,
    )
}
