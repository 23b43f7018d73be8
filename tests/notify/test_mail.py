"""The mail message itself."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hamon.notify.mail import address, mail
from hamon.notify.words import MAX_TEXT, body_text, one_line, subject_line
from tests.notify.stories import notification

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENDER = address("監視 <hamon@a-rather-long-name-of-a-department.and-of-a-company.example.co.jp>")
TO = (address("a@example.com"),)


@example(subject="0 0\u00a1" + "\U00010000" * 7 + " \u00a1", text="", repeated=True)
@given(subject=st.text(max_size=300), text=st.text(max_size=2000), repeated=st.booleans())
def test_any_words_arrive_and_none_becomes_a_header(subject: str, text: str, repeated: bool) -> None:
    told = notification(subject=subject, text=text, repeated=repeated)
    content = mail(told, SENDER, TO, NOW).as_bytes(policy=mail(told, SENDER, TO, NOW).policy.clone(linesep="\r\n"))
    read = message_from_bytes(content, policy=policy.default)
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert read["Subject"] == subject_line(told)
    assert "\n" not in subject_line(told)
    assert read.get_content().replace("\r\n", "\n").rstrip("\n") == body_text(told).rstrip("\n")
    assert set(read.keys()) - {"X-Hamon-Repeated"} == {
        *("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "X-Hamon-Incident"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }


@pytest.mark.parametrize("length", range(1, 201))
def test_a_subject_of_any_length_begins_on_the_line_of_its_name_and_not_with_a_blank(length: int) -> None:
    words = ("[warning] web: service shop failing over n1 -> n2 (not known whether planned), " * 3)[:length].strip()
    content = mail(notification(subject=words), SENDER, TO, NOW).as_bytes()
    assert f"\nSubject: {words[:1]}".encode() in content
    assert message_from_bytes(content, policy=policy.default)["Subject"] == words


def test_identifiers_are_written_as_they_are_however_long_the_domain() -> None:
    content = mail(notification(), SENDER, TO, NOW).as_bytes().decode("ascii")
    for name in ("Message-ID", "In-Reply-To", "References"):
        (line,) = [line for line in content.splitlines() if line.startswith(f"{name}: ")]
        assert line.endswith(f"@{SENDER.domain}>")


def test_a_repeat_has_the_message_id_of_the_first_and_other_notifications_have_others() -> None:
    first, again, other = (mail(told, SENDER, TO, NOW) for told in (notification(), notification(repeated=True), notification(2)))
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["References"] == again["References"] == other["References"]


def test_long_words_are_cut() -> None:
    assert len(one_line("x" * 10_000, 100)) == 100
    assert len(body_text(notification(text="x" * (MAX_TEXT + 1)))) <= MAX_TEXT + 10


@pytest.mark.parametrize(
    ("text", "name", "plain"),
    [
        ("a@example.com", "", "a@example.com"),
        ("監視 <a@example.com>", "監視", "a@example.com"),
        ('"Ops, night" <o.p-s+x@example.com>', "Ops, night", "o.p-s+x@example.com"),
        ("<root@localhost>", "", "root@localhost"),
    ],
)
def test_addresses_with_and_without_a_name(text: str, name: str, plain: str) -> None:
    assert (address(text).display_name, address(text).addr_spec) == (name, plain)
