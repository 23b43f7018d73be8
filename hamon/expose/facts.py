"""What is known of each cluster now, put together from views, polls and sources: for metrics, checks and the status in the terminal."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from hamon.classify.services import Pattern, Services, find
from hamon.classify.settings import ClusterSettings
from hamon.expose.cluster import Facts
from hamon.model.cluster import ClusterView, SourceView
from hamon.model.observation import Polled
from hamon.tell import phrase

POLLING = "crm_mon"
"""The kind of the sources that are asked."""
_NEVER = datetime.fromtimestamp(0, UTC)


def seen(
    views: Iterable[ClusterView], polled_of: Callable[[str], Polled | None], sources: Iterable[SourceView]
) -> Iterator[tuple[ClusterView, Polled | None, bool]]:
    """Every cluster with what polling knows of it, None where it is not polled, and whether anything tells how it is now."""
    asked: set[str] = set()
    told_of: set[str] = set()
    read: set[str] = set()
    for source in sources:
        (asked if source.kind == POLLING else told_of).add(source.cluster)
        if source.kind != POLLING and source.up:
            read.add(source.cluster)
    for view in views:
        polled = polled_of(view.name)
        if polled is None and view.name in asked:
            polled = unanswered(view.name)
        if polled is not None and polled.unknown_since is None and polled.snapshot is not None:
            known = True
        else:
            # Without any source (as when hamon only shows what it remembers) the view is all there is.
            known = view.name in read or (polled is None and view.name not in told_of)
        yield view, polled, known


def unanswered(cluster: str) -> Polled:
    """A cluster that is asked and has not answered yet."""
    return Polled(cluster=cluster, unknown_since=_NEVER, reason=phrase("seen.no_answer_yet", "en"))


def services_of(polled: Polled | None, settings: ClusterSettings | None) -> Services | None:
    """The services that the last poll shows; None where it is not to be believed."""
    if polled is None or polled.snapshot is None or polled.unknown_since is not None:
        return None
    named = settings.services if settings is not None else None
    pattern = Pattern(settings.pattern) if settings is not None and settings.pattern is not None else None
    return find(polled.snapshot.status, named=named or None, pattern=pattern)


def facts(view: ClusterView, polled: Polled | None, known: bool, settings: ClusterSettings | None) -> Facts:
    return Facts(view=view, polled=polled, services=services_of(polled, settings), known=known)
