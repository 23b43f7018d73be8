"""SNMPv3 users, in the words of net-snmp, because that is what stands on the other side."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from hamon.section import Section

SHORTEST_PASSPHRASE = 8
"""RFC 3414, 11.2."""


class Level(StrEnum):
    NO_AUTH = "noAuthNoPriv"
    AUTH = "authNoPriv"
    PRIV = "authPriv"

    @property
    def flags(self) -> int:
        """As in msgFlags (RFC 3412, 6.4); a higher number protects more."""
        return {Level.NO_AUTH: 0, Level.AUTH: 1, Level.PRIV: 3}[self]


class AuthProtocol(StrEnum):
    MD5 = "MD5"
    SHA = "SHA"
    SHA224 = "SHA-224"
    SHA256 = "SHA-256"
    SHA384 = "SHA-384"
    SHA512 = "SHA-512"

    @property
    def hash_name(self) -> str:
        return {AuthProtocol.MD5: "md5", AuthProtocol.SHA: "sha1"}.get(self, self.value.replace("-", "").lower())

    @property
    def digest_octets(self) -> int:
        """Of the digest in a message (RFC 3414, 6 and 7; RFC 7860, 4.1)."""
        return {"MD5": 12, "SHA": 12, "SHA-224": 16, "SHA-256": 24, "SHA-384": 32, "SHA-512": 48}[self.value]


class PrivProtocol(StrEnum):
    """AES-192 and AES-256 lengthen the key as net-snmp does by default, those with -C as Cisco does."""

    DES = "DES"
    AES = "AES"
    AES192 = "AES-192"
    AES256 = "AES-256"
    AES192C = "AES-192-C"
    AES256C = "AES-256-C"


def _spelled(value: Any) -> Any:
    """Take the other spellings that net-snmp takes."""
    if not isinstance(value, str):
        return value
    word = value.upper()
    return {"SHA1": "SHA", "SHA-1": "SHA", "AES128": "AES", "AES-128": "AES"}.get(word, word)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    level: Level
    auth: AuthProtocol = AuthProtocol.SHA256
    priv: PrivProtocol = PrivProtocol.AES
    auth_passphrase: str = field(default="", repr=False)
    priv_passphrase: str = field(default="", repr=False)


class UserSection(Section):
    """What a table that gives the secrets of an SNMPv3 user has; it is a part of other sections."""

    level: Level = Level.PRIV
    """Security level: noAuthNoPriv, authNoPriv or authPriv."""
    auth: Annotated[AuthProtocol, BeforeValidator(_spelled)] = AuthProtocol.SHA256
    """Authentication: SHA, SHA-224, SHA-256, SHA-384, SHA-512; MD5 only with allow_weak."""
    auth_passphrase: SecretStr | None = None
    """Passphrase for the authentication, at least 8 characters."""
    auth_passphrase_file: Path | None = None
    """File that holds the passphrase for the authentication."""
    priv: Annotated[PrivProtocol, BeforeValidator(_spelled)] = PrivProtocol.AES
    """Encryption: AES, AES-192, AES-256, AES-192-C, AES-256-C (as net-snmp names them); DES only with allow_weak."""
    priv_passphrase: SecretStr | None = None
    """Passphrase for the encryption, at least 8 characters."""
    priv_passphrase_file: Path | None = None
    """File that holds the passphrase for the encryption."""
    allow_weak: bool = Field(default=False)
    """Whether MD5, DES and level noAuthNoPriv are allowed."""

    def _wants_v3_secrets(self) -> bool:
        """Whether the secrets count at all; a section that also knows communities says so."""
        return True

    @model_validator(mode="after")
    def _strong_enough(self) -> Self:
        if not self._wants_v3_secrets():
            return self
        check_user(self)
        return self

    def credentials(self, name: str) -> User:
        """The user with its secrets. Raises OSError or ValueError for a file that does not give one."""
        auth = self.secret("auth_passphrase") or "" if self.level is not Level.NO_AUTH else ""
        priv = self.secret("priv_passphrase") or "" if self.level is Level.PRIV else ""
        for what, given, wanted in (("auth", auth, self.level is not Level.NO_AUTH), ("priv", priv, self.level is Level.PRIV)):
            if wanted and len(given) < SHORTEST_PASSPHRASE:
                raise ValueError(f"{what}_passphrase has fewer than {SHORTEST_PASSPHRASE} characters")
        return User(name=name, level=self.level, auth=self.auth, priv=self.priv, auth_passphrase=auth, priv_passphrase=priv)


def check_user(section: UserSection) -> None:
    """Raise what is wrong with the settings of a user, as an error of pydantic."""
    if not section.allow_weak:
        weak = []
        if section.level is Level.NO_AUTH:
            weak.append("level noAuthNoPriv lets anyone forge messages")
        if section.level is not Level.NO_AUTH and section.auth is AuthProtocol.MD5:
            weak.append("MD5 is broken")
        if section.level is Level.PRIV and section.priv is PrivProtocol.DES:
            weak.append("DES is broken")
        if weak:
            raise PydanticCustomError("weak-snmp-user", "{weak}; if it must be, set allow_weak = true", {"weak": ", ".join(weak)})
    for what, wanted in (("auth", section.level is not Level.NO_AUTH), ("priv", section.level is Level.PRIV)):
        given: SecretStr | None = getattr(section, f"{what}_passphrase")
        file: Path | None = getattr(section, f"{what}_passphrase_file")
        if wanted and given is None and file is None:
            raise PydanticCustomError(
                "missing-passphrase",
                "level {level} needs {what}_passphrase_file (or {what}_passphrase)",
                {"level": section.level.value, "what": what},
            )
        if wanted and given is not None and len(given.get_secret_value()) < SHORTEST_PASSPHRASE:
            raise PydanticCustomError(
                "short-passphrase", "{what}_passphrase has fewer than {least} characters", {"what": what, "least": SHORTEST_PASSPHRASE}
            )


def master_key(protocol: AuthProtocol, passphrase: str) -> bytes:
    """The key of a passphrase for every engine (RFC 3414, A.2: the hash of a mebibyte of it); takes about 10 ms.

    >>> master_key(AuthProtocol.SHA, "maplesyrup").hex()
    '9fb5cc0381497b3793528939ff788d5d79145211'
    """
    octets = passphrase.encode("utf-8")
    digest = hashlib.new(protocol.hash_name, usedforsecurity=False)
    whole, rest = divmod(1 << 20, len(octets))
    digest.update(octets * whole + octets[:rest])
    return digest.digest()


def localized(protocol: AuthProtocol, master: bytes, engine_id: bytes) -> bytes:
    """The key for one engine (RFC 3414, A.2).

    >>> key = localized(AuthProtocol.SHA, master_key(AuthProtocol.SHA, "maplesyrup"), bytes(11) + b"\\x02")
    >>> key.hex()
    '6695febc9288e36282235fc7151f128497b38f3f'
    """
    return hashlib.new(protocol.hash_name, master + engine_id + master, usedforsecurity=False).digest()
