"""The two loops between the core and its shells: take observations to the store, and hand deliveries to people."""

from hamon.pipeline.deliver import Deliverer, Outbox, Outlet, retry_seconds
from hamon.pipeline.process import Processor

__all__ = [
    "Deliverer",
    "Outbox",
    "Outlet",
    "Processor",
    "retry_seconds",
]
