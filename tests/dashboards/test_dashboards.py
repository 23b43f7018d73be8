"""The dashboard and the rules over metrics that a real Prometheus scraped: every query is answered."""

import asyncio
import json
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from hamon.data import folder
from hamon.metrics import ALL, Metrics
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentState, Outcome, TransitionKind
from hamon.model.observation import Source
from tests.metrics_sample import AT, filled, step
from tests.peers import need

FOLDER = folder("dashboards")
DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PANELS: list[tuple[str, dict[str, Any]]] = [
    (name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"] if panel["type"] != "row"
]
QUERIES = [(f"{name}: {panel['title']}", target["refId"], target["expr"]) for name, panel in PANELS for target in panel["targets"]]
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
MOST_SCRAPES = 60
"""At two a second: how long is waited for Prometheus at most."""


def live(metrics: Metrics, number: int) -> None:
    """What happens between two scrapes, so that rates are not zero."""
    done: dict[str, Any] = {"key": str(number), "outcome": Outcome.SUCCEEDED, "service_restored_at": AT, "service_down_seconds": 3.0}
    event = Event(at=AT, received_at=AT, cluster="pg", kind=EventKind.NODE_LOST, rule="test", source=Source.LOG, collector="pm01")
    closing = step(2, TransitionKind.RESOLVED, state=IncidentState.RESOLVED, **done)
    metrics.recorded([event], [step(1, TransitionKind.OPENED, key=str(number)), closing])
    metrics.read("pm01", 10)
    metrics.lines("pm01", "pacemaker-controld", 1, 9)
    metrics.delivered("ops", "sent", 0.02)
    metrics.batch(0.003)


@dataclass
class Gateway:
    """An HTTP server with the metrics, and the Prometheus that scrapes it."""

    address: str
    log: Path
    scraped: threading.Semaphore

    def ask(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.address}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def eventually(self, ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
        """Ask again after every scrape until the answer is good; return the last answer."""
        answer = ask()
        for _ in range(MOST_SCRAPES):
            if good(answer):
                break
            assert self.scraped.acquire(timeout=30), "Prometheus does not scrape"
            answer = ask()
        return answer


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    prometheus = need("prometheus")
    metrics = asyncio.run(filled())
    scraped = threading.Semaphore(0)
    numbers = iter(range(10, 1_000_000))

    class Exposition(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            live(metrics, next(numbers))
            body, content_type = metrics.exposition()
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            scraped.release()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing in the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tmp_path = tmp_path_factory.mktemp("prometheus")
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(FOLDER / "alerts.yaml")],
        "scrape_configs": [{"job_name": "hamon", "static_configs": [{"targets": [f"127.0.0.1:{server.server_port}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                prometheus,
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(4):
            assert scraped.acquire(timeout=30), (tmp_path / "log").read_text()[-2000:]
        yield Gateway(f"http://127.0.0.1:{port}", tmp_path / "log", scraped)
    finally:
        process.terminate()
        process.wait(timeout=30)
        server.shutdown()
        serving.join()
        server.server_close()


def replaced(expression: str) -> str:
    """The query with Grafana's variables replaced, as for the choice "All"."""
    done = expression.replace("$cluster", ".*").replace("$__rate_interval", "10s")
    assert "$" not in done, f"unknown variable in {expression}"
    return done


@pytest.mark.parametrize(("title", "ref", "expression"), QUERIES, ids=[f"{title} {ref}" for title, ref, _ in QUERIES])
def test_every_query_of_the_dashboard_is_answered_with_data(title: str, ref: str, expression: str, gateway: Gateway) -> None:
    def has_numbers(result: list[dict[str, Any]]) -> bool:
        return bool(result) and any(sample["value"][1] != "NaN" for sample in result)

    # Where 0 stands in for nothing found, something must be found here: in the sample everything is wrong that can be.
    wanted = replaced(expression).removesuffix(" or vector(0)")
    answer = gateway.eventually(lambda: gateway.query(wanted), has_numbers)
    assert has_numbers(answer), f"{title}: {answer}"


def test_prometheus_takes_the_whole_exposition(gateway: Gateway) -> None:
    def target() -> dict[str, Any]:
        [found] = gateway.ask("targets")["activeTargets"]
        return dict(found)

    found = gateway.eventually(target, lambda found: found["health"] == "up")
    assert (found["health"], found["lastError"]) == ("up", "")
    names = set(gateway.ask("label/__name__/values"))
    for one in ALL:
        assert (f"{one.name}_bucket" if one.kind == "histogram" else one.name) in names


def test_prometheus_takes_every_sample_as_it_is(gateway: Gateway) -> None:
    """A label that is given twice, or a sample that is there twice, would be dropped."""
    [kept] = gateway.query("scrape_samples_post_metric_relabeling")
    assert float(kept["value"][1]) > 150
    said = gateway.log.read_text()
    assert "Server is ready" in said
    assert [line for line in said.splitlines() if "level=warn" in line or "level=error" in line] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_choice_of_clusters_is_filled(name: str, gateway: Gateway) -> None:
    [variable] = [one for one in DASHBOARDS[name]["templating"]["list"] if one["type"] == "query"]
    match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
    assert match
    assert gateway.ask(f"label/{match[2]}/values", **{"match[]": match[1]}) == ["gone", "pg", "web"]


def test_prometheus_evaluates_every_rule_and_sees_the_lost_source(gateway: Gateway) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in gateway.ask("rules")["groups"] for rule in group["rules"]]

    found = gateway.eventually(rules, lambda found: all(rule["health"] != "unknown" for rule in found))
    assert {rule["name"]: rule["health"] for rule in found} == {rule["alert"]: "ok" for rule in RULES}
    states = {rule["name"]: rule["state"] for rule in found}
    assert states["HamonSourceLost"] == "pending"
    assert states["HamonMajorIncident"] == states["HamonCriticalIncident"] == "firing"
    assert states["HamonDown"] != "firing"


def test_promtool_finds_no_fault_in_the_rules() -> None:
    done = subprocess.run(
        [need("promtool"), "check", "rules", str(FOLDER / "alerts.yaml")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(RULES)} rules found" in done.stdout


def test_the_rules_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    cases = (Path(__file__).parent / "alerts_test.yaml").read_text()
    (tmp_path / "cases.yaml").write_text(cases.replace("RULES", json.dumps(str(FOLDER / "alerts.yaml")), 1))
    done = subprocess.run(
        [need("promtool"), "test", "rules", str(tmp_path / "cases.yaml")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case_in_which_it_fires() -> None:
    cases = yaml.safe_load((Path(__file__).parent / "alerts_test.yaml").read_text())["tests"]
    fires = {check["alertname"] for case in cases for check in case["alert_rule_test"] if check["exp_alerts"]}
    assert fires == {rule["alert"] for rule in RULES}
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}


def test_queries_and_rules_use_only_metrics_that_there_are() -> None:
    known = {one.name for one in ALL} | {f"{one.name}_bucket" for one in ALL if one.kind == "histogram"}
    used = {name for *_, expression in QUERIES for name in re.findall(r"\bhamon_\w+", expression)}
    used |= {name for rule in RULES for name in re.findall(r"\bhamon_\w+", rule["expr"])}
    assert used <= known
    assert {"hamon_service_up", "hamon_incident_open", "hamon_source_up", "hamon_deliveries_pending"} <= used


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert len({panel["title"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in [panel for of, panel in PANELS if of == name]:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert dashboard["id"] is None
    assert "__inputs" not in dashboard


def test_each_dashboard_is_one_of_its_own() -> None:
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS) == 3
    assert len({dashboard["title"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert all("hamon" in dashboard["tags"] for dashboard in DASHBOARDS.values()), "they link to each other by it"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_lie_on_each_other(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    assert "://" not in (FOLDER / f"{name}.json").read_text()
    assert {panel["type"] for panel in DASHBOARDS[name]["panels"]} <= {"row", "stat", "table", "timeseries", "state-timeline"}


def test_the_readme_lists_every_metric_as_it_is() -> None:
    rows = re.findall(r"^\| `(hamon_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert rows == [(one.name, one.kind, ", ".join(one.labels), one.text) for one in ALL]


def test_the_readme_names_every_file() -> None:
    listed = re.findall(r"^\| `([\w.-]+\.\w+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert set(listed) == {file.name for file in FOLDER.iterdir() if file.suffix != ".md"}
