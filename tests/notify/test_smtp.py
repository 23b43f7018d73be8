"""Mail, against a real SMTP server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hamon.errors import DeliveryError, DeliveryReason
from hamon.notify.smtp import SmtpConfig, SmtpNotifier
from tests.fakes import FakeClock
from tests.notify.mail_server import MailServer, make_certificate, server_tls
from tests.notify.stories import notification


def config(port: int, **settings: Any) -> SmtpConfig:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "監視 <hamon@example.com>",
        "to": ("a@example.com", "b@example.com"),
        "local_name": "gateway.example.com",
        "timeout_seconds": 5,
    }
    return SmtpConfig.model_validate(values | settings)


@asynccontextmanager
async def notifier(port: int, **settings: Any) -> AsyncIterator[SmtpNotifier]:
    made = SmtpNotifier("ops", config(port, **settings), FakeClock())
    try:
        yield made
    finally:
        await made.close()


async def refusal(made: SmtpNotifier, number: int = 1) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await made.send(notification(number))
    return caught.value


async def test_a_mail_arrives_whole_with_words_marks_and_thread() -> None:
    async with MailServer() as server, notifier(server.port) as made:
        await made.send(notification())
        await made.send(notification(2, repeated=True))
    first, second = (taken.mail for taken in server.taken)
    assert server.taken[0].recipients == ["a@example.com", "b@example.com"]
    assert server.taken[0].sender == "hamon@example.com"
    assert first["Subject"] == "[web] grpPg フェイルオーバ node1 → node2"
    assert first.get_content().replace("\r\n", "\n") == "原因: pgsql on node1\nFrom here on.\n.\n"
    assert first["From"] == "監視 <hamon@example.com>"
    assert first["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["X-Hamon-Incident"] == "web/failover/grpPg"
    assert first["X-Hamon-Repeated"] is None
    assert second["X-Hamon-Repeated"] == "yes"
    assert second["Subject"].startswith("[repeated] ")
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"] == second["In-Reply-To"]
    assert first["Message-ID"].endswith("@example.com>")
    assert server.taken[0].content.isascii()


async def test_one_connection_serves_many_mails() -> None:
    async with MailServer() as server, notifier(server.port) as made:
        await asyncio.gather(*(made.send(notification(number)) for number in range(1, 21)))
        assert server.connections == 1
        assert len({taken.mail["Message-ID"] for taken in server.taken}) == 20


async def test_a_connection_that_the_server_dropped_is_made_anew() -> None:
    async with MailServer() as server, notifier(server.port) as made:
        await made.send(notification())
        server.drop_connections()
        await made.send(notification(2))
        assert server.connections == 2
        assert len(server.taken) == 2


async def test_a_server_that_says_421_on_a_kept_connection_is_asked_again_on_a_new_one() -> None:
    async with MailServer() as server, notifier(server.port) as made:
        await made.send(notification())
        server.sender_answer = "421 4.4.2 idle for too long"
        error = await refusal(made, 2)
        assert (error.reason, error.permanent, server.connections) == (DeliveryReason.THROTTLED, False, 2)
        server.sender_answer = None
        await made.send(notification(2))
        assert len(server.taken) == 2


async def test_an_idle_connection_is_ended_politely() -> None:
    async with MailServer() as server, notifier(server.port, idle_seconds=0) as made:
        await made.send(notification())
        async with asyncio.timeout(5):
            while made.connected:
                await asyncio.sleep(0)
        await made.send(notification(2))
        assert server.connections == 2


async def test_a_server_that_is_down_is_unreachable_and_gets_the_mail_when_it_is_up() -> None:
    server = MailServer()
    await server.up()
    await server.down()
    async with notifier(server.port) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (DeliveryReason.UNREACHABLE, False, False)
        await server.up()
        await made.send(notification())
        assert len(server.taken) == 1
        await server.down()


async def test_a_temporary_refusal_is_tried_again_and_a_permanent_one_is_not() -> None:
    async with MailServer(data_answers=iter(["451 4.3.0 later", "554 5.7.1 spam"])) as server, notifier(server.port) as made:
        first, second = await refusal(made), await refusal(made)
        assert (first.reason, first.permanent, first.unsure) == (DeliveryReason.THROTTLED, False, False)
        assert (second.reason, second.permanent) == (DeliveryReason.REFUSED, True)
        assert "554 5.7.1 spam" in str(second)
        await made.send(notification())
        assert len(server.taken) == 1


async def test_a_connection_that_breaks_before_the_answer_leaves_it_unsure() -> None:
    async with MailServer(hang_up_at="after DATA") as server, notifier(server.port) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (DeliveryReason.UNREACHABLE, False, True)
        server.hang_up_at = None
        await made.send(replace(notification(), repeated=True))
        first, again = (taken.mail for taken in server.taken)
        assert first["Message-ID"] == again["Message-ID"]
        assert (first["X-Hamon-Repeated"], again["X-Hamon-Repeated"]) == (None, "yes")


async def test_a_server_that_does_not_answer_to_the_message_is_a_timeout_and_unsure() -> None:
    async with MailServer(hold=asyncio.Event()) as server, notifier(server.port, timeout_seconds=0.2) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (DeliveryReason.TIMEOUT, False, True)


async def test_a_refused_recipient_is_reported_and_does_not_keep_the_mail_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async with MailServer(rcpt_answers={"a@example.com": ["550 5.1.1 no such user"]}) as server, notifier(server.port) as made:
        with caplog.at_level(logging.WARNING):
            await made.send(notification())
        assert [taken.recipients for taken in server.taken] == [["b@example.com"]]
        assert [vars(record)["recipient"] for record in caplog.records] == ["a@example.com"]


async def test_only_recipients_that_were_refused_for_now_are_tried_again() -> None:
    async with MailServer(rcpt_answers={"a@example.com": ["450 4.2.0 greylisted"]}) as server, notifier(server.port) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent) == (DeliveryReason.THROTTLED, False)
        # The loop marks what may have arrived; those who did not get it yet are not told so.
        await made.send(notification(repeated=True))
        assert [taken.recipients for taken in server.taken] == [["b@example.com"], ["a@example.com"]]
        assert server.taken[1].mail["X-Hamon-Repeated"] is None


async def test_refusing_all_recipients_for_good_is_permanent_also_when_some_were_refused_for_now_before() -> None:
    answers = {"a@example.com": ["450 later", "550 never"], "b@example.com": ["550 never", "550 never"]}
    async with MailServer(rcpt_answers=answers) as server, notifier(server.port) as made:
        assert not (await refusal(made)).permanent
        error = await refusal(made)
        assert (error.reason, error.permanent) == (DeliveryReason.REFUSED, True)
        await made.send(notification(2))
        assert len(server.taken) == 1


async def test_starttls_and_tls_encrypt_and_check_the_certificate(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    for security in ("starttls", "tls"):
        async with MailServer(tls=server_tls(cert, key), tls_from_start=security == "tls") as server:
            async with notifier(server.port, security=security, ca_file=cert) as made:
                await made.send(notification())
            async with notifier(server.port, security=security, verify_certificate=False) as made:
                await made.send(notification())
            async with notifier(server.port, security=security) as made:
                error = await refusal(made)
            assert (error.reason, error.permanent) == (DeliveryReason.UNREACHABLE, False)
            assert "certificate" in str(error)
            assert [taken.encrypted for taken in server.taken] == [True, True]


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path, "DNS:elsewhere.example.com")
    async with MailServer(tls=server_tls(cert, key)) as server, notifier(server.port, security="starttls", ca_file=cert) as made:
        error = await refusal(made)
        assert "certificate" in str(error)
        assert server.taken == []


async def test_a_server_without_starttls_gets_no_mail_in_the_clear() -> None:
    async with MailServer() as server, notifier(server.port, security="starttls") as made:
        error = await refusal(made)
        assert (error.reason, error.permanent) == (DeliveryReason.REFUSED, False)
        assert server.taken == []


async def test_a_login_with_the_password_of_a_file_that_is_mended_later(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    cert, key = make_certificate(tmp_path)
    async with (
        MailServer(tls=server_tls(cert, key), user=("gateway", "右 secret")) as server,
        notifier(server.port, security="starttls", ca_file=cert, user="gateway", password_file=secret) as made,
    ):
        error = await refusal(made)
        assert (error.reason, error.permanent) == (DeliveryReason.CREDENTIALS, False), str(error)
        assert "wrong" not in str(error)
        secret.write_text("右 secret\n")
        await made.send(notification())
        assert server.taken[0].user == "gateway"
        secret.unlink()
        server.drop_connections()
        assert (await refusal(made, 2)).reason is DeliveryReason.CREDENTIALS


async def test_a_server_that_wants_a_login_is_a_matter_of_credentials(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    async with (
        MailServer(tls=server_tls(cert, key), user=("gateway", "secret")) as server,
        notifier(server.port, security="starttls", ca_file=cert) as made,
    ):
        error = await refusal(made)
        assert (error.reason, error.permanent) == (DeliveryReason.CREDENTIALS, False)


async def test_a_cancelled_mail_does_not_spoil_the_next_one() -> None:
    async with MailServer(hold=asyncio.Event()) as server, notifier(server.port) as made:
        sending = asyncio.create_task(made.send(notification()))
        async with asyncio.timeout(5):
            while not server.connections:
                await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        server.hold = None
        await made.send(notification(2))
        assert server.taken[-1].mail["Message-ID"]


@pytest.mark.parametrize(
    "settings",
    [
        {"to": ()},
        {"to": ("nobody",)},
        {"sender": "hamon@example.com\nBcc: x@example.com"},
        {"sender": "a@example.com, b@example.com"},
        {"sender": "監視@example.com"},
        {"password": "x"},
        {"user": "u", "password": "x", "password_file": "/y"},
        {"security": "ssl"},
        {"port": 0},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**{"port": 25} | settings)
