"""What is handed to one target: a delivery in the outbox, and the notification it carries."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hamon.model.incident import Transition
from hamon.model.observation import Trap


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One transition for one target, kept in the outbox until it was handed over.

    `id` is `{cluster}/{incident key}/{sequence}/{target}`: unique, stable, and the base of the Message-ID.
    `state` SENDING found at start means that hamon died between handing over and recording it: it is sent again and marked as repeated.
    """

    id: str
    target: str
    transition: Transition
    created_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_attempt_at: datetime | None = None
    sent_at: datetime | None = None
    repeated: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A trap that is to be passed on to one target as it came. `id` is 0 until it is stored; then it gives the order."""

    id: int
    target: str
    trap: Trap
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What a notifier gets: the delivery and the words for it, in the language of the target."""

    id: str
    transition: Transition
    language: str
    subject: str
    """The first line: cluster, service, what, from and to, planned or not, how long it was down."""
    text: str
    """Plain text, several paragraphs: cause, redundancy, timeline, next steps."""
    repeated: bool = False
    test: bool = False
