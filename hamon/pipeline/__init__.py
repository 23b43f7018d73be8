"""The two loops between the core and its shells: take observations to the store, and hand deliveries to people."""

from hamon.pipeline.deliver import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, REMEDY, Deliverer, Outbox, Outlet, retry_seconds, unobserved
from hamon.pipeline.process import Counts, Processor

__all__ = [
    "FIRST_RETRY_SECONDS",
    "LAST_RETRY_SECONDS",
    "REMEDY",
    "Counts",
    "Deliverer",
    "Outbox",
    "Outlet",
    "Processor",
    "retry_seconds",
    "unobserved",
]
