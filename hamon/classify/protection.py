"""Whether what left a node is protected again: that ends the story of a departure."""

from datetime import datetime

from hamon.classify import topology
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story
from hamon.classify.stories import DEPARTURES, Book
from hamon.model.incident import Outcome
from hamon.model.observation import Source

_SUCCEEDED, _TRAP = Outcome.SUCCEEDED, Source.TRAP


class Protection:
    """Says whether a node could take over what moved; with that the story of a departure ends."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self.state = state
        self.settings = settings
        self.book = book

    def protect(self, at: datetime) -> None:
        """Look whether services that moved are protected again; that ends their story."""
        for story in self.book.open_stories():
            if story.outcome is not _SUCCEEDED or story.kind not in DEPARTURES:
                continue
            if any(move.done_at is None for move in story.moves.values()):
                continue
            if (sure := self.sure_at(story)) is not None and at < sure:
                continue
            if topology.is_polled(self.state):
                self._protect_polled(story, at)
                continue
            serving = story.to_node or story.from_node
            hindered = [topology.hindrances(self.state, name) for name in topology.candidates(self.state, [serving] if serving else [])]
            redundancy = any(not reasons for reasons in hindered) if hindered else None
            reasons = [] if redundancy else [reason for found in hindered for reason in found]
            self._protected(story, redundancy, reasons, at)

    def sure_at(self, story: Story) -> datetime | None:
        """When a departure of which only traps tell is over: they tell no plan, so more may leave the node."""
        if story.service_restored_at is None or story.outcome is not _SUCCEEDED or not is_hearsay(story):
            return None
        return story.service_restored_at + self.settings.grace

    def _protect_polled(self, story: Story, at: datetime) -> None:
        """By polls: every service that moved has a node that could take it over, a spare one where the cluster keeps some."""
        polls = self.state.polls
        if story.service_restored_at is not None and polls.last_at is not None and polls.last_at <= story.service_restored_at:
            self._unprotected_before_polled(story, at)
            return
        services = [service for service in polls.services.values() if not set(service.members).isdisjoint(story.moves)]
        if not services:
            return
        lacking = [service for service in services if not service.spare]
        reasons = list(dict.fromkeys(word for service in lacking for words in service.against.values() for word in words))
        is_whole = all(service.up for service in services) and not self._is_awaited(story)
        self._protected(story, not lacking and is_whole, reasons, at)

    def _is_awaited(self, story: Story) -> bool:
        """Whether something else serves on the node that is left, which nothing may stay on: it leaves in the same departure."""
        node = self.state.nodes.get(story.from_node or "")
        if node is None or not (node.member is False or node.stop_requested_at or node.standby_at or node.fenced_at):
            return False
        services = (service for service in self.state.polls.services.values() if not (service.disabled or service.held))
        others = (name for service in services for name in service.members if name not in story.moves)
        return any(self._leaves(name, node.name) for name in others)

    def _leaves(self, resource: str, node: str) -> bool:
        """Whether it serves on a node, or stopped there and serves nowhere yet."""
        item, left = self.state.resources.get(resource), self.state.suspects.get(resource)
        return (item is not None and node in topology.active_nodes(item)) or (left is not None and left.from_node == node)

    def _unprotected_before_polled(self, story: Story, at: datetime) -> None:
        """People are told before the next poll: where logs and traps speak against every other node, that much is known already.

        What they told within the story counts also where a poll in its midst does not show it yet.
        """
        serving, begin = story.to_node or story.from_node, story.started_at or story.detected_at
        if story.redundancy is not None or serving is None:
            return
        hindered = [
            list(dict.fromkeys([*topology.hindrances(self.state, name), *topology.hindrances_since(self.state, name, begin)]))
            for name in topology.candidates(self.state, [serving])
        ]
        if hindered and all(hindered):
            self._protected(story, False, [reason for found in hindered for reason in found], at)

    def _protected(self, story: Story, redundancy: bool | None, reasons: list[str], at: datetime) -> None:
        if redundancy != story.redundancy or reasons != story.reasons:
            story.redundancy, story.reasons = redundancy, reasons
            self.book.changed(story, {True: "protected again", False: "not protected", None: "redundancy unknown"}[redundancy])
        leave = any(move.from_node == story.from_node for move in self.state.suspects.values())
        if redundancy and story.settle_at is None and not leave:  # people are told of it first, with all that leaves the node
            story.redundancy_restored_at = at
            self.book.close(story, at, "protected again")


def is_hearsay(story: Story) -> bool:
    """Whether only traps tell of a story."""
    for entry in story.timeline:
        if entry.source is not _TRAP:
            return False  # nearly always the first one says so
    return bool(story.timeline)
