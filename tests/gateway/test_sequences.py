"""pm_logconv.out through the running gateway: what the API, the metrics, the mail and the page say is one story.

The sequences are those that a two-node cluster with pm_logconv-cs 2.6 writes; stamps are moved to now.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from email.message import Message
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import CLUSTER, Gateway, eventually, now, subject, traditional
from tests.gateway.sequences import FILE, SERVICE_ON_N1, A, B, C, D, E, Lines
from tests.notify.mail_server import MailServer

Form = Callable[[datetime, str, str], str]

ALARMING = ("warning", "minor", "major", "critical")


def with_year(at: datetime, node: str, rest: str) -> str:
    return f"{at:%Y/%m/%d_%H:%M:%S} {node} {rest}"


def syslog(at: datetime, node: str, rest: str) -> str:
    """What a syslog daemon writes of a converter with `output_logfacility`."""
    return f"{at:%b} {at.day:>2} {at:%H:%M:%S} {node} pm_logconv: {rest}"


FORMS = pytest.mark.parametrize("form", [traditional, with_year, syslog])
FORMS_IN_FULL = pytest.mark.parametrize(
    "form", [traditional, *(pytest.param(form, marks=pytest.mark.full) for form in (with_year, syslog))]
)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path, server: MailServer) -> AsyncIterator[Gateway]:
    # A grace that ends before the takeover does would rightly call the service down in between.
    times = {"grace_seconds": 20.0}
    async with Gateway(tmp_path, logs=(FILE,), services={"shop": ["prmEx", "prmPg"]}, smtp_port=server.port, cluster__web=times) as gateway:
        yield gateway


def stamped(form: Form, *sequences: Lines) -> list[tuple[str, str]]:
    """The sequences one after the other, the last line stamped now: node and line."""
    lines: list[tuple[int, str, str]] = []
    start = 0
    for sequence in sequences:
        lines += [(start + second, node, rest) for second, node, rest in sequence]
        start = lines[-1][0] + 1
    end = now()
    return [(node, form(end - timedelta(seconds=lines[-1][0] - second), node, rest)) for second, node, rest in lines]


async def play(gateway: Gateway, form: Form, *sequences: Lines) -> None:
    """Write each line to the file of its node; the next node speaks when the last was heard, as in a cluster that works at its own pace."""
    last = ""
    for node, line in stamped(form, *sequences):
        if last not in ("", node):
            await gateway.has_read()
        gateway.write(node, line, name=FILE)
        last = node


def is_alarm(incident: dict[str, Any]) -> bool:
    return incident["severity"] in ALARMING and incident["planned"] is not True


async def mains(gateway: Gateway) -> list[dict[str, Any]]:
    return [incident for incident in await gateway.incidents() if incident["part_of"] is None]


async def the_one_alarm(gateway: Gateway) -> dict[str, Any]:
    """The only incident that is an alarm of its own."""
    await gateway.quiet()
    (alarm,) = [incident for incident in await mains(gateway) if is_alarm(incident)]
    return alarm


def body(mail: Message) -> str:
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


async def check_agreement(gateway: Gateway, server: MailServer, told: dict[str, Any]) -> None:
    """API, metrics, mail over SMTP, mailbox and page tell the same of the incident that people are told of."""
    whole = await gateway.whole(told)
    assert {name: whole[name] for name in told} == told

    # Mail: both ways the same words, and the last word is the present state.
    told_by = {target: [row for row in whole["deliveries"] if row["target"] == target] for target in ("ops", "box")}
    assert [row["state"] for row in whole["deliveries"]] == ["sent"] * len(whole["deliveries"])
    posted = [taken.mail for taken in server.taken]
    boxed = gateway.mails()
    assert [subject(mail) for mail in boxed] == [str(mail["Subject"]) for mail in posted]
    assert [body(mail).splitlines() for mail in boxed] == [body(mail).replace("\r\n", "\n").splitlines() for mail in posted]
    assert len(told_by["ops"]) == len(posted)
    assert len(told_by["box"]) == len(boxed) >= 1
    assert {mail["X-Hamon-Incident"] for mail in boxed} == {f"{CLUSTER}/{told['key']}"}
    assert len({mail["Message-ID"] for mail in posted}) == len(posted)
    assert [mail for mail in posted + boxed if mail["X-Hamon-Repeated"]] == []
    tag = "[resolved]" if told["state"] == "resolved" else f"[{told['severity']}]"
    assert subject(boxed[-1]) == f"{tag} {told['headline'].partition(' ')[2]}"
    assert body(boxed[-1]).splitlines()[0] == subject(boxed[-1])
    assert whole["cause_text"] in body(boxed[-1])
    for step in whole["steps"]:  # in a mail ticked as they were then
        assert step["text"] in body(boxed[-1])

    # Page.
    path = f"/incidents/{CLUSTER}/{told['key']}"
    html = (await gateway.get(path)).text
    title = re.search(r'<h1 class="line">(.*?)</h1>', html, re.DOTALL)
    assert title is not None
    first_line = unescape(re.sub(r"<[^>]*>", "", title[1])).strip()
    assert first_line.replace("→", "->") in told["headline"]
    page = await gateway.page(path)
    assert unescape(re.sub(r"\s+", " ", whole["cause_text"])) in page
    for entry in whole["timeline"]:
        assert re.sub(r"\s+", " ", entry["raw"]) in page
    for node in (told["from_node"], told["to_node"], *told["nodes"]):
        assert node is None or node in page
    assert path in (await gateway.get("/")).text

    # Metrics.
    numbers = await gateway.metrics()
    everything = await gateway.incidents()
    for kind, count in Counter(incident["kind"] for incident in everything).items():
        opened = [value for name, value in numbers.items() if name.startswith("hamon_incidents_opened_total{") and f'kind="{kind}"' in name]
        assert sum(opened) == count
    planned = {True: "true", False: "false", None: "unknown"}
    moves = Counter(
        (planned[incident["planned"]], incident["outcome"]) for incident in everything if incident["kind"] in ("failover", "switchover")
    )
    for label in planned.values():
        for outcome in ("succeeded", "failed"):
            name = f'hamon_failovers_total{{cluster="{CLUSTER}",outcome="{outcome}",planned="{label}"}}'
            assert numbers[name] == moves[label, outcome]
    is_open = [name for name, value in numbers.items() if name.startswith("hamon_incident_open{") and value == 1]
    assert len(is_open) == len([incident for incident in await mains(gateway) if incident["state"] == "open"])
    shown = [name for name in is_open if f'kind="{told["kind"]}"' in name and f'severity="{told["severity"]}"' in name]
    assert len(shown) == (told["state"] == "open")
    sent = [numbers[f'hamon_deliveries_total{{result="sent",target="{target}"}}'] for target in ("ops", "box")]
    # One more may have gone out since they were read.
    assert len(posted) <= sent[0] <= len(server.taken)
    assert len(boxed) <= sent[1] <= len(gateway.mails())
    assert numbers["hamon_defects_total"] == 0


@FORMS
async def test_a_monitor_failure_on_the_active_node_is_an_unplanned_failover(gateway: Gateway, server: MailServer, form: Form) -> None:
    await play(gateway, form, A)
    alarm = await the_one_alarm(gateway)
    assert alarm["kind"] == "failover"
    assert (alarm["from_node"], alarm["to_node"], alarm["planned"], alarm["outcome"]) == ("n1", "n2", False, "succeeded")
    assert alarm["services"] == ["shop"]
    assert set(alarm["resources"]) == {"prmEx", "prmPg"}
    assert alarm["fenced"] == []
    assert (alarm["cause"]["node"], alarm["cause"]["resource"]) == ("n1", "prmPg")
    assert alarm["service_down_seconds"] == 3
    await check_agreement(gateway, server, alarm)


@FORMS_IN_FULL
async def test_a_crash_of_the_active_node_is_a_failover_with_that_node_fenced(gateway: Gateway, server: MailServer, form: Form) -> None:
    await play(gateway, form, B)
    alarm = await the_one_alarm(gateway)
    assert alarm["kind"] == "failover"
    assert (alarm["from_node"], alarm["to_node"], alarm["planned"], alarm["outcome"]) == ("n1", "n2", False, "succeeded")
    assert alarm["fenced"] == ["n1"]
    parts = {incident["kind"] for incident in await gateway.incidents() if incident["part_of"] == alarm["key"]}
    assert {"node_lost", "fencing"} <= parts
    await check_agreement(gateway, server, alarm)


@FORMS_IN_FULL
async def test_stops_on_one_node_and_starts_on_the_other_alone_leave_open_whether_it_was_planned(
    gateway: Gateway, server: MailServer, form: Form
) -> None:
    await play(gateway, form, C)
    alarm = await the_one_alarm(gateway)
    assert alarm["kind"] == "failover"
    assert (alarm["from_node"], alarm["to_node"], alarm["planned"], alarm["severity"]) == ("n1", "n2", None, "warning")
    assert alarm["outcome"] == "succeeded"
    await check_agreement(gateway, server, alarm)


@FORMS_IN_FULL
async def test_an_orderly_stop_of_the_standby_alarms_nobody(gateway: Gateway, server: MailServer, form: Form) -> None:
    await play(gateway, form, D)

    async def lost() -> bool:
        return any(event["kind"] in ("node_left", "node_lost") and event["node"] == "n2" for event in await gateway.events())

    await eventually(lost)
    await gateway.quiet()
    assert [incident for incident in await gateway.incidents() if is_alarm(incident)] == []
    assert gateway.mails() == []
    assert server.taken == []
    numbers = await gateway.metrics()
    assert not [
        name for name, value in numbers.items() if name.startswith("hamon_incident_open{") and value and 'severity="info"' not in name
    ]
    assert sum(value for name, value in numbers.items() if name.startswith("hamon_failovers_total{")) == 0


@FORMS_IN_FULL
async def test_a_clone_that_fails_beside_the_active_node_is_a_standby_fault(gateway: Gateway, server: MailServer, form: Form) -> None:
    await play(gateway, form, SERVICE_ON_N1, E)
    alarm = await the_one_alarm(gateway)
    assert alarm["kind"] == "standby_fault"
    assert alarm["nodes"] == ["n2"]
    assert alarm["planned"] is not True
    assert alarm["resources"] == ["prmPing"] or alarm["cause"]["resource"] == "prmPing"
    assert "failover" not in {incident["kind"] for incident in await gateway.incidents()}
    await check_agreement(gateway, server, alarm)


@FORMS_IN_FULL
async def test_a_clone_that_fails_where_nobody_knows_the_roles_is_a_resource_failure(
    gateway: Gateway, server: MailServer, form: Form
) -> None:
    await play(gateway, form, E)
    alarm = await the_one_alarm(gateway)
    assert alarm["kind"] == "resource_failure"
    assert (alarm["nodes"], alarm["resources"]) == (["n2"], ["prmPing"])
    assert (alarm["from_node"], alarm["to_node"], alarm["redundancy"]) == (None, None, None)
    (cluster,) = (await gateway.json("/api/v1/clusters"))["clusters"]
    (shop,) = cluster["services"]
    assert shop["active_node"] is None
    await check_agreement(gateway, server, alarm)


@pytest.mark.parametrize("first", ["n1", "n2"])
@pytest.mark.parametrize("seconds", [3, 0])
async def test_what_was_written_while_hamon_was_down_is_taken_in_the_order_in_which_it_happened(
    tmp_path: Path, first: str, seconds: int
) -> None:
    """Also where all stamps are of one second, and whichever log is read first (the collectors start in the order of their names)."""
    names = {"n1": "a", "n2": "b"} if first == "n1" else {"n1": "b", "n2": "a"}
    gateway = Gateway(tmp_path, logs=(FILE,), services={"shop": ["prmEx", "prmPg"]})
    gateway.sections |= {f"collect.log_tail.{names[node]}": gateway.sections.pop(f"collect.log_tail.{node}") for node in ("n1", "n2")}
    quick = [(second * seconds // 3, node, rest) for second, node, rest in C]
    for node, line in stamped(traditional, quick):
        gateway.write(node, line, name=FILE)
    async with gateway:
        alarm = await the_one_alarm(gateway)
        assert (alarm["kind"], alarm["from_node"], alarm["to_node"], alarm["planned"]) == ("failover", "n1", "n2", None)
