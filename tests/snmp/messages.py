"""SNMP messages for tests, made octet by octet: also such as no program would send. And real ones, as net-snmp sends them."""

import asyncio
import gzip
import hmac
import json
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from hamon.snmp import AuthProtocol, localized, master_key
from tests.peers import need

RECORDINGS = Path(__file__).parent.parent / "corpus" / "recordings"

PACEMAKER = "1.3.6.1.4.1.32723"
TRAP = f"{PACEMAKER}.2.1"
UP_TIME, TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"


def tlv(tag: int, *content: bytes) -> bytes:
    """One element: tag, the shortest definite length, content."""
    body = b"".join(content)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    octets = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def sequence(*content: bytes) -> bytes:
    return tlv(0x30, *content)


def integer(value: int, tag: int = 0x02) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes | str, tag: int = 0x04) -> bytes:
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    body = b""
    for number in (first * 40 + second, *rest):
        part = [number & 0x7F]
        while number := number >> 7:
            part.append(number & 0x7F | 0x80)
        body += bytes(reversed(part))
    return tlv(0x06, body)


def varbind(name: str, value: bytes) -> bytes:
    return sequence(oid(name), value)


def pacemaker(node: str = "node1", resource: str = "n/a", operation: str = "n/a", description: str = "lost") -> list[bytes]:
    """The varbinds of Pacemaker's sample agent (revision 2019-06-01 of its MIB)."""
    n = 2147483647
    texts = {1: node, 2: resource, 3: operation, 4: description, 8: "n/a", 9: "n/a"}
    return [varbind(f"{PACEMAKER}.1.{i}", octets(texts[i]) if i in texts else integer(n)) for i in range(1, 10)]


def pdu(
    payload: Sequence[bytes] = (), *, tag: int = 0xA7, request: int = 1, uptime: int | None = 100, notification: str | None = TRAP
) -> bytes:
    """A trap of v2c or v3 (0xA7), or an inform (0xA6)."""
    head = [] if uptime is None else [varbind(UP_TIME, integer(uptime, 0x43))]
    head += [] if notification is None else [varbind(TRAP_OID, oid(notification))]
    return tlv(tag, integer(request), integer(0), integer(0), sequence(*head, *payload))


def v2c(pdu: bytes, community: str = "pcmk") -> bytes:
    return sequence(integer(1), octets(community), pdu)


def v1(
    payload: Sequence[bytes] = (), *, enterprise: str = f"{PACEMAKER}.2", agent: bytes = bytes(4), generic: int = 6, specific: int = 1
) -> bytes:
    body = [oid(enterprise), octets(agent, 0x40), integer(generic), integer(specific), integer(100, 0x43), sequence(*payload)]
    return sequence(integer(0), octets("pcmk"), tlv(0xA4, *body))


@dataclass(frozen=True, slots=True, kw_only=True)
class V3:
    """A message of v3 with a digest that is right unless another key is given; with `privacy`, encrypted by AES-128 (RFC 3826)."""

    engine: bytes = bytes.fromhex("80001f8880feed0001")
    boots: int = 1
    time: int = 1000
    user: str = "reader"
    flags: int = 1
    auth: AuthProtocol = AuthProtocol.SHA256
    passphrase: str = "secret-auth"
    message_id: int = 7
    privacy: str = ""

    def message(self, pdu: bytes) -> bytes:
        digest = bytes(self.auth.digest_octets if self.flags & 1 else 0)
        scoped, salt = sequence(octets(self.engine), octets(b""), pdu), b""
        if self.privacy:
            salt = self.message_id.to_bytes(8, "big")
            vector = self.boots.to_bytes(4, "big") + self.time.to_bytes(4, "big") + salt
            aes = Cipher(AES(_key(self.auth, self.privacy, self.engine)[:16]), CFB(vector)).encryptor()
            scoped = octets(aes.update(scoped) + aes.finalize())
        draft = self._with(digest, salt, scoped)
        if not self.flags & 1:
            return draft
        key = _key(self.auth, self.passphrase, self.engine)
        return self._with(hmac.digest(key, draft, self.auth.hash_name)[: len(digest)], salt, scoped)

    def _with(self, digest: bytes, salt: bytes, scoped: bytes) -> bytes:
        flags = self.flags | 2 * bool(self.privacy)
        header = sequence(integer(self.message_id), integer(65507), octets(bytes([flags])), integer(3))
        security = sequence(octets(self.engine), integer(self.boots), integer(self.time), octets(self.user), octets(digest), octets(salt))
        return sequence(integer(3), header, octets(security), scoped)


@cache
def _key(auth: AuthProtocol, passphrase: str, engine: bytes) -> bytes:
    return localized(auth, master_key(auth, passphrase), engine)


class Recorded(NamedTuple):
    """One datagram of a recording: when (seconds since 1970), from where, and its octets."""

    at: float
    source: str
    datagram: bytes


def recorded(recording: str) -> list[Recorded]:
    """The traps that a real cluster (Pacemaker 2.1.5, net-snmp 5.9.3) sent while it was recorded."""
    path = RECORDINGS / recording / "monitor" / "traps.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines() if path.exists() else []
    return [Recorded(item["t"], item["src"], bytes.fromhex(item["hex"])) for item in map(json.loads, lines)]


def all_recorded() -> Iterator[Recorded]:
    for folder in sorted(RECORDINGS.iterdir()):
        yield from recorded(folder.name)


class Said(NamedTuple):
    status: int
    error: str


async def net_snmp(program: str, *arguments: str, home: Path) -> Said:
    """Run snmptrap or snmpinform away from the configuration of this host; `home` keeps its engine ID."""
    environment = {"PATH": os.environ.get("PATH", ""), "MIBS": "", "SNMPCONFPATH": str(home), "SNMP_PERSISTENT_DIR": str(home)}
    process = await asyncio.create_subprocess_exec(
        need(program), *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    return Said(process.returncode or 0, error.decode())


async def captured(*arguments: str, home: Path) -> bytes:
    """The datagram that snmptrap sends; `ADDRESS` among the arguments stands for where to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        said = await net_snmp("snmptrap", *[address if one == "ADDRESS" else one for one in arguments], home=home)
        assert said.status == 0, said.error
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(sock, 65536)
