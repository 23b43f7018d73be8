"""pysnmp engines with our identity. pysnmp is imported here, when the first one is made."""

from typing import TYPE_CHECKING, Any

from hamon.snmp.identity import Identity
from hamon.snmp.users import AuthProtocol, Level, PrivProtocol, User, master_key

if TYPE_CHECKING:
    from pysnmp.entity.engine import SnmpEngine


def new_engine(identity: Identity) -> "SnmpEngine":
    """An engine (about 0.1 s of work) that says it is us. It has no transport; each role has an engine of its own.

    pysnmp given an engine ID keeps its own count of starts in a folder for temporary files, where it gets lost. So it is told ours only
    after it has been made.
    """
    from pysnmp.entity.engine import SnmpEngine

    engine = SnmpEngine()
    id_object, boots, time = engine.get_mib_builder().import_symbols(
        "__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots", "snmpEngineTime"
    )
    id_object.syntax = id_object.syntax.clone(identity.engine_id)
    engine.snmpEngineID = id_object.syntax
    boots.syntax = boots.syntax.clone(identity.boots)
    # Of engine time pysnmp keeps when it began, in seconds since 1970.
    time.syntax = time.syntax.clone(int(identity.started_at.timestamp()))
    return engine


def add_user(
    engine: "SnmpEngine",
    user: User,
    *,
    engine_id: bytes | None = None,
    master_keys: tuple[bytes, bytes] | None = None,
) -> None:
    """Make a user known under an authoritative engine (None: our own). Costs about 5 ms, and 20 ms more without its master keys.

    Its security name is its name: pysnmp finds no keys under another one.
    """
    from pysnmp.entity import config
    from pysnmp.proto.rfc1902 import OctetString

    auth, priv = AUTH_NAMES[user.auth], PRIV_NAMES[user.priv]
    keys = master_keys or user_keys(user)
    options: dict[str, Any] = {}
    if user.level is not Level.NO_AUTH:
        options |= {"authProtocol": getattr(config, auth), "authKey": OctetString(keys[0]), "authKeyType": config.USM_KEY_TYPE_MASTER}
    if user.level is Level.PRIV:
        options |= {"privProtocol": getattr(config, priv), "privKey": OctetString(keys[1]), "privKeyType": config.USM_KEY_TYPE_MASTER}
    if engine_id is not None:
        options["securityEngineId"] = OctetString(engine_id)
    config.add_v3_user(engine, user.name, **options)


def user_keys(user: User) -> tuple[bytes, bytes]:
    """The master keys for authentication and encryption; empty where the level has none."""
    auth = master_key(user.auth, user.auth_passphrase) if user.level is not Level.NO_AUTH else b""
    priv = master_key(user.auth, user.priv_passphrase) if user.level is Level.PRIV else b""
    return auth, priv


def add_community(engine: "SnmpEngine", name: str, community: str) -> None:
    """Make a community known; `name` is its security name, so that two uses of one community stay apart."""
    from pysnmp.entity import config

    config.add_v1_system(engine, name, community)


def stop_engine(engine: "SnmpEngine") -> None:
    """Close its transports and its clock; the caller lets the loop turn once, so that the clock's task can end."""
    if engine.transport_dispatcher is not None:
        engine.close_dispatcher()


AUTH_NAMES = {
    AuthProtocol.MD5: "USM_AUTH_HMAC96_MD5",
    AuthProtocol.SHA: "USM_AUTH_HMAC96_SHA",
    AuthProtocol.SHA224: "USM_AUTH_HMAC128_SHA224",
    AuthProtocol.SHA256: "USM_AUTH_HMAC192_SHA256",
    AuthProtocol.SHA384: "USM_AUTH_HMAC256_SHA384",
    AuthProtocol.SHA512: "USM_AUTH_HMAC384_SHA512",
}
PRIV_NAMES = {
    PrivProtocol.DES: "USM_PRIV_CBC56_DES",
    PrivProtocol.AES: "USM_PRIV_CFB128_AES",
    PrivProtocol.AES192: "USM_PRIV_CFB192_AES_BLUMENTHAL",
    PrivProtocol.AES256: "USM_PRIV_CFB256_AES_BLUMENTHAL",
    PrivProtocol.AES192C: "USM_PRIV_CFB192_AES",
    PrivProtocol.AES256C: "USM_PRIV_CFB256_AES",
}
