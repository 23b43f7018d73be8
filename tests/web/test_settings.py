"""The section `[web]` refuses what cannot be listened on or shown."""

import pytest
from pydantic import ValidationError

from hamon.web.settings import Address, WebConfig


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8470", Address("127.0.0.1", 8470)),
        ("[::1]:8470", Address("::1", 8470)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("gateway.example:65535", Address("gateway.example", 65535)),
        ("localhost:0", Address("localhost", 0)),
    ],
)
def test_an_address_has_a_host_and_a_port(listen: str, address: Address) -> None:
    assert WebConfig(listen=listen).address == address


@pytest.mark.parametrize(
    "listen", ["", "8470", ":8470", "::1:8470", "[::1]", "[pm01]:80", "pm01:", "pm01:65536", "pm01:-1", "a b:80", "http://pm01:80"]
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError):
        WebConfig(listen=listen)


@pytest.mark.parametrize("zone", ["Asia/Tokio", "../etc/passwd", "", "JST-9 "])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="time zone"):
        WebConfig(timezone=zone)


def test_every_setting_is_described() -> None:
    assert [name for name, field in WebConfig.model_fields.items() if not field.description] == []
