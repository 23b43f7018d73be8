"""A real Pacemaker and Corosync cluster: nodes, a switch and a monitor host, each in a network namespace of its own.

Every node also has its own mount, host name, IPC and pid namespace. Its disk is a folder, which outlives a power loss, so its logs can be
read while it is off. All calls block; they may come from any thread, but the cluster is made by the main thread.
"""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tests.cluster.configuration import (
    GATEWAY,
    GROUPS,
    MONITOR,
    PING,
    PROMOTABLE,
    REPLICA,
    Pattern,
    Settings,
    address,
    cib,
    corosync_conf,
    places,
    rsyslog_conf,
)
from tests.cluster.namespaces import CommandError, Keeper, kill, moving_beside, run, send
from tests.cluster.power import Mood, PowerSwitch
from tests.peers import found

HERE = Path(__file__).parent
MIBS = HERE.parent / "mibs"
PROGRAMS = ("pacemakerd", "corosync", "crm_mon", "snmptrap", "rsyslogd", "ip", "iptables", "nsenter", "unshare", "setpriv")
FAKETIME = "/usr/lib/*-linux-gnu/faketime/libfaketime.so.1"
LINKS = {1: "eth1", 2: "eth2"}
LIMIT_OF_COMMAND, LIMIT_OF_POWER = 60.0, 20.0
"""Seconds."""
CRM_MON = ("crm_mon", "-1", "-r", "-A", "-f", "--output-as=xml")


def not_here() -> str | None:
    """Why a cluster cannot be made here; None: it can."""
    if os.geteuid() != 0:
        return "Only root can make the namespaces of a cluster."
    if lacking := [program for program in PROGRAMS if found(program) is None]:
        return f"Not installed: {', '.join(lacking)}. `sh tests/install-peers` installs them on Debian."
    return None


class NotReached(AssertionError):
    """What was waited for did not come in time."""


class Cluster:
    """`folder` holds everything of it. Use as a context manager: it is up inside, and gone afterwards."""

    def __init__(self, folder: Path, nodes: Sequence[str] = ("pm01", "pm02"), settings: Settings | None = None) -> None:
        self.folder, self.nodes, self.settings = folder, tuple(nodes), settings or Settings()
        self.services: Mapping[str, Sequence[str]] = {name: members for name, (_, members) in GROUPS[self.settings.pattern].items()}
        if self.settings.with_replica:
            self.services = {**self.services, REPLICA: (PROMOTABLE,)}
        self.late: dict[str, int] = {}
        """By node the seconds by which the stamps of its syslog are late, from its next boot on."""
        self._node: dict[str, subprocess.Popen[bytes]] = {}
        self._pid: dict[str, int] = {}
        self._is_cut = False
        self._lock = threading.RLock()

    # -- up and down

    def __enter__(self) -> Self:
        self._keeper = Keeper()
        try:
            (self.folder / "power").mkdir(parents=True)
            self._write_enter()
            self._build_network()
            for node in self.nodes:
                self._make_disk(node)
            self.power = PowerSwitch(
                self.folder / "power", self.nodes, off=self.crash, on=lambda node: self.boot(node, with_cluster=False), is_on=self.is_on
            )
            for node in self.nodes:
                self.boot(node)
        except BaseException:
            self._keeper.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.power.close()
        self._keeper.end()

    def _build_network(self) -> None:
        self._switch, self.monitor = self._keeper.network(), self._keeper.network()
        self._network = {node: self._keeper.network() for node in self.nodes}
        for link in range(3):
            self._ip(self._switch, f"link add br{link} type bridge forward_delay 0 stp_state 0 mcast_snooping 0")
            self._ip(self._switch, f"link set br{link} up")
        self._ip(self._switch, f"addr add {GATEWAY}/24 dev br0")
        hosts = [*((f"n{number}", self._network[node], 3) for number, node in enumerate(self.nodes)), ("mon", self.monitor, 1)]
        for name, network, links in hosts:
            pid = network.split("/")[2]
            for link in range(links):
                self._ip(self._switch, f"link add {name}-{link} type veth peer name eth{link} netns {pid}")
                self._ip(self._switch, f"link set {name}-{link} master br{link} up")
        self._ip(self.monitor, f"addr add {MONITOR}/24 dev eth0")
        self._ip(self.monitor, "link set eth0 up")

    @staticmethod
    def _inside(network: str, *command: str, check: bool = True) -> None:
        run("nsenter", f"--net={network}", *command, check=check)

    def _ip(self, network: str, words: str, check: bool = True) -> None:
        self._inside(network, "ip", *words.split(), check=check)

    def disk(self, node: str) -> Path:
        return self.folder / "nodes" / node

    def _make_disk(self, node: str) -> None:
        disk = self.disk(node)
        for name in ("log/pacemaker/bundles", "log/corosync", "log/cluster", "root", "sbin", "node/inject", "var/corosync", "var/snmp"):
            (disk / name).mkdir(parents=True)
        run("cp", "-a", "/etc", str(disk / "etc"))
        owner = pwd.getpwnam("hacluster").pw_uid, grp.getgrnam("haclient").gr_gid
        for name in ("cib", "cores", "pengine", "blackbox", "snmp"):
            (disk / "var/pacemaker" / name).mkdir(parents=True)
            (disk / "var/pacemaker" / name).chmod(0o750)
            os.chown(disk / "var/pacemaker" / name, *owner)
        for name in ("log/pacemaker", "log/pacemaker/bundles"):
            (disk / name).chmod(0o770)
            os.chown(disk / name, *owner)
        known = "".join(f"{address(0, number)} {name}\n" for number, name in enumerate(self.nodes))
        files = {
            "etc/hostname": f"{node}\n",
            "etc/hosts": f"127.0.0.1 localhost\n{known}{MONITOR} monitor\n",
            "etc/corosync/corosync.conf": corosync_conf(self.nodes, self.settings),
            "etc/default/pacemaker": "PCMK_logfile=/var/log/pacemaker/pacemaker.log\nPCMK_logfacility=local1\nPCMK_logpriority=info\n",
            "etc/rsyslog.conf": rsyslog_conf(),
            "etc/snmp/snmp.conf": "mibdirs /usr/share/snmp/mibs:/run/node/mibs\nmibs SNMPv2-MIB:HOST-RESOURCES-MIB:PACEMAKER-MIB\n",
            "var/pacemaker/cib/cib.xml": cib(self.nodes, self.settings),
        }
        for name, text in files.items():
            (disk / name).parent.mkdir(parents=True, exist_ok=True)
            (disk / name).write_text(text)
        (disk / "var/pacemaker/cib/cib.xml").chmod(0o600)
        os.chown(disk / "var/pacemaker/cib/cib.xml", *owner)
        shutil.copytree(MIBS, disk / "node/mibs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        shutil.copy(HERE / "node/init.sh", disk / "node/init.sh")
        shutil.copy(HERE / "node/fence_rack", disk / "sbin/fence_rack")
        agent = disk / "var/pacemaker/alert_snmp.sh"
        shutil.copy("/usr/share/pacemaker/alerts/alert_snmp.sh.sample", agent)
        agent.chmod(0o755)

    # -- power

    def is_on(self, node: str) -> bool:
        process = self._node.get(node)
        return process is not None and process.poll() is None

    def boot(self, node: str, *, with_cluster: bool = True) -> None:
        with self._lock:
            assert not self.is_on(node), f"{node} is on already"
            number, network, disk = self.nodes.index(node), self._network[node], self.disk(node)
            self._inside(network, "iptables", "-F")
            for link in range(3):
                self._ip(network, f"addr flush dev eth{link}")
                self._ip(network, f"addr add {address(link, number)}/24 dev eth{link}")
                self._ip(network, f"link set eth{link} up")
            booted = disk / "node/booted"
            booted.unlink(missing_ok=True)
            environ = {"NODE": node, "DISK": str(disk), "POWER": str(self.folder / "power"), "CLUSTER": str(int(with_cluster))}
            if node in self.late:
                (library,) = Path("/").glob(FAKETIME[1:])
                environ |= {"LATE": str(self.late[node]), "FAKETIME": str(library)}
            own = ("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--propagation", "private")
            command = [
                "nsenter",
                f"--net={network}",
                "unshare",
                *own,
                "/bin/bash",
                "-c",
                f"exec /bin/bash {disk}/node/init.sh >>{disk}/console.log 2>&1",
            ]
            process = self._keeper.start(command, **environ)

            def is_booted() -> bool:
                if process.poll() is not None:
                    raise CommandError(f"{node} did not boot:\n{(disk / 'console.log').read_text()[-2000:]}")
                return booted.exists() and self._keeper.first_of(process) is not None

            wait_for(f"{node} has booted", is_booted, seconds=60, pause=0.05)
            self._node[node] = process
            pid = self._keeper.first_of(process)
            assert pid is not None
            self._pid[node] = pid
            (disk / "pid").write_text(f"{pid} {os.readlink(f'/proc/{pid}/ns/pid')}\n")

    def crash(self, node: str) -> None:
        """Power loss: its network is dark, and every process of the node is killed."""
        with self._lock:
            for link in range(3):
                self._ip(self._network[node], f"link set eth{link} down", check=False)
            (self.disk(node) / "pid").unlink(missing_ok=True)
            process = self._node.pop(node, None)
            if process is not None:
                kill(self._pid.pop(node))
                process.wait(LIMIT_OF_POWER)

    def hang(self, node: str) -> None:
        """Stop every process of the node, as a kernel that stands still does: it answers nothing any more, and does not end either."""
        with self._lock:
            while moving := moving_beside(self._pid[node]):  # what was forked meanwhile is found by looking again
                for pid in moving:
                    send(pid, signal.SIGSTOP)

    # -- on a node

    def _write_enter(self) -> None:
        """A program that runs a command on a node: also what hamon is given to reach it, where an operator would use ssh."""
        script = self.folder / "on"
        script.write_text(
            "#!/bin/sh\n# on NODE COMMAND...: 255 where the node is off, as with ssh\n"
            f'read -r pid namespace 2>/dev/null <"{self.folder}/nodes/$1/pid" || {{ echo "$1 is off" >&2; exit 255; }}\n'
            '[ "$(readlink "/proc/$pid/ns/pid")" = "$namespace" ] || { echo "$1 is off" >&2; exit 255; }\n'
            "shift\n"
            'exec nsenter -t "$pid" --mount --uts --ipc --net --pid --wd=/ -- "$@"\n'
        )
        script.chmod(0o755)
        script = self.folder / "ask"
        script.write_text(f'#!/bin/sh\n[ ! -e "{self.folder}/hang" ] || exec sleep 300\nexec "{self.folder}/on" "$@"\n')
        script.chmod(0o755)

    def hang_questions(self, hang: bool) -> None:
        """Who asks a node over `asking_way_to` gets no answer, as over a network that swallows everything."""
        if hang:
            (self.folder / "hang").touch()
        else:
            (self.folder / "hang").unlink(missing_ok=True)

    def asking_way_to(self, node: str) -> list[str]:
        """The same for whoever only asks."""
        return [str(self.folder / "ask"), node]

    def way_to(self, node: str) -> list[str]:
        """The words before a command that runs it on the node."""
        return [str(self.folder / "on"), node]

    def on(self, node: str, *command: str, check: bool = True, seconds: float = LIMIT_OF_COMMAND) -> str:
        """Run a command on a node; what it wrote to standard output."""
        limited = ("timeout", "-k", "1", str(seconds), *command)
        return run(*self.way_to(node), *limited, check=check, seconds=seconds + 5).stdout

    def stop(self, node: str) -> None:
        """A clean stop of the cluster on the node."""
        self.on(node, "/run/node/init.sh", "stop", seconds=120)

    def start(self, node: str) -> None:
        self.on(node, "/run/node/init.sh", "start")

    def kill_daemon(self, node: str, name: str) -> None:
        self.on(node, "pkill", "-KILL", "-x", "-f", f"(.*/)?{name}")

    # -- faults

    def cut(self, node: str, links: Iterable[int] = LINKS) -> None:
        """Drop all that comes and goes over these interconnects."""
        self._is_cut = True
        for link in links:
            for chain, way in (("INPUT", "-i"), ("OUTPUT", "-o")):
                self._inside(self._network[node], "iptables", "-A", chain, way, LINKS[link], "-j", "DROP")

    def cut_ping(self, node: str) -> None:
        self._inside(self._network[node], "iptables", "-A", "OUTPUT", "-d", GATEWAY, "-p", "icmp", "-j", "DROP")

    def cut_traps(self, node: str) -> None:
        """The traps of the node get lost."""
        self._inside(self._network[node], "iptables", "-A", "OUTPUT", "-d", MONITOR, "-p", "udp", "-j", "DROP")

    def mend(self, node: str) -> None:
        """Everything that was cut from the node works again."""
        self._inside(self._network[node], "iptables", "-F")

    def fail(self, node: str, resource: str, operation: str = "monitor", *, code: int = 1, once: bool = True) -> None:
        """Let the next (or every) such operation of the resource end with `code` (of OCF: 1 error, 7 not running)."""
        path = self.disk(node) / "node/inject" / f"{resource}.{operation}"
        piece = path.with_suffix(".new")
        forget = 'rm -f "$piece"; ' if once else ""
        piece.write_text(f"{forget}echo 'made to fail' >&2; exit {code}\n")
        piece.rename(path)

    def hold(self, node: str, resource: str, operation: str = "monitor") -> None:
        """Let such operations of the resource wait until they are forgiven."""
        path = self.disk(node) / "node/inject" / f"{resource}.{operation}"
        path.write_text('while [ -e "$piece" ]; do sleep 0.2; done\n')

    def forgive(self) -> None:
        """Operations work again, everywhere."""
        for node in self.nodes:
            for piece in (self.disk(node) / "node/inject").iterdir():
                piece.unlink()

    # -- what it shows

    def status(self, node: str | None = None) -> Element | None:
        """What crm_mon prints on the node, or on the first one that is on; nothing while its cluster does not run."""
        for name in (node,) if node else self.nodes:
            if self.is_on(name):
                answer = self.on(name, *CRM_MON, check=False, seconds=10)
                try:
                    root = ElementTree.fromstring(answer)
                except ElementTree.ParseError:
                    continue
                if root.find("./nodes/node") is not None:
                    return root
        return None

    def holders(self, resource: str, seen: Element | None = None) -> dict[str, str]:
        """Where the resource is active: roles by node. What a lost node is said to run does not count."""
        root = self.status() if seen is None else seen
        if root is None:
            return {}
        sound = {
            node.get("name") for node in root.iterfind("./nodes/node") if node.get("online") == "true" and node.get("unclean") == "false"
        }
        return {
            str(node.get("name")): str(one.get("role"))
            for one in root.iter("resource")
            if str(one.get("id")).partition(":")[0] == resource and one.get("active") == "true"
            for node in one.iterfind("node")
            if node.get("name") in sound
        }

    def active_node(self, service: str) -> str | None:
        """The one node on which every member of the service runs."""
        seen = self.status()
        places = {tuple(self._serving(member, seen)) for member in self.services[service]}
        return next(iter(places))[0] if len(places) == 1 and len(next(iter(places))) == 1 else None

    def _serving(self, resource: str, seen: Element | None) -> list[str]:
        """The nodes on which a resource serves: those of the promoted instances, where there are such."""
        holders = self.holders(resource, seen)
        return [node for node, role in holders.items() if resource != PROMOTABLE or role == "Promoted"]

    def places(self, service: str) -> list[str]:
        """The nodes on which the service may run, the preferred one first."""
        groups = GROUPS[self.settings.pattern]
        preferred, _ = groups.get(service) or next(iter(groups.values()))  # a replica follows the first group
        return places(self.nodes, preferred, self.settings.pattern)

    def runs_on(self, service: str, node: str, seconds: float = 90) -> None:
        wait_for(f"{service} runs on {node}", lambda: self.active_node(service) == node, seconds)

    def is_lost(self, node: str, seconds: float = 60) -> None:
        """Wait until the others have lost the node for good: offline and clean."""

        def lost() -> bool:
            seen = self.status(next(one for one in self.nodes if one != node and self.is_on(one)))
            found = seen.find(f"./nodes/node[@name='{node}']") if seen is not None else None
            return found is not None and (found.get("online"), found.get("unclean")) == ("false", "false")

        wait_for(f"{node} is lost", lost, seconds)

    def is_whole(self) -> bool:
        """All nodes are members, every resource runs, every clone everywhere, nothing has failed and nothing is under way."""
        seen = self.status()
        if seen is None or not all(self.is_on(node) for node in self.nodes) or seen.find(".//current_dc[@present='true']") is None:
            return False
        for node in seen.iterfind("./nodes/node"):
            if (node.get("online"), node.get("pending"), node.get("standby"), node.get("unclean")) != ("true", "false", "false", "false"):
                return False
        resources = list(seen.iterfind(".//resources//resource"))
        if not resources or any(one.get("active") != "true" or one.get("failed") == "true" or one.get("pending") for one in resources):
            return False
        if seen.find(".//resource_history[@fail-count]") is not None or seen.find("./failures/failure") is not None:
            return False
        pings = seen.findall("./node_attributes/node/attribute[@name='default_ping_set'][@value='100']")
        return all(len(self.holders(name, seen)) == len(self.nodes) for name in self._clones()) and len(pings) == len(self.nodes)

    def _is_one(self) -> bool:
        """Every node sees all of them as members."""
        seen = [self.status(node) for node in self.nodes]
        return all(one is not None and not one.findall("./nodes/node[@online='false']") for one in seen)

    def _clones(self) -> tuple[str, ...]:
        return (PING, PROMOTABLE) if self.settings.pattern is Pattern.ONE_PLUS_ONE else (PING,)

    def is_ready(self, seconds: float = 120) -> None:
        wait_for("the cluster is whole", self.is_whole, seconds)

    def silence_syslog(self, node: str) -> None:
        """The node writes no ha-log any more, until it boots again."""
        self.on(node, "pkill", "-KILL", "-x", "rsyslogd")

    def repair(self, seconds: float = 150) -> None:
        """Undo every injury, and wait until the cluster is whole."""
        self.forgive()
        self.hang_questions(False)
        for node in self.nodes:
            self.mend(node)
        if self._is_cut and all(self.is_on(node) for node in self.nodes):
            # First the network, then the power switch: else who called the other lost fences it at last.
            wait_for("the nodes are one cluster again", self._is_one, 60)
        self._is_cut = False
        for node in self.nodes:
            self.power.set_mood(node, Mood.WORKS)
            if not self.is_on(node):
                self.boot(node)
        wait_for("a node answers", lambda: self.status() is not None, seconds)
        asked = next(node for node in self.nodes if self.status(node) is not None)
        self.on(asked, "crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "false", check=False)
        for node in self.nodes:
            self.on(asked, "crm_standby", "-N", node, "-v", "off", check=False)
        self.on(asked, "crm_resource", "--cleanup", check=False)
        for node in self.nodes:
            # What a dead daemon took out of the CIB, attrd still knows; it writes by itself only what changes.
            self.on(node, "attrd_updater", "--refresh", check=False)
        try:
            self.is_ready(min(seconds, 30))
        except NotReached:  # the monitors of a ping end with the daemon that ran them
            self.on(asked, "crm_resource", "--refresh", "-r", PING, check=False)
            self.is_ready(seconds)

    def go_home(self) -> None:
        """Services that share the nodes go back to where each has its own: an operator's work."""
        for service in self.services if self.settings.pattern is not Pattern.ONE_PLUS_ONE else ():
            home = self.places(service)[0]
            if self.active_node(service) != home:
                self.move(service, home)
        self.is_ready()

    def move(self, service: str, node: str) -> None:
        """An operator moves the service, and takes the constraint back that did it."""
        self.on(node, "crm_resource", "--move", "--force", "-r", service, "--node", node)
        self.runs_on(service, node)
        self.on(node, "crm_resource", "--clear", "-r", service)

    def gather(self) -> None:
        """Services go to where the promoted instance is, so that one node is active and the other stands by."""
        seen = self.status()
        promoted = [node for node, role in self.holders(PROMOTABLE, seen).items() if role == "Promoted"]
        assert len(promoted) == 1, f"promoted on {promoted}"
        for service in self.services:
            if self.active_node(service) != promoted[0]:
                self.move(service, promoted[0])
        self.is_ready()


def wait_for(what: str, is_reached: Callable[[], bool], seconds: float, pause: float = 0.3) -> None:
    """Ask until it is so: the cluster has no other way to tell."""
    end = time.monotonic() + seconds
    while not is_reached():
        if time.monotonic() > end:
            raise NotReached(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
