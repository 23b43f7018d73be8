"""What collectors, targets and the history tell of themselves, as events beside those of the clusters."""

import logging

from hamon.model.event import Event, EventKind
from hamon.model.observation import GATEWAY, RecordsRefused, Source, SourceBack, SourceLost, TargetDelivers, TargetLags

log = logging.getLogger(__name__)


def target_event(observation: TargetLags | TargetDelivers) -> Event:
    lags = isinstance(observation, TargetLags)
    about: dict[str, str | int | float | bool | None] = {"target": observation.target}
    if isinstance(observation, TargetLags):
        about |= {"pending": observation.pending, "refuses": observation.refuses, "reason": observation.reason}
    return Event(
        at=observation.at,
        received_at=observation.at,
        cluster=GATEWAY,
        kind=EventKind.TARGET_LAGS if lags else EventKind.TARGET_DELIVERS,
        rule="",
        source=Source.LOG,
        collector="",
        resource=observation.target,
        detail=about,
    )


def refused_event(observation: RecordsRefused) -> Event:
    return Event(
        at=observation.at,
        received_at=observation.at,
        cluster=GATEWAY,
        kind=EventKind.RECORDS_REFUSED,
        rule="",
        source=Source.LOG,
        collector="",
        resource="history",
        detail={
            "records": observation.records,
            "what": observation.what,
            "about": observation.about,
            "reason": observation.reason,
            "kept": observation.kept,
        },
        raw=observation.reason,
    )


def log_source(observation: SourceLost | SourceBack) -> None:
    """Also where nobody is told, the operator of hamon finds what it cannot see, and the remedy, in its own log."""
    facts = {"cluster": observation.cluster, "collector": observation.collector, "source": observation.path}
    match observation:
        case SourceLost(dropped=0, reason=reason):
            log.warning("a source is lost", extra=facts | {"reason": reason})
        case SourceLost(dropped=dropped, reason=reason):
            log.warning("a source gives more than can be taken", extra=facts | {"reason": reason, "dropped": dropped})
        case SourceBack(dropped=dropped, reason=reason):
            log.info(
                "a source loses nothing any more" if dropped else "a source gives data",
                extra=facts | ({"reason": reason} if reason else {}),
            )


def source_event(observation: SourceLost | SourceBack) -> Event:
    lost = isinstance(observation, SourceLost)
    losses = {"dropped": observation.dropped} if observation.dropped else {}
    return Event(
        at=observation.at,
        received_at=observation.at,
        cluster=observation.cluster,
        kind=EventKind.SOURCE_LOST if lost else EventKind.SOURCE_BACK,
        rule="",
        source=observation.source,
        collector=observation.collector,
        node=observation.node,
        detail={
            "path": observation.path,
            "reason": observation.reason,
            **losses,
        },
    )
