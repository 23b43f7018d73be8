"""What works but should be looked at."""

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hamon.collect.log_tail_config import LogTailConfig
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.collect.syslog_config import SyslogConfig
from hamon.config.found import Found
from hamon.config.sections import Config
from hamon.config.shape import tables
from hamon.config.toml import Location, as_toml
from hamon.errors import Problem
from hamon.notify.mailbox import MailboxConfig
from hamon.section import Section


def warnings(config: Config, path: Path | None = None) -> list[Problem]:
    """What works but should be looked at: secrets that others may read, sources and targets that are missing."""
    found = []
    for location, section, table in tables(Config, _given(config)):
        for name in section.secret_fields():
            file = table.get(f"{name}_file")
            if file is not None and _others_may_read(Path(file)):
                hint = f"chmod o-r {file}"
                found.append(
                    Found(
                        id="secret-file-world-readable",
                        location=(*location, f"{name}_file"),
                        message="everyone may read this file",
                        hint=hint,
                    )
                )
            if table.get(name) is not None and path is not None and _others_may_read(path):
                hint = f"chmod o-r {path}, or move the secret to a file of its own and give {name}_file"
                message = "the configuration holds this secret and everyone may read it"
                found.append(Found(id="secret-world-readable", location=(*location, name), message=message, hint=hint))
    for kind, name, collector in config.collectors():
        if isinstance(collector, SnmpTrapConfig):
            found += _weak_senders(collector, ("collect", kind, name))
        if isinstance(collector, LogTailConfig):
            found += _no_files(collector, ("collect", kind, name))
    for kind, name, target in config.notifiers():
        if isinstance(target, MailboxConfig):
            found += _no_mailbox(target, ("notify", kind, name))
    sources = {name for _, _, section in config.collectors() for name in _clusters_of(section)}
    for name in config.cluster.keys() - sources:
        hint = f"add a collector with cluster = {as_toml(name)}"
        found.append(Found(id="cluster-without-source", location=("cluster", name), message="nothing is read of this cluster", hint=hint))
    if not config.collect:
        hint = "add for example [collect.log_tail.pm01]; `hamon config sample` shows how"
        found.append(Found(id="nothing-to-collect", location=("collect",), message="no collector is configured", hint=hint))
    if not config.notify:
        hint = "add for example [notify.smtp.ops]; `hamon config sample` shows how"
        found.append(
            Found(id="nobody-to-tell", location=("notify",), message="no target is configured: incidents are only shown", hint=hint)
        )
    return [one.problem() for one in sorted(found, key=lambda one: (one.location[0], str(one.location), one.id))]


def _no_files(tail: LogTailConfig, location: Location) -> Iterator[Found]:
    for index, path in enumerate(tail.paths):
        if Path(path).is_dir():
            hint = f"name the files in it, such as {as_toml(path.rstrip('/') + '/*.log')}"
            yield Found(id="log-is-a-folder", location=(*location, "paths", index), message="is a folder, not a log", hint=hint)


def _no_mailbox(box: MailboxConfig, location: Location) -> Iterator[Found]:
    if not box.path.parent.is_dir():
        hint = f"create {box.path.parent}, and let the user that runs hamon write there"
        yield Found(id="missing-folder", location=(*location, "path"), message="the folder of the mailbox does not exist", hint=hint)
    elif box.path.is_dir():
        hint = f"name a file in it, such as {as_toml(str(box.path / 'mbox'))}"
        yield Found(id="mailbox-is-a-folder", location=(*location, "path"), message="is a folder, not a mailbox file", hint=hint)


def _weak_senders(receiver: SnmpTrapConfig, location: Location) -> Iterator[Found]:
    for name in receiver.community:
        message = "whoever sees a trap on its way can read the community and forge others"
        hint = "use SNMPv3 (a table user.NAME) where that network is not your own"
        yield Found(id="community-is-no-secret", location=(*location, "community", name), message=message, hint=hint)
    for name, user in receiver.user.items():
        for what in ("auth_passphrase", "priv_passphrase"):
            given = getattr(user, what)
            if given is not None and len(given.get_secret_value()) < 12:
                message = "fewer than 12 characters can be guessed from a single trap"
                hint = "take a longer one"
                yield Found(id="guessable-passphrase", location=(*location, "user", name, what), message=message, hint=hint)
    for name in receiver.unheard_sources():
        message = "no community and no user may be used from these addresses, so nothing is taken from there"
        hint = "add them to the sources of a community or user"
        yield Found(id="unheard-source", location=(*location, "source", name, "addresses"), message=message, hint=hint)


def _clusters_of(section: Section) -> Sequence[str]:
    """The clusters that a collector reads."""
    if isinstance(section, SnmpTrapConfig | SyslogConfig):
        return section.clusters
    return [cluster for cluster in [getattr(section, "cluster", None)] if cluster]


def _others_may_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _given(section: Section) -> dict[str, Any]:
    """The values as tables, secrets still wrapped."""

    def plain(value: object) -> object:
        if isinstance(value, Section):
            return _given(value)
        return {key: plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    return {name: plain(getattr(section, name)) for name in type(section).model_fields}
