"""The nodes' own rsyslog sends their logs to hamon, as the README says, and hamon tails nothing."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hamon.data import folder
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.configuration import MONITOR, address, rsyslog_conf
from tests.gateway.harness import CLUSTER

PORT = 5514
SPOOL = "/run/node/spool"
"""On the disk of the node; its /var/spool is that of this machine."""


def rsyslog_of_the_readme(transport: str) -> str:
    """What the README puts into /etc/rsyslog.d/hamon.conf, for this cluster: its monitor host, its corosync.log, tcp or udp."""
    readme = (folder("tests").parent / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```\n(global\(workDirectory=.*?)```", readme, re.DOTALL)
    assert found is not None
    text = found[1]
    changes = {
        'target="hamon.example.com"': f'target="{MONITOR}"',
        'port="5514"': f'port="{PORT}"',
        "/var/log/cluster/corosync.log": "/var/log/corosync/corosync.log",
        "/var/spool/rsyslog": SPOOL,
        # What other tests did to the cluster is no matter of this one.
        'PersistStateInterval="1"': 'PersistStateInterval="1" freshStartTail="on"',
    }
    if transport == "udp":
        changes['protocol="tcp" tcp_framing="octet-counted"'] = 'protocol="udp"'
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def collector(nodes: Sequence[str], transport: str) -> dict[str, dict[str, object]]:
    """The tables of hamon's configuration, by their name with __ for the dots."""
    return {
        "collect__syslog__nodes": {"listen": [f"{transport}:{MONITOR}:{PORT}"]},
        "collect__syslog__nodes__source__web": {
            "cluster": CLUSTER,
            "addresses": [address(0, number) for number, _ in enumerate(nodes)],
            "nodes": list(nodes),
        },
    }


@contextmanager
def sending(cluster: Cluster, transport: str) -> Iterator[None]:
    """Every node sends meanwhile, also after it was booted again: what its logs hold since it first sent."""
    try:
        for node in cluster.nodes:
            _restart(cluster, node, rsyslog_conf() + rsyslog_of_the_readme(transport))
        yield
    finally:
        for node in cluster.nodes:
            _restart(cluster, node, rsyslog_conf())


def _restart(cluster: Cluster, node: str, configuration: str) -> None:
    (cluster.disk(node) / "etc/rsyslog.conf").write_text(configuration)
    (cluster.disk(node) / "node/spool").mkdir(exist_ok=True)
    if cluster.is_on(node):
        cluster.on(node, "pkill", "-TERM", "-x", "rsyslogd", check=False)
        wait_for("rsyslogd has ended", lambda: not cluster.on(node, "pgrep", "-x", "rsyslogd", check=False), 30, pause=0.1)
        cluster.on(node, "rsyslogd", "-f", "/etc/rsyslog.conf", "-i", "/run/rsyslogd.pid")
