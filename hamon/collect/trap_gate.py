"""The gate of SNMPv3: which messages are from whom they say, fresh, and protected as the configuration demands.

The law: nothing is remembered of a message before its digest is found right, and nothing is told to anyone that a stranger could use.
pysnmp as it comes takes forged, downgraded and replayed traps, so that it only sees what passed here, or what deserves a report.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hamon.collect.trap_memory import MOST_ENGINES, EngineClock, Learned, Memory
from hamon.collect.trap_senders import KnownUser, Origin
from hamon.errors import ParseError
from hamon.model.observation import Refusal
from hamon.parse.trap import TrapMessage, V3Header, decode_scoped_pdu, decode_v3_header
from hamon.snmp import Identity
from hamon.snmp.usm import Keys, is_authentic, keys_for, plain

WINDOW = 150
"""RFC 3414, 2.2.3: how far the clock of a message may be off, in seconds."""
YOUNG_TICKS = 10 * 60 * 100
"""A host that is up no longer than this may have been started anew: ten minutes, in the hundredths of a second of sysUpTime."""
CLOCK_OFF_TICKS = 1500
"""How far engine time and sysUpTime of a trap of net-snmp's snmptrap may differ: both are the uptime of its host."""
RESET_PAUSE = timedelta(minutes=10)
"""So long after a clock was forgiven to start anew it is not forgiven again."""
MOST_DIGESTS = 16384
MOST_KEYS = 2048


class Refused(Exception):
    """The message is not taken. `report`: its sender may be told why, by a report."""

    def __init__(self, reason: Refusal, *, report: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.report = reason, report


class Discovery(Exception):
    """Someone asks for our engine ID, which is how an inform begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An authentic and fresh notification. `began_anew`: its sender's clock started anew, and that was forgiven."""

    known: KnownUser
    cluster: str
    engine_id: bytes
    message: TrapMessage
    learned: bool = False
    began_anew: bool = False


class Gate:
    """Lets SNMPv3 messages in that are authentic, new and of a known user (RFC 3414, 3.2)."""

    def __init__(self, identity: Identity, users: Mapping[bytes, KnownUser], memory: Memory) -> None:
        """`users` are all of the configuration, by their name in SNMP; which of them an address may use stands in its Origin."""
        self._identity, self._users, self._memory = identity, users, memory
        self._keys: OrderedDict[tuple[bytes, str], Keys] = OrderedDict()
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def check(self, datagram: bytes, origin: Origin, now: datetime) -> Passed:
        """Raises Refused, Discovery or ParseError."""
        header = decode_v3_header(datagram)
        if not 5 <= len(header.engine_id) <= 32:
            if header.is_reportable and not header.is_authenticated:
                raise Discovery
            raise Refused(Refusal.ENGINE)
        is_ours = header.engine_id == self._identity.engine_id
        known, cluster = self._user(header, origin, is_ours)
        keys = self._keys_of(known, header.engine_id)
        if known.is_authenticated:
            if not is_authentic(known.user.auth, keys.auth, datagram, header):
                raise Refused(Refusal.DIGEST, report=is_ours)
            if is_ours:
                self._check_our_clock(header, now)
            else:
                self._check_seen(header)
        forgive = not is_ours and known.is_authenticated and not self._is_fresh(known, header)
        if forgive and not known.forgives:
            raise Refused(Refusal.TIME_WINDOW)
        try:
            message = decode_scoped_pdu(plain(known.user, keys, header), trailing=header.is_encrypted)
        except ParseError as err:
            raise ParseError(str(err), b"") from err
        # The authoritative engine of an inform is its receiver, that of a trap its sender (RFC 3414, 1.5.1).
        if message.inform is not is_ours:
            raise Refused(Refusal.ENGINE)
        if forgive:
            self._check_restart(known, header, message, now)
        learned = self._remember(known, header, origin, now, forgiven=forgive) if not is_ours else False
        return Passed(known=known, cluster=cluster, engine_id=header.engine_id, message=message, learned=learned, began_anew=forgive)

    def _user(self, header: V3Header, origin: Origin, is_ours: bool) -> tuple[KnownUser, str]:
        entry = origin.users.get(header.user)
        if entry is None:
            # pysnmp must not see a user that it knows and this address may not use: it would answer.
            raise Refused(Refusal.USER, report=is_ours and bool(header.user) and header.user not in self._users)
        known = entry[0]
        flags = header.is_authenticated | header.is_encrypted << 1
        if flags != known.user.level.flags:
            raise Refused(Refusal.LEVEL, report=is_ours)
        if not is_ours:
            if known.engine_ids is not None:
                if header.engine_id not in known.engine_ids:
                    raise Refused(Refusal.ENGINE)
            elif (header.engine_id, known.name) not in self._memory.learned and len(self._memory.learned) >= MOST_ENGINES:
                raise Refused(Refusal.ENGINE)
        return entry

    def _keys_of(self, known: KnownUser, engine_id: bytes) -> Keys:
        """Of one engine; what a stranger makes us compute is not kept for long."""
        key = (engine_id, known.name)
        if (keys := self._keys.get(key)) is None:
            keys = self._keys[key] = keys_for(known.user, known.masters, engine_id)
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        else:
            self._keys.move_to_end(key)
        return keys

    def _check_our_clock(self, header: V3Header, now: datetime) -> None:
        """RFC 3414, 3.2.7 a."""
        time = int((now - self._identity.started_at).total_seconds())
        if header.boots != self._identity.boots or abs(header.time - time) > WINDOW:
            raise Refused(Refusal.TIME_WINDOW, report=True)

    def _check_seen(self, header: V3Header) -> None:
        if header.digest in self._digests:
            raise Refused(Refusal.REPLAY)

    def _is_fresh(self, known: KnownUser, header: V3Header) -> bool:
        """RFC 3414, 3.2.7 b. Raises Refused where nothing could excuse it."""
        clock = self._memory.clocks.get((header.engine_id, known.name))
        if clock is None or header.boots > clock.boots:
            return True
        if header.boots < clock.boots:
            raise Refused(Refusal.TIME_WINDOW)
        return header.time >= clock.time - WINDOW

    def _check_restart(self, known: KnownUser, header: V3Header, message: TrapMessage, now: datetime) -> None:
        """snmptrap always says that it started once, and counts its host's uptime: after a reboot its clock starts anew."""
        clock = self._memory.clocks[header.engine_id, known.name]
        is_early = clock.reset_at is not None and now < clock.reset_at + RESET_PAUSE
        if is_early or message.uptime is None or message.uptime > YOUNG_TICKS or abs(header.time - message.uptime) > CLOCK_OFF_TICKS:
            raise Refused(Refusal.TIME_WINDOW)

    def _remember(self, known: KnownUser, header: V3Header, origin: Origin, now: datetime, *, forgiven: bool) -> bool:
        """Note clock, digest and engine of an authentic message; return whether the engine is new."""
        if not known.is_authenticated:
            return False
        key = (header.engine_id, known.name)
        self._digests[header.digest] = None
        if len(self._digests) > MOST_DIGESTS:
            self._digests.popitem(last=False)
        clock = self._memory.clocks.get(key)
        if clock is None:
            self._memory.clocks[key] = EngineClock(header.boots, header.time)
        elif forgiven:
            clock.boots, clock.time, clock.reset_at = header.boots, header.time, now
        elif (header.boots, header.time) > (clock.boots, clock.time):
            clock.boots, clock.time = header.boots, header.time
        if known.engine_ids is None and key not in self._memory.learned:
            self._memory.learned[key] = Learned(origin.host, now)
            return True
        return False
