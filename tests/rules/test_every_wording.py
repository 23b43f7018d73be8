"""Every row of the tables of native lines and of pm_logconv's messages has a rule that takes its lines, in every wording of the row."""

from collections.abc import Mapping

import pytest

from hamon.classify.read import ABSENT, without_instance
from tests.cases import fields_of, scan
from tests.wordings import Row, messages, rows

TAKEN = {
    "node": "node",
    "target": "node",
    "nodeid": "node_id",
    "nodeids": "node_ids",
    "rsc": "resource",
    "by": "delegate",
    "device": "device",
    "origin": "origin",
    "client": "client",
    "process": "daemon",
    "pid": "pid",
    "pid2": "pid",
    "signal": "signal",
    "version": "version",
    "ring": "link",
    "link": "link",
    "ip": "address",
    "count": "count",
    "max": "threshold",
    "constraint": "constraint",
    "attribute": "attribute",
    "transition": "transition",
    "from": "from",
    "to": "to",
}
"""Groups of the table, and the field of the event in which their value must stand."""

ELSEWHERE: Mapping[str, Mapping[str, str | None]] = {
    "dc2": {"node": "old"},
    "dc3": {"node": "old"},
    "pl4": {"node": None},
    "co7": {"nodeid": "peer_id"},
    "co8": {"nodeid": "peer_id"},
    "co9": {"nodeid": "peer_id"},
    "co15": {"nodeids": "members"},
    "ra1": {"target": "target"},
    "op8": {"transition": None},
    "op9": {"transition": None},
    **{f"ab{number}": {"transition": None} for number in range(1, 8)},
}
"""Rows whose groups stand in another field, or in none."""
SILENT = {"nod1": ("state", "in unknown state"), "nod3": ("state", "S_IDLE"), "fc1": ("what", "last failure")}
"""Rows, and the value of a group with which their lines tell nothing."""


def wrong(row: Row, line: str, groups: Mapping[str, str | None]) -> str | None:
    """In what the events of a line are not those of its row."""
    scanned = scan(f"Nov 22 10:52:22 pm01 {line}\n")
    name, value = SILENT.get(row.id, ("", None))
    if value is not None and groups[name] == value:
        return f"tells {scanned.events}" if scanned.events or not sum(scanned.matched.values()) else None
    if len(scanned.events) != 1:
        return f"{len(scanned.events)} events"
    (event,) = scanned.events
    if event.kind.value not in row.kinds:
        return f"{event.kind.value}, not {sorted(row.kinds)}"
    fields = fields_of(event)
    taken = {**TAKEN, **ELSEWHERE.get(row.id, {})}
    for name, value in groups.items():
        field = taken.get(name)
        if field is None or value is None or value in ABSENT:
            continue
        expected = without_instance(value) if name == "rsc" else value.strip()
        if str(fields.get(field)).strip() != expected:
            return f"{field} is {fields.get(field)!r}, not {expected!r}"
    return None


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_every_wording_of_a_row_of_the_table_gives_its_event_under_both_names_of_its_daemon(row: Row) -> None:
    found = {line: wrong(row, line, match.groupdict()) for line, match in row.lines()}
    assert found
    assert {line: text for line, text in found.items() if text} == {}


# -- the messages of pm_logconv

FIELDS = {
    "version": "1.1.17",
    "node": "pm02",
    "target": "pm03",
    "process": "stonith-ng",
    "pid": "3592",
    "rc": "1",
    "signal": "9",
    "rsc": "prmPg",
    "reason": "unknown error",
    "status": "Error",
    "op": "reboot",
    "ring": "1",
    "ip": "192.0.2.1",
    "device": "st1-1",
    "attribute": "default_ping_set",
    "value": "100",
    "from": "pm01",
    "to": "pm02",
    "text": "Nobody knows this sentence",
}
_PLACES = {"21-5": {"node": "delegate", "target": "node", "op": "action"}, "8-1": {"target": "target"}, "9-1": {"attribute": "attribute"}}
_FENCING = {"node": "delegate", "target": "node", "op": "action"}


@pytest.mark.parametrize("row", messages(), ids=lambda row: f"{row['number']} {row['output_template'][:40]}")
@pytest.mark.parametrize("begin", ["Apr 24 06:19:55 pm01 {:>7}: ", "2017/04/24_06:19:55 pm01 {:>7}: ", "Apr  4 06:19:55 pm01 {}: "])
def test_every_message_of_the_converter_is_understood_in_both_its_formats(row: Mapping[str, str], begin: str) -> None:
    number, priority = row["number"], row["priority"].replace("*", "warning")
    op = {"U": "reload"}.get(number[0], FIELDS["op"])
    scanned = scan(begin.format(priority) + row["output_template"].format_map({**FIELDS, "op": op}) + "\n")
    (event,) = scanned.events
    assert event.kind.value in row["hamon_event"].split()
    fields = fields_of(event)
    places = {"rsc": "resource", "device": "device", "ip": "address", "ring": "link", "signal": "signal", "pid": "pid", "process": "daemon"}
    places |= _FENCING if number.startswith("21-") else _PLACES.get(number, {})
    if row["event"] in ("node_lost", "node_member", "dc_set", "node_shutdown_requested", "attribute_updated", "attribute_deleted"):
        places["node"] = "node"
    for name in row["fields"].replace("?", "").split(";"):
        if name in places:
            assert str(fields[places[name]]) == (op if name == "op" else FIELDS[name]), name
