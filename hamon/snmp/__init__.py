"""What receiving, sending and answering SNMP share: who we are, users, pysnmp engines, the numbers of HAMON-MIB.

pysnmp is imported only where an engine is made: without SNMP in the configuration it costs nothing.
"""

from hamon.snmp.engine import add_user, new_engine
from hamon.snmp.identity import Identity, IdentityError, bump, current, start
from hamon.snmp.settings import DEFAULT_ROOT, SnmpConfig, parse_oid
from hamon.snmp.users import AuthProtocol, Level, PrivProtocol, User, UserSection, localized, master_key

__all__ = [
    "DEFAULT_ROOT",
    "AuthProtocol",
    "Identity",
    "IdentityError",
    "Level",
    "PrivProtocol",
    "SnmpConfig",
    "User",
    "UserSection",
    "add_user",
    "bump",
    "current",
    "localized",
    "master_key",
    "new_engine",
    "parse_oid",
    "start",
]
