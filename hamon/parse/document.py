"""XML that a command printed, to a tree: bounded, without entities, and not blinded by one bad byte."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, XMLParser
from xml.etree.ElementTree import ParseError as XmlError

from hamon.errors import ParseError

MAX_BYTES = 64 * 1024 * 1024
MAX_ELEMENTS = 1_000_000
"""A cluster of 32 nodes and 500 resources has 2 MB and 10,000 elements."""

_NO_CHARACTER = re.compile(r"&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2\d|3[01]));|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NOT_CONNECTED = re.compile(r"not available on this node|[Cc]onnection to cluster failed|[Nn]ot connected|[Cc]ould not connect")


def read_tree(data: bytes, *, roots: Sequence[str]) -> Element:
    """The tree under the first element of one of these names. Raises ParseError; its reason begins with a stable word.

    These words are `no data`, `refused`, `not connected`, `truncated` and `not XML`.
    """
    if not data.strip():
        raise ParseError("no data: the command printed nothing", data)
    if len(data) > MAX_BYTES:
        raise ParseError(f"refused: {len(data)} bytes, at most {MAX_BYTES} are read", data[:1000])
    # A document type may define entities that grow without end. It is read as UTF-8 whatever it declares: no encoding hides these bytes.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ParseError("refused: a document type declaration, which the tools of the cluster never write", data[:1000])
    if data.count(b"<") > 2 * MAX_ELEMENTS:
        raise ParseError(f"refused: more than {MAX_ELEMENTS} elements", data[:1000])
    found = re.search(rb"<(?:%s)[\s>/]" % b"|".join(root.encode() for root in roots), data)
    if found is None:
        text = data[:500].decode("utf-8", "replace").strip()
        word = "not connected" if _NOT_CONNECTED.search(text) else "not XML"
        raise ParseError(f"{word}: {next(iter(text.splitlines()), repr(data[:20]))[:200]}", data[:1000])
    document = data[found.start() :]  # what a login script of the node may have said before is passed over
    try:
        return _feed(document)
    except XmlError as err:
        # Output of a resource agent may hold bytes that are no UTF-8 or no characters of XML: one exit reason must not blind us.
        text = document.decode("utf-8", "replace")
        mended = _NO_CHARACTER.sub("\ufffd", text).encode()
        if mended == document:
            raise _broken(err, data) from err
        try:
            return _feed(mended)
        except XmlError as again:
            raise _broken(again, data) from again


def _feed(document: bytes) -> Element:
    parser = XMLParser(encoding="utf-8")
    parser.feed(document)
    return parser.close()


def _broken(err: XmlError, data: bytes) -> ParseError:
    line, column = err.position
    # 3: no element found, 5: unclosed token, 6: partial character: the input ends too early
    word = "truncated" if err.code in (3, 5, 6) else "not XML"
    return ParseError(f"{word}: {err.msg.split(':')[0]} in line {line}, column {column}, of {len(data)} bytes", data[-1000:])
