"""The XML of other releases, made from that of 2.1.5 by the differences that the sources and schemas document.

Nothing here was printed by those releases: what they really print may differ in ways that nobody wrote down.
"""

import re
from datetime import datetime
from xml.etree import ElementTree as ET

_TIMES = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}")
_OLD_ROLES = {"Promoted": "Master", "Unpromoted": "Slave"}


def as_1_1(document: bytes) -> bytes:
    """`--as-xml` of 1.1.24: the old frame, old roles, no health, no feature set, fewer options, `state` of fencing, times in local form."""
    root = ET.fromstring(document)
    root.tag = "crm_mon"
    root.attrib.clear()
    root.set("version", "1.1.24")
    for tag in ("pacemakerd", "status"):
        for item in root.findall(tag):
            root.remove(item)
    for item in root.iter():
        _drop(item, "mixed_version", "health", "feature_set", "locked_to", "description", "maintenance" if item.tag == "resource" else "")
        if "role" in item.attrib:
            item.set("role", _OLD_ROLES.get(item.attrib["role"], item.attrib["role"]))
        if item.tag == "group":
            _drop(item, "managed", "disabled")
        elif item.tag == "clone":
            _drop(item, "disabled")
        elif item.tag == "ban":
            _drop(item, "promoted-only")
        elif item.tag == "nodes_configured":
            item.set("expected_votes", "unknown")
        elif item.tag == "cluster_options":
            _drop(item, "stop-all-resources", "stonith-timeout-ms", "priority-fencing-delay-ms")
        elif item.tag == "fence_event":
            item.set("state", item.attrib.pop("status"))
            _drop(item, "exit-reason")
        elif item.tag == "failure":
            if not item.get("exitreason"):
                item.set("exitreason", "none")
            if "last-rc-change" in item.attrib:
                item.set("last-rc-change", _traditional(item.attrib["last-rc-change"]))
    return b'<?xml version="1.0"?>\n' + ET.tostring(root)


def as_2_0_3(document: bytes) -> bytes:
    """`--output-as=xml` of 2.0.3 (API 2.0): the new frame with the contents of 1.1."""
    root = ET.fromstring(as_1_1(document))
    root.tag = "pacemaker-result"
    root.attrib.clear()
    root.attrib |= {"api-version": "2.0", "request": "crm_mon -1 --output-as=xml"}
    for item in root.iter("nodes_configured"):
        _drop(item, "expected_votes")
    for item in root.iter("fence_event"):
        item.set("status", item.attrib.pop("state"))
    root.append(ET.Element("status", {"code": "0", "message": "OK"}))
    return ET.tostring(root)


def as_3_0(document: bytes) -> bytes:
    """3.0.2 (API 2.42): `removed` beside `orphaned`, `maintenance` everywhere, new names of the fencing options, times with their zone."""
    root = ET.fromstring(_TIMES.sub(_with_zone, document.decode()).encode())
    root.set("api-version", "2.42")
    for item in root.iter():
        if item.tag == "resource":
            item.set("removed", item.get("orphaned", "false"))
            item.attrib.setdefault("maintenance", "false")
        elif item.tag in ("group", "clone", "bundle"):
            item.set("maintenance", "false")
        elif item.tag == "resource_history":
            item.set("removed", item.get("orphan", "false"))
        elif item.tag == "cluster_options":
            item.set("fencing-enabled", item.get("stonith-enabled", ""))
            item.set("fencing-timeout-ms", item.get("stonith-timeout-ms", ""))
        elif item.tag == "last_update":
            item.set("origin", "n1")
        elif item.tag == "stack":
            item.set("pacemakerd-state", "running")
        elif "rc_text" in item.attrib:
            item.set("rc_text", item.attrib["rc_text"].capitalize())
    return ET.tostring(root)


def _drop(item: ET.Element, *names: str) -> None:
    for name in names:
        item.attrib.pop(name, None)


def _with_zone(found: re.Match[str]) -> str:
    return f"{datetime.strptime(found[0], '%a %b %d %H:%M:%S %Y'):%Y-%m-%d %H:%M:%S} +00:00"  # noqa: DTZ007 - UTC is what is written


def _traditional(text: str) -> str:
    return f"{datetime.fromisoformat(text):%a %b %e %H:%M:%S %Y}"
