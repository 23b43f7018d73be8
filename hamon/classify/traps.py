"""Rules to events for traps: one trap, one event, or nothing where it is known to tell nothing.

Which node a trap is about, its variables say, never its sender: that may be a relay. The time is the sender's own where the trap has
one that can be right. The law: every trap gives the event of the first rule that fits it; one that no rule fits is kept, not classified.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from hamon.classify.match import MAX_RAW, reading_of, require_readings
from hamon.classify.order import by_stamp
from hamon.classify.read import Reading, Value
from hamon.errors import ParseError
from hamon.model.event import Event, EventKind
from hamon.model.mib import HR_SYSTEM_DATE, NOTIFICATIONS, OBJECT_NUMBERS, OBJECTS, covers, notification_name, object_name
from hamon.model.observation import SnmpVersion, Source, Trap, VarBind, VarType
from hamon.model.record import in_order
from hamon.parse.varbinds import date_and_time, shown, text_of
from hamon.rules.check import Answer
from hamon.rules.schema import RuleSet, TrapRule

MOST_SKEW = timedelta(seconds=60)
"""A sender's clock that differs more from ours is not believed."""
_ZONE_STEP = timedelta(minutes=15)
_MOST_OFFSET = timedelta(hours=14)

_MANY = 2048
_LONGEST_KEPT = 256
_LONGEST_TRAP = 1024
"""What a trap means is kept where it is of no more octets."""
_DATES = frozenset({HR_SYSTEM_DATE, f"{HR_SYSTEM_DATE}.0"})
_UNSHOWN = frozenset({"snmpTrapCommunity", "snmpTrapEnterprise"})
_PREFIXES = ("pacemakerNotification", "corosyncObjects", "LHA")
_TRAP = Source.TRAP
_event = in_order(Event)
_SNMP = "snmp"
"""What stands as the daemon of a trap that no rule knows."""


@dataclass(slots=True)
class TrapScan:
    """What some traps gave. `matched` counts those that a rule knows, also where they tell nothing."""

    events: list[Event] = field(default_factory=list)
    matched: int = 0
    unmatched: int = 0


@dataclass(slots=True)
class _Meaning:
    """What all traps of one content mean, whoever sent them and when. `rule`: None, no rule fits it; without a reading it tells nothing."""

    rule: str | None
    reading: Reading | None
    name: str
    words: str
    is_dated: bool
    """Its time stands in the content."""


class TrapMatcher:
    """The rules about traps in force. Holds only caches, no state: the same trap gives the same event."""

    def __init__(self, rules: RuleSet) -> None:
        """Raises RuleError for a rule that names a reading that does not exist."""
        require_readings(rules.traps)
        self._rules = rules.traps
        self._absent = rules.absent
        self._by_notification: dict[str, Sequence[tuple[TrapRule, frozenset[str]]]] = {}
        self._meanings: dict[tuple[str, tuple[VarBind, ...]], _Meaning] = {}
        # What is sent again and again differs in its date, which is kept apart unless a rule asks for it.
        asked = (oid for rule in self._rules for oid, _ in (*rule.conditions, *rule.extras))
        self._dates = frozenset() if any(_may_be(oid, HR_SYSTEM_DATE) for oid in asked) else _DATES

    def scan(self, traps: Iterable[Trap], *, timezone: str = "UTC", path: str | None = None) -> TrapScan:
        """Read traps; `path` is where they were recorded. The events come in the order of their stamps."""
        scan = TrapScan()
        zone = ZoneInfo(timezone)
        for number, trap in enumerate(traps, 1):
            event = self._event(trap, zone, f"{path or trap.collector} {trap.source}@{number if path else _number(trap)}", scan)
            if event is not None:
                scan.events.append(event)
        scan.events.sort(key=by_stamp)
        return scan

    def _event(self, trap: Trap, zone: tzinfo, ref: str, scan: TrapScan) -> Event | None:
        content, date = trap.varbinds, None
        if content and content[-1].oid in self._dates:
            content, date = content[:-1], content[-1]
        meaning = self._meanings.get((trap.notification, content)) or self._mean(trap, content)
        if meaning.is_dated and date is not None:  # it has two: all of it together is looked at
            content, date = trap.varbinds, None
            meaning = self._mean(trap, content)
        at, words = trap.received_at, meaning.words
        if date is not None:
            _, text, told = _told(date)
            if told and text not in self._absent:
                words = f"{words}, {told}" if words else told
            if isinstance(date.value, bytes):
                at = _believed(date.value, zone, at)
        elif meaning.is_dated:
            at = happened_at(trap, zone)
        raw = f"{meaning.name} from {trap.source}: {words}"[:MAX_RAW]
        rule, reading = meaning.rule, meaning.reading
        if rule is None:
            scan.unmatched += 1
            detail: dict[str, Value] = {"daemon": _SNMP, "notification": trap.notification, "text": raw}
            rule, reading = "", Reading(EventKind.UNCLASSIFIED, None, None, detail)
        else:
            scan.matched += 1
        if reading is None:
            return None
        return _event(
            at,
            trap.received_at,
            trap.cluster,
            reading.kind,
            rule,
            _TRAP,
            trap.collector,
            reading.node,
            reading.resource,
            trap.source,
            reading.detail,
            raw,
            ref,
        )

    def _mean(self, trap: Trap, content: tuple[VarBind, ...]) -> _Meaning:
        """What a content means; kept, since most of what a cluster sends it sends again."""
        told = [_told(varbind) for varbind in content]
        values = self._values_told(told)
        meaning = _Meaning(
            rule=None,
            reading=None,
            name=notification_name(trap.notification),
            words=", ".join([words for number, _, words in told if words and number in values]),
            is_dated=HR_SYSTEM_DATE in [number for number, _, _ in told],
        )
        for rule, needed in self._candidates(trap.notification):
            if needed <= values.keys() and (fields := _fits(rule, values)) is not None:
                meaning.rule, meaning.reading = rule.id, reading_of(rule, fields)
                break
        if len(trap.pdu) <= _LONGEST_TRAP:
            if len(self._meanings) >= _MANY:
                self._meanings.clear()
            self._meanings[trap.notification, content] = meaning
        return meaning

    def _values(self, varbinds: Sequence[VarBind]) -> dict[str, str]:
        """Number of the object, without instance where it is known -> value; the first stands. What does not apply is left out."""
        return self._values_told([_told(varbind) for varbind in varbinds])

    def _values_told(self, told: Iterable[tuple[str, str | None, str]]) -> dict[str, str]:
        values: dict[str, str] = {}
        for number, text, _ in told:
            if text is not None and text not in self._absent:
                values.setdefault(number, text)
        return values

    def _candidates(self, notification: str) -> Sequence[tuple[TrapRule, frozenset[str]]]:
        """The rules for a notification, each with the objects that it cannot do without."""
        known = self._by_notification.get(notification)
        if known is None:
            if len(self._by_notification) >= _MANY:
                self._by_notification.clear()
            known = self._by_notification[notification] = [
                (rule, frozenset(oid for oid, _ in rule.conditions if oid in OBJECTS))
                for rule in self._rules
                if any(_covered(wanted, notification) for wanted in rule.notifications)
            ]
        return known

    @property
    def rule_count(self) -> int:
        return len(self._rules)

    def in_words(self, trap: Trap) -> str:
        """The trap for people."""
        told = [_told(varbind) for varbind in trap.varbinds]
        return _raw(trap, told, self._values_told(told))

    def tried(self, trap: Trap) -> Iterator[tuple[TrapRule, tuple[str, dict[str, str]], dict[str, Value] | None]]:
        """The rules about this notification, in order: why a rule does not fit (as `explain.Because`), or the fields that it takes."""
        values = self._values(trap.varbinds)
        for rule, _ in self._candidates(trap.notification):
            fields = _fits(rule, values)
            yield rule, ("won", {}) if fields is not None else _misfit(rule, values), fields

    def answer(self, rule: TrapRule, notification: str | None, varbinds: Mapping[str, str | int]) -> Answer:
        """What the whole rule set makes of a trap of this rule's notification: the way in which examples are checked."""
        trap = example_trap(rule, notification, varbinds)
        values = self._values(trap.varbinds)
        for candidate, _ in self._candidates(trap.notification):
            if (fields := _fits(candidate, values)) is None:
                continue
            if (reading := reading_of(candidate, fields)) is None:
                return Answer(rule=candidate.id)
            return Answer(
                rule=candidate.id, kind=reading.kind, fields={**reading.detail, "node": reading.node, "resource": reading.resource}
            )
        return Answer(rule=None)

    def alone(self, rule: TrapRule, notification: str | None, varbinds: Mapping[str, str | int]) -> bool:
        """Whether this one rule fits a trap."""
        trap = example_trap(rule, notification, varbinds)
        covered = any(_covered(wanted, trap.notification) for wanted in rule.notifications)
        return covered and _fits(rule, self._values(trap.varbinds)) is not None


def example_trap(rule: TrapRule, notification: str | None, varbinds: Mapping[str, str | int]) -> Trap:
    """A trap as the examples of a rule write it: objects by name or number, values as text or numbers."""
    name = notification or rule.notifications[0].removesuffix(".*")
    return Trap(
        cluster="",
        collector="",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="192.0.2.1",
        version=SnmpVersion.V2C,
        credential="",
        notification=NOTIFICATIONS[name][0] if name in NOTIFICATIONS else name,
        varbinds=tuple(
            VarBind(OBJECT_NUMBERS.get(name, name), VarType.INTEGER, value)
            if isinstance(value, int)
            else VarBind(OBJECT_NUMBERS.get(name, name), VarType.OCTET_STRING, value.encode())
            for name, value in varbinds.items()
        ),
    )


def happened_at(trap: Trap, zone: tzinfo = UTC) -> datetime:
    """When what a trap tells happened: its hrSystemDate, to a tenth of a second, or when it came.

    `zone` is that of a date without one. A date that is whole quarters of an hour away from the arrival is taken for one of another zone;
    one that is more than `MOST_SKEW` away even so, for a wrong clock.
    """
    for varbind in trap.varbinds:
        if isinstance(varbind.value, bytes) and covers(HR_SYSTEM_DATE, varbind.oid):
            return _believed(varbind.value, zone, trap.received_at)
    return trap.received_at


@lru_cache(maxsize=256)
def _believed(date: bytes, zone: tzinfo, received_at: datetime) -> datetime:
    """The moment that a date means. In a storm many traps have one date and are read together: they share the moment, too."""
    try:
        told = date_and_time(date, zone)
        late = received_at - told
        steps = round(late / _ZONE_STEP)
        if abs(steps) <= _MOST_OFFSET // _ZONE_STEP and abs(late - steps * _ZONE_STEP) <= MOST_SKEW:
            return told + steps * _ZONE_STEP
    except (ParseError, OverflowError):
        pass
    return received_at


def _raw(trap: Trap, told: Iterable[tuple[str, str | None, str]], values: Mapping[str, str]) -> str:
    """The trap for people: names and values of what applies, and who sent it."""
    words = ", ".join([words for number, _, words in told if words and number in values])
    return f"{notification_name(trap.notification)} from {trap.source}: {words}"[:MAX_RAW]


def _number(trap: Trap) -> str:
    """What tells one trap of a sender from its others."""
    return str(trap.request_id if trap.request_id is not None else trap.uptime)


def _told(varbind: VarBind) -> tuple[str, str | None, str]:
    """The number of the object, its value, and both in words for people; without words what is not to be shown.

    Short ones are kept, because most of what a cluster sends it has sent before.
    """
    value = varbind.value
    return _in_words(varbind) if isinstance(value, bytes) and len(value) > _LONGEST_KEPT else _kept_in_words(varbind)


def _in_words(varbind: VarBind) -> tuple[str, str | None, str]:
    name, text = object_name(varbind.oid), text_of(varbind)
    number = OBJECT_NUMBERS.get(name, varbind.oid)
    if name in _UNSHOWN or text is None:
        return number, text, ""
    value = shown(varbind) or ""
    return number, text, f"{_short(name)} {value if value.isprintable() and ', ' not in value else repr(value)}"


_kept_in_words = lru_cache(maxsize=8192)(_in_words)


@lru_cache(maxsize=1024)
def _short(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _covered(wanted: str, notification: str) -> bool:
    if wanted.endswith(".*"):
        return notification.startswith(wanted[:-1])
    return notification == wanted


def _fits(rule: TrapRule, values: Mapping[str, str]) -> dict[str, Value] | None:
    """The named groups of all conditions, and of what else is there; None when a condition is not met."""
    fields: dict[str, Value] = {}
    for oid, pattern in rule.conditions:
        text = _value(oid, values)
        if text is None or (found := pattern.search(text)) is None:
            return None
        fields.update(found.groupdict())
    for oid, pattern in rule.extras:
        text = _value(oid, values)
        if text is not None and (found := pattern.search(text)) is not None:
            fields.update(found.groupdict())
    return fields


def _misfit(rule: TrapRule, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The first condition of a rule that is not met."""
    for oid, pattern in rule.conditions:
        text = _value(oid, values)
        name = _short(object_name(oid))
        if text is None:
            return "object_missing", {"object": name}
        if pattern.search(text) is None:
            return "object_otherwise", {"object": name, "given": text[:80], "wanted": pattern.pattern}
    return "nothing_fits", {}


def _may_be(oid: str, number: str) -> bool:
    """Whether the number of an object in a rule may stand for this one (see `_value`)."""
    return oid == number or (oid not in OBJECTS and covers(oid, number))


def _value(oid: str, values: Mapping[str, str]) -> str | None:
    """The value of an object; a number that is not known may stand for what is below it."""
    text = values.get(oid)
    if text is None and oid not in OBJECTS:
        return next((value for number, value in values.items() if covers(oid, number)), None)
    return text
