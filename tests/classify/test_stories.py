"""The book of stories: two of them never have one key, whatever was forgotten between them."""

from datetime import UTC, datetime, timedelta

from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.stories import Book
from hamon.model.incident import IncidentKind, Severity

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def opened_and_forgotten(book: Book, at: datetime, started_at: datetime) -> str:
    story = book.open(IncidentKind.FENCING, "pm01", Severity.WARNING, at, started_at=started_at)
    book.end(story, at, "fenced")
    book.forget(NOW)
    return story.key


def test_what_is_read_late_and_forgotten_at_once_has_a_key_of_its_own_each_time() -> None:
    book = Book(State(now=NOW), ClusterSettings(name="test"))
    long_ago = NOW - timedelta(hours=1)
    keys = [opened_and_forgotten(book, long_ago, long_ago) for _ in range(3)]
    assert book.state.stories == []
    assert len(set(keys)) == 3


def test_what_began_long_before_it_was_seen_has_another_key_than_what_is_forgotten() -> None:
    state = State(now=NOW - timedelta(minutes=20))
    book = Book(state, ClusterSettings(name="test"))
    began = NOW - timedelta(minutes=21)
    first = opened_and_forgotten(book, began + timedelta(seconds=1), began)
    state.now = NOW
    assert opened_and_forgotten(book, NOW, began) != first


def test_what_was_ended_by_something_older_is_known_until_others_have_another_key() -> None:
    """Two nodes send their logs after a pause, one faster than the other: that a node joined long ago is heard after its fault."""
    state = State(now=NOW)
    book = Book(state, ClusterSettings(name="test"))
    began = NOW - timedelta(minutes=2)
    keys = []
    for step in range(240):
        state.now = NOW + timedelta(seconds=0.25 * step)
        at = began + timedelta(seconds=0.3 * (step % 3))
        story = book.open(IncidentKind.RESOURCE_FAILURE, "pm01 prmPg", Severity.MAJOR, at, started_at=at)
        story.started_at = began - timedelta(minutes=4)  # as when its cause is heard
        book.close(story, began - timedelta(minutes=5), "the node joined again")
        book.forget(state.now)
        keys.append(story.key)
    assert len(set(keys)) == len(keys)
