"""Whether what hamon made of a happening is the truth, and everybody heard it once."""

from collections.abc import Sequence
from datetime import datetime

from hamon.notify.words import REPEATED
from tests.cluster.beside import Incident, Told, Watch
from tests.cluster.happenings import MEMBERSHIP_SECONDS, Expected, Happening, Roles
from tests.cluster.numbers import misnumbered
from tests.notify.http_server import Request
from tests.truth import brief, is_alarm, mains

TOLD_SECONDS = 1.0
"""From the message that decides to the notification handed over at most, beside what is waited for."""

CUT_SECONDS = 1.0
"""corosync.log and the syslog leave out what is less than a second, so that their stamps are so much too early at most."""


def _name(kind: str) -> str:
    return "hamon" + "".join(word.capitalize() for word in kind.split("_"))


async def faults(
    watch: Watch,
    happening: Happening,
    roles: Roles,
    since: datetime,
    incidents: Sequence[Incident],
    *,
    repeats_allowed: bool = False,
    was_restarted: bool = False,
) -> list[str]:
    """Everything in which hamon fell short of what happened since then, now that it is over; empty: all is as it must be."""
    expected = happening.expected
    found = []
    allowed = {expected.kind, *expected.also}
    for one in mains(incidents):
        if is_alarm(one) and one["kind"] not in allowed:
            found.append(f"a false alarm: {brief(one)}")
        if one["state"] != "resolved":
            found.append(f"not resolved but {one['state']}: {brief(one)}")
    for kind in sorted(allowed - {None}, key=str):
        matching = [one for one in mains(incidents) if one["kind"] == kind]
        if len(matching) != 1:
            found.append(f"not one {kind} but {len(matching)}")
        else:
            told = watch.told(matching[0])
            if kind == expected.kind:
                found += _wrong(happening, roles, matching[0], incidents)
                if expected.failed_meanwhile and not any(_is_failed(post.json["incident"]) for post in told.posts):
                    found.append(f"nobody was told that it had failed: {brief(matching[0])}")
            elif expected.also_about is not None and matching[0]["nodes"] != [roles.of(expected.also_about)]:
                found.append(f"the {kind} is of {matching[0]['nodes']}, not of {roles.of(expected.also_about)}")
            found += _unheard(matching[0], told)
    recorded = {one["kind"] for one in mains(incidents) if one["planned"] is True and one["kind"] != expected.kind}
    if recorded != expected.recorded:
        found.append(f"recorded as planned work: {sorted(recorded)}, not {sorted(expected.recorded)}")
    for one in incidents:
        found += [f"{brief(one)}: {fault}" for fault in misheard(one, watch.told(one), expected, repeats_allowed=repeats_allowed)]
    found += await misnumbered(
        watch.numbers,
        expected,
        since,
        service=roles.service,
        services=watch.cluster.services,
        incidents=watch.hamon.incidents,
        heard=lambda incident: [post.json["incident"] for post in watch.told(incident).posts],
        counts=not was_restarted,
    )
    return found


def _wrong(happening: Happening, roles: Roles, main: Incident, incidents: Sequence[Incident]) -> list[str]:
    expected = happening.expected
    found = []

    def compare(what: str, said: object, true: object) -> None:
        if said != true:
            found.append(f"{main['kind']}: {what} is {said!r}, not {true!r}")

    compare("planned", main["planned"], expected.planned)
    if expected.outcome is not None:
        compare("outcome", main["outcome"], expected.outcome)
    if expected.from_node or expected.to_node:
        ends = roles.of(expected.from_node), roles.of(expected.to_node)
        compare("from and to", (main["from_node"], main["to_node"]), ends)
    if expected.cause is not None:
        compare("cause", (main["cause"] or {}).get("kind"), expected.cause)
    if expected.fenced is not None:
        compare("fenced", main["fenced"], [roles.of(expected.fenced)])
    if expected.redundancy_lost:
        compare("redundancy", main["redundancy"], True)
        compare("the debt paid", main["redundancy_restored_at"] is not None, True)
    parts = {one["kind"] for one in incidents if one["part_of"] == main["key"]}
    if missing := expected.parts - parts:
        found.append(f"{main['kind']}: without its parts {sorted(missing)}; it has {sorted(parts)}")
    return found


def _is_failed(incident: Incident) -> bool:
    return (incident["state"], incident["outcome"], incident["severity"]) == ("open", "failed", "critical")


def _unheard(main: Incident, told: Told) -> list[str]:
    """Whom nobody told of what they must know; how often the others were told is judged for every incident alike."""
    targets = {"mail": told.mails, "webhook": told.posts, "SNMP": told.alarms}
    return [f"nobody was told of it by {target}: {brief(main)}" for target, messages in targets.items() if not messages]


def _said(subject: object) -> str:
    """The first line as it is also where it is repeated."""
    return str(subject).removeprefix(f"{REPEATED} ")


def misheard(incident: Incident, told: Told, expected: Expected, *, repeats_allowed: bool) -> list[str]:
    """One opening and one closing by mail and webhook, one raise and one clear by SNMP; of planned work one notification, or nothing."""
    found = []
    mails = [(str(taken.mail["Message-ID"]), taken.mail["X-Hamon-Repeated"] == "yes", _said(taken.mail["Subject"])) for taken in told.mails]
    posts = [(post.json["id"], bool(post.json["repeated"]), post.json["notice"], _said(post.json["subject"])) for post in told.posts]
    if repeats_allowed:  # Marked as such, and of something that came already: it counts once.
        mails = [mail for number, mail in enumerate(mails) if not (mail[1] and any(mail[0] == other[0] for other in mails[:number]))]
        posts = [post for number, post in enumerate(posts) if not (post[1] and any(post[0] == other[0] for other in posts[:number]))]
    notices = [notice for *_, notice, _ in posts]
    if incident["part_of"] is not None and incident["kind"] not in expected.told_before and notices:
        found.append(f"a part that was told on its own: {notices}")
    # What was over before people were told is told in one message.
    at_once = notices == ["opening"] and told.posts[-1].json["incident"]["state"] == "resolved"
    once_each = [notice for notice in notices if notice != "update"] == ["opening", "closing"] and notices[-1] == "closing"
    if notices and not at_once and not once_each:
        found.append(f"the webhook heard {notices}")
    if len({identity for identity, *_ in mails}) != len(mails):
        found.append("a mail came twice")
    if len(mails) != len(notices):
        found.append(f"{len(mails)} mails, but the webhook heard {notices}")
    elif (mailed := [said for *_, said in mails]) != (posted := [said for *_, said in posts]):
        found.append(f"by mail came {mailed}, but the webhook heard {posted}")
    names = [one.name for one in told.alarms]
    restated = {one["Restated"] for one in told.alarms}
    raised, cleared = _name(incident["kind"]), f"{_name(incident['kind'])}Cleared"
    if incident["planned"] is True:
        once = [raised] if incident["kind"] == "switchover" else []
        if names != once:
            found.append(f"planned work was told by SNMP as {names}, not {once}")
        if notices and incident["kind"] != "switchover":
            found.append(f"planned work was told: {notices}")
    elif notices:
        # Updates of a raise have its name, and its clear is the last one.
        if names[-1:] != [cleared] or set(names[:-1]) != {raised}:
            found.append(f"SNMP heard {names}")
        if names.count(cleared) != 1 and not (repeats_allowed and "true" in restated):
            found.append(f"SNMP heard {names.count(cleared)} clears")
    elif names:
        found.append(f"SNMP alone heard {names}")
    return found


def _opening(told: Told) -> Request | None:
    return next((post for post in told.posts if post.json["notice"] == "opening"), None)


def delay(told: Told) -> float | None:
    """Seconds from the last message of the cluster that stands in the opening to the webhook being told."""
    if (opening := _opening(told)) is None:
        return None
    known = [datetime.fromisoformat(entry["at"]) for entry in opening.json["incident"]["timeline"]]
    return (opening.at - max(known)).total_seconds() if known else None  # of hamon itself the cluster has no message


def decided(told: Told) -> float | None:
    """Seconds from the message that decided the kind, as it was told first, to the webhook being told."""
    if (opening := _opening(told)) is None:
        return None
    return (opening.at - datetime.fromisoformat(opening.json["incident"]["detected_at"])).total_seconds()


def late_told(told: Told, main: Incident, expected: Expected, late: float) -> list[str]:
    """Whether people heard of it later than they may; `late` are the seconds by which stamps are too early."""
    if main["kind"] != expected.kind:
        return []
    found = []
    allowed = TOLD_SECONDS + expected.waits
    if (took := delay(told)) is not None and took >= allowed + late:
        found.append(f"{brief(main)} was told {took:.2f} s after the newest message in it; {allowed:g} s are allowed")
    if "node_lost" in expected.parts and expected.kind == "standby_fault":
        allowed = TOLD_SECONDS + MEMBERSHIP_SECONDS  # it may still come back, or a failover come of it
    if not expected.told_afterwards and (took := decided(told)) is not None and took >= allowed + CUT_SECONDS + late:
        found.append(f"{brief(main)} was told {took:.2f} s after the message that decides; {allowed:g} s are allowed")
    return found


def noticed(main: Incident, injured: datetime) -> float:
    """Seconds from the injury until the cluster itself said something of it."""
    started: float = (datetime.fromisoformat(main["started_at"]) - injured).total_seconds()
    return started
