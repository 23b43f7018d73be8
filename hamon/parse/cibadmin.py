"""`cibadmin -Q`: constraints, cluster options and alerts. Everything else of the CIB stays where it is, secrets above all.

Parameters of resources and fence devices (their passwords) are never read. What is kept is looked through: values under names that speak of
secrets are left out, and of addresses only scheme and host remain.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from hamon.errors import ParseError
from hamon.model.cluster import CibStatus, Constraint
from hamon.parse.document import read_tree
from hamon.parse.stamp import read_time

HIDDEN = "(hidden)"

_ROOTS = ("cib", "configuration", "constraints")
_KINDS = {"rsc_location": "location", "rsc_colocation": "colocation", "rsc_order": "order", "rsc_ticket": "ticket"}
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|community|private|(?:api|auth|access|crypt\w*)[_-]?key|^key$", re.IGNORECASE
)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_USER = re.compile(r"^[^\s@/:]+:[^\s@/]+@")
_PARAMETER = re.compile(r"([\w-]*(?:passw|secret|token|key|community|credential)[\w-]*)\s*[=:]\s*\S+", re.IGNORECASE)
_OLD_ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}


def speaks_of_secrets(name: str) -> bool:
    """Whether what has this name may be a password or the like."""
    return _SECRET.search(name) is not None


def read_cib(data: bytes, *, timezone: str = "UTC") -> CibStatus:
    """The whole CIB, or one of its sections (`-o constraints`, `-o configuration`). `timezone`: of the node. Raises ParseError.

    Attributes of constraints are as in the CIB; a set is `set`: its attributes and members. The text of a rule begins with its id.
    """
    try:
        root = read_tree(data, roots=_ROOTS)
    except ParseError as err:
        # The raw input, and a line of it, may hold the passwords that this function is there to leave out.
        reason = "not XML: another document than a CIB" if "<" in str(err) else _redacted(str(err))
        raise ParseError(reason, b"") from None
    configuration = root if root.tag == "configuration" else root.find("configuration")
    if configuration is None and root.tag == "cib":
        raise ParseError("no data: a CIB without configuration", b"")
    section = root if root.tag == "constraints" else None if configuration is None else configuration.find("constraints")
    config = None if configuration is None else configuration.find("crm_config")
    alerts = None if configuration is None else configuration.find("alerts")
    sets = {item.get("id"): item for item in root.iter("resource_set") if item.get("id")}
    return CibStatus(
        admin_epoch=_number(root.get("admin_epoch")),
        epoch=_number(root.get("epoch")),
        num_updates=_number(root.get("num_updates")),
        written_at=read_time(root.get("cib-last-written", ""), timezone),
        constraints=() if section is None else tuple([_constraint(item, sets) for item in section if item.tag in _KINDS]),
        options=() if config is None else _options(config),
        alerts=() if alerts is None else _alerts(alerts),
    )


def _constraint(element: Element, sets: Mapping[str | None, Element]) -> Constraint:
    """`sets`: all sets of resources by id, as one may refer to another."""
    attributes = [(name, _OLD_ROLES.get(value, value)) for name, value in element.items() if name != "id"]
    rules = []
    for child in element:
        if child.tag == "resource_set":
            child = sets.get(child.get("id-ref"), child)
            given = " ".join(f"{name}={_OLD_ROLES.get(value, value)}" for name, value in child.items() if name != "id")
            members = " ".join(item.get("id", "") for item in child if item.tag == "resource_ref")
            attributes.append(("set", f"{given} {members}".strip()))
        elif child.tag == "rule":
            score = child.get("score") or child.get("score-attribute", "")
            role = f" role={_OLD_ROLES.get(child.get('role', ''), child.get('role'))}" if child.get("role") else ""
            rules.append(f"{child.get('id') or child.get('id-ref', '')} score={score}{role}: {_rule(child)}")
        elif child.tag == "lifetime":
            attributes.append(("lifetime", " or ".join(_rule(rule) for rule in child if rule.tag == "rule")))
    return Constraint(id=element.get("id", ""), kind=_KINDS[element.tag], attributes=tuple(attributes), rules=tuple(rules))


def _rule(rule: Element, depth: int = 0) -> str:
    """`default_ping_set not_defined or default_ping_set lt 100`."""
    parts = []
    for child in rule:
        if child.tag == "rule" and depth < 8:
            parts.append(f"({_rule(child, depth + 1)})")
        elif child.tag in ("expression", "rsc_expression", "op_expression"):
            what = child.get("attribute") or child.get("type") or child.get("name") or ""
            value = child.get("value")
            shown = None if value is None else HIDDEN if _SECRET.search(what) else _redacted(value)
            parts.append(" ".join(word for word in (what, child.get("operation"), shown) if word))
        elif child.tag == "date_expression":
            span = " ".join(f"{name}={value}" for name, value in child.items() if name not in ("id", "operation"))
            inner = " ".join(f"{name}={value}" for part in child for name, value in part.items() if name != "id")
            parts.append(" ".join(word for word in ("date", child.get("operation"), span, inner) if word))
    return f" {rule.get('boolean-op', 'and')} ".join(parts)


def _options(config: Element) -> tuple[tuple[str, str], ...]:
    """The first set that names an option decides, `cib-bootstrap-options` before all others; sets that depend on a rule are left out."""
    found: dict[str, str] = {}
    sets = [item for item in config if item.tag == "cluster_property_set" and item.find("rule") is None]
    for item in sorted(sets, key=lambda item: item.get("id") != "cib-bootstrap-options"):
        for pair in item:
            name = pair.get("name")
            if pair.tag == "nvpair" and name:
                found.setdefault(name, HIDDEN if _SECRET.search(name) else _redacted(pair.get("value", "")))
    return tuple(found.items())


def _alerts(alerts: Element) -> tuple[tuple[str, str], ...]:
    return tuple(
        [
            (_redacted(alert.get("path", "")), _redacted(recipient.get("value", "")))
            for alert in alerts
            if alert.tag == "alert"
            for recipient in ([item for item in alert if item.tag == "recipient"] or [alert.makeelement("recipient", {"value": ""})])
        ]
    )


def _redacted(value: str) -> str:
    """Leave out what gives access: all but scheme and host of addresses, `user:password@`, and what follows `password=` and the like."""
    value = _ADDRESS.sub(lambda found: _host(found[0]), value)
    value = _USER.sub(f"{HIDDEN}@", value)
    return _PARAMETER.sub(rf"\1={HIDDEN}", value)


def _host(address: str) -> str:
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}/…"
    except ValueError:
        return HIDDEN


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() and len(text) < 19 else 0
