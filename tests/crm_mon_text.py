"""What the text of `crm_mon -1 -A -f -r -L -R -c` (2.1.5, 3.0.0) says, to compare it with what its XML was read as."""

import re
from collections import Counter
from dataclasses import dataclass, field

OPTIONS = ("-1", "-A", "-f", "-r", "-L", "-R", "-c")

_NODE = re.compile(r"  \* (Node|GuestNode|RemoteNode) ([^\s@]+?)(?:@\S*)?(?: \([^)]*\))?: (.*?)(?:, feature set (\S+))?$")
_RESOURCE = re.compile(r"\s+\* (\S+)\t\((\S+)\):\s+(.*)")
_FLAGS = re.compile(r" ?\(([^()]*)\)")
_FAILURE = re.compile(r"  \* (\S+) on (\S+) '([^']*)' \((\d+)\): call=(-?\d+), status='([^']*)'(?:, exitreason='(.*?)')?, last-rc-change")
_COUNT = re.compile(r"    \* (\S+): migration-threshold=(\d+)(?: fail-count=(\d+))?")
_BAN = re.compile(r"  \* (\S+)\tprevents (\S+) from running (in Promoted role )?on (\S+)")


@dataclass(slots=True)
class Told:
    """`instances`: (id, agent, role or FAILED, node or None) and how often; `flags`: (id, flag)."""

    dc: str | None = None
    quorum: bool | None = None
    nodes: dict[str, str] = field(default_factory=dict)
    instances: Counter[tuple[str, str, str, str | None]] = field(default_factory=Counter)
    flags: set[tuple[str, str]] = field(default_factory=set)
    failures: set[tuple[str, str, int, str, str]] = field(default_factory=set)
    counts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    attributes: dict[tuple[str, str], str] = field(default_factory=dict)
    bans: set[tuple[str, str, str, bool]] = field(default_factory=set)
    tickets: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    configured: tuple[int, ...] = ()


def read(text: str) -> Told:
    """Sections are told apart by their heads."""
    told = Told()
    section = node = ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = line.split(":")[0].strip()
        elif found := re.match(r"  \* Node:? ([^\s@]+?)(?:@\S*)?(?: \(\S*\))?:$", line):
            node = found[1]
        elif section == "Cluster Summary":
            _summary(told, line)
        elif section == "Node List" and (found := _NODE.match(line)):
            told.nodes[found[2]] = found[3]
        elif section.startswith("Full List of Resources") and (found := _RESOURCE.match(line)):
            _resource(told, *found.groups())
        elif section == "Node Attributes" and (found := re.match(r"    \* (\S+)\s+: (.*?)\s*(?:\t.*)?$", line)):
            told.attributes[node, found[1]] = found[2]
        elif section == "Migration Summary" and (found := _COUNT.match(line)):
            told.counts[node, found[1]] = (int(found[2]), int(found[3] or 0))
        elif section == "Failed Resource Actions" and (found := _FAILURE.match(line)):
            told.failures.add((found[1], found[2], int(found[4]), found[6], found[7] or ""))
        elif section == "Negative Location Constraints" and (found := _BAN.match(line)):
            told.bans.add((found[1], found[2], found[4], found[3] is not None))
        elif section == "Tickets" and (found := re.match(r"  \* (\S+?):?\s(granted|revoked)( \[standby\])?", line)):
            told.tickets[found[1]] = (found[2] == "granted", found[3] is not None)
    return told


def _summary(told: Told, line: str) -> None:
    if found := re.search(r"Current DC: (\S+) .*partition (with|WITHOUT) quorum", line):
        told.dc, told.quorum = found[1], found[2] == "with"
    elif found := re.search(r"(\d+) (?:node|resource instance)s? configured", line):
        told.configured += (int(found[1]),)


def _resource(told: Told, id: str, agent: str, rest: str) -> None:
    for flags in _FLAGS.findall(rest):
        told.flags |= {(id, flag) for flag in flags.split(", ")}
    words = _FLAGS.sub("", rest).split()
    if words[0] == "ORPHANED":
        told.flags.add((id, words.pop(0)))
    failed = words[0] == "FAILED"
    role = words.pop(0)
    if failed and words and words[0] == "Promoted":
        role = f"FAILED {words.pop(0)}"
    places: list[str | None] = [word for word in words if word not in "[]"]
    for place in places or [None]:
        told.instances[id, agent, role, place] += 1
