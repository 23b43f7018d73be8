"""The mailbox file, read again with the mailbox module and with a lock of another program."""

import asyncio
import mailbox
import os
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from hamon.errors import DeliveryError, DeliveryReason
from hamon.notify.mailbox import MailboxConfig, MailboxNotifier
from tests.fakes import FakeClock
from tests.notify.stories import notification


def notifier(path: Path, clock: FakeClock | None = None, **settings: Any) -> MailboxNotifier:
    return MailboxNotifier("box", MailboxConfig(path=path, **settings), clock or FakeClock())


def subjects(path: Path) -> list[str]:
    box = mailbox.mbox(path)
    try:
        return [str(message["Message-ID"]) for message in box]
    finally:
        box.close()


async def test_messages_are_appended_in_order_and_keep_their_words(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    made = notifier(path, to=("ops@example.com",))
    for number in (1, 2, 3):
        await made.send(notification(number, subject=f"number {number}", text="From here\nFrom there\n\nFrom me\n"))
    await made.close()
    box = mailbox.mbox(path)
    assert [message["Subject"] for message in box] == ["number 1", "number 2", "number 3"]
    assert [message["To"] for message in box] == ["ops@example.com"] * 3
    assert {message.get_payload() for message in box} == {">From here\n>From there\n\n>From me\n"}
    box.close()
    assert not list(tmp_path.glob("*.lock*"))


async def test_a_subject_in_japanese_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    words = "[重大] pg: サービス 受注 フェイルオーバ pm01 → pm02（計画外）、停止時間 1.3 秒、冗長性なし: pm01 は引き継ぎ不可"
    made = notifier(path)
    await made.send(notification(subject=words))
    await made.close()
    content = path.read_bytes()
    assert content.startswith(b"From hamon@localhost ")
    assert max(len(line) for line in content.split(b"\n\n")[0].splitlines()) <= 78
    assert message_from_bytes(content.split(b"\n", 1)[1], policy=policy.default)["Subject"] == words


async def test_the_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await notifier(tmp_path / "mail").send(notification())
    finally:
        os.umask(before)
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o600


async def test_many_messages_at_once_all_arrive(tmp_path: Path) -> None:
    made = notifier(tmp_path / "mail")
    await asyncio.gather(*(made.send(notification(number)) for number in range(50)))
    assert len(set(subjects(tmp_path / "mail"))) == 50


@pytest.mark.parametrize("cut", [1, 2, 3, 40, 400])
async def test_a_message_that_a_crash_cut_short_does_not_swallow_the_next(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "mail"
    await notifier(path).send(notification())
    path.write_bytes(path.read_bytes()[:-cut])
    await notifier(path).send(notification(2))
    assert len(subjects(path)) == 2
    reference = tmp_path / "reference"
    await notifier(reference).send(notification(2))
    assert subjects(path)[1] == subjects(reference)[0]


async def test_a_mailbox_that_another_program_holds_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    await notifier(path).send(notification())
    lock = tmp_path / "mail.lock"
    lock.touch()
    clock = FakeClock()
    at = clock.now().timestamp()
    os.utime(lock, (at, at))
    made = notifier(path, clock)
    with pytest.raises(DeliveryError) as caught:
        await made.send(notification(2))
    assert (caught.value.reason, caught.value.permanent) == (DeliveryReason.UNREACHABLE, False)
    assert len(subjects(path)) == 1
    clock.advance(61)
    await made.send(notification(2))
    assert len(subjects(path)) == 2


async def test_a_folder_that_is_missing_is_tried_again_until_it_is_there(tmp_path: Path) -> None:
    made = notifier(tmp_path / "later" / "mail")
    with pytest.raises(DeliveryError) as caught:
        await made.send(notification())
    assert (caught.value.reason, caught.value.permanent) == (DeliveryReason.UNREACHABLE, False)
    (tmp_path / "later").mkdir()
    await made.send(notification())
    assert len(subjects(tmp_path / "later" / "mail")) == 1
