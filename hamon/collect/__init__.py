"""Shells that read one source each and put what they saw into the inbox."""

from collections.abc import Callable

from hamon.collect.crm_mon import CrmMon, CrmMonConfig
from hamon.collect.log_tail import LogTail, LogTailConfig
from hamon.collect.snmp_trap import SnmpTrap
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.collect.syslog import Syslog
from hamon.collect.syslog_config import SyslogConfig
from hamon.ports import Collector
from hamon.section import Section

COLLECTORS: dict[str, tuple[type[Section], Callable[..., Collector]]] = {
    "log_tail": (LogTailConfig, LogTail),
    "snmp_trap": (SnmpTrapConfig, SnmpTrap),
    "crm_mon": (CrmMonConfig, CrmMon),
    "syslog": (SyslogConfig, Syslog),
}
"""By the name that stands in the configuration, the metrics and the logs: the settings and the class, which takes the name, the settings,
the clock and the read positions."""
