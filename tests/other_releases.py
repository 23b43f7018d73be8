"""The logs of a recording as another release of Pacemaker words them: the same cluster, the same moments, other sentences.

The recordings are of Pacemaker 2.1.5 with Corosync 3. Every sentence that rules know is put into the words of the release asked for, under
the names that its daemons have; sentences that the release does not have are left out. So what releases have in common is taken from a real
cluster, and what differs from their sources. Sentences that nobody asks for stay as they are.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

Say = Callable[[re.Match[str]], str | None]
"""What a match becomes; None: nothing."""

_OLD_NAMES = {
    "pacemaker-controld": "crmd",
    "pacemaker-schedulerd": "pengine",
    "pacemaker-attrd": "attrd",
    "pacemaker-fenced": "stonith-ng",
    "pacemaker-based": "cib",
    "pacemaker-execd": "lrmd",
}
_RC = {"ok": 0, "error": 1, "not installed": 5, "not configured": 6, "not running": 7, "promoted": 8, "promoted (failed)": 9}
_OLD_RESULTS = {"error": "unknown error", "promoted": "master", "promoted (failed)": "master (failed)"}
_NEW_RESULTS = {
    "ok": "OK",
    "error": "Error occurred",
    "not installed": "Not installed",
    "not running": "Not running",
    "promoted": "Promoted",
    "promoted (failed)": "Failed in promoted role",
}
_OLD_ROLES = {"Promoted": "Master", "Unpromoted": "Slave"}
_LINE = re.compile(
    r"^(?P<date>[A-Z][a-z]{2} +\d+ [\d:]+) (?P<host>\S+) (?P<daemon>pacemaker[a-z-]*)\[(?P<pid>\d+)\]: +(?P<level>[a-z]+): (?P<text>.*?) ?$"
)


def _result(found: re.Match[str]) -> tuple[str, str | None]:
    """The words of the result, and of a time-out."""
    text = re.sub(r" \(.*(?<!failed)\)$", "", found["result"])
    return text, "Timed Out" if text.startswith("Timed Out") else None


def _old_roles(text: str) -> str:
    return re.sub(r"\b(Promoted|Unpromoted)\b", lambda role: _OLD_ROLES[role[0]], text)


def _key(found: re.Match[str]) -> str:
    interval = {"monitor": 10000}.get(found["operation"], 0)
    return f"{found['resource']}_{found['operation'].replace('probe', 'monitor')}_{interval}"


def _oldest_result(found: re.Match[str]) -> str | None:
    text, timeout = _result(found)
    begin = f"process_lrm_event: LRM operation {_key(found)}"
    if timeout:
        return f"{begin} (31) Timed Out (timeout=60000ms)"
    if text == "Cancelled":
        return f"{begin} (call=31, status=1, cib-update=0, confirmed=true) Cancelled"
    if text not in _RC:
        return f"{begin} (call=31, status=4, cib-update=25, confirmed=true) Error"
    return f"{begin} (call=31, rc={_RC[text]}, cib-update=25, confirmed=true) {_OLD_RESULTS.get(text, text)}"


def _numbered_result(found: re.Match[str]) -> str:
    text, timeout = _result(found)
    result = timeout or (f"{_RC[text]} ({_OLD_RESULTS.get(text, text)})" if text in _RC else text)
    return f"Result of {found['operation']} operation for {found['resource']} on {found['node']}: {result}"


def _newest_result(found: re.Match[str]) -> str:
    text, timeout = _result(found)
    result = "Timed out after 1m (Resource agent did not complete within 1m)" if timeout else _NEW_RESULTS.get(text, text)
    return f"Result of {found['operation']} operation for {found['resource']} on {found['node']}: {result}"


def _oldest_plan(found: re.Match[str]) -> str:
    action, details = found["action"], _old_roles(" ".join(found["details"].split()))
    if action in ("Move", "Recover", "Restart", "Reload") and details.split()[0] not in ("Master", "Slave"):
        details = f"Started {details}"
    elif action == "Stop" and details.startswith("Master "):
        action, details = "Demote", f"Master -> Stopped {details.split()[-1]}"
    elif action in ("Stop", "Start"):
        details = details.split()[-1]
    return f"LogActions: {action:<7} {found['resource']}\t({details})"


def _unexpected(found: re.Match[str]) -> str:
    got = _OLD_RESULTS.get(found["got"], found["got"])
    if found["interval"] != "0":
        return f"process_graph_event: Detected action (3.17) {found['key']}.25={got}: failed"
    expected, rc = _RC.get(found["expected"], 0), _RC.get(found["got"], 1)
    status = "Timed Out" if "Timed Out" in got else "Error"
    return f"status_from_rc: Action 12 ({found['key']}) on {found['node']} failed (target: {expected} vs. rc: {rc}): {status}"


_RESULT = r"^Result of (?P<operation>[\w-]+) operation for (?P<resource>\S+) on (?P<node>\S+?): (?P<result>.+)$"
_UNEXPECTED = (
    r"^Transition -?\d+ action -?\d+ \((?P<key>\S+_(?P<interval>\d+)) on (?P<node>\S+)\): "
    r"expected '(?P<expected>[^']*)' but got '(?P<got>[^']*)'"
)
_PLAN = r"^Actions: (?P<action>[A-Z]\S+) +(?P<resource>\S+) +\( *(?P<details>.*?) *\)(?P<why>.*)$"
_PEER = (
    r"^Peer (?P<node>\S+) was(?P<negated> not)? terminated \((?P<action>\w+)\) by (?P<by>.+?) "
    r"on behalf of (?P<client>[^@]+)@(?P<origin>\S+): (?P<result>.+)$"
)
_FENCED = r"^Operation '(?P<action>\w+)' targeting (?P<node>\S+) by (?P<by>.+?) for (?P<client>[^@]+)@(?P<origin>\S+): (?P<result>.+)$"
_ATTRIBUTE = r"^Setting (?P<attribute>.+?)\[(?P<node>[^\]]+)\](?: in \w+)?: (?P<old>.*?) -> (?P<new>.*)$"


def _errno(found: re.Match[str]) -> str:
    result = found["result"]
    return "OK" if result.startswith("OK") else "Timer expired" if "imed" in result else "No such device"


def _nobody(found: re.Match[str], word: str) -> str:
    return word if found["by"] == "the cluster" else found["by"]


def _sent_update(found: re.Match[str]) -> str | None:
    """attrd of these releases tells only of its own node: the host of the line is put in by the caller."""
    name = re.sub(r"(fail-count-[^#]+)#.*", r"\1", found["attribute"])
    if found["new"] == "(unset)":
        return f"@{found['node']}@attrd_perform_update: Sent delete 26: node=1, attr={name}, id=<n/a>, set=(null), section=status"
    return f"@{found['node']}@attrd_perform_update: Sent update 23: {name}={found['new']}"


def _atomic(found: re.Match[str]) -> str:
    name = re.sub(r"(fail-count-[^#]+)#.*", r"\1", found["attribute"])
    old, new = (found[word].replace("(unset)", "(null)") for word in ("old", "new"))
    return f"Setting {name}[{found['node']}]: {old} -> {new} from {found['node']}"


def _process(found: re.Match[str]) -> str:
    return _OLD_NAMES.get(found["process"], found["process"])


_OLD_NODES: Sequence[tuple[str, Say | str | None]] = (
    (r"^(\S+) is in standby mode$", r"Node \1 is in standby-mode"),
    (r"^(\S+) is in maintenance mode$", r"Node \1 is in maintenance-mode"),
    (r"^(\S+) is (online|shutting down)$", r"Node \1 is \2"),
    (r"^(\S+) is unclean$", r"Node \1 is unclean"),
    (r"^Scheduling node (\S+) for fencing", r"Scheduling Node \1 for STONITH"),
    (r"^Unset DC \(was (\S+)\)", r"Unset DC. Was \1"),
    (r"^(\S+) cannot run on (\S+) due to reaching migration threshold.*", r"Forcing \1 away from \2 after 1000000 failures (max=1)"),
    (r"^Unexpected result \((.+?)\) was recorded for (\S+) of (\S+) on (\S+) at .*", r"Processing failed op \2 for \3 on \4: \1 (1)"),
    (r"^Requesting local execution of probe operation for (\S+) on \S+$", r"Performing key=12:3:0:6f0bb6a2 op=\1_monitor_0"),
    (r"^Requesting local execution of (\S+) operation for (\S+) on \S+$", r"Performing key=12:3:0:6f0bb6a2 op=\2_\1_0"),
    (
        r"^Respawning (\S+) subdaemon after unexpected exit",
        lambda found: f"Respawning failed child process: {_OLD_NAMES.get(found[1], found[1])}",
    ),
    (r"^Initiating controller shutdown sequence", None),
)

_SENTENCES: Mapping[str, Sequence[tuple[str, Say | str | None]]] = {
    "1.1.10": (
        (_RESULT, _oldest_result),
        (_UNEXPECTED, _unexpected),
        (r"^Actions: Fence .*", None),
        (_PLAN, _oldest_plan),
        (r"^\* Shutdown (\S+)", r"stage6: Scheduling Node \1 for shutdown"),
        (r"^Leave +(.*)$", lambda found: f"LogActions: Leave   {_old_roles(found[1])}"),
        (r"^Calculated transition (\d+).*saving inputs in (\S+)", r"process_pe_message: Calculated Transition \1: \2"),
        (r"^State transition (\S+) -> (\S+).*", r"do_state_transition: State transition \1 -> \2 [ input=I_X cause=C_Y origin=z ]"),
        (
            r"^Node (\S+) state is now (lost|member)",
            r"crm_update_peer_state: pcmk_quorum_notification: Node \1[7] - state is now \2 (was x)",
        ),
        (r"^Cluster node (\S+) is now (.*)", r"peer_update_callback: \1 is now \2"),
        (
            r"^Cluster node (\S+) will be fenced: .*",
            r"pe_fence_node: Node \1 will be fenced because the node is no longer part of the cluster",
        ),
        (r"^Quorum (acquired|lost)", r"pcmk_quorum_notification: Membership 1234: quorum \1 (1)"),
        (r"^Requesting fencing \((\w+)\) of node (\S+)", r"te_fence_node: Executing \1 fencing operation (31) on \2 (timeout=60000)"),
        (
            _PEER,
            lambda found: (
                f"tengine_stonith_notify: Peer {found['node']} was{found['negated'] or ''} terminated ({found['action']}) by "
                f"{_nobody(found, '<anyone>')} for {found['origin']}: {_errno(found)} (ref=0a1b2c3d-109b) by client {found['client']}"
            ),
        ),
        (
            _FENCED,
            lambda found: (
                f"remote_op_done: Operation {found['action']} of {found['node']} by {_nobody(found, '<no-one>')} for "
                f"{found['client']}@{found['origin']}.0a1b2c3d: {_errno(found)}"
            ),
        ),
        (
            r"^Requesting that (\S+) perform '(\w+)' action targeting (\S+).*",
            r"call_remote_stonith: Requesting that \1 perform op \2 \3 for crmd.1 (60s)",
        ),
        (r"^Initiating (\S+) operation (\S+)( locally)? on (\S+)", r"te_rsc_command: Initiating action 12: \1 \2 on \4"),
        (_ATTRIBUTE, _sent_update),
        (r"^Removing all \S+ attributes", None),
        (r"^Transition -?\d+ aborted", None),
        (r"^(?:\+\+|--|\+) ", None),
        (
            r"^(?P<process>\S+)\[(\d+)\] terminated with signal (\d+).*",
            lambda found: f"pcmk_child_exit: Child process {_process(found)} terminated with signal {found[3]} (pid={found[2]}, core=0)",
        ),
        (
            r"^(?P<process>\S+)\[(\d+)\] exited with status (\d+) \((.*)\)$",
            lambda found: f"pcmk_child_exit: Child process {_process(found)} ({found[2]}) exited: {found[4]} ({found[3]})",
        ),
        *_OLD_NODES,
    ),
    "1.1.18": (
        (_RESULT, _numbered_result),
        (_UNEXPECTED, _unexpected),
        (r"^Actions: (Fence .*)", r" * \1"),
        (
            _PLAN,
            lambda found: (
                f" * {found['action']:<10} {found['resource']}     ( {_old_roles(' '.join(found['details'].split()))} ) {found['why']}"
            ),
        ),
        (r"^Leave +(.*)$", lambda found: f"Leave   {_old_roles(found[1])}"),
        (_ATTRIBUTE, _atomic),
        (
            _PEER,
            lambda found: (
                f"Peer {found['node']} was{found['negated'] or ''} terminated ({found['action']}) by {_nobody(found, '<anyone>')} "
                f"on behalf of {found['client']}: {_errno(found)}"
            ),
        ),
        (
            _FENCED,
            lambda found: (
                f"Operation {found['action']} of {found['node']} by {_nobody(found, '<no-one>')} for "
                f"{found['client']}@{found['origin']}.0a1b2c3d: {_errno(found)}"
            ),
        ),
        (
            r"^Requesting that (\S+) perform '(\w+)' action targeting (\S+).*",
            r"Requesting that '\1' perform op '\3 \2' for crmd.1 (60s)",
        ),
        (
            r"^(?P<process>\S+)\[(\d+)\] terminated with signal (\d+).*",
            lambda found: f"The {_process(found)} process ({found[2]}) terminated with signal {found[3]} (core=0)",
        ),
        (
            r"^(?P<process>\S+)\[(\d+)\] exited with status (\d+) \((.*)\)$",
            lambda found: f"The {_process(found)} process ({found[2]}) exited: {found[4]} ({found[3]})",
        ),
        *_OLD_NODES,
    ),
    "3.0": (
        (_RESULT, _newest_result),
        (
            _UNEXPECTED,
            lambda found: found[0].replace(f"got '{found['got']}'", f"got '{_NEW_RESULTS.get(found['got'], found['got'])}'"),
        ),
        (r"^Requesting fencing \((\w+)\) of node (\S+)", r"Requesting fencing (\1) targeting node \2"),
        (r"^Stonith/shutdown of", "Fencing/shutdown of"),
        (r"^Setting (\S+?)\[([^\]]+)\]: ", r"Setting \1[\2] in instance_attributes: "),
        (r"^Respawning (\S+) subdaemon after unexpected exit", r"Respawning subdaemon \1 after unexpected exit"),
        (r"^Operation ('\w+' targeting .*): OK \(complete\)", r"Operation \1: OK (Done)"),
    ),
}
RELEASES: Mapping[str, Sequence[tuple[re.Pattern[str], Say | str | None]]] = {
    release: [(re.compile(pattern), say) for pattern, say in sentences] for release, sentences in _SENTENCES.items()
}


def reworded(log: str, release: str) -> Iterator[str]:
    """The lines of an ha-log, as the release would have written them."""
    old = release.startswith("1.")
    for line in log.splitlines():
        found = _LINE.match(line)
        if found is None:
            yield line
            continue
        text = _sentence(found["text"].replace("#011", "\t"), release)
        if text is None:
            continue
        if text.startswith("@"):
            _, node, text = text.split("@", 2)
            if node != found["host"]:
                continue
        daemon = _OLD_NAMES.get(found["daemon"], found["daemon"]) if old else found["daemon"]
        level = f"{found['level']:>7}" if old else f" {found['level']}"
        written = text.replace("\t", "#011")
        yield f"{found['date']} {found['host']} {daemon}[{found['pid']}]: {level}: {written} "


def _sentence(text: str, release: str) -> str | None:
    for pattern, say in RELEASES[release]:
        if (found := pattern.search(text)) is not None:
            if say is None:
                return None
            return pattern.sub(say, text) if isinstance(say, str) else say(found)
    return text
