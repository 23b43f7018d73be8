"""The judge itself: of what people truly hear of a failover it says nothing, and it sees each thing that is wrong. No cluster is made."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hamon.model.incident import IncidentState, Notice
from tests.cluster.beside import Told
from tests.cluster.detection import Detection, table
from tests.cluster.happenings import HAPPENINGS, resource_failure, standby_power_loss
from tests.cluster.judge import decided, delay, late_told, misheard
from tests.notify.http_server import http_server
from tests.notify.mail_server import MailServer
from tests.notify.stories import AT, INCIDENT, notification
from tests.notify.test_smtp import notifier as by_mail
from tests.notify.test_webhook import notifier as by_webhook
from tests.snmp.nms import Arrived

FAILOVER = HAPPENINGS[resource_failure.__name__].expected
OVER = replace(INCIDENT, state=IncidentState.RESOLVED)
HEARD = {"key": INCIDENT.key, "cluster": INCIDENT.cluster, "kind": "failover", "planned": False, "part_of": None, "state": "resolved"}
HEARD |= {"outcome": "succeeded", "from_node": INCIDENT.from_node, "to_node": INCIDENT.to_node, "nodes": [], "severity": "major"}


def arrived(name: str, *, restated: bool = False) -> Arrived:
    return Arrived(sender="127.0.0.1", name=name, values={"hamonNotifyRestated": str(restated).lower()}, order=())


@pytest.fixture
async def heard() -> AsyncIterator[Told]:
    """An opening and a closing, sent by hamon's own notifiers to real servers; three of each: as new, as new, and the closing repeated."""
    opening = notification(1, subject="[major] web: grpPg failed over node1 -> node2")
    closing = notification(2, subject="[resolved] web: grpPg failed over node1 -> node2", notice=Notice.CLOSING, incident=OVER)
    async with MailServer() as server, http_server() as hook, by_mail(server.port) as mail, by_webhook(hook) as webhook:
        for one in (opening, closing, replace(closing, repeated=True)):
            await mail.send(one)
            await webhook.send(one)
        yield Told(server.taken, hook.requests, [arrived("hamonFailover"), arrived("hamonFailoverCleared")])


def once(told: Told) -> Told:
    return replace(told, mails=told.mails[:2], posts=told.posts[:2])


def faults(told: Told, *, incident: Mapping[str, Any] = HEARD, repeats_allowed: bool = False) -> list[str]:
    return misheard(incident, told, FAILOVER, repeats_allowed=repeats_allowed)


async def test_one_opening_and_one_closing_for_each_target_is_right(heard: Told) -> None:
    assert faults(once(heard)) == []


async def test_a_repeat_is_right_only_where_it_is_allowed(heard: Told) -> None:
    assert faults(heard, repeats_allowed=True) == []
    assert faults(heard)
    unmarked = replace(heard, mails=[*heard.mails[:2], heard.mails[1]])
    assert faults(unmarked, repeats_allowed=True)


WRONG: Mapping[str, Callable[[Told], Told]] = {
    "no closing at all": lambda told: replace(told, mails=told.mails[:1], posts=told.posts[:1]),
    "no closing by mail": lambda told: replace(told, mails=told.mails[:1]),
    "no closing by webhook": lambda told: replace(told, posts=told.posts[:1]),
    "the closing first": lambda told: replace(told, mails=told.mails[::-1], posts=told.posts[::-1]),
    "the closing first by mail": lambda told: replace(told, mails=told.mails[::-1]),
    "two openings": lambda told: replace(told, mails=[told.mails[0], *told.mails], posts=[told.posts[0], *told.posts]),
    "a mail twice": lambda told: replace(told, mails=[told.mails[0], told.mails[0]]),
    "no raise": lambda told: replace(told, alarms=told.alarms[1:]),
    "no clear": lambda told: replace(told, alarms=told.alarms[:1]),
    "two clears": lambda told: replace(told, alarms=[*told.alarms, told.alarms[1]]),
    "another alarm cleared": lambda told: replace(told, alarms=[told.alarms[0], arrived("hamonServiceDownCleared")]),
    "SNMP alone": lambda told: replace(told, mails=[], posts=[]),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_with_that_is_seen(heard: Told, what: str) -> None:
    assert faults(WRONG[what](once(heard)))


async def test_a_part_is_not_told_on_its_own(heard: Told) -> None:
    assert faults(once(heard), incident={**HEARD, "part_of": "another"})


async def test_planned_work_is_told_by_one_notification_without_a_clear_and_only_a_switchover(heard: Told) -> None:
    switchover = {**HEARD, "kind": "switchover", "planned": True}
    told = replace(once(heard), alarms=[arrived("hamonSwitchover")])
    assert faults(told, incident=switchover) == []
    assert faults(replace(told, alarms=[*told.alarms, arrived("hamonSwitchoverCleared")]), incident=switchover)
    assert faults(replace(told, alarms=[]), incident=switchover)
    maintenance = {**HEARD, "kind": "maintenance", "planned": True}
    assert faults(Told([], [], []), incident=maintenance) == []
    assert faults(once(heard), incident=maintenance)


def told_after(told: Told, seconds: float, *, newest: float = 0.0) -> Told:
    """The opening as it came so long after the message that decided, and after the newest one in it, which is `newest` later."""
    opening = told.posts[0]
    body = opening.json
    body["incident"]["timeline"][-1]["at"] = (AT + timedelta(seconds=newest)).isoformat()
    return replace(told, posts=[replace(opening, content=json.dumps(body).encode(), at=AT + timedelta(seconds=seconds)), *told.posts[1:]])


async def test_people_hear_within_a_second_and_what_is_waited_for(heard: Told) -> None:
    assert (delay(told_after(heard, 2.5, newest=1.0)), decided(told_after(heard, 2.5, newest=1.0))) == (1.5, 2.5)
    assert late_told(told_after(heard, 2.9), HEARD, FAILOVER, 0) == []
    assert len(late_told(told_after(heard, 3.1), HEARD, FAILOVER, 0)) == 1
    assert late_told(told_after(heard, 7.9), HEARD, FAILOVER, 5) == []


async def test_a_newer_message_in_the_opening_is_no_excuse(heard: Told) -> None:
    assert late_told(told_after(heard, 3.9, newest=3.8), HEARD, FAILOVER, 0) == []  # the stamp that decides may be cut
    assert len(late_told(told_after(heard, 4.1, newest=4.0), HEARD, FAILOVER, 0)) == 1


async def test_what_may_come_of_a_lost_node_is_waited_for(heard: Told) -> None:
    lost, fault = HAPPENINGS[standby_power_loss.__name__].expected, {**HEARD, "kind": "standby_fault"}
    assert late_told(told_after(heard, 11.9, newest=10.0), fault, lost, 0) == []
    assert late_told(told_after(heard, 12.1, newest=10.0), fault, lost, 0)


def test_the_table_ends_with_median_and_maximum_by_each_kind_of_evidence() -> None:
    measured = [Detection("a", 1.0, 0.5, 2.0), Detection("b", 3.0, None), Detection("c", 5.0, 1.5, None, "polls alone")]
    assert [line.split() for line in table(measured)][1:] == [
        ["a", "1.00", "0.50", "2.00"],
        ["b", "3.00", "-", "-"],
        ["c,", "polls", "alone", "5.00", "1.50", "-"],
        ["median,", "logs,", "traps", "and", "polls", "2.00", "0.50", "2.00"],
        ["maximum,", "logs,", "traps", "and", "polls", "3.00", "0.50", "2.00"],
        ["median,", "polls", "alone", "5.00", "1.50", "-"],
        ["maximum,", "polls", "alone", "5.00", "1.50", "-"],
    ]
