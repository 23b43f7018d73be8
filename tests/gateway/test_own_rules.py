"""An incident of a user's own rules goes the whole way, from the log of an application to people, and kill -9 forgets nothing of it."""

import signal
from pathlib import Path

from tests.gateway.harness import CLUSTER, Gateway, eventually, now, subject
from tests.notify.http_server import http_server
from tests.snmp.nms import AUTH, PRIV, Nms, running, users

ENGINE = "0x80001f880568616d6f6e"
RULES = """
[[rule]]
id = "shop-error"
title = "The shop reports an error"
daemon = "shop"
levels = ["crit", "error"]
match = '(?s)^ERROR (?P<logger>\\S+) - .*Caused by: (?P<cause>[^\\n]*)'
[[rule.example]]
line = "ERROR a.b.Cart - boom\\nCaused by: java.net.SocketTimeoutException"
gives = { logger = "a.b.Cart", cause = "java.net.SocketTimeoutException" }
[[rule.counter_example]]
line = 'ERROR a.b.Cart - boom'

[[rule]]
id = "shop-well"
title = "The shop works"
daemon = "shop"
match = 'is well'
[[rule.example]]
line = 'INFO a.b.Cart - is well'
[[rule.counter_example]]
line = 'ERROR a.b.Cart - boom'

[[incident]]
id = "shop-errors"
opened_by = ["shop-error"]
closed_by = ["shop-well"]
key = ["logger"]
times = 3
within = "10m"
severity = "major"
service = "Online shop"
en = { title = "{logger} reports {count} errors on {node}", text = "Customers cannot pay.", steps = ["`systemctl status {logger}`"] }
ja = { title = "{node} で {logger} のエラーが {count} 回", steps = ["{node} のログを確認する。"] }
"""


async def test_three_errors_of_an_application_around_a_kill_are_one_incident_that_everybody_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    own = tmp_path / "own" / "shop.toml"
    own.write_text(RULES, encoding="utf-8")
    log = tmp_path / "shop.log"
    log.touch()

    def write(*lines: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{now():%Y-%m-%d %H:%M:%S.%f} " + "".join(f"{line}\n" for line in lines))

    def fail(number: int) -> None:
        write("ERROR a.b.Cart - boom", "\tat a.b.Cart.pay(Cart.java:12)", f"Caused by: java.net.SocketTimeoutException: {number}")

    async with running(Nms(tmp_path / "nms", users(ENGINE))) as nms, http_server() as hook:
        quick: dict[str, object] = {"timeout_seconds": 1, "retries": 0, "heartbeat_seconds": 0, "max_per_second": 0}
        gateway = Gateway(
            tmp_path / "hamon",
            rules={"paths": [str(tmp_path / "own")]},
            snmp={"engine_id": ENGINE.removeprefix("0x")},
            collect__log_tail__shop={
                "cluster": CLUSTER,
                "node": "n1",
                "program": "shop",
                "stamp": "%Y-%m-%d %H:%M:%S.%f",
                "paths": [str(log)],
            },
            notify__mailbox__box={"path": tmp_path / "hamon" / "mail.mbox", "kinds": ["shop-*"], "language": "ja"},
            notify__mailbox__others={"path": tmp_path / "others.mbox", "kinds": ["failover"]},
            notify__webhook__hook={"url": f"http://127.0.0.1:{hook.port}/"},
            notify__snmp_trap__noc={"address": nms.address, "auth_passphrase": AUTH, "priv_passphrase": PRIV, **quick},
        )
        for node in gateway.nodes:
            gateway.path(node).touch()
        async with gateway:
            fail(1)
            fail(2)
            await eventually(gateway.events, lambda found: len(found) == 2)
            assert await gateway.incidents() == []
            await gateway.kill()
            await gateway.start()
            fail(3)
            (incident,) = await eventually(gateway.incidents)
            assert (incident["kind"], incident["name"], incident["severity"]) == ("other", "shop-errors", "major")
            assert incident["headline"] == f"[major] {CLUSTER}: a.b.Cart reports 3 errors on n1"
            assert incident["services"] == ["Online shop"]
            whole = await gateway.whole(incident)
            assert len(whole["timeline"]) == 3
            assert "Caused by: java.net.SocketTimeoutException: 1" in whole["timeline"][0]["raw"]
            page = await gateway.page(f"/incidents/{CLUSTER}/{incident['key']}", "ja")
            assert "n1 で a.b.Cart のエラーが 3 回" in page
            assert "n1 のログを確認する。" in page
            assert "shop-errors" in page
            (check,) = (await gateway.json("/api/v1/checks"))["checks"]
            assert any("shop-errors" in finding["text"] and "Online shop" in finding["text"] for finding in check["findings"])
            counted = 'hamon_incidents_opened_total{cluster="web",kind="shop-errors",planned="unknown"}'
            await eventually(gateway.metrics, lambda found: found.get(counted) == 1)
            (raised,) = await nms.has(1)
            assert (raised.name, raised["IncidentKind"], raised["Severity"]) == ("hamonOtherAlarm", "shop-errors", "major")
            assert (raised["Service"], raised["Node"]) == ("Online shop", "n1")

            own.write_text(RULES.replace('["shop-error"]', '["shop-eror"]'), encoding="utf-8")
            gateway.signal(signal.SIGHUP)
            refusal = await gateway.says("the rules are refused; the old ones stay in force")
            assert "rule shop-errors: no rule and no kind of event is called" in refusal
            write("INFO a.b.Cart - is well")
            await eventually(gateway.incidents, lambda found: found[0]["state"] == "resolved")
            await nms.has(2)

            async def told() -> tuple[int, int]:
                return len(hook.requests), len(gateway.mails())

            await eventually(told, lambda found: min(found) == 2)
            assert await gateway.stop() == 0
        assert nms.arrived()[1].name == "hamonOtherAlarmCleared"
        assert [request.json["incident"]["name"] for request in hook.requests] == ["shop-errors"] * 2
        subjects = [subject(mail) for mail in gateway.mails()]
        assert len(subjects) == 2
        assert all("n1 で a.b.Cart のエラーが 3 回" in text for text in subjects)
        assert not (tmp_path / "others.mbox").exists()
