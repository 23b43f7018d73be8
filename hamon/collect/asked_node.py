"""One node that is asked about its cluster: by `crm_mon`, and by the tools beside it. Blocks; called in threads, one at a time.

`crm_mon` has several forms. The first that it takes is used from then on, until it takes it no longer (after an upgrade).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from hamon.collect import faults
from hamon.collect.child import Answer, Cancel, ChildError, run
from hamon.collect.crm_mon_config import CompanionConfig, CrmMonConfig
from hamon.collect.faults import Fault
from hamon.errors import ParseError
from hamon.model.cluster import CibStatus, ClusterStatus, DrbdStatus, LinkStatus, QuorumStatus, SbdDevice
from hamon.parse import crm_mon
from hamon.parse.cibadmin import read_cib
from hamon.parse.corosync import read_links, read_quorum
from hamon.parse.drbd import read_status
from hamon.parse.sbd import read_devices, read_dump

FORMS: tuple[tuple[str, ...], ...] = (
    ("-1", "--output-as=xml", "-r", "-m3"),
    ("--as-xml", "-A", "-f", "-r", "-o", "-L", "-m"),
    ("--as-xml", "-A", "-f", "-r", "-o", "-L"),
)
"""Pacemaker 2.0.3 and later; before that; 1.1 before it kept a fencing history."""
_SBD_FILES = ("/etc/sysconfig/sbd", "/etc/default/sbd")


class Companion(StrEnum):
    """The tools beside crm_mon."""

    CIBADMIN = "cibadmin"
    QUORUM = "quorum"
    LINKS = "links"
    SBD = "sbd"
    DRBD = "drbd"


Part = CibStatus | QuorumStatus | tuple[LinkStatus, ...] | tuple[SbdDevice, ...] | tuple[DrbdStatus, ...]

FIELDS = {
    Companion.CIBADMIN: "cib",
    Companion.QUORUM: "quorum",
    Companion.LINKS: "links",
    Companion.SBD: "sbd",
    Companion.DRBD: "drbd",
}
"""Where the answer stands in the status."""
_PROGRAMS: dict[Companion, tuple[str, ...]] = {
    Companion.CIBADMIN: ("cibadmin", "-Q"),
    Companion.QUORUM: ("corosync-quorumtool", "-s"),
    Companion.LINKS: ("corosync-cfgtool", "-s"),
    Companion.SBD: ("sbd",),
    Companion.DRBD: ("drbdsetup", "status", "--json"),
}
_NEEDS_ROOT = frozenset({Companion.QUORUM, Companion.LINKS, Companion.SBD, Companion.DRBD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One good answer. `digest` names the content; `status` is that of the last answer, newly dated, where the content is the same."""

    status: ClusterStatus
    digest: str
    seconds: float
    size: int


class AskedNode:
    """One command of the configuration."""

    def __init__(self, name: str, command: Sequence[str], config: CrmMonConfig) -> None:
        self.name = name
        self._command, self._config = tuple(command), config
        place = next((index for index in reversed(range(len(command))) if os.path.basename(command[index]) == "crm_mon"), None)
        self._reach = self._command[:place] if place is not None else None
        """What leads to the node; None: only the whole command can be run."""
        self._folder = os.path.dirname(command[place]) if place is not None else ""
        self._is_complete = place is None or place < len(command) - 1
        self._form = 0

    @property
    def command(self) -> tuple[str, ...]:
        return self._command if self._is_complete else (*self._command, *FORMS[self._form])

    def _run(self, command: Sequence[str], cancel: Cancel) -> Answer:
        limits = self._config.timeout_seconds, self._config.max_output_bytes
        try:
            return run(command, timeout_seconds=limits[0], max_bytes=limits[1], cancel=cancel)
        except ChildError as err:
            raise faults.of_child(err, command, *limits) from err

    # -- crm_mon

    def ask(self, cancel: Cancel, known: Seen | None, now: Callable[[], datetime]) -> Seen:
        """Ask for the state. Raises Refused."""
        at = now()
        answer = self._answer(cancel)
        digest = crm_mon.digest(answer.out)
        if known is not None and known.digest == digest and not answer.code:
            return Seen(status=replace(known.status, at=at), digest=digest, seconds=answer.seconds, size=len(answer.out))
        try:
            status = crm_mon.parse(answer.out, at=at, timezone=self._config.timezone)
        except ParseError as err:
            raise faults.of_answer(answer, self.command, err) from err
        if answer.code:
            raise faults.of_answer(answer, self.command, None)
        return Seen(status=status, digest=digest, seconds=answer.seconds, size=len(answer.out))

    def _answer(self, cancel: Cancel) -> Answer:
        if self._is_complete:
            return self._run(self._command, cancel)
        forms = [self._form, *(form for form in range(len(FORMS)) if form != self._form)]
        for form in forms:
            answer = self._run((*self._command, *FORMS[form]), cancel)
            if not faults.is_usage(answer):
                self._form = form
                return answer
        return answer

    # -- the tools beside it

    def can_ask(self, companion: Companion) -> bool:
        settings = self.settings(companion)
        return settings.enabled is not False and (self._reach is not None or settings.command is not None)

    def settings(self, companion: Companion) -> CompanionConfig:
        settings: CompanionConfig = getattr(self._config, companion.value)
        return settings

    def companion_command(self, companion: Companion) -> tuple[str, ...]:
        reach = self._reach or ()
        given = self.settings(companion).command
        if given is not None:
            return (*reach, *given)
        program, *arguments = _PROGRAMS[companion]
        root = self._config.as_root if companion in _NEEDS_ROOT else ()
        return (*reach, *root, os.path.join(self._folder, program), *arguments)

    def ask_companion(self, cancel: Cancel, companion: Companion, names: dict[str, str]) -> Part:
        """Ask one of the other tools; `names`: names of the nodes by their Corosync id. Raises Refused."""
        command = self.companion_command(companion)
        if companion is Companion.SBD and self.settings(companion).command is None:
            return self._ask_sbd(cancel, command)
        answer = self._run(command, cancel)
        try:
            match companion:
                case Companion.CIBADMIN:
                    return read_cib(answer.out, timezone=self._config.timezone)
                case Companion.QUORUM:
                    return read_quorum(answer.out)
                case Companion.LINKS:
                    return read_links(answer.out, names=names)
                case Companion.SBD:
                    return read_dump(answer.out)
                case Companion.DRBD:
                    if answer.code:
                        raise faults.of_answer(answer, command, None)
                    return read_status(answer.out)
        except ParseError as err:
            raise faults.of_answer(answer, command, err) from err

    def _ask_sbd(self, cancel: Cancel, command: tuple[str, ...]) -> tuple[SbdDevice, ...]:
        """The devices stand in the configuration of SBD; each is then looked at."""
        listing = (*(self._reach or ()), *self._config.as_root, "cat", *_SBD_FILES)
        answer = self._run(listing, cancel)
        try:
            devices = read_devices(answer.out)
        except ParseError as err:
            raise faults.of_answer(answer, listing, err) from err
        if not devices:
            if not answer.out:
                raise faults.refused(Fault.NOT_FOUND, listing, "no configuration of SBD")
            return ()
        whole = (*command, *(word for device in devices for word in ("-d", device)), "dump")
        answer = self._run(whole, cancel)
        if answer.code in (126, 127):
            raise faults.of_answer(answer, whole, None)
        slots = {}
        for device in devices:
            listed = self._run((*command, "-d", device, "list"), cancel)
            if not listed.code:
                slots[device] = listed.out
        try:
            return read_dump(answer.out + answer.error.encode(), devices=devices, slots=slots)
        except ParseError as err:
            raise faults.of_answer(answer, whole, err) from err


def with_parts(status: ClusterStatus, parts: dict[Companion, Part]) -> ClusterStatus:
    return replace(status, **{FIELDS[companion]: part for companion, part in parts.items()}) if parts else status  # type: ignore[arg-type]


def lasting(part: Part) -> object:
    """A part without what counts on by itself, so that it does not look like news."""
    if isinstance(part, CibStatus):
        return replace(part, num_updates=0)
    if isinstance(part, tuple):
        return tuple([_lasting_drbd(item) if isinstance(item, DrbdStatus) else item for item in part])
    return part


def _lasting_drbd(resource: DrbdStatus) -> DrbdStatus:
    volumes = [
        replace(item, written=None, read=None, al_writes=None, bm_writes=None, upper_pending=None, lower_pending=None)
        for item in resource.volumes
    ]
    peers = [
        replace(
            peer,
            congested=False,
            volumes=tuple(
                [
                    replace(item, percent_in_sync=None, out_of_sync=None, received=None, sent=None, pending=None, unacked=None)
                    for item in peer.volumes
                ]
            ),
        )
        for peer in resource.peers
    ]
    return replace(resource, volumes=tuple(volumes), peers=tuple(peers))
