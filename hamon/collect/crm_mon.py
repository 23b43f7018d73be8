"""Ask a cluster for its state, with `crm_mon` and the tools beside it, and hand over a snapshot for each answer.

Laws: one node is asked at a time, the next one as soon as it is late. A cluster that no node tells of is reported as lost, with the
commands and their remedies, until one answers. Nothing here waits but for children, and these end by themselves or are ended.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from hamon.clock import Clock
from hamon.collect.asked_node import FIELDS, AskedNode, Companion, Part, Seen, lasting, with_parts
from hamon.collect.child import Lanes
from hamon.collect.crm_mon_config import CrmMonConfig
from hamon.collect.faults import Fault, Refused
from hamon.collect.rhythm import Rhythm
from hamon.model.cluster import ClusterStatus, NodeType, SourceView
from hamon.model.observation import Asked, ReadPosition, Snapshot, Source, SourceBack, SourceLost
from hamon.ports import Inbox
from hamon.tell import phrase

log = logging.getLogger(__name__)

__all__ = ["CrmMon", "CrmMonConfig"]

PATH = "crm_mon"
"""The path of the source: the cluster as a whole, whichever node answers."""
LATE_SECONDS = 2.0
"""A node that did not answer within this time, or three times what it took before, is late."""
LOST_AFTER = 2
"""Rounds in which no node answered until the cluster is reported as lost: one may meet a restart of Pacemaker or a lost packet."""
PROBE_SECONDS = 60.0
"""How often the nodes that need not be asked are asked nevertheless: whether they could be when it matters."""
NUDGED_APART = 5.0
"""Companions are asked at once after an event too, but not more often than this."""
LOOK_TWICE = 3.0
"""A link counts as down by two looks: the second one does not wait for its turn."""
FRESH = 3.0
"""A part that could not be asked again for so many intervals is no longer shown."""
LOOK_AGAIN = 600.0
"""A tool that is not there is looked for again after this time."""

_DEFECT = f"{Fault.UNREADABLE}: {phrase('seen.defect', 'en')}"

_lanes: Lanes | None = None


def shared_lanes() -> Lanes:
    """One bounded number of children for all clusters of this process."""
    global _lanes
    if _lanes is None:
        _lanes = Lanes()
    return _lanes


@dataclass(slots=True)
class _Tool:
    """A companion of one node, as it went so far."""

    due: float = 0.0
    part: Part | None = None
    seen_at: float = 0.0
    last_data_at: datetime | None = None
    asked_at: datetime | None = None
    """When it was asked for the part that is kept."""
    fault: Fault | None = None
    reason: str = ""
    since: datetime | None = None
    size: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Node:
    """One command, as it went so far."""

    asked: AskedNode
    seen: Seen | None = None
    up: bool = False
    reason: str = ""
    since: datetime | None = None
    last_data_at: datetime | None = None
    bytes_read: int = 0
    is_slow: bool = False
    probe_at: float = 0.0
    was_away: bool = False
    """It was no member when it gave no answer: once it is one again, it is asked without waiting."""
    tools: dict[Companion, _Tool] = field(default_factory=dict)
    parts_digest: str = ""

    @property
    def late_seconds(self) -> float:
        return max(LATE_SECONDS, 3 * self.seen.seconds if self.seen is not None else 0.0)


class CrmMon:
    """One configured instance: one cluster."""

    def __init__(
        self, name: str, config: CrmMonConfig, clock: Clock, _positions: Sequence[ReadPosition] = (), *, lanes: Lanes | None = None
    ) -> None:
        self._name, self._config, self._clock = name, config, clock
        self.cluster = config.cluster
        self._lanes = lanes if lanes is not None else shared_lanes()
        self._nodes = [_Node(AskedNode(node, command, config)) for node, command in config.commands.items()]
        for node in self._nodes:
            node.tools = {companion: _Tool() for companion in Companion if node.asked.can_ask(companion)}
        self._first = self._nodes[0]
        """The node that is asked first: the one that answered last."""
        self._wake = asyncio.Event()
        self._rhythm: Rhythm | None = None
        self._rounds_lost = 0
        self._is_lost: bool | None = None
        """None: not known yet."""
        self._lost_reason = ""
        self._was_asked = False
        self._sent: dict[str, str] = {}
        """Node and digest of the last snapshots."""
        self._doubting: asyncio.Task[None] | None = None
        self._side: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[Any]] = set()
        """Children that are no longer waited for, and are being ended."""

    # -- what others see and do

    def nudge(self) -> None:
        """Something happened to the cluster: ask at once, and some more times in the next seconds."""
        if self._rhythm is None:
            return
        now = asyncio.get_running_loop().time()
        self._rhythm.nudge(now)
        for companion in (Companion.LINKS, Companion.QUORUM):
            tool = self._first.tools.get(companion)
            if tool is not None and tool.part is not None:
                tool.due = min(tool.due, max(now, tool.seen_at + NUDGED_APART))
        self._wake.set()

    def views(self) -> Sequence[SourceView]:
        """One for each command, and one for each tool beside crm_mon that is there; none before the first round."""
        if not self._was_asked:
            return ()
        found = []
        for node in self._nodes:
            if node.since is None:
                continue
            found.append(self._view(node.asked.name, up=node.up, of=node, bytes_read=node.bytes_read))
            for companion, tool in node.tools.items():
                if tool.since is not None and self._is_shown(node, companion, tool):
                    found.append(self._view(f"{node.asked.name}: {companion}", up=tool.fault is None, of=tool, bytes_read=tool.size))
        return found

    def _view(self, path: str, *, up: bool, of: _Node | _Tool, bytes_read: int) -> SourceView:
        return SourceView(
            collector=self._name,
            kind="crm_mon",
            cluster=self.cluster,
            path=path,
            up=up,
            reason=of.reason,
            since=of.since,
            last_data_at=of.last_data_at,
            bytes_read=bytes_read,
        )

    # -- the loop

    async def run(self, inbox: Inbox) -> None:
        """Ask until cancelled; then all children are gone."""
        loop = asyncio.get_running_loop()
        config = self._config
        rhythm = self._rhythm = Rhythm(
            loop.time(),
            interval=config.interval_seconds,
            quiet_interval=config.quiet_interval_seconds,
            spread=lambda: random.uniform(-1, 1),
        )
        try:
            while True:
                await self._until(rhythm)
                rhythm.asks(loop.time())
                await self._round(inbox, rhythm)
        finally:
            self._rhythm = None
            await _ended([task for task in (self._doubting, self._side, *self._ending) if task is not None])

    async def _until(self, rhythm: Rhythm) -> None:
        loop = asyncio.get_running_loop()
        while (wait := rhythm.due - loop.time()) > 0:
            self._wake.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _round(self, inbox: Inbox, rhythm: Rhythm) -> None:
        loop = asyncio.get_running_loop()
        answered = await self._ask_one()
        self._was_asked = True
        if answered is None:
            rhythm.failed(loop.time())
            self._rounds_lost += 1
            if self._rounds_lost >= LOST_AFTER:
                await self._lose(inbox)
            return
        node, seen = answered
        self._rounds_lost = 0
        if self._is_lost is not False:  # also at the first answer: an earlier run may have reported it as lost
            await inbox.put(self._back())
            self._is_lost = False
            for other in self._nodes:
                other.probe_at = 0.0  # what ended for one node has perhaps ended for all
        changed = await self._hand_over(inbox, node, seen)
        rhythm.answered(loop.time(), changed=changed)
        if _is_doubtful(seen.status) and len(self._nodes) > 1:
            self._doubting = self._spawn(self._doubting, self._second_opinion(inbox, node))
        self._side = self._spawn(self._side, self._look_aside(inbox, node, seen.status, rhythm))

    def _spawn(self, running: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin it beside the loop, unless the last one is still at work."""
        if running is not None and not running.done():
            work.close()
            return running
        return asyncio.get_running_loop().create_task(work)

    # -- asking for the state

    async def _ask_one(self) -> tuple[_Node, Seen] | None:
        """The first good answer: nodes are asked one after the other, the next when one fails or is late. None: there is none."""
        waiting = [self._first, *(node for node in self._nodes if node is not self._first)]
        tasks: dict[asyncio.Task[Seen | None], _Node] = {}
        doubtful: tuple[_Node, Seen] | None = None
        try:
            while waiting or tasks:
                if waiting:
                    node = waiting.pop(0)
                    tasks[asyncio.create_task(self._ask(node))] = node
                limit = min(node.late_seconds for node in tasks.values()) if waiting else None
                done, _ = await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    node, seen = tasks.pop(task), task.result()
                    if seen is None:
                        continue
                    if seen.status.dc is None and (waiting or tasks):
                        doubtful = doubtful or (node, seen)  # the Pacemaker of that node is perhaps just starting
                        continue
                    self._first = node
                    return node, seen
            return doubtful
        finally:
            for task, node in tasks.items():
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                node.is_slow = True
                node.probe_at = 0.0  # late once is not down: it is asked again at once
                self._note(node, None, f"{Fault.TIMEOUT}: {phrase('seen.late', 'en', name=node.asked.name)}")

    async def _ask(self, node: _Node) -> Seen | None:
        """Ask one node, and note how it went."""
        known = node.seen
        try:
            seen = await self._lanes.work(lambda cancel: node.asked.ask(cancel, known, self._clock.now), slow=node.is_slow)
        except Refused as err:
            node.is_slow = err.fault in (Fault.TIMEOUT, Fault.STUCK)
            self._note(node, None, str(err))
            return None
        except Exception:
            log.exception("defect while reading an answer", extra={"source": self._name, "path": node.asked.name})
            self._note(node, None, _DEFECT)
            return None
        node.is_slow = False
        self._note(node, seen, "")
        return seen

    def _note(self, node: _Node, seen: Seen | None, reason: str) -> None:
        now = self._clock.now()
        if node.up != (seen is not None) or node.since is None:
            node.since = now
        node.up, node.reason = seen is not None, reason
        if seen is not None:
            node.seen, node.last_data_at = seen, now
            node.bytes_read += seen.size

    async def _second_opinion(self, inbox: Inbox, first: _Node) -> None:
        """A node that shows trouble is perhaps itself cut off: what another one says is handed over too."""
        for node in self._nodes:
            if node is not first and (seen := await self._ask(node)) is not None:
                better = seen.status.dc is not None and bool(seen.status.has_quorum) and self._seen_worse(first)
                if better:
                    self._first = node
                await self._hand_over(inbox, node, seen, beside=not better)
                return

    def _seen_worse(self, node: _Node) -> bool:
        return node.seen is None or node.seen.status.dc is None or not node.seen.status.has_quorum

    # -- handing over

    async def _hand_over(self, inbox: Inbox, node: _Node, seen: Seen, *, beside: bool = False) -> bool:
        """Hand a snapshot over; return whether it shows another state than the one before."""
        now = self._clock.now()
        fresh = self._fresh_parts(node)
        status = with_parts(seen.status, fresh)
        if Companion.LINKS in fresh:
            status = replace(status, links_at=node.tools[Companion.LINKS].asked_at)
        if status.reporter is None:
            status = replace(status, reporter=_reporter(node.asked.name, status))
        digest = seen.digest if not fresh else blake2b(f"{seen.digest} {node.parts_digest}".encode(), digest_size=16).hexdigest()
        changed = self._sent.get(node.asked.name) != digest
        self._sent[node.asked.name] = digest
        await inbox.put(
            Snapshot(
                cluster=self.cluster,
                collector=self._name,
                status=status,
                digest=digest,
                received_at=max(now, status.at),
                path=node.asked.name,
                beside=beside,
                asked=self._asked(node, seen),
            )
        )
        return changed

    def _asked(self, node: _Node, seen: Seen) -> tuple[Asked, ...]:
        """What was asked of the node, and how it went; tools that are not there are not told, unless they are asked for."""
        asked = [Asked(part="crm_mon", seconds=seen.seconds)]
        for companion, tool in node.tools.items():
            if tool.since is not None and self._is_shown(node, companion, tool):
                asked.append(Asked(part=FIELDS[companion], seconds=tool.seconds, reason=tool.reason))
        return tuple(asked)

    def _is_shown(self, node: _Node, companion: Companion, tool: _Tool) -> bool:
        is_wanted = node.asked.settings(companion).enabled is True or tool.last_data_at is not None
        return tool.fault is not Fault.NOT_FOUND or is_wanted

    def _fresh_parts(self, node: _Node) -> dict[Companion, Part]:
        now = asyncio.get_running_loop().time()
        found = {}
        for companion, tool in node.tools.items():
            if tool.part is not None and now - tool.seen_at <= FRESH * node.asked.settings(companion).interval_seconds:
                found[companion] = tool.part
        return found

    async def _lose(self, inbox: Inbox) -> None:
        reasons = [f"{node.asked.name}: {node.reason}" for node in self._nodes if node.reason]
        reason = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
        if self._is_lost and reason == self._lost_reason:
            return
        self._is_lost, self._lost_reason = True, reason
        lost = SourceLost(cluster=self.cluster, collector=self._name, path=PATH, reason=reason, at=self._clock.now(), source=Source.POLL)
        await inbox.put(lost)

    def _back(self) -> SourceBack:
        self._lost_reason = ""
        return SourceBack(cluster=self.cluster, collector=self._name, path=PATH, at=self._clock.now(), source=Source.POLL)

    # -- beside the state

    async def _look_aside(self, inbox: Inbox, first: _Node, status: ClusterStatus, rhythm: Rhythm) -> None:
        """The tools of the node that answered, and whether the other nodes would answer; one that says otherwise is heard."""
        await self._ask_companions(first, status, rhythm)
        loop = asyncio.get_running_loop()
        online = {node.name: node.online for node in status.nodes}
        for node in self._nodes:
            if node is first:
                continue
            for tool in node.tools.values():
                if tool.fault is not None:  # nobody asks it there any more, so that it failed says nothing of now
                    tool.fault, tool.reason, tool.since = None, "", None
            is_member = online.get(node.asked.name, True)
            node.was_away = not node.up and (node.was_away or not is_member)
            if node.probe_at > loop.time() and not (node.was_away and is_member):
                continue
            node.probe_at = loop.time() + max(PROBE_SECONDS, 3 * self._config.interval_seconds)
            seen = await self._ask(node)
            if seen is not None and seen.status.dc not in (None, status.dc):
                await self._hand_over(inbox, node, seen, beside=True)

    async def _ask_companions(self, node: _Node, status: ClusterStatus, rhythm: Rhythm) -> None:
        """Ask the tools that are due, one after the other; when one shows something new, the cluster is asked again soon."""
        loop = asyncio.get_running_loop()
        names = {item.id: item.name for item in status.nodes if item.type is NodeType.MEMBER}
        is_new = False
        for companion, tool in node.tools.items():
            if tool.due > loop.time():
                continue
            before = tool.part
            await self._ask_companion(node, companion, tool, names)
            is_other = (before is None) != (tool.part is None) or (tool.part is not None and lasting(tool.part) != lasting(before))  # type: ignore[arg-type]
            if is_other and companion is Companion.LINKS:
                tool.due = min(tool.due, loop.time() + LOOK_TWICE)
            is_new = is_new or is_other
        if is_new:
            content = repr([(companion, lasting(tool.part)) for companion, tool in node.tools.items() if tool.part is not None])
            node.parts_digest = blake2b(content.encode(), digest_size=16).hexdigest()
            rhythm.again(loop.time())
            self._wake.set()

    async def _ask_companion(self, node: _Node, companion: Companion, tool: _Tool, names: Mapping[str, str]) -> None:
        loop = asyncio.get_running_loop()
        settings = node.asked.settings(companion)
        reason, fault, part = "", None, None
        begin, asked_at = loop.time(), self._clock.now()
        try:
            part = await self._lanes.work(
                lambda cancel: node.asked.ask_companion(cancel, companion, dict(names)), slow=tool.fault is Fault.TIMEOUT
            )
        except Refused as err:
            fault, reason = err.fault, str(err)
        except Exception:
            log.exception("defect while reading an answer", extra={"source": self._name, "path": f"{node.asked.name}: {companion}"})
            fault, reason = Fault.UNREADABLE, _DEFECT
        now = loop.time()
        wait = settings.interval_seconds
        if fault is Fault.NOT_FOUND and settings.enabled is None:
            wait = max(wait, LOOK_AGAIN)
        tool.due = now + wait * (1 + random.uniform(-0.1, 0.1))
        if tool.since is None or (tool.fault is None) != (fault is None):
            tool.since = self._clock.now()
        tool.fault, tool.reason, tool.seconds = fault, reason, now - begin
        if part is not None:
            tool.part, tool.seen_at, tool.last_data_at, tool.asked_at = part, now, self._clock.now(), asked_at
        elif now - tool.seen_at > FRESH * settings.interval_seconds:
            tool.part = None


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel and wait; what they met does not matter any more."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_doubtful(status: ClusterStatus) -> bool:
    """Whether the node that says so may itself be cut off: no DC, no quorum, or a member that it lost."""
    lost = any(node.type is NodeType.MEMBER and not node.online and (node.unclean or node.expected_up) for node in status.nodes)
    return status.dc is None or status.has_quorum is False or lost


def _reporter(name: str, status: ClusterStatus) -> str | None:
    """The node that answered: the one of the command's name, or the one that Corosync calls local."""
    if any(node.name == name for node in status.nodes):
        return name
    if status.quorum is not None:
        local = next((node.node_id for node in status.quorum.nodes if node.is_local), status.quorum.node_id)
        return next((node.name for node in status.nodes if node.id == local), None)
    return None
