"""Debian's ha_cluster_exporter and hamon over the same commands: the same series and values wherever the exporter is right.

Each difference is in `REASONS`, and each reason is met: a list that grows old fails.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hamon.expose import ha_cluster
from hamon.expose.ha_cluster import RoleNames
from tests import snapshots
from tests.cib import SCENARIOS
from tests.ha_cluster_exporter import TOOLS, Difference, Exporter, Outputs, differences, exposition, heads, polled, running, series, theirs
from tests.peers import need

CORPUS = Path(__file__).parents[1] / "corpus"
KEPT = CORPUS / "crm_mon" / "pacemaker-2.1.5"
MADE = TOOLS / "made"
COROSYNC = TOOLS / "corosync-3.1.7"

P, C = "ha_cluster_pacemaker_", "ha_cluster_corosync_"
RINGS_2 = (MADE / "corosync2-rings.txt").read_bytes().replace(b"\t", b"        ")
"""Corosync 2, but with spaces where it prints tabs: as the exporter can read it."""
DUMP = (TOOLS / "sbd-1.5.2" / "dump.txt").read_bytes()
DUMP_1 = DUMP.replace(b"/dev/loop0", b"/dev/loop1").replace(b"(msgwait) : 10", b"(msgwait) : 20")
DRBD = (MADE / "drbd-connected.json").read_bytes()
DRBD_VALID = re.sub(rb": (?:-nan|inf)\b", b": 0", DRBD)


def web(**more: object) -> Outputs:
    outputs = Outputs(
        crm_mon=(KEPT / "one_plus_one.xml").read_bytes(), cib=str(SCENARIOS["one_plus_one"]()).encode(), cfgtool=RINGS_2, drbd=DRBD_VALID
    )
    return replace(outputs, **more)  # type: ignore[arg-type]  # names as in Outputs


def crm_mon(pattern: bytes, by: bytes) -> bytes:
    """That of 1+1, changed as said."""
    changed, times = re.subn(pattern, by, (KEPT / "one_plus_one.xml").read_bytes())
    assert times
    return changed


def two_without_node() -> bytes:
    """Two instances of an anonymous clone that run on one node (clone-node-max=2)."""
    instance = (
        b'<resource id="w" resource_agent="ocf:pacemaker:Dummy" role="Started" active="true" orphaned="false" blocked="false"'
        b' managed="true" failed="FAILED" failure_ignored="false" nodes_running_on="1"><node name="n1" id="1" cached="true"/></resource>'
    )
    both = instance.replace(b"FAILED", b"false") + instance.replace(b"FAILED", b"true")
    clone = b'<clone id="cln" multi_state="false" unique="false" managed="true" disabled="false" failed="false" failure_ignored="false">'
    return crm_mon(b"<resources>", b"<resources>" + clone + both + b"</clone>")


CASES: Mapping[str, Callable[[], Outputs]] = {
    **{
        f"crm_mon {name}": lambda name=name: web(  # type: ignore[misc]  # mypy takes the default for an argument
            crm_mon=(KEPT / f"{name}.xml").read_bytes(), cib=str(SCENARIOS[name]()).encode()
        )
        for name in sorted(path.stem for path in KEPT.glob("*.xml"))
    },
    **{
        f"recording {name}": lambda name=name: web(crm_mon=list(snapshots.answers(name).values())[-1])  # type: ignore[misc]
        for name in snapshots.NAMES
    },
    **{
        f"corosync {name}": lambda name=name: web(  # type: ignore[misc]
            cfgtool=(COROSYNC / f"{name}.cfgtool.txt").read_bytes(),
            quorumtool=(COROSYNC / f"{name}.quorumtool-parsable.txt").read_bytes(),
        )
        for name in ("ok", "link_cut", "crash3", "noquorum")
    },
    "corosync without -p": lambda: web(quorumtool=(COROSYNC / "ok.quorumtool.txt").read_bytes()),
    "corosync 2": lambda: web(cfgtool=(MADE / "corosync2-rings.txt").read_bytes()),
    "corosync 3.0": lambda: web(cfgtool=(MADE / "corosync30-links.txt").read_bytes()),
    "corosync udpu": lambda: web(cfgtool=(MADE / "corosync3-udpu.txt").read_bytes()),
    "qdevice": lambda: web(quorumtool=(COROSYNC / "qdevice_votes.quorumtool-parsable.txt").read_bytes()),
    "qdevice without vote": lambda: web(quorumtool=(COROSYNC / "qdevice_no_vote.quorumtool.txt").read_bytes()),
    "qdevice beside long names": lambda: web(quorumtool=(MADE / "qdevice-votes.txt").read_bytes()),
    "corosync down": lambda: web(cfgtool=None, quorumtool=None),
    "sbd unreadable": lambda: web(sbd={}),
    "sbd of two devices": lambda: web(sbd_config=b'SBD_DEVICE="/dev/loop0;/dev/loop1"\n', sbd={"/dev/loop0": DUMP, "/dev/loop1": DUMP_1}),
    "sbd with one of two devices": lambda: web(sbd_config=b'SBD_DEVICE="/dev/loop0;/dev/loop1"\n'),
    "sbd without devices": lambda: web(sbd_config=b"SBD_WATCHDOG_DEV=/dev/watchdog\n"),
    "sbd configured twice": lambda: web(sbd_config=b"SBD_DEVICE=/dev/loop9\nSBD_DEVICE=/dev/loop0 # the last counts\n"),
    "drbd": lambda: web(drbd=DRBD_VALID),
    "drbd at the begin of a resync": lambda: web(drbd=DRBD),
    "drbd split brain": lambda: web(marks=("drbd-split-brain-detected-split-r1-1",)),
    "drbd split brain without device": lambda: web(marks=("drbd-split-brain-detected-gone-0",)),
    "drbd fails": lambda: web(drbd=None),
    "cibadmin fails": lambda: web(cib=None),
    "crm_mon fails": lambda: web(crm_mon=None),
    "crm_mon of 3.0": lambda: web(crm_mon=crm_mon(rb'<last_change time="[^"]*"', b'<last_change time="2026-11-22 10:52:24 +09:00"')),
    "nodes in Tokyo": lambda: web(timezone="Asia/Tokyo"),
    "no connection": lambda: web(
        crm_mon=b'<pacemaker-result api-version="2.25"><status code="102" message="Not connected"/></pacemaker-result>'
    ),
    "two instances on one node": lambda: web(crm_mon=two_without_node()),
    "fail count in words": lambda: web(
        crm_mon=crm_mon(rb'(<resource_history id="web" orphan="false" migration-threshold="\d+")', rb'\1 fail-count="INFINITY"')
    ),
    "an attribute with a secret": lambda: web(
        crm_mon=crm_mon(rb"<node_attributes>", b'<node_attributes><node name="n9"><attribute name="api_token" value="S3CRET"/></node>')
    ),
    "constraints": lambda: web(
        cib=b'<cib><configuration><constraints><rsc_location id="a" rsc="db" node="n1" score="+INFINITY"/>'
        b'<rsc_location id="b" rsc="db" node="n2" score="-infinity" role="Master"/>'
        b'<rsc_location id="c" rsc="db" node="n2" score="-1000000"/></constraints></configuration></cib>'
    ),
}


def _only_us(found: Difference) -> bool:
    return found.them is None and found.us is not None


REASONS: Mapping[str, tuple[str, Callable[[Difference], bool]]] = {
    "later metric": (".*", lambda found: found.name in ha_cluster.LATER and _only_us(found)),
    # The exporter knows rings, and links only with spaces and the word `Link`.
    "links of Corosync 3, rings of Corosync 2 with its tabs": (
        r"corosync (?:ok|link_cut|crash3|noquorum|2|3\.0|udpu|without -p)",
        lambda found: found.name == f"{C}rings" and _only_us(found),
    ),
    "their faults": (
        r"corosync (?:link_cut|crash3|noquorum|2|3\.0)",
        lambda found: found.name == f"{C}ring_errors" and found.them == 0 and (found.us or 0) > 0,
    ),
    # Its pattern wants the column Qdevice; one line that it does not know fails the whole collector.
    "quorum without the column Qdevice": (
        "corosync without -p",
        lambda found: (found.name.startswith(C) and _only_us(found)) or _success(found, "corosync", 0, 1),
    ),
    "a name with spaces": ("qdevice beside long names", lambda found: found.name == f"{C}member_votes" and "node" in found.labels["node"]),
    "groups inside clones": (
        "crm_mon (?:cloned_group|promotable_group)",
        lambda found: found.name == f"{P}resources" and bool(found.labels["group"] and found.labels["clone"]) and _only_us(found),
    ),
    "bundles": (
        "crm_mon .*bundles?",
        lambda found: found.name == f"{P}resources" and found.labels["clone"] in ("httpd", "pg") and _only_us(found),
    ),
    "the other node of a resource that runs on two": (
        "crm_mon multiple_active",
        lambda found: found.name == f"{P}resources" and found.labels["resource"] == "db" and _only_us(found),
    ),
    # time.ANSIC has no zone and no other form; then the collector counts as failed.
    "the zone of a time": ("nodes in Tokyo", lambda found: found.name == f"{P}config_last_change" and found.them - found.us == 9 * 3600),  # type: ignore[operator]
    "times of Pacemaker 3": (
        "crm_mon of 3.0",
        lambda found: (found.name == f"{P}config_last_change" and _only_us(found)) or _success(found, "pacemaker", 0, 1),
    ),
    # Its numbers are numbers; one that is not fails the whole collector.
    "fail counts in words": (
        "fail count in words",
        lambda found: (found.name.startswith(P) and _only_us(found)) or _success(found, "pacemaker", 0, 1),
    ),
    "infinity in all its spellings": (
        "constraints",
        lambda found: found.name == f"{P}location_constraints" and found.us in (float("inf"), float("-inf")),
    ),
    "roles of constraints in today's words": (
        "constraints|crm_mon promoted_ban",
        lambda found: found.name == f"{P}location_constraints" and found.labels["role"] in ("master", "promoted"),
    ),
    # drbdsetup prints nan and inf where it divides by zero; the JSON of the exporter does not know them.
    "drbdsetup's own numbers": (
        "drbd at the begin of a resync",
        lambda found: (found.name.startswith("ha_cluster_drbd_") and _only_us(found)) or _success(found, "drbd", 0, 1),
    ),
    # The mark says split-r1-1: resource split-r1, volume 1.
    "a mark of a split brain whose resource is not up is nothing that DRBD tells of": (
        "drbd split brain without device",
        lambda found: found.name == "ha_cluster_drbd_split_brain" and found.us is None,
    ),
    "one tool that fails does not take the answers of another": (
        "cibadmin fails",
        lambda found: found.name.startswith(P) and _only_us(found),
    ),
    # Later lines win in a file of the shell.
    "the configuration of SBD as its shell reads it": (
        "sbd configured twice",
        lambda found: found.name.startswith("ha_cluster_sbd_"),
    ),
    "secrets are hidden": (
        "an attribute with a secret",
        lambda found: found.name == f"{P}node_attributes" and found.labels["value"] in ("S3CRET", "(hidden)"),
    ),
    # The exporter then shows nothing, which no rule notices.
    "what is not known is shown as unhealthy": (
        "crm_mon fails|no connection|corosync down",
        lambda found: _only_us(found) and (found.us == 0 or found.us != found.us),
    ),
    # hamon asks a cluster through crm_mon; the tools beside it wait until that answers.
    "no part of a cluster is known that does not answer": (
        "crm_mon fails|no connection",
        lambda found: found.us is None or _success(found, "sbd|drbd|corosync", 1, 0) or found.name == f"{C}quorate",
    ),
}
"""Why -> in which cases (a pattern) it is met, and which differences it explains."""


def _success(found: Difference, collectors: str, them: float, us: float) -> bool:
    return (
        found.name == "ha_cluster_scrape_success"
        and re.fullmatch(collectors, found.labels["collector"]) is not None
        and (found.them, found.us) == (them, us)
    )


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("exporter")) as found:
        yield found


REFUSED = {"two instances on one node"}
"""Two samples of one series: the exporter answers the whole scrape with an error. hamon shows what one of them has."""


@pytest.mark.parametrize("case", CASES)
def test_the_same_series_and_values_wherever_the_exporter_is_right(case: str, exporter: Exporter) -> None:
    outputs = CASES[case]()
    exporter.prepare(outputs)
    answer = exporter.scrape()
    assert (answer.status_code != 200) == (case in REFUSED), answer.text[:500]
    us = series(polled(outputs))
    if answer.status_code != 200:
        assert "was collected before with the same name and label values" in answer.text
        failed = [value for (name, labels), value in us.items() if ("status", "failed") in labels and ("clone", "cln") in labels]
        assert failed == [1]
        return
    explained = [explains for cases, explains in REASONS.values() if re.fullmatch(cases, case)]
    assert [found for found in differences(theirs(answer.text), us) if not any(explains(found) for explains in explained)] == []


def test_every_reason_is_met(exporter: Exporter) -> None:
    met: set[str] = set()
    for case, make in CASES.items():
        patterns = {reason for reason, (cases, _) in REASONS.items() if re.fullmatch(cases, case)}
        if patterns <= met or case in REFUSED:
            continue
        outputs = make()
        exporter.prepare(outputs)
        for found in differences(theirs(exporter.scrape().text), series(polled(outputs))):
            met |= {reason for reason in patterns if REASONS[reason][1](found)}
    assert met == set(REASONS)


def test_names_types_and_help_are_those_of_the_exporter(exporter: Exporter) -> None:
    outputs = web(marks=("drbd-split-brain-detected-r0-0",))
    exporter.prepare(outputs)
    them, us = heads(exporter.scrape().text), heads(exposition(polled(outputs)))
    assert {name: head for name, head in us.items() if name not in ha_cluster.LATER} == {
        name: head for name, head in them.items() if "exporter" not in name
    }
    assert set(us) == {one.name for one in (*ha_cluster.FAMILIES, *ha_cluster.SCRAPE)}


def test_the_labels_are_as_described() -> None:
    described = {one.name: set(one.labels) for one in (*ha_cluster.FAMILIES, *ha_cluster.SCRAPE)}
    for name, labels in series(polled(web(marks=("drbd-split-brain-detected-r0-0",)))):
        assert {label for label, _ in labels} == described[name], name


def test_promtool_complains_of_nothing_that_it_does_not_complain_of_in_the_exporter(exporter: Exporter) -> None:
    promtool = need("promtool")
    outputs = web(marks=("drbd-split-brain-detected-r0-0",))
    exporter.prepare(outputs)

    def complaints(text: str) -> set[str]:
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode in (0, 3), done.stderr
        return {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ha_cluster_")}

    found = complaints(exposition(polled(outputs)))
    assert found <= complaints(exporter.scrape().text)
    assert all(line.endswith(" suffix") for line in found), "only that names end as they do"


@pytest.mark.parametrize(
    ("roles", "words"), [(RoleNames.NEW, {"promoted", "unpromoted"}), (RoleNames.OLD, {"master", "slave"})], ids=["new", "old"]
)
def test_roles_are_told_in_the_words_that_are_wanted(roles: RoleNames, words: set[str]) -> None:
    known = polled(web(crm_mon=(KEPT / "promotable.xml").read_bytes()))
    found = {dict(labels)["role"] for name, labels in series(known, roles) if name == f"{P}resources"}
    assert words <= found
    assert found - words <= {"started", "stopped"}


def test_a_cluster_that_cannot_be_asked_keeps_its_series_and_shows_no_health() -> None:
    known = polled(web(marks=("drbd-split-brain-detected-r0-0",)))
    assert known.snapshot is not None
    lost = replace(known, unknown_since=known.snapshot.received_at, reason="the command took too long")
    before, after = series(known), series(lost)
    states = {f"{P}nodes", f"{P}resources", f"{P}stonith_enabled", f"{C}quorate", f"{C}rings", "ha_cluster_scrape_success"}
    for name in states:
        assert {key for key in before if key[0] == name} == {key for key in after if key[0] == name}
    assert all(value == 0 for (name, _), value in after.items() if name in states)
    assert after[f"{C}ring_errors", frozenset()] == 2
    assert {dict(labels)["status"] for name, labels in after if name == "ha_cluster_sbd_devices"} == {"unhealthy"}
    numbers = [value for (name, _), value in after.items() if name in (f"{P}fail_count", f"{C}member_votes", f"{P}config_last_change")]
    assert numbers
    assert all(value != value for value in numbers), "NaN"
    assert not [name for name, _ in after if name == f"{P}node_attributes"], "their labels would tell of a state that nobody vouches for"
