"""What no section can see alone; read from the raw tables, so that it is told together with everything else."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.collect.syslog_config import SyslogConfig
from hamon.config.found import Found
from hamon.config.on_disk import wrong_on_disk
from hamon.config.sections import Config
from hamon.config.shape import tables
from hamon.config.toml import Location, as_toml, dotted
from hamon.errors import RuleError
from hamon.model.incident import IncidentKind
from hamon.model.observation import GATEWAY
from hamon.rules.load import load_file
from hamon.section import Section
from hamon.snmp.settings import AgentConfig
from hamon.web.settings import WebConfig

_PROTOCOLS: Mapping[type[Section], str] = {WebConfig: "tcp", SyslogConfig: "", SnmpTrapConfig: "udp", AgentConfig: "udp"}
"""Who listens, by which protocol; addresses of syslog name it themselves."""


def cross_check(raw: dict[str, Any]) -> Iterator[Found]:
    """What no section can see alone; read from the raw tables, so that it is told together with everything else."""
    clusters = raw.get("cluster")
    known = list(clusters) if isinstance(clusters, dict) else []
    if GATEWAY in known:
        hint = f"[cluster.{GATEWAY}_1]"
        yield Found(id="reserved-name", location=("cluster", GATEWAY), message="this name stands for the gateway itself", hint=hint)
    read: list[tuple[Location, str, str]] = []
    heard: dict[tuple[str, str], Location] = {}
    if not isinstance(raw.get("web"), dict):
        heard["tcp", WebConfig().listen] = ("web",)  # without its table it listens all the same
    for location, section, table in tables(Config, raw):
        yield from wrong_on_disk(location, section, table)
        if len(location) >= 3 and location[0] == "collect":
            cluster = table.get("cluster")
            if isinstance(cluster, str) and cluster not in known:
                yield _unknown_cluster((*location, "cluster"), cluster, known)
        yield from _heard_twice(location, section, table, heard)
        if len(location) == 3 and location[0] == "collect":
            paths = table.get("paths")
            for index, path in enumerate(paths if isinstance(paths, list) else []):
                if isinstance(path, str):
                    read.append(((*location, "paths", index), os.path.normpath(path), str(cluster)))
        if len(location) == 3 and location[0] == "notify":
            yield from _matching_nothing(location, table, [*known, GATEWAY], [*IncidentKind, *_own_incidents(raw)])
    yield from _read_twice(read)
    yield from _polled_twice(raw)
    for group, what in (("collect", "collector"), ("notify", "target")):
        yield from _same_name(raw, group, what)
    yield from _claimed_twice(clusters)


def _unknown_cluster(location: Location, cluster: str, known: Sequence[str]) -> Found:
    close = get_close_matches(cluster, known, 1)
    others = f"known: {', '.join(known)}; or " if known else ""
    hint = f"did you mean {close[0]}?" if close else f"{others}add a table [{dotted(('cluster', cluster))}]"
    return Found(id="unknown-cluster", location=location, message=f"there is no cluster {as_toml(cluster)}", hint=hint)


def _matching_nothing(location: Location, table: Mapping[str, Any], known: Sequence[str], names: Sequence[str]) -> Iterator[Found]:
    """What a target waits for in vain: a misspelled name would keep an incident from people without a word."""
    clusters, kinds = (given if isinstance(given := table.get(key), list) else [] for key in ("clusters", "kinds"))
    for index, glob in enumerate(clusters):
        if isinstance(glob, str) and not set(glob) & set("*?[") and glob not in known:
            yield _unknown_cluster((*location, "clusters", index), glob, known)
    for index, glob in enumerate(kinds):
        if isinstance(glob, str) and not any(fnmatchcase(kind, glob) for kind in names):
            close = get_close_matches(glob, names, 1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
            message = f"matches no kind of incident, and none of your rules: {as_toml(glob)}"
            yield Found(id="unknown-kind", location=(*location, "kinds", index), message=message, hint=hint)


def _own_incidents(raw: Mapping[str, Any]) -> list[str]:
    """The ids of the incidents in the user's rules; files that are wrong are told of where rules are checked."""
    rules = raw.get("rules")
    folders = rules.get("paths") if isinstance(rules, dict) else None
    found: list[str] = []
    for folder in folders if isinstance(folders, list) else []:
        for path in sorted(Path(folder).glob("*.toml")) if isinstance(folder, str) else ():
            with contextlib.suppress(RuleError):
                found += [incident.id for incident in load_file(path).own.incidents]
    return found


def _read_twice(read: Sequence[tuple[Location, str, str]]) -> Iterator[Found]:
    for index, (location, path, cluster) in enumerate(read):
        for earlier, other, other_cluster in read[:index]:
            if path == other or fnmatchcase(path, other) or fnmatchcase(other, path):
                whose = "for the same cluster" if cluster == other_cluster else f"for the cluster {as_toml(other_cluster)}"
                hint = "one file belongs to one collector; lines that are read twice count twice"
                yield Found(id="duplicate-path", location=location, message=f"is read by {dotted(earlier)} already, {whose}", hint=hint)
                break


def _heard_twice(
    location: Location, section: type[Section], table: Mapping[str, Any], heard: dict[tuple[str, str], Location]
) -> Iterator[Found]:
    """Two that would listen at one address and port, by the same protocol."""
    protocol = _PROTOCOLS.get(section)
    if protocol is None or (section is AgentConfig and table.get("enabled") is not True):
        return
    given = table.get("listen", section.model_fields["listen"].default)
    is_list = isinstance(given, list | tuple)
    for index, text in enumerate(given if isinstance(given, list | tuple) else [given]):
        if not isinstance(text, str) or text.endswith(":0"):
            continue
        transport, _, address = text.partition(":") if section is SyslogConfig else (protocol, "", text)
        earlier = heard.setdefault(("udp" if transport == "udp" else "tcp", address), location)
        if earlier != location:
            message = f"{dotted(earlier)} listens there already"
            hint = "one address and port belongs to one of them; a receiver takes what comes of many clusters"
            where = (*location, "listen", index) if is_list else (*location, "listen")
            yield Found(id="duplicate-listen", location=where, message=message, hint=hint)


def _polled_twice(raw: Mapping[str, Any]) -> Iterator[Found]:
    """Two collectors that poll one cluster would contradict each other for every second between their answers."""
    first: dict[str, str] = {}
    kinds = raw.get("collect")
    named = kinds.get("crm_mon") if isinstance(kinds, dict) else None
    for name, table in named.items() if isinstance(named, dict) else ():
        cluster = table.get("cluster") if isinstance(table, dict) else None
        if isinstance(cluster, str) and first.setdefault(cluster, name) != name:
            where = dotted(("collect", "crm_mon", first[cluster]))
            yield Found(
                id="duplicate-poll",
                location=("collect", "crm_mon", name, "cluster"),
                message=f"{as_toml(cluster)} is polled by {where} already",
                hint=f"put the commands of all its nodes into {where}.commands",
            )


def _same_name(raw: Mapping[str, Any], group: str, what: str) -> Iterator[Found]:
    """A name alone identifies a collector or target in the history, whatever its kind."""
    first: dict[str, str] = {}
    kinds = raw.get(group)
    for kind, named in kinds.items() if isinstance(kinds, dict) else ():
        for name in named if isinstance(named, dict) else ():
            if name in first:
                message = f"there is a {what} of this name already: {dotted((group, first[name], name))}"
                yield Found(id=f"duplicate-{what}", location=(group, kind, name), message=message, hint=f"call it {name}_{kind}")
            else:
                first[name] = kind


def _claimed_twice(clusters: object) -> Iterator[Found]:
    """A resource belongs to one service, or nobody could say which one is down."""
    for name, cluster in clusters.items() if isinstance(clusters, dict) else ():
        services = cluster.get("service") if isinstance(cluster, dict) else None
        owners: dict[str, str] = {}
        for service, table in services.items() if isinstance(services, dict) else ():
            resources = table.get("resources") if isinstance(table, dict) else None
            for index, resource in enumerate(resources if isinstance(resources, list) else []):
                location = ("cluster", name, "service", service, "resources", index)
                if isinstance(resource, str) and owners.setdefault(resource, service) != service:
                    message = f"{as_toml(resource)} belongs to the service {as_toml(owners[resource])} already"
                    yield Found(id="duplicate-resource", location=location, message=message, hint="a resource belongs to one service")
