"""Time zones, character encodings, stamps and beginnings of records in the configuration of what is read as text."""

import codecs
import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from hamon.parse.text import StampForm


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as err:
        raise ValueError(f"{name!r} is not an IANA time zone, such as Asia/Tokyo") from err
    return name


def _encoding(name: str) -> str:
    try:
        line_end = codecs.lookup(name).encode("a\n")[0]
    except (LookupError, TypeError, ValueError) as err:
        raise ValueError(f"{name!r} is not a character encoding, such as utf-8, euc_jp or cp932") from err
    # Lines are cut before they are decoded.
    if line_end != b"a\n":
        raise ValueError(f"{name!r} does not keep ASCII as it is, so that lines cannot be cut")
    return name


def _stamp(form: str) -> str:
    if form:
        StampForm(form)
    return form


def _record_start(pattern: str) -> str:
    try:
        re.compile(pattern.encode())
    except re.error as err:
        raise ValueError(f"not a regular expression: {err}") from err
    return pattern


TimeZone = Annotated[str, AfterValidator(_timezone)]
Encodings = Annotated[tuple[Annotated[str, AfterValidator(_encoding)], ...], Field(min_length=1)]
Stamp = Annotated[str, AfterValidator(_stamp)]
RecordStart = Annotated[str, AfterValidator(_record_start)]
