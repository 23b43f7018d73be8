"""`hamon check` and `hamon status`: the verdict, its one line and its exit status, from one command's XML and from the running gateway."""

import asyncio
import inspect
import json
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hamon import tell
from hamon.cli.glance import Look, table, width_of
from hamon.expose import verdict as verdict_module
from hamon.expose.cluster import Facts
from hamon.expose.facts import facts
from hamon.expose.verdict import Level, verdict
from hamon.model.cluster import ClusterView, NodeState, NodeView, ServiceView, SourceView
from hamon.model.incident import IncidentKind, Severity
from hamon.tell import words
from tests.cib import SCENARIOS
from tests.collect.polling import QUIET, program
from tests.gateway.harness import CLUSTER, Gateway, environment, eventually, heeds_ctrl_c
from tests.gateway.test_exporter import outputs, polling
from tests.ha_cluster_exporter import TOOLS, Outputs, polled, running
from tests.metrics_sample import FAILOVER, troubled

KEPT = Path(__file__).parent / "corpus" / "crm_mon" / "pacemaker-2.1.5"
NAMES = sorted(path.stem for path in KEPT.glob("*.xml"))
NOW = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
LINE = re.compile(r"(OK|WARNING|CRITICAL|UNKNOWN) - c: [^|\n]+ \| (?:[a-z_]+=(?:U|[\d.]+s?);;;0(?:;\d+)? ?)+")
VIEW = ClusterView(name="c", title="C")


def of(name: str) -> Facts:
    cfgtool = (TOOLS / "corosync-3.1.7" / "ok.cfgtool.txt").read_bytes()
    outputs = Outputs(crm_mon=(KEPT / f"{name}.xml").read_bytes(), cib=str(SCENARIOS[name]()).encode(), cfgtool=cfgtool)
    return facts(VIEW, polled(outputs), True, None)


LEVELS = {
    "one_plus_one": (Level.OK, ""),
    "symmetric": (Level.OK, ""),
    "n_plus_one": (Level.OK, ""),
    "bundles": (Level.OK, ""),
    "promotable": (Level.OK, ""),
    "standby_node": (Level.WARNING, "node_standby"),
    "stopped_node": (Level.WARNING, "unprotected"),
    "node_maintenance": (Level.WARNING, "node_maintenance"),
    "cluster_maintenance": (Level.WARNING, "maintenance"),
    "ping_lost": (Level.WARNING, "unprotected"),
    "moved_by_hand": (Level.WARNING, "unprotected"),
    "disabled": (Level.WARNING, "disabled"),
    "unclean_node": (Level.CRITICAL, "node_unclean"),
    "no_quorum": (Level.CRITICAL, "quorum_lost"),
    "failed_stop": (Level.CRITICAL, "blocked"),
    "multiple_active": (Level.CRITICAL, "multiple_active"),
    "failed_monitor": (Level.CRITICAL, "service_down"),
    "no_dc": (Level.UNKNOWN, "no_dc"),
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_verdict_of_each_kind_of_cluster(name: str) -> None:
    level, kind = LEVELS[name]
    found = verdict(of(name), NOW)
    assert found.level is level, found.findings
    assert not kind or kind in {finding.kind for finding in found.findings}
    assert bool(found.findings) == (level is not Level.OK)


@pytest.mark.parametrize("language", tell.LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_there_is_one_line_in_the_form_of_plug_ins(name: str, language: str) -> None:
    found = verdict(of(name), NOW)
    line = found.line(language)
    assert LINE.fullmatch(line), line
    assert "?" not in line
    assert len([finding.text(language) for finding in found.findings]) == len(found.findings)


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_some_of_everything_that_can_be_wrong_has_words(language: str) -> None:
    known = troubled()
    found = verdict(Facts(view=VIEW, polled=known), NOW, [FAILOVER])
    kinds = {finding.kind for finding in found.findings}
    assert {"link_down", "sbd_device", "drbd_disconnected", "failed_action", "incident"} <= kinds
    assert all("?" not in finding.text(language) for finding in found.findings)


def test_a_cluster_that_cannot_be_asked_is_unknown_and_says_why() -> None:
    known = replace(of("one_plus_one").polled, unknown_since=NOW, reason="timeout: no answer within 10 s")  # type: ignore[type-var]
    found = verdict(Facts(view=VIEW, polled=known, known=False), NOW)
    assert found.level is Level.UNKNOWN
    assert "no answer within 10 s" in found.line("en")
    assert "failed_actions=U" in found.line("en")
    assert "nodes_online=0;;;0;2" in found.line("en")


def test_a_cluster_that_only_logs_tell_of_is_judged_by_them() -> None:
    view = ClusterView(
        name="c",
        title="C",
        nodes=(NodeView(name="n1", state=NodeState.ONLINE), NodeView(name="n2", state=NodeState.FENCED)),
        services=(ServiceView(name="orders", resources=("db",), active_node="n1", up=True, able_to_take_over=()),),
    )
    found = verdict(Facts(view=view), NOW)
    assert (found.level, found.summary("en")) == (Level.WARNING, "orders is not protected; n2 was fenced")
    assert verdict(Facts(view=VIEW), NOW).level is Level.UNKNOWN, "nothing was heard of it"


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_a_service_whose_ticket_is_at_another_site_is_no_fault_and_is_named_in_the_line(language: str) -> None:
    found = verdict(of("tickets"), NOW)
    assert found.level is Level.OK, found.findings
    assert "siteB" in found.line(language)
    assert "services_up=1;;;0;1 " in found.line(language), "what is held elsewhere does not count"
    [held] = [service for service in found.services if service.name == "app"]
    assert (held.up, held.held) == (False, ("siteB",))


def source(path: str, *, kind: str = "crm_mon", up: bool = False, cluster: str = "c") -> SourceView:
    reason = "" if up else "key refused: `ssh n2 crm_mon`; put the public key of the user that runs hamon into authorized_keys on the node"
    return SourceView(collector="polls", kind=kind, cluster=cluster, path=path, up=up, reason=reason)


@pytest.mark.parametrize("kind", ["crm_mon", "log_tail", "snmp_trap", "syslog"])
def test_a_source_that_gives_nothing_is_a_warning_though_others_say_that_all_is_well(kind: str) -> None:
    sources = [source("n1", up=True), source("n2", kind=kind), source("other", cluster="d")]
    found = verdict(of("one_plus_one"), NOW, sources=sources)
    line = found.line("en")
    assert (found.level, len(found.findings)) == (Level.WARNING, 1)
    assert line.startswith("WARNING - c: no data from n2: key refused: `ssh n2 crm_mon`; put the public key")
    assert "sources_up=1;;;0;2" in line
    assert LINE.fullmatch(line)
    assert "公開鍵" in found.line("ja")
    assert verdict(of("one_plus_one"), NOW, sources=sources[:1]).level is Level.OK


def test_what_is_worse_stands_before_a_source_that_gives_nothing() -> None:
    found = verdict(of("unclean_node"), NOW, sources=[source("n2")])
    assert (found.level, found.findings[-1].kind) == (Level.CRITICAL, "source_silent")
    known = replace(of("one_plus_one").polled, unknown_since=NOW, reason="n1: timeout; n2: timeout")  # type: ignore[type-var]
    found = verdict(Facts(view=VIEW, polled=known, known=False), NOW, sources=[source("n2")])
    assert [finding.kind for finding in found.findings] == ["cluster_unknown"], "that no node answers is said once"


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.CRITICAL, Level.CRITICAL), (Severity.MAJOR, Level.WARNING), (Severity.MINOR, Level.WARNING), (Severity.INFO, Level.OK)],
)
def test_an_open_incident_counts_by_its_severity(severity: Severity, level: Level) -> None:
    incident = replace(FAILOVER, severity=severity, kind=IncidentKind.STANDBY_FAULT)
    assert verdict(of("one_plus_one"), NOW, [incident]).level is level
    assert verdict(of("one_plus_one"), NOW, [replace(incident, part_of="another")]).level is Level.OK


def test_names_from_the_cluster_cannot_break_the_line() -> None:
    view = ClusterView(name="c", title="C", nodes=(NodeView(name="n1|x=1\nOK", state=NodeState.LOST),))
    line = verdict(Facts(view=view), NOW).line("en")
    assert (line.count("|"), line.count("\n")) == (1, 0)


async def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hamon", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(NO_COLOR="1"),
    )
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_xml_of_a_file_or_a_pipe_is_judged_without_a_gateway() -> None:
    path = KEPT / "no_quorum.xml"
    code, out, err = await run("check", "--cluster", "c", "--file", str(path))
    assert (code, err) == (2, "")
    assert LINE.fullmatch(out.strip())
    assert (await run("check", "--cluster", "c", "--file", "-", stdin=path.read_bytes()))[:2] == (code, out)


async def test_a_command_is_run_and_judged(tmp_path: Path) -> None:
    command = tmp_path / "crm_mon"
    command.write_text(f"#!/bin/sh\nexec cat {KEPT / 'one_plus_one.xml'}\n")
    command.chmod(0o755)
    code, out, err = await run("check", "--cluster", "c", "--", str(command))
    assert (code, err) == (0, "")
    assert out.startswith("OK - c: 2 of 2 nodes online; grpWeb on n1, n2 can take over | ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--file", "/nowhere.xml"),
        ("--file", __file__),
        ("--timeout", "0.3", "--", "sleep", "60"),
        ("--", "/nowhere/crm_mon"),
        ("--", "crm_mon | cat"),
        ("--url", "http://127.0.0.1:1"),
        ("--url", "ftp://x"),
        ("--url", "http://user:S3CRET@127.0.0.1:1"),
    ],
    ids=lambda arguments: " ".join(arguments)[-30:],
)
async def test_without_an_answer_the_level_is_unknown_and_the_line_says_why(arguments: Sequence[str]) -> None:
    code, out, err = await run("check", "--cluster", "c", *arguments)
    assert (code, err, out.count("\n")) == (3, "", 1)
    assert re.fullmatch(r"UNKNOWN - c: .{10,}\n", out)
    assert "S3CRET" not in out


async def test_check_and_status_ask_the_running_gateway(tmp_path: Path) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    with running(folder) as exporter:
        exporter.prepare(outputs())
        async with Gateway(tmp_path, (), collect__crm_mon__polls=polling(folder)) as gateway:
            url = f"http://127.0.0.1:{gateway.port}"

            async def check() -> tuple[int, str, str]:
                return await run("check", "--cluster", CLUSTER, "--url", url)

            code, out, _ = await eventually(check, lambda found: "links_down" in found[1])
            assert code == 1, "a ring is faulty"
            assert out.startswith("WARNING - web: ")
            status = await run("status", "--url", url)
            assert (status[0], status[2]) == (1, "")
            assert re.search(r"^WARNING +web +2/2 +grpWeb: n1 ", status[1], re.MULTILINE)
            japanese = await run("status", "--url", url, "--lang", "ja", "--cluster", CLUSTER)
            assert "クラスタ" in japanese[1]
            found: dict[str, Any] = json.loads((await run("status", "--url", url, "--format", "json"))[1])
            assert [(one["cluster"], one["level"]) for one in found["checks"]] == [(CLUSTER, "warning")]
            missing = await run("check", "--cluster", "nowhere", "--url", url)
            assert (missing[0], "it knows web" in missing[1]) == (3, True)

            exporter.prepare(outputs("unclean_node"))
            await eventually(check, lambda found: found[0] == 2 and "n1 is unclean" in found[1])
            (folder / "crm_mon.out").unlink()
            gone = await eventually(check, lambda found: found[0] == 3)
            assert "it is not known how the cluster is" in gone[1]
    assert (await run("status", "--url", url))[0] == 3


async def test_a_node_whose_command_fails_is_a_warning_while_the_other_answers(tmp_path: Path) -> None:
    answer = program(tmp_path / "n1", f"sys.stdout.write(open({str(KEPT / 'one_plus_one.xml')!r}).read())")
    refuse = program(tmp_path / "n2", "sys.stderr.write('hacluster@n2: Permission denied (publickey).\\n'); sys.exit(255)", "ssh")
    polls = {"cluster": CLUSTER, "commands": {"n1": [answer], "n2": [refuse]}, "interval_seconds": 1, **QUIET}
    async with Gateway(tmp_path, (), collect__crm_mon__polls=polls) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"

        async def check() -> tuple[int, str, str]:
            return await run("check", "--cluster", CLUSTER, "--url", url)

        code, out, _ = await eventually(check, lambda found: "no data" in found[1])
        assert code == 1
        assert out.startswith(f"WARNING - web: no data from n2: key refused: `{refuse}")
        assert "nodes_online=2;;;0;2" in out
        assert "sources_up=1;;;0;2" in out


async def test_watching_shows_the_clusters_anew_until_it_is_stopped_also_while_nobody_answers(tmp_path: Path) -> None:
    async with Gateway(tmp_path) as gateway:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hamon", "status", "--watch", "--url", f"http://127.0.0.1:{gateway.port}"),
            stdout=asyncio.subprocess.PIPE,
            env=environment(NO_COLOR="1"),
            preexec_fn=heeds_ctrl_c,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            frames = [(await process.stdout.readuntil(b"\x1b[J")).decode() for _ in range(2)]
    async with asyncio.timeout(60):
        while "does not answer" not in (last := (await process.stdout.readuntil(b"\x1b[J")).decode()):
            pass
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    for frame in (*frames, last):
        assert frame.startswith("\x1b[H"), "from the top of the screen"
    assert all(f" {CLUSTER} " in frame for frame in frames)


def test_the_table_has_the_worst_first_and_fits_the_line() -> None:
    def one(name: str, level: Level, summary: str) -> dict[str, Any]:
        services = [{"name": f"サービス{number}", "active": ["n1"]} for number in range(9)]
        nodes = {"n1": "online", "n2": "lost"}
        return {"cluster": name, "level": level, "code": level.code, "summary": summary, "nodes": nodes, "services": services}

    found = {
        "at": NOW.isoformat(),
        "checks": [one("b", Level.OK, "fine"), one("a", Level.CRITICAL, "x" * 300), one("c", Level.UNKNOWN, "?")],
    }
    for language in tell.LANGUAGES:
        lines = table(found, language, Look(width=100)).splitlines()
        assert [line.split()[1] for line in lines[3:]] == ["a", "c", "b"]
        assert all(width_of(line) <= 100 for line in lines)
        assert len({width_of(line[: line.index("1/2")]) for line in lines[3:]}) == 1, "columns stand below each other"
        assert "fine" not in lines[-1]
    assert "\x1b[31;1mCRITICAL\x1b[0m" in table(found, "en", Look(coloured=True))


def test_an_old_answer_shows_its_age() -> None:
    found = verdict(of("one_plus_one"), NOW + timedelta(minutes=5))
    assert "answer_age=305s" in found.line("en")


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_every_finding_has_words(language: str) -> None:
    source = inspect.getsource(verdict_module)
    kinds = set(re.findall(r'_finding\(\s*(?:Level\.\w+|level), f?"([a-z_]+)"', source)) | {f"node_{state}" for state in NodeState}
    assert len(kinds) > 20
    assert {kind for kind in kinds if not words.has(f"check.{kind}", language)} == {"node_online", "node_unknown"}
