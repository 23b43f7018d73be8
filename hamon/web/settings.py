"""The section `[web]`; apart from the application, so that reading the configuration loads no web framework."""

import ipaddress
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from hamon.section import Section


class Address(NamedTuple):
    """Where the pages are served."""

    host: str
    port: int


def parse_listen(text: str) -> Address:
    """Split `host:port`, IPv6 in brackets; raises ValueError.

    >>> parse_listen("[::1]:8470")
    Address(host='::1', port=8470)
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError("give host:port, such as 127.0.0.1:8470 or [::1]:8470")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host:
        raise ValueError("put an IPv6 address in brackets, such as [::1]:8470")
    elif any(char.isspace() or char in "/@[]" for char in host):
        raise ValueError("the host is no name and no address")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("the port is a number from 0 to 65535")
    return Address(host, int(port))


class WebConfig(Section):
    """Pages, metrics and health."""

    listen: str = "127.0.0.1:8470"
    """Address and port to listen on, IPv6 in brackets; there is no login, so put a proxy with one in front before opening it to others."""
    timezone: str = "UTC"
    """IANA name of the time zone that the pages show."""
    language: Literal["auto", "en", "ja"] = "auto"
    """Language of the pages; auto takes what the browser asks for."""
    title: str = Field(default="hamon", min_length=1, max_length=60)
    """What the pages are called, at the top and in the browser's tab."""

    @field_validator("listen")
    @classmethod
    def _a_host_and_a_port(cls, given: str) -> str:
        parse_listen(given)
        return given

    @field_validator("timezone")
    @classmethod
    def _a_known_zone(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError) as err:
            raise ValueError("no IANA time zone has this name; it is written like Asia/Tokyo") from err
        return given

    @property
    def address(self) -> Address:
        return parse_listen(self.listen)
