"""Shells that hand notifications to people and programs."""

from collections.abc import Callable
from typing import Any

from hamon.clock import Clock
from hamon.notify.apprise import AppriseConfig, AppriseNotifier
from hamon.notify.mailbox import MailboxConfig, MailboxNotifier
from hamon.notify.smtp import SmtpConfig, SmtpNotifier
from hamon.notify.snmp_trap import SnmpTrapConfig, SnmpTrapNotifier
from hamon.notify.target import TargetSection
from hamon.notify.webhook import WebhookConfig, WebhookNotifier
from hamon.ports import Notifier

NOTIFIERS: dict[str, tuple[type[TargetSection], Callable[[str, Any, Clock], Notifier]]] = {
    "smtp": (SmtpConfig, SmtpNotifier),
    "webhook": (WebhookConfig, WebhookNotifier),
    "apprise": (AppriseConfig, AppriseNotifier),
    "mailbox": (MailboxConfig, MailboxNotifier),
    "snmp_trap": (SnmpTrapConfig, SnmpTrapNotifier),
}
"""By the name of their table in the configuration: the section, and the class that is built from (name, section, clock)."""
