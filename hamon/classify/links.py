"""Links between nodes: those that are down while both of their ends are members."""

from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.flapping import is_too_often
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import PendingLink, State, Story
from hamon.classify.stories import UNKNOWN_END, Book, entry_of
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Notice, Severity
from hamon.model.observation import Source

_LINKS_ASKED = timedelta(seconds=35)
"""Within this time a poll shows the links again, which are asked for every 30 s unless configured otherwise."""

NUMBERED = "node "
"""How a node is called whose name is not known."""
_FLAPS = timedelta(seconds=60)
"""A link that is down again within so much time after it was up flaps."""
_TOGETHER = timedelta(seconds=5)
"""Within so much time what goes between several pairs of nodes is the fault of one network."""


def _link_subject(link: str, pair: tuple[str, str]) -> str:
    return f"{link} {pair[0]} {pair[1]}"


def is_same_pair(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two links may be one: an end may be known by its number only, or not at all."""
    return one == other or (
        bool(set(one) & set(other)) and (UNKNOWN_END in (*one, *other) or any(end.startswith(NUMBERED) for end in (*one, *other)))
    )


def ends_of(story: Story) -> tuple[str, str]:
    """The two nodes that a story about a link, or a split, is about."""
    return (story.nodes[0], story.nodes[1])


def _better(one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str]:
    """The pair with the more names known."""
    unknown = [sum(end.startswith(NUMBERED) or end == UNKNOWN_END for end in pair) for pair in (one, other)]
    return other if unknown[1] < unknown[0] else one


class Links:
    """What is down between two members, and what was only the link of a node that is gone."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self.state, self.settings, self._book = state, settings, book

    def down(self, event: Event) -> None:
        """A link is down: a fault, unless its peer turns out to be gone."""
        if event.reporter is not None and event.detail.get("link") is not None:
            topology.node(self.state, event.reporter)
        pair = self.pair_of(event)
        if pair is None:
            return
        for name in pair:
            known = self.state.nodes.get(name)
            if known is not None and (known.member is False or known.stop_requested_at is not None):
                return
            if event.source is Source.POLL and known is not None and known.since is not None and event.at <= known.since:
                return  # asked before the node came back
        link = str(event.detail["link"])
        if event.source is Source.POLL and self._was_up_since(link, pair, event.at):
            return
        if (story := self._story(link, pair)) is not None:
            story.nodes = list(_better(ends_of(story), pair))
            return
        for pending in self.state.links:
            if pending.link == link and is_same_pair(pending.pair, pair):
                pending.pair = _better(pending.pair, pair)
                pending.entries.append(entry_of(event))
                if event.source is not Source.POLL:
                    pending.may_come = False
                return
        may_come = event.source is Source.POLL and any(self._came_just_before(name, event.at) for name in self.named(pair))
        wait = max(self.settings.membership, _LINKS_ASKED) if may_come else self.settings.membership
        self.state.links.append(PendingLink(link, pair, event.at, event.at + wait, [entry_of(event)], may_come))

    def up(self, event: Event) -> None:
        """It is up again."""
        if (pair := self.pair_of(event)) is None:
            return
        link = str(event.detail["link"])
        for pending in list(self.state.links):
            if pending.link == link and is_same_pair(pending.pair, pair):
                if event.source is Source.POLL and event.at <= max(entry.at for entry in pending.entries):
                    return  # asked before it went down
                self.state.links.remove(pending)
                if not pending.may_come:
                    self.fault(pending)
        for story in self._book.open_stories():
            if story is self._story(link, pair):
                seen_down = [entry.at for entry in story.timeline if entry.event == EventKind.LINK_DOWN]
                if event.source is Source.POLL and seen_down and event.at <= max(seen_down):
                    return
                self._book.add(story, event)
                if (other := self._down_elsewhere(story)) is not None:  # the fault goes on, between others
                    story.subject, other.subject, story.nodes, other.nodes = other.subject, story.subject, other.nodes, story.nodes
                    self._book.close(other, event.at, "the link is up again")
                    continue
                self._book.close(story, event.at, "the link is up again")
                if not story.told and story.part_of is None:
                    self._book.tell(story, Notice.OPENING)

    def fault(self, pending: PendingLink) -> None:
        """A link is down and its peer is still a member."""
        if self._story(pending.link or "", pending.pair) is not None:
            return
        ends = (self.state.nodes.get(name) for name in self.named(pending.pair))
        if any(end is not None and end.member is False for end in ends):
            return  # its peer was lost; that this is its number was learned later
        numbers = {end.removeprefix(NUMBERED) for end in pending.pair if end.startswith(NUMBERED)}
        if numbers and not numbers & set(self.state.departed) and len(self._went_about(pending.down_at)) == 1:
            return  # one node went, and no line says that the number is another one's
        departed = self.state.departed
        if numbers & set(departed) and len(departed) < max(len({*self.state.ids_seen, *departed}), len(self.state.nodes)):
            return  # its peer left, and its number has no name; where all have left each other they are cut from each other
        if (flapping := self._just_up(pending)) is not None:
            self._down_again(flapping, pending)
            return
        subject = _link_subject(pending.link or "", pending.pair)
        first = min(pending.entries, key=lambda entry: (entry.at, entry.node or ""))  # in whatever order they came
        story = self._book.open(
            IncidentKind.INTERCONNECT_DEGRADED,
            subject,
            Severity.MAJOR,
            pending.down_at,
            started_at=pending.down_at,
            nodes=pending.pair,
            cause=Cause(kind="link_down", node=first.node or pending.pair[0], at=pending.down_at, text=first.raw),
        )
        story.resources = [f"link {pending.link}"]
        for entry in pending.entries:
            self._book.put(story, entry)
            if entry.source not in story.sources:
                story.sources.append(entry.source)
        for other in self._book.open_stories():  # a link is one network: what goes between other nodes at the same time is the same fault
            is_main = other is not story and other.kind is story.kind and other.part_of is None
            if is_main and other.subject.split()[0] == pending.link and abs(pending.down_at - other.detected_at) <= _TOGETHER:
                self._book.make_part(story, other)
                return

    def drop(self, name: str) -> list[PendingLink]:
        """A node is gone: its links are down for that reason. A peer known by number only may be this one when there is no third."""
        others = [other for other in self.state.nodes if other != name]
        gone = [
            pending
            for pending in self.state.links
            if name in self.named(pending.pair) or (len(others) <= 1 and any(end.startswith(NUMBERED) for end in pending.pair))
        ]
        self.state.links = [pending for pending in self.state.links if pending not in gone]
        self.state.cut_links = [*gone, *(cut for cut in self.state.cut_links if not gone)][-8:]
        return list(self.state.cut_links)

    def named(self, pair: tuple[str, str]) -> list[str]:
        """The ends of a link, by name where the number is known by now."""
        return [self.state.node_ids.get(end.removeprefix(NUMBERED), end) if end.startswith(NUMBERED) else end for end in pair]

    def pair_of(self, event: Event) -> tuple[str, str] | None:
        """The ends of the link that an event is about; None where it names no link, or nobody knows them."""
        if event.detail.get("link") is None:
            return None
        mine = event.reporter or event.node
        peer = event.detail.get("peer")
        if mine is None and peer is not None:  # Heartbeat tells of a link by the node at its other end
            others = [name for name in self.state.nodes if name != peer]
            mine = others[0] if len(others) == 1 else UNKNOWN_END
        if mine is None:
            return None
        if peer is None and event.detail.get("peer_id") is not None:
            number = str(event.detail["peer_id"])
            topology.id_seen(self.state, number)
            peer = topology.named(self.state, number, mine) or f"{NUMBERED}{number}"
        if peer is None:
            others = [name for name in self.state.nodes if name != mine]
            peer = others[0] if len(others) == 1 else UNKNOWN_END
        first, second = sorted((mine, str(peer)))
        return first, second

    def _came_just_before(self, name: str, at: datetime) -> bool:
        known = self.state.nodes.get(name)
        return known is not None and known.since is not None and at - known.since <= self.settings.story_window

    def _down_elsewhere(self, story: Story) -> Story | None:
        """The part of a link's fault that is about other nodes, and not over."""
        parts = (part for part in self._book.open_stories() if part.part_of == story.key and part.kind is story.kind)
        return next(parts, None)

    def _was_up_since(self, link: str, pair: tuple[str, str], asked_at: datetime) -> bool:
        """Whether the link is known to have come up after it was asked for."""
        return any(
            story.kind is IncidentKind.INTERCONNECT_DEGRADED
            and story.subject.split()[0] == link
            and is_same_pair(ends_of(story), pair)
            and story.resolved_at is not None
            and story.resolved_at >= asked_at
            for story in self.state.stories
        )

    def _story(self, link: str, pair: tuple[str, str]) -> Story | None:
        for story in self._book.open_stories():
            if story.kind is IncidentKind.INTERCONNECT_DEGRADED and story.subject.split()[0] == link and is_same_pair(ends_of(story), pair):
                return story
        return None

    def _went_about(self, at: datetime) -> set[str | None]:
        """The nodes that left or were lost when a link went down; they may be back."""
        return {
            entry.node
            for entry in self.state.recent
            if entry.event in (EventKind.NODE_LOST, EventKind.NODE_LEFT) and abs(entry.at - at) <= self.settings.membership
        }

    def _just_up(self, pending: PendingLink) -> Story | None:
        """The fault of the same link that ended just before: it goes on."""
        for story in reversed(self.state.stories):
            ended = story.resolved_at if story.kind is IncidentKind.INTERCONNECT_DEGRADED and story.part_of is None else None
            if ended is not None and timedelta(0) <= pending.down_at - ended <= _FLAPS and not topology.is_split(story):
                link = story.subject.split()[0]
                if link == pending.link and is_same_pair(ends_of(story), pending.pair):
                    is_one = not is_too_often(self.state, self.settings, story, pending.down_at)
                    return story if is_one else None
        return None

    def _down_again(self, story: Story, pending: PendingLink) -> None:
        """A link that was up for a moment only is down again: one fault, with how often."""
        story.flaps = (story.flaps or 1) + 1
        for entry in pending.entries:
            self._book.put(story, entry)
        story.sources += {entry.source: None for entry in pending.entries if entry.source not in story.sources}
        self._book.reopen(story)
        self._book.tell(story, Notice.OPENING)
