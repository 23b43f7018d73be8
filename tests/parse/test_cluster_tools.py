"""What the tools beside `crm_mon` print: Corosync, SBD, DRBD, the CIB. Where the output comes from stands in `tests/corpus/tools`."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.model.cluster import Constraint
from hamon.parse import cibadmin, corosync, drbd, sbd

TOOLS = Path(__file__).parents[1] / "corpus" / "tools"
NAMES = {"1": "n1", "2": "n2", "3": "n3"}


def read(name: str) -> bytes:
    return (TOOLS / name).read_bytes()


# --- Corosync


@pytest.mark.parametrize(
    ("name", "quorate", "total", "local", "present", "flags"),
    [
        ("ok", True, 3, "2", ["n1", "n2", "n3"], ("Quorate",)),
        ("crash3", True, 2, "1", ["n1", "n2"], ("Quorate",)),
        ("noquorum", False, 1, "1", ["n1"], ()),
    ],
)
@pytest.mark.parametrize("form", ["quorumtool", "quorumtool-parsable"])
def test_quorum_as_corosync_3_prints_it(
    name: str, quorate: bool, total: int, local: str, present: list[str], flags: tuple[str, ...], form: str
) -> None:
    status = corosync.read_quorum(read(f"corosync-3.1.7/{name}.{form}.txt"))
    assert (status.quorate, status.total_votes, status.expected_votes, status.highest_expected, status.quorum) == (quorate, total, 3, 3, 2)
    assert (status.node_id, status.provider, status.flags, status.qdevice_name) == (local, "corosync_votequorum", flags, "")
    assert [node.name for node in status.nodes] == present
    assert [node.node_id for node in status.nodes if node.is_local] == [local]
    assert {(node.votes, node.qdevice) for node in status.nodes} == {(1, "NR" if "parsable" in form else "")}


def test_the_rows_of_a_quorum_device() -> None:
    status = corosync.read_quorum(read("made/qdevice-votes.txt"))
    assert (status.ring_id, status.flags, status.qdevice_name, status.qdevice_votes) == ("1/52", ("Quorate", "Qdevice"), "Qdevice", 1)
    assert [(node.name, node.qdevice, node.is_local) for node in status.nodes] == [
        ("node 1 of 2", "A,V,NMW", True),
        ("pm02.example.com", "NA,NV,NMW", False),
    ]
    for form in ("quorumtool", "quorumtool-parsable"):
        status = corosync.read_quorum(read(f"corosync-3.1.7/qdevice_votes.{form}.txt"))
        assert (status.qdevice_name, status.qdevice_votes, status.total_votes, status.quorate) == ("Qdevice", 1, 3, True)
        assert [(node.name, node.qdevice) for node in status.nodes] == [("n1", "A,V,NMW"), ("n2", "A,V,NMW")]


def test_a_quorum_device_whose_server_is_gone_casts_no_vote() -> None:
    status = corosync.read_quorum(read("corosync-3.1.7/qdevice_no_vote.quorumtool.txt"))
    assert (status.qdevice_name, status.qdevice_votes, status.total_votes, status.expected_votes) == ("Qdevice", 0, 2, 3)
    assert [node.qdevice for node in status.nodes] == ["A,NV,NMW", "A,NV,NMW"]


def test_without_votequorum_there_are_no_votes() -> None:
    text = "Node ID:          1\nRing ID:          8\nQuorate:          Yes\n\nMembership information\n    Nodeid Name\n         1 n1\n"
    status = corosync.read_quorum(text.encode())
    assert (status.quorate, status.total_votes, status.ring_id) == (True, None, "8")
    assert [(node.name, node.votes) for node in status.nodes] == [("n1", None)]


def test_links_to_each_peer_with_one_interconnect_cut() -> None:
    links = corosync.read_links(read("corosync-3.1.7/link_cut.cfgtool.txt"), names=NAMES)
    assert [(link.link, link.peer, link.connected, link.is_local) for link in links] == [
        ("0", "n1", True, True),
        ("0", "n2", False, False),
        ("0", "n3", False, False),
        ("1", "n1", True, True),
        ("1", "n2", True, False),
        ("1", "n3", True, False),
    ]
    assert {link.address for link in links} == {"192.168.101.101", "192.168.102.101"}
    assert all(link.enabled for link in links)


@pytest.mark.parametrize("name", ["ok", "crash3", "noquorum", "link_cut"])
def test_all_forms_of_the_link_status_agree(name: str) -> None:
    def seen(form: str) -> dict[tuple[str, str | None], bool]:
        links = corosync.read_links(read(f"corosync-3.1.7/{name}.{form}.txt"), names=NAMES)
        return {(link.link, link.peer): link.connected for link in links if not link.is_local}

    assert seen("cfgtool-brief") == seen("cfgtool")
    by_node = seen("cfgtool-by-node")
    assert by_node == {key: up for key, up in seen("cfgtool").items() if key in by_node}
    assert all(not up for key, up in seen("cfgtool").items() if key not in by_node)  # who is left out cannot be reached


def test_rings_of_corosync_2() -> None:
    first, second = corosync.read_links(read("made/corosync2-rings.txt"))
    assert (first.link, first.address, first.peer, first.connected, first.text) == (
        "0",
        "192.168.101.101",
        None,
        True,
        "ring 0 active with no faults",
    )
    assert (second.link, second.connected) == ("1", False)
    assert "FAULTY" in second.text


def test_links_of_corosync_3_0_and_without_knet() -> None:
    links = corosync.read_links(read("made/corosync30-links.txt"))
    assert [(link.link, link.peer, link.enabled, link.connected, link.is_local) for link in links] == [
        ("0", "1", True, True, True),
        ("0", "2", True, True, False),
        ("1", "1", True, True, True),
        ("1", "2", True, False, False),
    ]
    (link,) = corosync.read_links(read("made/corosync3-udpu.txt"))
    assert (link.peer, link.connected, link.text) == (None, True, "OK")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "no data: the command printed nothing"),
        (b"Cannot initialize CMAP service\n", "not connected: Cannot initialize CMAP service"),
        (b"Could not initialize corosync configuration API error 2\n", "not connected: Could not initialize corosync"),
        (b"sudo: a password is required\n", "no data: sudo: a password is required"),
    ],
)
def test_corosync_that_does_not_answer(said: bytes, reason: str) -> None:
    for reading in (corosync.read_quorum, corosync.read_links):
        with pytest.raises(ParseError) as caught:
            reading(said)
        assert str(caught.value).startswith(reason)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for reading in (corosync.read_quorum, corosync.read_links, sbd.read_devices, sbd.read_dump, drbd.read_status, cibadmin.read_cib):
        try:
            reading(data)
        except ParseError:
            continue


# --- SBD


def test_an_sbd_device_and_what_waits_on_it() -> None:
    (device,) = sbd.read_dump(read("sbd-1.5.2/dump.txt"), slots={"/dev/loop0": read("sbd-1.5.2/list.txt")})
    assert (device.path, device.status, device.version, device.reason) == ("/dev/loop0", "healthy", "2.1", "")
    assert dict(device.timeouts) == {"watchdog": 5, "allocate": 2, "loop": 1, "msgwait": 10}
    assert device.slots == (("pm01", "reset"), ("pm02", "test"))


def test_an_sbd_device_that_cannot_be_read_is_unhealthy() -> None:
    both = read("sbd-1.5.2/dump.txt") + b"==Dumping header on disk /dev/nothing\n== disk /dev/nothing unreadable!\n"
    both += b"==Header on disk /dev/nothing NOT dumped\nsbd failed; please check the logs.\n"
    found = {item.path: item for item in sbd.read_dump(both, devices=("/dev/loop0", "/dev/third"))}
    assert {path: item.status for path, item in found.items()} == {
        "/dev/loop0": "healthy",
        "/dev/third": "unhealthy",
        "/dev/nothing": "unhealthy",
    }
    assert found["/dev/nothing"].reason == "disk /dev/nothing unreadable!"
    (cut,) = sbd.read_dump(read("sbd-1.5.2/dump.txt")[:120])
    assert (cut.status, cut.reason) == ("unhealthy", "its header was not dumped")


def test_the_devices_that_the_configuration_names() -> None:
    assert sbd.read_devices(read("sbd-1.5.2/sysconfig.txt")) == ()
    assert sbd.read_devices(b'#SBD_DEVICE="/dev/x"\nSBD_DEVICE="/dev/a"\nexport SBD_DEVICE="/dev/b; /dev/c;"  # two\n') == (
        "/dev/b",
        "/dev/c",
    )
    with pytest.raises(ParseError, match=r"^line 2: "):
        sbd.read_devices(b'A=1\nSBD_DEVICE="/dev/a\n')


# --- DRBD


def test_drbd_resources_with_peers_and_volumes() -> None:
    syncing, split = drbd.read_status(
        read("made/drbd-connected.json"), marks=["/var/run/drbd/splitbrain/drbd-split-brain-detected-split-r1-1", "other"]
    )
    (volume,) = syncing.volumes
    assert (syncing.name, syncing.role, syncing.suspended, syncing.split_brain) == ("r0", "Primary", False, False)
    assert (volume.disk_state, volume.quorum, volume.written, volume.read, volume.upper_pending) == ("UpToDate", True, 52736, 1208, 1)
    (peer,) = syncing.peers
    assert (peer.name, peer.node_id, peer.connection, peer.role) == ("pm02", 1, "Connected", "Secondary")
    assert (peer.volumes[0].disk_state, peer.percent_in_sync) == ("Inconsistent", ((0, 50.0),))
    assert (peer.volumes[0].replication, peer.volumes[0].sent, peer.volumes[0].out_of_sync) == ("SyncSource", 43008, 524288)
    assert (split.split_brain, split.suspended, split.peers[0].connection) == (True, True, "StandAlone")
    assert [(item.number, item.split_brain, item.quorum) for item in split.volumes] == [(0, False, False), (1, True, False)]


def test_drbd_without_resources_and_without_its_module() -> None:
    assert drbd.read_status(b"[]\n") == drbd.read_status(b"") == ()
    with pytest.raises(ParseError, match=r"^not JSON: sh: 1: /sbin/modprobe: not found"):
        drbd.read_status(b"sh: 1: /sbin/modprobe: not found\nFailed to modprobe drbd (No such file or directory)\n")
    with pytest.raises(ParseError, match="a list of resources is expected"):
        drbd.read_status(b'{"name": "r0"}')
    with pytest.raises(ParseError, match=r"^not JSON"):
        drbd.read_status(b"[" * 100_000)


# --- the CIB


def test_the_cib_of_a_real_cluster() -> None:
    cib = cibadmin.read_cib(read("pacemaker-2.1.5/cib.xml"))
    assert (cib.admin_epoch, cib.epoch, cib.num_updates) == (0, 3, 120)
    assert cib.written_at == datetime(2026, 11, 25, 13, 32, 33, tzinfo=UTC)
    assert dict(cib.options)["no-quorum-policy"] == "stop"
    assert cib.alerts[0] == ("/var/lib/pacemaker/alert_snmp.sh", "192.168.100.200")
    by_id = {item.id: item for item in cib.constraints}
    assert by_id["loc-grpPg-ping"].rules == ("rule-ping score=-INFINITY: default_ping_set not_defined or default_ping_set lt 100",)
    assert by_id["loc-msPrmStateful"].rules == ("rule-ms score=100 role=Promoted: #uname eq n1",)
    assert by_id["col-ping"] == Constraint(
        id="col-ping", kind="colocation", attributes=(("rsc", "grpPg"), ("with-rsc", "clnPrmPing"), ("score", "INFINITY"))
    )


def test_constraints_in_all_their_forms() -> None:
    cib = cibadmin.read_cib(read("pacemaker-2.1.5/cib-with-secrets.xml"))
    by_id = {item.id: item for item in cib.constraints}
    assert by_id["A-net"].rules == ("A-net-r score=-INFINITY: pingd not_defined or (pingd lt 100 and site_token eq (hidden))",)
    assert by_id["B-night"].rules == ("B-night-r score=-INFINITY: date date_spec hours=0-5",)
    assert dict(by_id["B-with-A"].attributes)["with-rsc-role"] == "Promoted"
    assert by_id["sets"].attributes == (("score", "INFINITY"), ("set", "sequential=false role=Unpromoted B C"))
    assert by_id["C-ticket"].kind == "ticket"
    options = dict(cib.options)
    assert options["stonith-enabled"] == "true"  # of the bootstrap options, though they stand second
    assert "maintenance-mode" not in options  # it depends on a rule
    assert cibadmin.read_cib(read("pacemaker-2.1.5/cib-constraints.xml")).constraints == cib.constraints


def test_no_secret_leaves_the_reading_of_a_cib() -> None:
    data = read("pacemaker-2.1.5/cib-with-secrets.xml")
    assert data.count(b"S3CRET") > 8
    assert "S3CRET" not in repr(cibadmin.read_cib(data))
    assert cibadmin.read_cib(data).alerts == (
        ("/usr/local/bin/hook.sh", "https://hooks.example.com/…"),
        ("/usr/local/bin/hook.sh", "(hidden)@192.0.2.7"),
        ("/usr/local/bin/hook.sh", "community=(hidden)"),
        ("/usr/local/bin/bare.sh", ""),
    )
    for broken in (data[:-200], data.replace(b"<cib", b"<bic").replace(b"\n", b""), data.replace(b"</configuration>", b"")):
        with pytest.raises(ParseError) as caught:
            cibadmin.read_cib(broken)
        assert "S3CRET" not in f"{caught.value} {caught.value.raw!r}"
