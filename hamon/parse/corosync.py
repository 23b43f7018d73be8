"""What Corosync's tools print: `corosync-quorumtool` (`-s`, also with `-p`) and `corosync-cfgtool` (`-s`, `-n`).

Read from Corosync's sources and from output of 3.1.7. The reasons of a ParseError begin with `not connected` or `no data`.
"""

import re
from collections.abc import Iterator, Mapping

from hamon.errors import ParseError
from hamon.model.cluster import LinkStatus, QuorumNode, QuorumStatus

MAX_BYTES = 1024 * 1024

_FIELD = re.compile(r"([A-Z][A-Za-z ]+?):[ \t]*(.*)")
_ROW = re.compile(
    r"\s*(?P<id>0x[0-9a-fA-F]+|\d+)\s+(?:(?P<votes>-?\d+)\s+)?(?:(?P<qdevice>NR|N?A,N?V,N?MW)\s+)?"
    r"(?P<name>\S.*?)?(?P<local> \(local\))?\s*$"
)
_NO_VOTES = re.compile(r"(?P<name>.*) \(votes (?P<votes>\d+)\)$")
_LOCAL = re.compile(r"Local node ID (\S+?)(?:,|$)")
_LINK = re.compile(r"(?:RING|LINK) ID (\d+)")
_ATTRIBUTE = re.compile(r"\s+(id|addr|status)\s*[=:]\s*(.*)")
_PEER = re.compile(r"\s+node(?:id)?:?\s+(\d+):\s*(.*)")
_ENABLED = re.compile(r"link enabled:(\d)\s+link connected:(\d)")
_NODE = re.compile(r"nodeid: (\d+) (\w+)")
_NODE_LINK = re.compile(r"\s+LINK: (\d+)(?: \w+)? \((\S*?)->(\S*?)\)\s*(.*)")


def read_quorum(data: bytes) -> QuorumStatus:
    """`corosync-quorumtool -s`. Without votequorum there are no votes. Raises ParseError."""
    text = _text(data)
    head, _, membership = text.partition("Membership information")
    fields: dict[str, str] = {}
    for line in head.splitlines():
        if found := _FIELD.match(line):
            fields[found[1]] = found[2].strip()
    if "Quorate" not in fields:
        raise _no_answer(text, data)
    qdevice_name, qdevice_votes = "", None
    nodes = []
    for row in _rows(membership):
        if row["id"] in ("0", "0x00000000"):
            absent = _NO_VOTES.match(row["name"] or "")
            qdevice_name = absent["name"] if absent else row["name"] or ""
            qdevice_votes = _number(row["votes"])
        else:
            nodes.append(
                QuorumNode(
                    node_id=row["id"],
                    name=row["name"] or "",
                    votes=_number(row["votes"]),
                    qdevice=row["qdevice"] or "",
                    is_local=row["local"] is not None,
                )
            )
    return QuorumStatus(
        quorate=fields["Quorate"] == "Yes",
        expected_votes=_number(fields.get("Expected votes")),
        highest_expected=_number(fields.get("Highest expected")),
        total_votes=_number(fields.get("Total votes")),
        quorum=_number(fields.get("Quorum")),
        ring_id=fields.get("Ring ID", ""),
        nodes=tuple(nodes),
        flags=tuple(fields.get("Flags", "").split()),
        node_id=fields.get("Node ID", ""),
        provider=fields.get("Quorum provider", ""),
        qdevice_name=qdevice_name,
        qdevice_votes=qdevice_votes,
    )


def _rows(membership: str) -> Iterator[re.Match[str]]:
    """The lines below the head of the table, whose columns are right-aligned; the name stands last."""
    lines = iter(membership.splitlines())
    for line in lines:
        if line.strip().startswith("Nodeid"):
            break
    for line in lines:
        if found := _ROW.match(line):
            yield found


def read_links(data: bytes, *, names: Mapping[str, str] | None = None) -> tuple[LinkStatus, ...]:
    """`corosync-cfgtool -s` or `-n`: rings of Corosync 2, links to each peer of Corosync 3. `names`: node id -> node name.

    `-n` leaves out nodes that cannot be reached, so `-s` tells more. Of the brief form (`-b`) peers are known only where all ids are.
    Raises ParseError.
    """
    text = _text(data)
    local = next((found[1] for line in text.splitlines() if (found := _LOCAL.match(line))), None)
    known = names or {}
    links = list(_by_node(text, known)) if _NODE.search(text) and "LINK ID" not in text else list(_by_link(text, local, known))
    if not links and (local is None or "LINK" in text or "RING" in text):
        raise _no_answer(text, data)
    return tuple(links)


def _by_link(text: str, local: str | None, names: Mapping[str, str]) -> Iterator[LinkStatus]:
    link = address = ""
    for line in text.splitlines():
        if found := _LINK.match(line):
            link, address = found[1], ""
        elif not link:
            continue
        elif found := _PEER.match(line):
            yield _peer(link, address, found[1], found[2].strip(), local, names)
        elif found := _ATTRIBUTE.match(line):
            value = found[2].strip()
            if found[1] != "status":
                address = value
            elif re.fullmatch(r"[0-3nd?]+", value):
                yield from _brief(link, address, value, local, names)
            elif value:
                # Corosync 2: "ring 0 active with no faults", "Marking ringid 1 interface … FAULTY", "Incrementing problem counter …";
                # Corosync 3 without knet: "OK".
                yield LinkStatus(link=link, address=address, connected="FAULTY" not in value, text=value)


def _peer(link: str, address: str, number: str, words: str, local: str | None, names: Mapping[str, str]) -> LinkStatus:
    """`connected`, `disconnected`, `localhost`; 3.0: `link enabled:1 link connected:1`."""
    old = _ENABLED.match(words)
    is_local = words == "localhost" or (old is not None and number == local)
    return LinkStatus(
        link=link,
        address=address,
        peer=names.get(number, number),
        peer_id=number,
        connected=is_local or (old[2] == "1" if old else words.split(" ", 1)[0] == "connected"),
        enabled=is_local or (old[1] == "1" if old else "disabled" not in words),
        is_local=is_local,
        text=" ".join(words.split()),
    )


def _brief(link: str, address: str, digits: str, local: str | None, names: Mapping[str, str]) -> Iterator[LinkStatus]:
    """One character for each node, in the order of their ids: bit 1 enabled, bit 2 connected, `n` the node itself."""
    ids = sorted(names, key=lambda number: (len(number), number))
    for place, digit in enumerate(digits):
        number = ids[place] if len(ids) == len(digits) else local if digit == "n" else None
        bits = int(digit) if digit.isdigit() else 0
        yield LinkStatus(
            link=link,
            address=address,
            peer=names.get(number, number) if number is not None else None,
            peer_id=number,
            connected=digit == "n" or bool(bits & 2),
            enabled=digit == "n" or bool(bits & 1),
            is_local=digit == "n",
            text=digit,
        )


def _by_node(text: str, names: Mapping[str, str]) -> Iterator[LinkStatus]:
    number = ""
    for line in text.splitlines():
        if found := _NODE.match(line):
            number = found[1]
        elif number and (found := _NODE_LINK.match(line)):
            words = found[4].split()
            yield LinkStatus(
                link=found[1],
                address=found[2],
                peer=names.get(number, number),
                peer_id=number,
                connected="connected" in words,
                enabled="enabled" in words,
                text=f"{found[2]}->{found[3]} {' '.join(words)}",
            )


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ParseError(f"refused: {len(data)} bytes, at most {MAX_BYTES} are read", data[:1000])
    return data.decode("utf-8", "replace")


def _no_answer(text: str, data: bytes) -> ParseError:
    said = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not said:
        return ParseError("no data: the command printed nothing", data)
    word = "not connected" if "nitiali" in text or "CS_ERR_LIBRARY" in text else "no data"
    return ParseError(f"{word}: {said[:200]}", data[:1000])


def _number(text: str | None) -> int | None:
    found = re.match(r"-?\d{1,18}", text or "")
    return int(found[0]) if found else None
