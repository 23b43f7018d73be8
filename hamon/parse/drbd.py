"""DRBD 9: `drbdsetup status --json`, and the marks that a handler leaves when DRBD detects a split brain.

Such a mark is a file `drbd-split-brain-detected-RESOURCE-VOLUME`, by the convention of ha_cluster_exporter's handler. DRBD itself shows a
split brain only as a connection that is `StandAlone`, as after an operator's `disconnect`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hamon.errors import ParseError
from hamon.model.cluster import DrbdPeer, DrbdPeerVolume, DrbdStatus, DrbdVolume

MAX_BYTES = 16 * 1024 * 1024

_NO_NUMBER = re.compile(rb":\s*-?(?:nan|inf)\b")
"""drbdsetup divides by zero while nothing is synchronised yet, and prints that."""
_MARK = re.compile(r"drbd-split-brain-detected-(?P<resource>.+)-(?P<volume>\d+)$")


def read_status(data: bytes, *, marks: Iterable[str] = ()) -> tuple[DrbdStatus, ...]:
    """The resources of one node. `marks`: names of files in the folder of the split-brain handler. Raises ParseError."""
    if len(data) > MAX_BYTES:
        raise ParseError(f"refused: {len(data)} bytes, at most {MAX_BYTES} are read", data[:1000])
    if not data.strip():
        return ()  # no resource is up
    try:
        found = json.loads(_NO_NUMBER.sub(b": null", data))
    except (ValueError, RecursionError) as err:
        said = data[:200].decode("utf-8", "replace").strip().splitlines()
        raise ParseError(f"not JSON: {said[0] if said else err}", data[:1000]) from err
    marked: dict[str, set[int]] = {}
    for name in marks:
        if mark := _MARK.search(name):
            marked.setdefault(mark["resource"], set()).add(int(mark["volume"]))
    return tuple([_resource(item, marked.get(_word(item, "name"), set())) for item in _records(found, data)])


def _resource(item: Mapping[str, Any], marked: set[int]) -> DrbdStatus:
    volumes = tuple([_volume(volume, marked) for volume in _children(item, "devices")])
    return DrbdStatus(
        name=_word(item, "name"),
        role=_word(item, "role"),
        suspended=item.get("suspended") is True,
        volumes=volumes,
        peers=tuple([_peer(peer) for peer in _children(item, "connections")]),
        split_brain=bool(marked),
    )


def _volume(item: Mapping[str, Any], marked: set[int]) -> DrbdVolume:
    number = _number(item, "volume") or 0
    quorum = item.get("quorum")
    return DrbdVolume(
        number=number,
        disk_state=_word(item, "disk-state"),
        minor=_number(item, "minor"),
        quorum=quorum if isinstance(quorum, bool) else None,
        size=_number(item, "size"),
        split_brain=number in marked,
        written=_number(item, "written"),
        read=_number(item, "read"),
        al_writes=_number(item, "al-writes"),
        bm_writes=_number(item, "bm-writes"),
        upper_pending=_number(item, "upper-pending"),
        lower_pending=_number(item, "lower-pending"),
    )


def _peer(item: Mapping[str, Any]) -> DrbdPeer:
    return DrbdPeer(
        name=_word(item, "name"),
        connection=_word(item, "connection-state"),
        role=_word(item, "peer-role"),
        node_id=_number(item, "peer-node-id"),
        congested=item.get("congested") is True,
        volumes=tuple(
            [
                DrbdPeerVolume(
                    number=_number(volume, "volume") or 0,
                    disk_state=_word(volume, "peer-disk-state"),
                    replication=_word(volume, "replication-state"),
                    percent_in_sync=_percent(volume),
                    out_of_sync=_number(volume, "out-of-sync"),
                    received=_number(volume, "received"),
                    sent=_number(volume, "sent"),
                    pending=_number(volume, "pending"),
                    unacked=_number(volume, "unacked"),
                    resync_suspended=_word(volume, "resync-suspended"),
                )
                for volume in _children(item, "peer_devices")
            ]
        ),
    )


def _records(found: Any, data: bytes) -> list[Mapping[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ParseError("not the answer of drbdsetup: a list of resources is expected", data[:1000])
    return found


def _children(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = item.get(name)
    return [child for child in found if isinstance(child, dict)] if isinstance(found, list) else []


def _word(item: Mapping[str, Any], name: str) -> str:
    found = item.get(name)
    return "" if found is None else str(found)


def _number(item: Mapping[str, Any], name: str) -> int | None:
    found = item.get(name)
    return int(found) if isinstance(found, (int, float)) and not isinstance(found, bool) and abs(found) < 2**63 else None


def _percent(item: Mapping[str, Any]) -> float | None:
    """While a volume is synchronised, `percent-in-sync` may stand there as text."""
    try:
        found = float(item["percent-in-sync"])
    except (KeyError, TypeError, ValueError):
        return None
    return found if 0 <= found <= 100 else None
