"""Answers to SNMPv3 senders: the response to an inform, and the reports by which they learn our engine ID and clock.

The law: what is fed here has passed the gate, or deserves nothing but a report. pysnmp answers an inform the moment it sees it, so it sees
one only after what it carries is stored.
"""

import time
from collections.abc import Sequence
from typing import Any

from hamon.snmp.engine import add_user, new_engine
from hamon.snmp.identity import Identity
from hamon.snmp.users import User


class Answerer:
    """An engine without a socket: octets in, octets out. Made in some 0.2 s; an answer takes some 4 ms."""

    def __init__(self, identity: Identity, users: Sequence[tuple[User, tuple[bytes, bytes]]]) -> None:
        from pysnmp.carrier.asyncio.dgram import udp
        from pysnmp.carrier.base import AbstractTransportDispatcher
        from pysnmp.entity.rfc3413.ntfrcv import NotificationReceiver

        sent: list[bytes] = []
        accepted: list[bool] = []

        class Dispatcher(AbstractTransportDispatcher):  # type: ignore[misc]  # pysnmp says nothing of its types
            def send_message(self, message: Any, domain: Any, address: Any) -> None:
                sent.append(bytes(message))

        self._sent, self._accepted = sent, accepted
        self._domain = udp.DOMAIN_NAME
        self._peer = udp.UdpTransportAddress(("127.0.0.1", 1))
        self._engine = new_engine(identity)
        self._dispatcher = Dispatcher()
        self._engine.register_transport_dispatcher(self._dispatcher)
        for user, masters in users:
            add_user(self._engine, user, master_keys=masters)
        NotificationReceiver(self._engine, lambda *_: accepted.append(True))

    def report(self, datagram: bytes) -> Sequence[bytes]:
        """What its sender is to know about a message that is not taken. Where pysnmp would have taken it, that is nothing."""
        answers = self.answer(datagram)
        return () if self._accepted else answers

    def answer(self, datagram: bytes) -> Sequence[bytes]:
        """What is to be sent back for a message that was taken; nothing where pysnmp finds nothing to say."""
        self._sent.clear()
        self._accepted.clear()
        self._dispatcher.handle_timer_tick(time.monotonic())
        try:
            self._engine.message_dispatcher.receive_message(self._engine, self._domain, self._peer, datagram)
        except Exception:
            # pysnmp lets errors of its decoder out that it names nowhere. Who sent such a message gets no answer.
            return ()
        return tuple(self._sent)

    def close(self) -> None:
        self._engine.close_dispatcher()
