"""Shells that read one source each and put what they saw into the inbox."""

from hamon.collect.log_tail import LogTail, LogTailConfig

COLLECTORS: dict[str, tuple[type[LogTailConfig], type[LogTail]]] = {"log_tail": (LogTailConfig, LogTail)}
"""By the name that stands in the configuration, the metrics and the logs: the settings and the class."""
