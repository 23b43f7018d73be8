"""Clusters are asked by real programs, which behave well, badly and worse."""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hamon.clock import SystemClock
from hamon.collect.asked_node import AskedNode, Companion
from hamon.collect.child import Cancel, Lanes
from hamon.collect.crm_mon import CrmMonConfig
from hamon.collect.faults import Refused
from hamon.config import load
from hamon.errors import ConfigError
from hamon.model.observation import Source
from hamon.parse import crm_mon
from tests.cib import SCENARIOS
from tests.collect.polling import QUIET, good, polling, program, shows
from tests.collect.test_child import children, is_alive
from tests.peers import need
from tests.snapshots import answers, polls

GOOD = good()


async def test_the_state_is_handed_over_as_the_parser_reads_it(tmp_path: Path) -> None:
    async with polling({"pm01": [shows(tmp_path, GOOD)]}) as it:
        first, second = (await it.until_snapshots(2))[:2]
        expected = crm_mon.parse(GOOD, at=first.status.at, reporter="pm01")
        assert first.status == expected
        assert (first.cluster, first.collector, first.path) == ("web01", "polls", "pm01")
        assert first.received_at >= first.status.at
        assert second.digest == first.digest
        assert second.status == replace(expected, at=second.status.at)
        assert second.status.at > first.status.at
        assert it.view("pm01") == (True, "")


async def test_a_change_of_the_state_has_another_digest(tmp_path: Path) -> None:
    command = shows(tmp_path, GOOD)
    async with polling({"pm01": [command]}) as it:
        await it.until_snapshots(1)
        await asyncio.to_thread(shows, tmp_path, good(file="s005.xml"))
        await it.inbox.until(lambda: it.snapshots[-1].digest != it.snapshots[0].digest)
        assert it.snapshots[-1].status.nodes == crm_mon.parse(good(file="s005.xml"), at=it.snapshots[-1].status.at).nodes


async def test_an_event_makes_it_ask_at_once(tmp_path: Path) -> None:
    async with polling({"pm01": [shows(tmp_path, GOOD)]}, interval_seconds=600, quiet_interval_seconds=600) as it:
        await it.until_snapshots(1)
        it.collector.nudge()
        await it.until_snapshots(3)


LYING = {
    "half": (GOOD[: len(GOOD) // 2], "unreadable: "),
    "nothing": (b"", "no data: "),
    "another document": (b"<html><body>Welcome</body></html>", "unreadable: "),
    "words": (b"All nodes are fine, believe me\n", "unreadable: "),
    "bomb": (b'<!DOCTYPE a [<!ENTITY b "bb">]><pacemaker-result/>', "unreadable: "),
    "no nodes": (b'<pacemaker-result api-version="2.25"><status code="0" message="OK"/></pacemaker-result>', "no data: "),
}


def refusal(command: Sequence[str], **settings: object) -> str:
    """Ask once, and give the reason why there is no answer."""
    config = CrmMonConfig.model_validate({"cluster": "web01", "commands": {"pm01": tuple(command)}, **settings})
    cancel = Cancel()
    try:
        with pytest.raises(Refused) as caught:
            AskedNode("pm01", command, config).ask(cancel, None, SystemClock().now)
    finally:
        cancel.close()
    return str(caught.value)


@pytest.mark.parametrize("kind", LYING)
def test_an_answer_that_is_none_is_told_with_command_and_remedy(tmp_path: Path, kind: str) -> None:
    answer, fault = LYING[kind]
    command = shows(tmp_path, answer)
    reason = refusal([command])
    assert reason.startswith(f"{fault}`{command} -1 --output-as=xml -r -m3` – ")
    assert "; " in reason


SAYS = {
    "not connected": 'print(\'<pacemaker-result><status code="102" message="Not connected"/></pacemaker-result>\'); sys.exit(102)',
    "not permitted": "sys.stderr.write('crm_mon: Connection to cluster failed: Permission denied\\n'); sys.exit(4)",
    "password": "sys.stderr.write('sudo: a password is required\\n'); sys.exit(1)",
    "not found": "sys.stderr.write('bash: line 1: crm_mon: command not found\\n'); sys.exit(127)",
    "died": "os.kill(os.getpid(), signal.SIGSEGV)",
    "failed": "sys.stderr.write('something else\\n'); sys.exit(70)",
    "usage": "sys.stderr.write('crm_mon: unrecognized option\\n'); sys.exit(64)",
    "timeout": "time.sleep(600)",
    "too large": "while True: sys.stdout.write('<node/>' * 10000)",
}


@pytest.mark.parametrize("fault", SAYS)
def test_what_a_command_says_is_told_with_the_remedy(tmp_path: Path, fault: str) -> None:
    assert refusal([program(tmp_path, SAYS[fault])], timeout_seconds=2, max_output_bytes=1_000_000).startswith(f"{fault}: ")


SSH = {
    "key refused": "hamon@pm01: Permission denied (publickey,password).",
    "host key": "Host key verification failed.",
    "unreachable": "ssh: connect to host pm01 port 22: No route to host",
}


@pytest.mark.parametrize("fault", SSH)
def test_what_ssh_says_is_told_with_the_remedy(tmp_path: Path, fault: str) -> None:
    ssh = program(tmp_path, f"sys.stderr.write({SSH[fault] + chr(10)!r}); sys.exit(255)", "ssh")
    reason = refusal([ssh, "pm01", "crm_mon"])
    assert reason.startswith(f"{fault}: `{ssh} pm01 crm_mon -1 --output-as=xml -r -m3` – {SSH[fault]}; ")


def test_a_real_ssh_that_reaches_nobody_is_told_as_unreachable() -> None:
    ssh = need("ssh")
    words = [ssh, "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "-p", "1", "127.0.0.1", "crm_mon"]
    assert refusal(words, timeout_seconds=60).startswith("unreachable: ")


async def test_a_cluster_that_gives_no_answer_is_reported_as_lost_with_command_and_remedy() -> None:
    async with polling({"pm01": ["/no/such/crm_mon"]}) as it:
        (lost,) = await it.until_lost()
        assert (lost.cluster, lost.collector, lost.path, lost.source) == ("web01", "polls", "crm_mon", Source.POLL)
        assert lost.reason.startswith("pm01: not found: `/no/such/crm_mon -1 ")
        assert it.snapshots == []
        up, reason = it.view("pm01")
        assert not up
        assert lost.reason == f"pm01: {reason}"


async def test_a_lost_cluster_comes_back(tmp_path: Path) -> None:
    command = program(tmp_path, "sys.exit(102)")
    async with polling({"pm01": [command]}) as it:
        await it.until_lost()
        await asyncio.to_thread(shows, tmp_path, GOOD)
        await it.until_snapshots(1)
        kinds = [type(seen).__name__ for seen in it.inbox.observations]
        assert kinds == ["SourceLost", "SourceBack", "Snapshot"]


async def test_one_failure_alone_does_not_make_a_cluster_unknown(tmp_path: Path) -> None:
    shows(tmp_path, GOOD)
    once = "if not os.path.exists(HERE + '/failed'): open(HERE + '/failed', 'w'); sys.exit(1)"
    async with polling({"pm01": [shows(tmp_path, GOOD, before=once)]}) as it:
        await it.until_snapshots(1)
        assert it.losses == []
        assert (tmp_path / "failed").exists()


async def test_the_next_node_is_asked_when_one_fails_and_is_kept_to(tmp_path: Path) -> None:
    bad = program(tmp_path / "a", "open(HERE + '/asked', 'a').write('x'); sys.exit(102)")
    async with polling({"pm01": [bad], "pm02": [shows(tmp_path / "b", GOOD)]}) as it:
        found = await it.until_snapshots(3)
        assert {snapshot.path for snapshot in found} == {"pm02"}
        assert it.losses == []
        assert it.view("pm02") == (True, "")
        assert it.view("pm01")[1].startswith("not connected: ")
    assert len((tmp_path / "a" / "asked").read_text()) <= 2  # at first, and once to see whether it could be asked


async def test_a_node_that_hangs_does_not_hold_the_answer_up(tmp_path: Path) -> None:
    hanging = program(
        tmp_path / "a", "open(HERE + '/pid', 'w').write(str(os.getpid())); signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    )
    loop = asyncio.get_running_loop()
    async with polling({"pm01": [hanging], "pm02": [shows(tmp_path / "b", GOOD)]}, timeout_seconds=300) as it:
        begin = loop.time()
        (first, *_) = await it.until_snapshots(1)
        assert first.path == "pm02"
        assert loop.time() - begin < 60  # its time limit is 300 s
        assert it.view("pm01")[0] is False
    assert not is_alive(int((tmp_path / "a" / "pid").read_text()))


async def test_when_all_hang_the_cluster_is_unknown_after_their_time(tmp_path: Path) -> None:
    hanging = program(tmp_path, "time.sleep(600)")
    async with polling({"pm01": [hanging], "pm02": [hanging]}, timeout_seconds=0.2) as it:
        (lost,) = await it.until_lost()
        assert "pm01: timeout: " in lost.reason
        assert "pm02: timeout: " in lost.reason
        assert "no answer within 0.2 s" in lost.reason


async def test_a_node_that_lost_another_is_not_alone_believed(tmp_path: Path) -> None:
    doubtful = next(answer for answer in _answers() if b'unclean="true"' in answer)
    async with polling({"pm02": [shows(tmp_path / "a", doubtful)], "pm01": [shows(tmp_path / "b", GOOD)]}) as it:
        await it.inbox.until(lambda: {snapshot.path for snapshot in it.snapshots} == {"pm01", "pm02"})


async def test_a_node_without_a_dc_yields_to_one_that_has_one(tmp_path: Path) -> None:
    starting = next(answer for answer in _answers("rejoin") if b'<current_dc present="false"/>' in answer)
    async with polling({"pm01": [shows(tmp_path / "a", starting)], "pm02": [shows(tmp_path / "b", GOOD)]}) as it:
        first, *_ = await it.until_snapshots(1)
        assert first.path == "pm02"


def _answers(recording: str = "chronicle") -> list[bytes]:
    return list(answers(recording).values())


OLD = "if '--output-as=xml' in sys.argv: sys.stderr.write('crm_mon: unrecognized option'); sys.exit({code})"


@pytest.mark.parametrize("code", [64, 22])
async def test_the_form_of_older_releases_is_found_and_kept_to(tmp_path: Path, code: int) -> None:
    old = b"<crm_mon" + GOOD[GOOD.index(b" api-version") : GOOD.rindex(b"<status")] + b"</crm_mon>"
    shows(tmp_path, old.replace(b'api-version="2.25" request="crm_mon -1 --output-as=xml -A -f -r -m3"', b'version="1.1.24"'))
    log = "open(HERE + '/asked', 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
    command = shows(tmp_path, (tmp_path / "answer.xml").read_bytes(), before=log + OLD.format(code=code))
    async with polling({"pm01": [command]}) as it:
        await it.until_snapshots(2)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "-1 --output-as=xml -r -m3"
    assert set(asked[1:]) == {"--as-xml -A -f -r -o -L -m"}


async def test_a_command_with_options_of_its_own_is_run_as_it_stands(tmp_path: Path) -> None:
    log = "open(HERE + '/asked', 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
    async with polling({"pm01": [shows(tmp_path, GOOD, before=log), "-1", "--output-as=xml"]}) as it:
        await it.until_snapshots(1)
    assert set((tmp_path / "asked").read_text().splitlines()) == {"-1 --output-as=xml"}


async def test_children_are_gone_when_it_ends_in_the_middle_of_a_question(tmp_path: Path) -> None:
    fifo = tmp_path / "begun"
    os.mkfifo(fifo)
    body = f"child = subprocess.Popen(['sleep', '600']); open({str(fifo)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); child.wait()"
    async with polling({"pm01": [program(tmp_path, body)]}, timeout_seconds=300):
        pids = [int(pid) for pid in (await asyncio.to_thread(fifo.read_text)).split()]
    assert children().isdisjoint(pids)
    assert not is_alive(pids[0])


async def test_a_real_crm_mon_and_a_real_cibadmin_are_asked(tmp_path: Path) -> None:
    need("crm_mon")
    need("cibadmin")
    cib = tmp_path / "cib.xml"
    cib.write_text(str(SCENARIOS["one_plus_one"]()))
    settings = QUIET | {"cibadmin": {}}
    async with polling({"n1": ["env", f"CIB_file={cib}", "crm_mon"]}, **settings) as it:
        await it.inbox.until(lambda: bool(it.snapshots) and it.snapshots[-1].status.cib is not None, timeout_seconds=60)
        status = it.snapshots[-1].status
        assert status.nodes
        assert all(node.online and not node.standby for node in status.nodes)
        assert status.cib is not None
        assert {item.part: item.reason for item in it.snapshots[-1].asked} == {"crm_mon": "", "cib": ""}
        replacement = tmp_path / "new.xml"
        replacement.write_text(str(SCENARIOS["standby_node"]()))
        replacement.rename(cib)
        await it.inbox.until(lambda: any(node.standby for node in it.snapshots[-1].status.nodes), timeout_seconds=60)


# -- companions


LINKS = b"""\
Local node ID 1, transport knet
LINK ID 0 udp
\taddr\t= 192.168.1.1
\tstatus:
\t\tnodeid:          1:\tlocalhost
\t\tnodeid:          2:\t%s
"""


async def test_the_tools_beside_crm_mon_are_asked_on_the_same_node_and_what_changes_there_is_news(tmp_path: Path) -> None:
    shows(tmp_path, GOOD)
    cfgtool = tmp_path / "corosync-cfgtool"
    cfgtool.write_text(f"#!/bin/sh\ncat {tmp_path}/links\n")
    cfgtool.chmod(0o755)
    (tmp_path / "links").write_bytes(LINKS % b"connected")
    companions = QUIET | {"links": {"interval_seconds": 1}, "quorum": {}}
    async with polling({"pm01": ["env", "A=b", str(tmp_path / "crm_mon")]}, **companions) as it:
        await it.inbox.until(lambda: any(snapshot.status.links for snapshot in it.snapshots))
        links = it.snapshots[-1].status.links or ()
        assert [(link.peer, link.connected) for link in links if not link.is_local] == [("pm02", True)]
        digest = it.snapshots[-1].digest
        (tmp_path / "links").write_bytes(LINKS % b"disconnected")
        await it.inbox.until(lambda: it.snapshots[-1].digest != digest, timeout_seconds=60)
        links = it.snapshots[-1].status.links or ()
        assert [(link.peer, link.connected) for link in links if not link.is_local] == [("pm02", False)]
        assert it.view("pm01: links") == (True, "")
        # A tool that is not there is nobody's concern, unless it is asked for.
        assert [view.path for view in it.collector.views()] == ["pm01", "pm01: links"]


async def test_a_link_that_is_otherwise_than_before_is_looked_at_again_before_its_turn(tmp_path: Path) -> None:
    shows(tmp_path, GOOD)
    cfgtool = tmp_path / "corosync-cfgtool"
    looks = tmp_path / "looks"
    # The first look finds it connected, each later one not.
    cfgtool.write_text(f"#!/bin/sh\necho >> {looks}\n[ $(wc -l < {looks}) -gt 1 ] && exec cat {tmp_path}/down\nexec cat {tmp_path}/up\n")
    cfgtool.chmod(0o755)
    (tmp_path / "up").write_bytes(LINKS % b"connected")
    (tmp_path / "down").write_bytes(LINKS % b"disconnected")
    async with polling({"pm01": [str(tmp_path / "crm_mon")]}, **QUIET | {"links": {"interval_seconds": 600}}) as it:
        await it.inbox.until(lambda: any(snapshot.status.links for snapshot in it.snapshots))
        it.collector.nudge()
        await it.inbox.until(
            lambda: len({snapshot.status.links_at for snapshot in it.snapshots if snapshot.status.links}) >= 3, timeout_seconds=60
        )
    shown = {snapshot.status.links_at: snapshot.status.links for snapshot in it.snapshots if snapshot.status.links}
    times = sorted(at for at in shown if at is not None)
    assert [any(link.connected for link in shown[at] or () if not link.is_local) for at in times[:3]] == [True, False, False]
    assert 2 <= (times[2] - times[1]).total_seconds() < 60


async def test_a_tool_that_fails_is_shown_and_holds_nothing_up(tmp_path: Path) -> None:
    shows(tmp_path, GOOD)
    program(tmp_path, "sys.stderr.write('Cannot initialize CMAP service: permission denied\\n'); sys.exit(1)", "corosync-quorumtool")
    async with polling({"pm01": [str(tmp_path / "crm_mon")]}, **QUIET | {"quorum": {}, "drbd": {"enabled": True}}) as it:
        await it.until_snapshots(3)
        await it.inbox.until(lambda: len(it.collector.views()) == 3)
        assert it.view("pm01: quorum")[1].startswith("not permitted: ")
        assert it.view("pm01: drbd")[1].startswith("not found: ")
        assert it.losses == []
        assert it.snapshots[-1].status.quorum is None


async def test_a_tool_that_failed_on_a_node_that_is_not_asked_any_more_is_no_silent_source(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "answer").write_bytes(GOOD)
    program(tmp_path / "a", "sys.stdout.write(open(HERE + '/answer').read())", "crm_mon")
    program(tmp_path / "a", "sys.exit(1)", "corosync-quorumtool")
    shows(tmp_path / "b", GOOD)
    commands = {name: [str(tmp_path / folder / "crm_mon")] for name, folder in (("pm01", "a"), ("pm02", "b"))}
    async with polling(commands, **QUIET | {"quorum": {}}) as it:
        await it.inbox.until(lambda: any(view.path == "pm01: quorum" and not view.up for view in it.collector.views()))
        (tmp_path / "a" / "answer").unlink()
        await it.inbox.until(lambda: [view.path for view in it.collector.views()] == ["pm01", "pm02"], timeout_seconds=60)
        assert it.view("pm02") == (True, "")


async def test_a_node_that_came_back_to_the_cluster_is_asked_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    away = re.sub(rb'(<node name="pm01"[^>]*?) online="true"', rb'\1 online="false"', GOOD)
    (tmp_path / "b" / "answer").write_bytes(away)
    other = program(tmp_path / "b", "sys.stdout.write(open(HERE + '/answer').read())")
    one = program(tmp_path / "a", "sys.stdout.write(open(HERE + '/answer').read())")
    async with polling({"pm01": [one], "pm02": [other]}) as it:
        await it.until_snapshots(3)
        assert it.view("pm01")[0] is False
        (tmp_path / "a" / "answer").write_bytes(GOOD)
        (tmp_path / "b" / "answer").write_bytes(GOOD)
        await it.inbox.until(lambda: it.view("pm01")[0], timeout_seconds=30)


async def test_after_a_time_without_any_answer_every_node_is_asked_without_waiting(tmp_path: Path) -> None:
    commands = {name: [program(tmp_path / name, "sys.stdout.write(open(HERE + '/answer').read())")] for name in ("pm01", "pm02")}
    async with polling(commands) as it:
        await it.until_lost()
        for name in commands:
            (tmp_path / name / "answer").write_bytes(GOOD)
        await it.inbox.until(lambda: all(it.view(name)[0] for name in commands), timeout_seconds=30)


async def test_numbers_of_drbd_that_count_on_are_shown_but_are_no_news(tmp_path: Path) -> None:
    shows(tmp_path, GOOD)
    status = (
        "n = int(open(HERE + '/n').read()) + 1; open(HERE + '/n', 'w').write(str(n))\n"
        'print(\'[{"name": "r0", "role": "Primary", "devices": [{"volume": 0, "disk-state": "UpToDate", "written": %d}], '
        '"connections": []}]\' % n)'
    )
    (tmp_path / "n").write_text("0")
    program(tmp_path, status, "drbdsetup")
    async with polling({"pm01": [str(tmp_path / "crm_mon")]}, **QUIET | {"drbd": {"interval_seconds": 1}}) as it:

        def written() -> set[int | None]:
            return {volume.written for snapshot in it.snapshots for resource in snapshot.status.drbd or () for volume in resource.volumes}

        await it.inbox.until(lambda: len(written()) >= 2, timeout_seconds=60)
        assert len({snapshot.digest for snapshot in it.snapshots if snapshot.status.drbd}) == 1


# -- many


async def test_other_clusters_are_not_held_up_by_those_that_hang(tmp_path: Path) -> None:
    """Eight clusters hang, as many as there are quick lanes, and two answer."""
    lanes = Lanes(8, 2)
    hanging = program(tmp_path / "a", "time.sleep(600)")
    well = shows(tmp_path / "b", GOOD)
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()

        async def hang() -> None:
            async with polling({"pm01": [hanging]}, lanes, timeout_seconds=1):
                await stop.wait()

        tasks = [group.create_task(hang()) for _ in range(8)]
        async with polling({"pm01": [well]}, lanes) as one, polling({"pm01": [well]}, lanes) as two:
            for it in (one, two):
                await it.until_snapshots(5)
                assert it.losses == []
        stop.set()
        await asyncio.gather(*tasks)
    await asyncio.to_thread(lanes.close)


async def test_a_whole_recording_is_seen_as_the_cluster_went(tmp_path: Path) -> None:
    """What one node said, one answer after the other."""
    digests = []
    files = [poll.file for poll in polls("failover_resource") if poll.node == "pm02" and poll.file]
    for index, file in enumerate(dict.fromkeys(files)):
        (tmp_path / f"{index}.xml").write_bytes(answers("failover_resource")[file])
        digests.append(crm_mon.digest(answers("failover_resource")[file]))
    body = (
        "n = int(open(HERE + '/n').read()); open(HERE + '/n', 'w').write(str(n + 1))\n"
        f"sys.stdout.write(open(f'{{HERE}}/{{min(n, {len(digests) - 1})}}.xml').read())"
    )
    (tmp_path / "n").write_text("0")
    async with polling({"pm02": [program(tmp_path, body)]}) as it:
        await it.inbox.until(lambda: bool(it.snapshots) and it.snapshots[-1].digest == digests[-1], timeout_seconds=60)
        assert list(dict.fromkeys(snapshot.digest for snapshot in it.snapshots)) == digests


# -- the configuration


def problems(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    file = tmp_path / "hamon.toml"
    file.write_text(f"[cluster.web01]\n{text}")
    try:
        load(file, {})
    except ConfigError as err:
        return [(problem.id, problem.key) for problem in err.problems]
    return []


WRONG = {
    'commands = { pm01 = ["ssh pm01 crm_mon"] }': "shell-command",
    'commands = { pm01 = ["ssh", "pm01", "crm_mon", "|", "cat"] }': "shell-command",
    'commands = { pm01 = ["ssh", "pm01", "crm_mon", "2>/dev/null"] }': "shell-command",
    'commands = { pm01 = ["bin/crm_mon"] }': "relative-command",
    'commands = { pm01 = [""] }': "wrong-value",
    "commands = { pm01 = [] }": "wrong-value",
    'commands = { "pm 01" = ["crm_mon"] }': "wrong-name",
    'commands = { pm01 = "crm_mon" }': "wrong-type",
    'timezone = "Tokyo"\ncommands = { pm01 = ["crm_mon"] }': "wrong-value",
    'links.command = ["a b"]\ncommands = { pm01 = ["crm_mon"] }': "shell-command",
    'as_root = ["sudo -n"]\ncommands = { pm01 = ["crm_mon"] }': "shell-command",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_form_of_a_command_is_checked_before_it_is_ever_run(tmp_path: Path, wrong: str) -> None:
    found = problems(tmp_path, f'[collect.crm_mon.polls]\ncluster = "web01"\n{wrong}\n')
    assert [id for id, _ in found] == [WRONG[wrong]], found


def test_a_cluster_is_polled_by_one_collector(tmp_path: Path) -> None:
    one = '[collect.crm_mon.{name}]\ncluster = "web01"\ncommands = {{ pm01 = ["crm_mon"] }}\n'
    assert problems(tmp_path, one.format(name="a")) == []
    assert problems(tmp_path, one.format(name="a") + one.format(name="b")) == [("duplicate-poll", "collect.crm_mon.b.cluster")]


def test_companions_are_reached_as_crm_mon_is() -> None:
    words = ("ssh", "pm01", "/usr/sbin/crm_mon")
    config = CrmMonConfig.model_validate({"cluster": "c", "commands": {"pm01": words}, "as_root": ["sudo", "-n"]})
    node = AskedNode("pm01", words, config)
    assert node.companion_command(Companion.LINKS) == ("ssh", "pm01", "sudo", "-n", "/usr/sbin/corosync-cfgtool", "-s")
    assert node.companion_command(Companion.CIBADMIN) == ("ssh", "pm01", "/usr/sbin/cibadmin", "-Q")
    wrapper = AskedNode("pm01", ("/usr/local/bin/state",), config)
    assert not any(wrapper.can_ask(companion) for companion in Companion)
