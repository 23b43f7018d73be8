"""The incident report: what it says of recordings of a real cluster (Pacemaker 2.1), and that it stands alone as a page."""

import re
from dataclasses import replace
from datetime import UTC, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from playwright.async_api import Page, async_playwright

from hamon import tell
from hamon.analyze import Analysis, Options, analyze, to_report
from hamon.cli import main
from hamon.model.event import EventKind
from hamon.model.incident import Cause, Incident
from hamon.model.observation import Source
from hamon.tell import chain, document
from tests.cases import rules
from tests.peers import need
from tests.recordings import RECORDINGS
from tests.tell.samples import FAILOVER, START, entry, incidents

EVIL = "x`|<script>alert(1)</script>*_[a](http://evil.example)"


@pytest.fixture(scope="module")
def crash() -> Analysis:
    return analyze([RECORDINGS / "kill_corosync_active"], rules(), Options(cluster="demo"))


@pytest.fixture(scope="module")
def polled() -> Analysis:
    return analyze([RECORDINGS / "kill_corosync_active"], rules(), Options(cluster="demo", sources=frozenset({Source.POLL})))


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the first incident."""
    pieces = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    found: dict[str, str] = {}
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        found.setdefault(title, body.strip())
    return found


def test_a_report_of_a_crash_tells_cause_decision_and_consequence_in_this_order(crash: Analysis) -> None:
    told = sections(to_report(crash, ".md", "en", "UTC"))["Cause and effect"]
    order = [
        told.index(words) for words in ("corosync died", "must be fenced", "node pm01 fenced", "prmPg started", "prmStateful promoted")
    ]
    assert order == sorted(order)


def test_the_pieces_of_a_downtime_are_told_and_are_the_whole_of_it(crash: Analysis) -> None:
    told = sections(to_report(crash, ".md", "en", "UTC"))["Downtime"]
    assert "down for 9.8 s" in told
    assert "fencing took 0.2 s of 9.8 s" in told
    incident = next(item for item in crash.incidents if item.part_of is None)
    down = chain.downtime(incident)
    assert down is not None
    spent = [phase.seconds for phase in chain.phases(down, chain.merged(incident))]
    assert sum(spent) == pytest.approx(incident.service_down_seconds or 0)


def test_a_silence_before_a_node_is_lost_is_explained(crash: Analysis) -> None:
    assert "Corosync waited whether the node would answer" in sections(to_report(crash, ".md", "en", "UTC"))["Timeline"]


def test_a_long_fencing_explains_its_silence_and_its_share_of_the_downtime() -> None:
    story = (
        entry(0, EventKind.NODE_LOST, "pm01"),
        entry(1, EventKind.NODE_UNCLEAN, "pm01"),
        entry(1, EventKind.FENCING_REQUESTED, "pm01"),
        entry(42, EventKind.FENCING_DONE, "pm01"),
        entry(68, EventKind.RESOURCE_STARTED, "pm02", "prmPg"),
    )
    incident = replace(FAILOVER, timeline=story, service_restored_at=START + timedelta(seconds=68), service_down_seconds=68.0)
    told = sections(document.markdown(document.Subject(cluster="demo", incidents=[incident]), "en", UTC))
    assert "- fencing took 41 s of 1 min 8 s" in told["Downtime"]
    assert "41 s: the fencing of pm01 was under way" in told["Timeline"]
    assert "26 s: prmPg was being started on pm02" in told["Timeline"]


def test_what_showed_before_a_node_was_lost_comes_first_and_what_followed_does_not() -> None:
    story = (
        entry(0, EventKind.LINK_DOWN, "pm02", link="0"),
        entry(1, EventKind.TOKEN_LOST, "pm02"),
        entry(5, EventKind.NODE_LOST, "pm01"),
        entry(6, EventKind.LINK_DOWN, "pm02", link="1"),
    )
    cause = Cause(kind="node_lost", node="pm01", at=START + timedelta(seconds=5), text="")
    incident = replace(FAILOVER, timeline=story, cause=cause)
    told = sections(document.markdown(document.Subject(cluster="demo", incidents=[incident]), "en", UTC))["Cause and effect"]
    first = [line.partition(" – ")[2] for line in told.split("What came first:")[1].strip().splitlines() if line.startswith("-")]
    assert first == ["link 0 down on pm02", "Corosync lost its token on pm02", "node lost on pm01"]


def test_a_silence_that_nothing_explains_is_only_a_silence() -> None:
    story = (entry(0, EventKind.NODE_JOINED, "pm01"), entry(90, EventKind.LINK_DOWN, "pm01"))
    assert chain.gap_text(story[:1], story[1], "en") == "nothing was recorded"


def test_what_only_polls_saw_has_bounds_that_hold_what_the_logs_know(crash: Analysis, polled: Analysis) -> None:
    logged = next(item for item in crash.incidents if item.part_of is None)
    seen = next(item for item in polled.incidents if item.part_of is None and item.service_down_seconds)
    down = chain.downtime(seen, polled.polled_at)
    assert down is not None
    assert down.shortest_seconds is not None
    assert down.longest_seconds is not None
    assert down.shortest_seconds < down.seconds < down.longest_seconds
    # No poll can see the failure itself, only when the resources were gone: the logs' time is never shorter.
    assert (logged.service_down_seconds or 0) >= down.shortest_seconds
    assert "Only polls saw it" in sections(to_report(polled, ".md", "en", "UTC"))["Downtime"]


def test_without_polls_before_it_a_bound_is_not_known(polled: Analysis) -> None:
    seen = next(item for item in polled.incidents if item.part_of is None and item.service_down_seconds)
    down = chain.downtime(seen, ())
    assert down is not None
    assert (down.shortest_seconds, down.longest_seconds) == (None, None)


def test_the_timelines_of_parts_are_merged_and_nothing_stands_twice(crash: Analysis) -> None:
    incident = next(item for item in crash.incidents if item.part_of is None)
    parts = [item for item in crash.incidents if item.part_of == incident.key]
    assert parts
    story = chain.merged(incident, parts)
    assert len(set(map(id, story))) == len(story)
    for item in (incident, *parts):
        texts = {(line.at, line.raw) for line in story}
        assert all((line.at, line.raw) in texts for line in item.timeline)


def test_what_an_operator_did_is_told() -> None:
    found = analyze([RECORDINGS / "switchover_standby"], rules(), Options(cluster="demo"))
    assert "standby mode" in sections(to_report(found, ".md", "en", "UTC"))["What people did"]


def test_a_recording_in_which_nothing_happened_gives_a_report_that_says_so() -> None:
    found = analyze([RECORDINGS / "quiet"], rules(), Options(cluster="demo"))
    assert "Nothing happened that is an incident" in to_report(found, ".md", "en", "UTC")


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_both_forms_and_languages_have_every_next_step(crash: Analysis, language: str) -> None:
    incident = next(item for item in crash.incidents if item.part_of is None)
    page = to_report(crash, ".html", language, "UTC")
    assert f'lang="{language}"' in page
    assert document.title(document.Subject(cluster="demo", incidents=()), language) in page
    for step in tell.next_steps(incident, language):
        assert step in to_report(crash, ".md", language, "UTC")
        assert all(command in page for command in re.findall(r"`([^`]*)`", step))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@settings(max_examples=30, deadline=None)
@given(incident=incidents)
def test_any_incident_gives_a_page_that_loads_nothing(incident: Incident) -> None:
    page = document.html(document.Subject(cluster=incident.cluster, incidents=[replace(incident, part_of=None)]), "ja", UTC)
    seen = _Tags()
    seen.feed(page)
    assert not seen.tags & {"script", "img", "link", "iframe", "object", "a"}
    assert not seen.attributes & {"src", "href", "style", "onclick"}


def test_what_comes_from_logs_is_never_markup() -> None:
    story = (entry(0, EventKind.OPERATION_FAILED, "pm01", EVIL, operation="monitor", rc=1),)
    subject = document.Subject(cluster=EVIL, incidents=[replace(FAILOVER, timeline=story, resources=(EVIL,), services=(EVIL,))])
    assert "<script" not in document.html(subject, "en", UTC)
    text = document.markdown(subject, "en", UTC)
    assert not re.search(r"(?<!\\)<script", text)
    assert "](" not in text.replace("\\](", "")
    for row in (line for line in text.splitlines() if line.startswith("|") and "script" in line):
        assert len(re.findall(r"(?<!\\)\|", row)) in (3, 5, 6), row


def test_the_command_writes_the_report_beside_its_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.html"
    assert main(["analyze", "--lang", "ja", "--report", str(target), str(RECORDINGS / "local_recovery")]) == 0
    assert "インシデント報告書" in target.read_text(encoding="utf-8")
    assert capsys.readouterr().out


def test_a_report_of_another_form_is_refused_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["analyze", "--report", str(tmp_path / "report.docx"), str(RECORDINGS / "quiet")])
    assert stop.value.code == 2
    assert ".md (Markdown) or .html" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "missing" / "report.md"
    assert main(["analyze", "--report", str(target), str(RECORDINGS / "local_recovery")]) == 2
    assert str(target) in capsys.readouterr().err


@pytest.mark.parametrize("language", tell.LANGUAGES)
async def test_a_browser_shows_and_prints_the_page_without_asking_for_anything_else(crash: Analysis, language: str, tmp_path: Path) -> None:
    program = need("chromium")
    target = tmp_path / "report.html"
    target.write_text(to_report(crash, ".html", language, "UTC"), encoding="utf-8")
    asked: list[str] = []
    said: list[str] = []

    def watch(page: Page) -> None:
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            page = await browser.new_page(viewport={"width": 900, "height": 1200})
            watch(page)
            await page.goto(target.as_uri())
            too_wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            printed = await page.pdf(prefer_css_page_size=True)
        finally:
            await browser.close()
    assert (asked, said, too_wide) == ([target.as_uri()], [], 0)
    width, height = (float(text) for text in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)[0])
    assert (round(width), round(height)) == (595, 842)
