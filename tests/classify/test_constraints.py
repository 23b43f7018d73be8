"""Sets of resources in constraints: placed as Pacemaker's own tools say, and tickets."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hamon.classify.constraints import colocations, dependents, score
from hamon.classify.services import Service, find
from hamon.model.cluster import CibStatus
from hamon.parse.cibadmin import read_cib
from tests.cib import STATEFUL, Cib, clone, element, group, primitive
from tests.classify.polled import status_of
from tests.peers import need

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Set = tuple[str, dict[str, str]]


def resource_set(id: str, members: str, **given: str) -> str:
    return element("resource_set", {"id": id, **given}, *[element("resource_ref", {"id": member}) for member in members.split()])


def constrained(*sets: Set, kind: str = "rsc_colocation", **given: str) -> Cib:
    cib = Cib("n1", "n2", "n3", stonith_enabled="false").add(*[primitive(name) for name in "ABCDEFG"])
    cib.constraints.append(
        element(kind, {"id": "one", **given}, *[resource_set(f"set{number}", text, **more) for number, (text, more) in enumerate(sets)])
    )
    return cib


def read(cib: Cib) -> CibStatus:
    return read_cib(str(cib).encode())


def told_by_pacemaker(cib: Cib, folder: Path) -> set[tuple[str, str, int]]:
    """What `crm_resource --constraints` says of every resource."""
    path = folder / "cib.xml"
    path.write_text(str(cib))
    found: set[tuple[str, str, int]] = set()
    for name in "ABCDEFG":
        command = [need("crm_resource"), "--constraints", "-r", name, "--output-as=xml"]
        done = subprocess.run(command, env={"CIB_file": str(path), "LC_ALL": "C.UTF-8"}, capture_output=True, check=True, timeout=60)
        for item in ElementTree.fromstring(done.stdout).iter("rsc_colocation"):
            found.add((item.get("rsc", ""), item.get("with-rsc", ""), score(item.get("score", ""))))
    return found


@pytest.mark.parametrize(
    ("sets", "given"),
    [
        ([("A B C", {})], {"score": "INFINITY"}),
        ([("A B C", {"sequential": "false"})], {"score": "INFINITY"}),
        ([("A B", {}), ("C D", {})], {"score": "INFINITY"}),
        ([("A B", {}), ("C D", {"sequential": "false"}), ("E F", {})], {"score": "INFINITY"}),
        ([("A B", {"sequential": "false"}), ("C D", {"sequential": "false"})], {"score": "100"}),
        ([("A B C", {"score": "50"}), ("D", {})], {"score": "INFINITY"}),
        ([("A B C", {})], {"score": "-INFINITY"}),
        ([("A B", {}), ("C", {})], {"score": "-INFINITY"}),
    ],
)
def test_sets_are_placed_as_pacemaker_places_them(sets: Sequence[Set], given: dict[str, str], tmp_path: Path) -> None:
    cib = constrained(*sets, **given)
    found = {item for constraint in read(cib).constraints for item in colocations(constraint)}
    assert found == told_by_pacemaker(cib, tmp_path)


def test_a_set_that_refers_to_another_one_has_its_members(tmp_path: Path) -> None:
    cib = constrained(("A B", {}), score="INFINITY")
    cib.constraints.append(element("rsc_ticket", {"id": "two", "ticket": "siteA"}, element("resource_set", {"id-ref": "set0"})))
    assert dependents(read(cib)) == {"siteA": ["A", "B"]}


def service(cib: Cib, name: str) -> Service:
    need("crm_mon")
    status = replace(status_of(cib, AT), cib=read(cib))
    return next(item for item in find(status).services if item.name == name)


def able(item: Service) -> tuple[list[str], list[str]]:
    return list(item.able_to_take_over or ()), [str(hindrance) for one in item.candidates for hindrance in one.hindrances]


def test_what_a_set_places_together_must_be_able_to_run_there_together() -> None:
    cib = constrained(("A B C", {}), score="INFINITY")
    for name in "ABC":
        cib.runs(name, "n1")
    cib.fails("A", "n2", count="INFINITY").stopped("A", "n2")
    assert able(service(cib, "C")) == (["n3"], ["fail_count n2 A"]), "C goes where B goes, and B where A does"
    assert able(service(cib, "A")) == (["n3"], ["fail_count n2 A"])
    cib = constrained(("A B", {}), score="INFINITY").runs("A", "n1").runs("B", "n1").fails("B", "n2", count="INFINITY").stopped("B", "n2")
    assert able(service(cib, "A")) == (["n2", "n3"], []), "A does not need B"


def test_what_a_set_keeps_apart_cannot_take_over_where_the_other_runs() -> None:
    cib = constrained(("A B", {}), score="-INFINITY").runs("A", "n1").runs("B", "n2")
    assert able(service(cib, "A")) == (["n3"], ["colocation n2 B"])
    assert able(service(cib, "B")) == (["n3"], ["colocation n1 A"])


def test_in_an_asymmetric_cluster_a_set_of_a_location_lets_its_members_run_there() -> None:
    cib = constrained(("A B", {}), kind="rsc_location", node="n1", score="200")
    cib.options["symmetric-cluster"] = "false"
    cib.constraints.append(element("rsc_location", {"id": "two", "node": "n2", "score": "100"}, resource_set("s", "A B")))
    assert able(service(cib.runs("A", "n1"), "A")) == (["n2"], ["not_allowed n3"])


@pytest.mark.parametrize("granted", [False, True])
def test_a_set_of_a_ticket_holds_all_its_members_until_it_is_granted(granted: bool) -> None:
    cib = constrained(("A B", {"role": "Started"}), kind="rsc_ticket", ticket="siteA", **{"loss-policy": "stop"})
    cib.tickets.append(element("ticket_state", {"id": "siteA", "granted": str(granted).lower(), "standby": "false"}))
    for name in "AB":
        cib.runs(name, "n1") if granted else cib.stopped(name, "n1", "n2", "n3")
        item = service(cib, name)
        assert (item.up, item.held) == ((True, ()) if granted else (False, ("siteA",)))
    assert service(cib.stopped("C", "n1"), "C").held == ()


def test_what_runs_with_a_held_resource_is_held_too_and_what_failed_besides_is_down() -> None:
    cib = Cib("n1", "n2").add(primitive("db"), primitive("app"), group("g", primitive("x"), primitive("y")))
    cib.ticket("siteA", "db", granted=False).ticket("siteA", "x", granted=False).colocate("app", "db")
    cib.stopped("db", "n1").stopped("app", "n1").stopped("x", "n1").stopped("y", "n1")
    assert service(cib, "app").held == ("siteA",)
    assert service(cib, "g").held == (), "nothing keeps y"
    promotable = Cib("n1", "n2").add(clone("ms", primitive("s", STATEFUL), promotable="true"))
    promotable.ticket("siteA", "ms", granted=False).runs("s", "n1", "n2", agent=STATEFUL, role="Unpromoted")
    assert service(promotable, "ms").held == ("siteA",)
