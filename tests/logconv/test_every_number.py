"""Each message of the converter's list, in its own words, from the native lines of its number in the wording of 1.1 and of 2.1."""

import re
from collections.abc import Iterator, Mapping

import pytest

from tests.logconv.test_messages import CASES, converted
from tests.wordings import messages

OPERATIONS = {"1": "start", "2": "stop", "4": "promote", "5": "demote", "17": "start", "18": "stop"} | {
    "11": "migrate_to",
    "12": "migrate_from",
}
OLD, NEW = "crmd[3594]:  notice:", "pacemaker-controld[3594]:  notice:"


def done(operation: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield f"{OLD} Operation prmPg_{operation}_0: ok (node=pm01, call=31, rc=0, cib-update=25, confirmed=true)", {}
    yield f"{OLD} process_lrm_event: LRM operation prmPg_{operation}_0 (call=31, rc=0, cib-update=25, confirmed=true) ok", {}
    yield f"{OLD} Result of {operation} operation for prmPg on pm01: 0 (ok)", {}
    yield f"{NEW} Result of {operation} operation for prmPg on pm01: ok", {}


def failed(operation: str, interval: int = 0) -> Iterator[tuple[str, Mapping[str, str]]]:
    old = {"rc": "1", "reason": "unknown error"}
    yield f"{OLD} Operation prmPg_{operation}_{interval}: unknown error (node=pm01, call=31, rc=1, cib-update=25, confirmed=true)", old
    yield f"{OLD} Result of {operation} operation for prmPg on pm01: 1 (unknown error)", old
    yield f"{NEW} Result of {operation} operation for prmPg on pm01: error (it hangs)", {"rc": "1", "reason": "error"}
    yield f"{NEW} Result of {operation} operation for prmPg on pm01: not installed", {"rc": "5", "reason": "not installed"}


def timed_out(operation: str, interval: int = 0) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield f"{OLD} Operation prmPg_{operation}_{interval}: Timed Out (node=pm01, call=31, timeout=60000ms)", {}
    yield f"{OLD} process_lrm_event: LRM operation prmPg_{operation}_{interval} (31) Timed Out (timeout=60000ms)", {}
    yield f"{OLD} Result of {operation} operation for prmPg on pm01: Timed Out", {}
    yield f"{NEW} Result of {operation} operation for prmPg on pm01: Timed Out after 1m (Resource agent did not complete within 1m)", {}


def not_done(operation: str, interval: int = 0) -> Iterator[tuple[str, Mapping[str, str]]]:
    details = "(node=pm01, call=31, status=4, cib-update=25, confirmed=true)"
    for status in ("Error", "Not installed", "NOT SUPPORTED"):
        yield f"{OLD} Result of {operation} operation for prmPg on pm01: {status}", {"status": status}
    yield f"{NEW} Result of {operation} operation for prmPg on pm01: Error (Fence agent failed)", {"status": "Error"}
    yield (
        f"{OLD} Operation prmPg_{operation}_{interval} {details} Error",
        {"status": "Error"},
    )


def began(operation: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield f"crmd[3594]:    info: Performing key=12:3:0:6f0bb6a2-4f2a-4b7e-9d3e-1f0a8f7c5a11 op=prmPg_{operation}_0", {}
    yield f"crmd[3594]:    info: do_lrm_rsc_op: Performing key=12:3:0:6f0bb6a2-4f2a-4b7e-9d3e-1f0a8f7c5a11 op=prmPg_{operation}_0", {}
    yield f"{NEW} Requesting local execution of {operation} operation for prmPg on pm01", {}


def not_running() -> Iterator[tuple[str, Mapping[str, str]]]:
    yield f"{OLD} Operation prmPg_monitor_10000: not running (node=pm01, call=31, rc=7, cib-update=25, confirmed=false)", {}
    yield f"{OLD} process_lrm_event: LRM operation prmPg_monitor_10000 (call=31, rc=7, cib-update=25, confirmed=false) not running", {}
    yield "crmd[3594]:    info: Result of monitor operation for prmPg on pm01: 7 (not running)", {}
    yield f"{NEW} Result of monitor operation for prmPg on pm01: not running (process is gone)", {}


def natives(number: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Lines of operations for a number of the list, and the fields of its message that differ from line to line."""
    first, _, second = number.partition("-")
    if number == "3-2":
        yield from not_running()
    elif first == "3":
        yield from {"1": failed, "3": timed_out}[second]("monitor", 10000)
    elif first == "19":
        yield from {"1": not_done, "3": timed_out}[second]("monitor", 3600000)
    elif first == "17" and second == "3":
        yield from not_done("start")
    elif first in OPERATIONS:
        operation = OPERATIONS[first]
        yield from began(operation) if second == "1" else {"2": done, "3": failed, "4": timed_out}[second](operation)
    elif first == "U" and second != "9":
        yield from {"1": began, "2": done, "3": failed, "4": not_done}[second]("reload")


OF_OPERATIONS = [row for row in messages() if list(natives(row["number"]))]


@pytest.mark.parametrize("row", OF_OPERATIONS, ids=lambda row: row["number"])
def test_the_lines_of_a_number_give_what_its_template_says(row: Mapping[str, str]) -> None:
    given = {}
    for line, fields in natives(row["number"]):
        text = row["output_template"].format_map({"rsc": "prmPg", "op": "reload", **fields})
        if converted(line) != [f"{row['priority']:>7}: {text}"]:
            given[line] = converted(line)
    assert given == {}


def template(row: Mapping[str, str]) -> str:
    literal = re.escape(f"{row['priority']:>7}: {row['output_template']}")
    return re.sub(r"\\\{\w+\\\}", r"(?:\\S.*?)", literal)


@pytest.mark.parametrize("number", sorted({case["number"] for case in CASES} - {"probes and noise"}))
def test_what_is_expected_of_a_number_is_its_template(number: str) -> None:
    given = [case["gives"] for case in CASES if case["number"] == number and case["gives"]]
    assert given
    allowed = [template(row) for row in messages() if row["number"] == number]
    assert [text for text in given if not any(re.fullmatch(pattern, text) for pattern in allowed)] == []


def test_every_number_has_lines_of_both_eras() -> None:
    lines: dict[str, list[str]] = {}
    for case in CASES:
        lines.setdefault(case["number"], []).extend(line["line"] for line in case["lines"])
    for row in messages():
        lines.setdefault(row["number"], []).extend(line for line, _ in natives(row["number"]))
    both = "pacemakerd|corosync|ping|diskd"
    eras = (re.compile(rf"crmd|pengine|attrd|stonith-ng|cib|{both}"), re.compile(rf"pacemaker-|{both}"))
    numbers = {row["number"] for row in messages() if not row["number"].startswith(("F", "U-9"))}
    assert [number for number in sorted(numbers) if not all(any(era.match(line) for line in lines[number]) for era in eras)] == []
