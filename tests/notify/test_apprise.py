"""apprise's json:// service, against a real HTTP server."""

import asyncio
import logging
import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.incident import Notice
from hamon.notify.apprise import AppriseConfig, AppriseNotifier
from tests.fakes import FakeClock
from tests.gateway.harness import eventually
from tests.notify.http_server import HttpServer, http_server, status
from tests.notify.stories import notification

SECRET_PATH = "/hooks/s3cret-path"


def notifier(server: HttpServer, timeout_seconds: float = 10) -> AppriseNotifier:
    url = f"json://user:passw0rd@127.0.0.1:{server.port}{SECRET_PATH}"
    return AppriseNotifier("chat", AppriseConfig.model_validate({"url": url, "timeout_seconds": timeout_seconds}), FakeClock())


async def refusal(made: AppriseNotifier) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await made.send(notification())
    for secret in (SECRET_PATH, "passw0rd", "127.0.0.1"):
        assert secret not in str(caught.value)
    return caught.value


async def test_the_words_arrive_with_the_kind_of_message() -> None:
    async with http_server() as server:
        made = notifier(server)
        await made.send(notification(repeated=True))
        await made.send(notification(2, notice=Notice.CLOSING))
        await made.close()
    first, second = (request.json for request in server.requests)
    assert first["title"] == "[repeated] [web] grpPg フェイルオーバ node1 → node2"
    assert first["message"].startswith("原因: pgsql on node1\nFrom here on.")
    assert (first["type"], second["type"]) == ("failure", "success")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (400, DeliveryReason.REFUSED),
        (401, DeliveryReason.CREDENTIALS),
        (429, DeliveryReason.THROTTLED),
        (503, DeliveryReason.UNREACHABLE),
    ],
)
async def test_a_service_that_refuses_is_asked_again(code: int, reason: DeliveryReason) -> None:
    async with http_server([status(code)]) as server:
        made = notifier(server)
        error = await refusal(made)
        assert (error.reason, error.permanent) == (reason, False)
        await made.send(notification())
        assert len(server.requests) == 2


async def test_a_service_that_is_down_is_unreachable() -> None:
    async with http_server() as server:
        pass
    error = await refusal(notifier(server))
    assert (error.reason, error.permanent) == (DeliveryReason.UNREACHABLE, False)


async def test_a_service_that_hangs_holds_up_neither_the_loop_nor_a_second_thread() -> None:
    async with http_server(hold=asyncio.Event()) as server:
        made = notifier(server, timeout_seconds=0.3)
        first = await refusal(made)
        assert (first.reason, first.unsure, first.permanent) == (DeliveryReason.TIMEOUT, True, False)
        second = await refusal(made)
        assert second.reason is DeliveryReason.TIMEOUT

        async def asked() -> int:
            return len(server.requests)

        await eventually(asked, lambda count: count > 0)  # on a busy machine it may come later than it was given up
        assert len(server.requests) == 1


async def test_no_log_holds_the_url(caplog: pytest.LogCaptureFixture) -> None:
    async with http_server([status(500)]) as server:
        made = notifier(server)
        with caplog.at_level(logging.DEBUG):
            await refusal(made)
            await made.send(notification())
    text = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    for secret in (SECRET_PATH, "passw0rd"):
        assert secret not in text


async def test_a_url_file_that_is_wrong_is_mended_without_a_restart(tmp_path: Path) -> None:
    async with http_server() as server:
        path = tmp_path / "url"
        made = AppriseNotifier("chat", AppriseConfig(url_file=path), FakeClock())
        assert (await refusal(made)).reason is DeliveryReason.CREDENTIALS
        for wrong in ("", "nonsense", "unknown://x"):
            path.write_text(wrong)
            error = await refusal(made)
            assert (error.reason, error.permanent) == (DeliveryReason.REFUSED, False)
        path.write_text(f"json://127.0.0.1:{server.port}/\n")
        await made.send(notification())
        assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["", "nonsense", "unknown://x", "json://", "json://127.0.0.1/, unknown://s3cret-path"])
def test_a_url_that_apprise_does_not_understand_is_a_problem_of_the_configuration_and_is_not_quoted(url: str) -> None:
    with pytest.raises(ValidationError, match="does not understand the URL") as caught:
        AppriseConfig.model_validate({"url": url})
    assert "s3cret-path" not in str(caught.value)


def test_looking_at_a_url_opens_no_connection() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        AppriseConfig.model_validate({"url": f"json://127.0.0.1:{listener.getsockname()[1]}/"})
        with pytest.raises(BlockingIOError):
            listener.accept()
