"""The webhook, against a real HTTP server."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.incident import Incident
from hamon.notify.webhook import MAX_TIMELINE, WebhookConfig, WebhookNotifier, body, incident_fields, retry_after_seconds
from tests.fakes import FakeClock
from tests.notify.http_server import HttpServer, http_server, status
from tests.notify.mail_server import make_certificate, server_tls
from tests.notify.stories import INCIDENT, notification, step

SECRET_PATH = "/hooks/s3cret-path"


@asynccontextmanager
async def notifier(server: HttpServer, scheme: str = "http", **settings: Any) -> AsyncIterator[WebhookNotifier]:
    values = {"url": f"{scheme}://127.0.0.1:{server.port}{SECRET_PATH}", "timeout_seconds": 5}
    made = WebhookNotifier("hook", WebhookConfig.model_validate(values | settings), FakeClock())
    try:
        yield made
    finally:
        await made.close()


async def refusal(made: WebhookNotifier) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await made.send(notification())
    assert SECRET_PATH not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


async def test_the_body_tells_the_whole_incident() -> None:
    async with http_server() as server, notifier(server) as made:
        await made.send(notification(repeated=True))
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", SECRET_PATH)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "web/failover/grpPg/1/ops"
    told = request.json
    assert {key: told[key] for key in ("version", "id", "repeated", "test", "notice", "sequence", "transition", "language")} == {
        "version": 1,
        "id": "web/failover/grpPg/1/ops",
        "repeated": True,
        "test": False,
        "notice": "opening",
        "sequence": 1,
        "transition": "opened",
        "language": "ja",
    }
    assert told["subject"] == "[repeated] [web] grpPg フェイルオーバ node1 → node2"
    assert told["text"].startswith("原因: pgsql on node1\n")
    incident = told["incident"]
    assert set(incident) == {field.name for field in fields(Incident)} | {"timeline_omitted"}
    assert (incident["from_node"], incident["to_node"], incident["planned"]) == ("node1", "node2", False)
    assert incident["started_at"] == "2026-01-01T12:00:00Z"
    assert incident["cause"]["kind"] == "operation_failed"
    assert incident["timeline"][0]["detail"] == {"rc": 7, "operation": "monitor"}


def test_of_an_incident_that_became_part_of_another_the_last_step_is_a_closing() -> None:
    part = replace(INCIDENT, part_of="failover/other")
    said = body(replace(notification(), transition=step(part, 2, None)))
    assert (said["notice"], said["incident"]["part_of"], said["incident"]["state"]) == ("closing", "failover/other", "open")


def test_of_a_long_timeline_the_newest_entries_are_told_and_the_others_counted() -> None:
    long = replace(INCIDENT, timeline=tuple(replace(INCIDENT.timeline[0], raw=str(number)) for number in range(MAX_TIMELINE + 3)))
    told = incident_fields(long)
    assert (len(told["timeline"]), told["timeline_omitted"], told["timeline"][-1]["raw"]) == (MAX_TIMELINE, 3, str(MAX_TIMELINE + 2))


async def test_secrets_travel_in_headers_and_the_body_is_signed(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    settings: dict[str, Any] = {"token_file": token, "signing_key": "key", "headers": {"X-Team": "ha"}}
    async with http_server() as server, notifier(server, **settings) as made:
        await made.send(notification())
        token.write_text("renewed\n")
        await made.send(notification())
    first, second = server.requests
    assert first.headers["authorization"] == "Bearer t0ken"
    assert second.headers["authorization"] == "Bearer renewed"
    assert first.headers["x-team"] == "ha"
    assert first.headers["x-hamon-signature"] == "sha256=" + hmac.new(b"key", first.content, hashlib.sha256).hexdigest()


async def test_the_connection_is_kept() -> None:
    async with http_server() as server, notifier(server) as made:
        for _ in range(5):
            await made.send(notification())
        assert (server.connections, len(server.requests)) == (1, 5)


@pytest.mark.parametrize(
    ("code", "reason", "permanent"),
    [
        (301, DeliveryReason.REFUSED, False),
        (400, DeliveryReason.REFUSED, True),
        (401, DeliveryReason.CREDENTIALS, False),
        (403, DeliveryReason.CREDENTIALS, False),
        (404, DeliveryReason.REFUSED, False),
        (410, DeliveryReason.REFUSED, False),
        (422, DeliveryReason.REFUSED, True),
        (408, DeliveryReason.UNREACHABLE, False),
        (425, DeliveryReason.THROTTLED, False),
        (429, DeliveryReason.THROTTLED, False),
        (500, DeliveryReason.UNREACHABLE, False),
        (503, DeliveryReason.THROTTLED, False),
    ],
)
async def test_an_answer_decides_whether_it_is_tried_again(code: int, reason: DeliveryReason, permanent: bool) -> None:
    async with http_server([status(code, "Retry-After: 120", "Location: http://127.0.0.1:1/")]) as server, notifier(server) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (reason, permanent, False)
        assert str(code) in str(error)
        assert error.retry_after_seconds == (120 if not permanent and code not in (301, 401, 403, 404, 410) else 0)
        await made.send(notification())
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("5", 5),
        ("-5", 0),
        ("soon", 0),
        ("99999999999999999999", 86400),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 00:01:00 -0000", 60),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
        ("٣", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


async def test_a_connection_that_breaks_before_the_answer_leaves_it_unsure() -> None:
    async with http_server([b""]) as server, notifier(server) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (DeliveryReason.UNREACHABLE, False, True)
        await made.send(notification())
        assert [request.headers["idempotency-key"] for request in server.requests] == ["web/failover/grpPg/1/ops"] * 2


async def test_silence_is_a_timeout_and_unsure() -> None:
    async with http_server(hold=asyncio.Event()) as server, notifier(server, timeout_seconds=0.2) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (DeliveryReason.TIMEOUT, False, True)


async def test_an_endless_answer_is_cut_off() -> None:
    async with http_server(endless=True) as server, notifier(server) as made:
        await made.send(notification())
        assert len(server.requests) == 1


async def test_a_server_that_is_down_is_unreachable() -> None:
    async with http_server() as server:
        pass
    async with notifier(server) as made:
        error = await refusal(made)
        assert (error.reason, error.permanent, error.unsure) == (DeliveryReason.UNREACHABLE, False, False)


async def test_the_certificate_is_checked(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    async with http_server(tls=server_tls(cert, key)) as server:
        async with notifier(server, "https", ca_file=cert) as made:
            await made.send(notification())
        async with notifier(server, "https", verify_certificate=False) as made:
            await made.send(notification())
        async with notifier(server, "https") as made:
            error = await refusal(made)
        assert (error.reason, error.permanent) == (DeliveryReason.UNREACHABLE, False)
        assert "certificate" in str(error)
        assert len(server.requests) == 2


async def test_no_log_holds_the_url_or_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    async with http_server([status(500)]) as server, notifier(server, token="t0ken", headers={"X-Key": "hidden"}) as made:
        with caplog.at_level(logging.DEBUG):
            await refusal(made)
            await made.send(notification())
    text = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    for secret in (SECRET_PATH, "t0ken", "hidden"):
        assert secret not in text


async def test_a_url_file_is_read_for_every_message_and_mended_without_a_restart(tmp_path: Path) -> None:
    async with http_server() as server:
        path = tmp_path / "url"
        async with notifier(server, url=None, url_file=path) as made:
            for wrong in (None, "ftp://x/", "nonsense", b"\xff\xfe"):
                if isinstance(wrong, str):
                    path.write_text(wrong)
                elif wrong is not None:
                    path.write_bytes(wrong)
                error = await refusal(made)
                assert (error.reason, error.permanent) == (DeliveryReason.REFUSED, False)
            path.write_text(f"http://127.0.0.1:{server.port}/x\n")
            await made.send(notification())
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"url": "ftp://example.com/s3cret"},
        {"url": "http:///s3cret"},
        {"url": "https://example.com/", "url_file": "/s3cret"},
        {"url": "https://example.com/", "headers": {"X": "s3cret\r\nY: z"}},
        {"url": "https://example.com/", "headers": {"X Y": "s3cret"}},
    ],
)
def test_wrong_settings_are_refused_without_quoting_secrets(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate(settings)
    assert "s3cret" not in "".join(error["msg"] for error in caught.value.errors())
