"""Values of varbinds: text, and the time that a trap carries."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.model.mib import HR_SYSTEM_DATE, NOTIFICATIONS, OBJECTS, covers, notification_name, object_name
from hamon.model.observation import VarBind, VarType
from hamon.parse.varbinds import date_and_time, shown, text_of

TOKYO = ZoneInfo("Asia/Tokyo")
AT = datetime(2026, 11, 22, 10, 52, 22, 800_000, UTC)


@pytest.mark.parametrize(
    ("octets", "zone", "at"),
    [
        (bytes.fromhex("07ea0b160a341608"), UTC, AT),  # as the alert agent of Pacemaker 2.1.5 sent it (domain notes, section 5)
        (bytes.fromhex("07ea0b16133416082b0900"), UTC, AT),  # 11 octets: with +9:00
        (bytes.fromhex("07ea0b16133416082b0900"), TOKYO, AT),
        (bytes.fromhex("07ea0b1613341608"), TOKYO, AT),
        (bytes.fromhex("07ea0b160634160 82d0400".replace(" ", "")), UTC, AT),
        (b"2026-11-22,10:52:22.8", UTC, AT),  # snmptrap does not know the display hint
        (b"2026-11-22,19:52:22.8,+9:0", UTC, AT),
        (b"2026-1-2,3:4:5.6", UTC, datetime(2026, 1, 2, 3, 4, 5, 600_000, UTC)),
        (b"2026-11-22,10:52:22.123456", UTC, AT.replace(microsecond=123_456)),
        (b"2026-11-22,10:52:22", UTC, AT.replace(microsecond=0)),
        (bytes.fromhex("07ea0c1f173b3c09"), UTC, datetime(2026, 12, 31, 23, 59, 59, 900_000, UTC)),  # a leap second
    ],
)
def test_a_date_is_read_in_all_forms_in_which_senders_write_it(octets: bytes, zone: timezone | ZoneInfo, at: datetime) -> None:
    assert date_and_time(octets, zone) == at


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"10:52:22",
        b"2026-11-22",
        bytes(8),
        bytes.fromhex("07ea0d160a341608"),
        bytes.fromhex("07ea0b160a34160a"),
        b"2026-13-22,10:52:22.8",
    ],
)
def test_what_is_no_date_is_refused(octets: bytes) -> None:
    with pytest.raises(ParseError):
        date_and_time(octets, UTC)


@given(st.binary(max_size=40), st.integers(-14 * 60, 14 * 60))
def test_any_octets_are_a_time_in_utc_or_a_parse_error(octets: bytes, minutes: int) -> None:
    try:
        at = date_and_time(octets, timezone(timedelta(minutes=minutes)))
    except ParseError:
        return
    assert at.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(year=1970 + at.year % 130, day=min(at.day, 28))))
def test_a_date_survives_both_forms_to_the_tenth(local: datetime) -> None:
    tenth = local.microsecond // 100_000
    octets = local.year.to_bytes(2, "big") + bytes((local.month, local.day, local.hour, local.minute, local.second, tenth))
    text = f"{local.year}-{local.month}-{local.day},{local.hour}:{local.minute}:{local.second}.{tenth}".encode()
    expected = local.replace(microsecond=tenth * 100_000, tzinfo=UTC)
    assert date_and_time(octets, UTC) == date_and_time(text, UTC) == expected


def test_an_object_has_its_name_with_and_without_instance() -> None:
    assert {object_name(oid + instance) for oid in ("1.3.6.1.4.1.32723.1.1",) for instance in ("", ".0")} == {"pacemakerNotificationNode"}
    assert object_name("1.3.6.1.4.1.4682.2.1.2.7") == "LHANodeName"
    assert object_name("1.3.6.1.4.1.32723.1.10") == "1.3.6.1.4.1.32723.1.10"
    assert notification_name("1.3.6.1.4.1.32723.2.0.1") == "pacemakerNotificationTrap"
    assert notification_name("1.3.6.1.4.1.9.9.1") == "1.3.6.1.4.1.9.9.1"


def test_no_number_stands_for_two_names() -> None:
    assert len(set(OBJECTS.values())) == len(OBJECTS)
    numbers = [oid for oids in NOTIFICATIONS.values() for oid in oids]
    assert len(numbers) == len(set(numbers))


def test_a_number_covers_itself_and_its_instances_only() -> None:
    assert covers("1.3.6.1.4", "1.3.6.1.4")
    assert covers("1.3.6.1.4", "1.3.6.1.4.0")
    assert not covers("1.3.6.1.4", "1.3.6.1.40")


@pytest.mark.parametrize(
    ("type_", "value", "text", "people"),
    [
        (VarType.OCTET_STRING, "系統故障".encode(), "系統故障", "系統故障"),
        (VarType.OCTET_STRING, b"\xc5\xff", "\\xc5\\xff", "\\xc5\\xff"),
        (VarType.OCTET_STRING, b"\x00\x01", "\x00\x01", "0x0001"),
        (VarType.INTEGER, -62, "-62", "-62"),
        (VarType.OBJECT_IDENTIFIER, "1.3.6", "1.3.6", "1.3.6"),
        (VarType.NULL, None, None, None),
    ],
)
def test_a_value_is_text_for_rules_and_readable_for_people(
    type_: VarType, value: bytes | int | str | None, text: str | None, people: str | None
) -> None:
    assert text_of(VarBind("1.3.6.1.4.1.99999.1", type_, value)) == text
    assert shown(VarBind("1.3.6.1.4.1.99999.1", type_, value)) == people


def test_a_date_is_shown_as_a_date() -> None:
    assert shown(VarBind(HR_SYSTEM_DATE, VarType.OCTET_STRING, bytes.fromhex("07ea0b160a341608"))) == "2026-11-22 10:52:22.800000"
