"""Nothing of `crm_mon`'s XML is lost: every element and attribute changes what is read, or stands in the tables with the reason why not."""

import re
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hamon.errors import ParseError
from hamon.parse import crm_mon
from tests import crm_mon_forms, snapshots
from tests.peers import missing

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CORPUS = Path(__file__).parents[1] / "corpus" / "crm_mon"
SCHEMAS = Path("/usr/share/pacemaker/api")
RELAX_NG = "{http://relaxng.org/ns/structure/1.0}"

Place = tuple[str, str, str]
"""Parent, element, attribute."""


@cache
def documents() -> tuple[tuple[str, bytes], ...]:
    """All there are: kept ones, made ones, those of the recordings, and the forms of other releases."""
    found = [(path.name, path.read_bytes()) for path in sorted(CORPUS.glob("*/*.xml"))]
    for release in ("2.0.5", "3.0.0"):
        with tarfile.open(CORPUS / f"pacemaker-{release}.tar.xz") as archive:
            for member in archive.getmembers():
                stream = archive.extractfile(member) if member.name.endswith("xml") else None
                if stream is not None:
                    found.append((f"{release} {member.name}", stream.read()))
    for recording in snapshots.NAMES:
        found += [(f"{recording} {name}", data) for name, data in snapshots.answers(recording).items() if b"<nodes>" in data]
    for path in sorted((CORPUS / "pacemaker-2.1.5").glob("*.xml")):
        data = path.read_bytes()
        for form in (crm_mon_forms.as_1_1, crm_mon_forms.as_2_0_3, crm_mon_forms.as_3_0):
            found.append((f"{path.name} {form.__name__}", form(data)))
    return tuple(found)


def walk(element: ET.Element, parent: str = "") -> Iterator[tuple[Place, ET.Element]]:
    for attribute in element.attrib:
        yield (parent, element.tag, attribute), element
    for child in element:
        if child.tag not in crm_mon.IGNORED_ELEMENTS:
            yield from walk(child, element.tag)


def changed(value: str) -> str:
    match value:
        case "true" | "false":
            return "false" if value == "true" else "true"
        case "granted" | "revoked":
            return "revoked" if value == "granted" else "granted"
        case _ if found := re.fullmatch(r"(-?\d+)(ms)?", value):
            return f"{int(found[1]) + 1}{found[2] or ''}"
        case "INFINITY" | "-INFINITY":
            return "7"
        case _:
            return f"{value}x"


def outcome(root: ET.Element) -> object:
    """What is read: the status, or why there is none (the state of pacemakerd and the exit status are told there)."""
    try:
        return crm_mon.parse(ET.tostring(root), at=AT)
    except ParseError as err:
        return str(err)


@cache
def first_places() -> dict[Place, list[int]]:
    """Place -> the first few documents in which it occurs."""
    found: dict[Place, list[int]] = {}
    for number, (_, data) in enumerate(documents()):
        for place in dict.fromkeys(place for place, _ in walk(ET.fromstring(data))):
            if len(among := found.setdefault(place, [])) < 6:
                among.append(number)
    return found


def is_ignored(place: Place) -> bool:
    return place[2] in crm_mon.IGNORED.get(place[1], {})


def test_every_attribute_of_every_document_is_read_or_listed() -> None:
    """Proved by changing each: what is read must change with it."""
    unread = []
    for place, numbers in first_places().items():
        if is_ignored(place):
            continue
        for number in numbers:
            root = ET.fromstring(documents()[number][1])
            before = outcome(root)
            element = next(element for other, element in walk(root) if other == place)
            element.set(place[2], changed(element.attrib[place[2]]))
            if outcome(root) != before:
                break
        else:
            unread.append(place)
    assert unread == []


def test_what_is_listed_as_ignored_is_not_read() -> None:
    """So that the table stays true."""
    for place, numbers in first_places().items():
        if not is_ignored(place) or place[1:] == ("ban", "master_only"):
            continue
        root = ET.fromstring(documents()[numbers[0]][1])
        before = outcome(root)
        next(element for other, element in walk(root) if other == place).set(place[2], "777")
        assert outcome(root) == before, place


def test_the_tables_hold_nothing_that_never_occurs() -> None:
    seen = {(tag, attribute) for _, tag, attribute in first_places()}
    assert {(tag, attribute) for tag, listed in crm_mon.IGNORED.items() for attribute in listed} <= seen


def test_elements_are_read_or_listed() -> None:
    """Each element that is removed is missed, unless it only holds others or nothing."""
    unread = []
    for name in ("every-attribute-2.42.xml", "every-attribute-1.1.xml"):
        whole = ET.fromstring((CORPUS / "made" / name).read_bytes())
        for path in {path for path, _ in paths(whole)}:
            root = ET.fromstring((CORPUS / "made" / name).read_bytes())
            before = outcome(root)
            parent, element = next((parent, element) for other, (parent, element) in paths(root) if other == path)
            parent.remove(element)
            if outcome(root) == before and element.tag not in (*crm_mon.IGNORED_ELEMENTS, "status"):
                unread.append(path)
    assert unread == []


def paths(root: ET.Element, so_far: str = "") -> Iterator[tuple[str, tuple[ET.Element, ET.Element]]]:
    for child in root:
        path = f"{so_far}/{child.tag}"
        yield path, (root, child)
        yield from paths(child, path)


def schema_pairs() -> set[tuple[str, str]]:
    """(element, attribute) of the newest schema of each part that is installed, and of the older ones of `crm_mon` itself."""
    found = set()
    names = ("crm_mon", "nodes", "resources", "node-history", "node-attrs", "failure", "fence-event", "pacemakerd-health", "status")
    for name in names:
        for path in SCHEMAS.glob(f"{name}-2.*.rng"):
            for element in ET.parse(path).getroot().iter(f"{RELAX_NG}element"):
                for attribute in own_attributes(element):
                    found.add((element.get("name", ""), attribute))
    return found


def own_attributes(element: ET.Element) -> Iterator[str]:
    for child in element:
        if child.tag == f"{RELAX_NG}attribute":
            yield child.get("name", "")
        elif child.tag != f"{RELAX_NG}element":
            yield from own_attributes(child)


def test_every_attribute_of_the_installed_schemas_occurs_in_a_document() -> None:
    """And is thereby read or listed."""
    if not SCHEMAS.is_dir():
        missing("the schemas of Pacemaker (package pacemaker-common) are not installed")
    pairs = schema_pairs()
    assert len(pairs) > 80
    seen = {(tag, attribute) for _, tag, attribute in first_places()}
    assert pairs - seen - {("crm-mon-disconnected", "description"), ("crm-mon-disconnected", "pacemakerd-state")} == set()


def test_the_number_of_nodes_that_is_not_read_is_that_of_the_places() -> None:
    for _, data in documents():
        for element in ET.fromstring(data).iter("resource"):
            assert element.get("nodes_running_on") == str(len(element.findall("node")))
        for element in ET.fromstring(data).iter("group"):
            assert element.get("number_resources") == str(len(element.findall("resource")))


@pytest.mark.parametrize("name", ["every-attribute-2.42.xml", "every-attribute-1.1.xml"])
def test_no_field_of_a_full_document_stays_empty(name: str) -> None:
    status = crm_mon.parse((CORPUS / "made" / name).read_bytes(), at=AT)
    assert status.last_change
    assert status.last_change.at
    assert status.last_update_at
    assert status.fencing[0].completed_at
    assert status.bans[0].promoted_only
    if "2.42" in name:
        assert status.reporter == "n2"
        assert status.options.other == (("new-option", "7"),)
        assert status.options.fencing_timeout_seconds == 60.0
        assert (status.history[0].fail_count, status.history[0].last_failure_at) == (2, datetime(2026, 11, 22, 1, 41, tzinfo=UTC))
        assert [item.resource for item in status.failures] == ["db", "old"]
        assert status.errors == ("a complaint",)
