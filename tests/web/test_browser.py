"""The pages in a real browser: they fit, can be read and used by keyboard, load nothing from elsewhere, and stay up to date."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from hamon.model.incident import Transition, TransitionKind
from hamon.ports import Recording
from hamon.store.store import SqlStore
from hamon.web.pages import incident_path
from hamon.web.settings import WebConfig
from tests.peers import need
from tests.web.conftest import application
from tests.web.story import CLUSTERS, EVENTS, EVIL, FAILOVER, NOW, StillViews, steps

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATHS = {"overview": "/", "incident": incident_path(FAILOVER), "incidents": "/incidents", "events": "/events"}
DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)

# Whatever holds text and is narrower than it, so that the text runs over its neighbour.
CRAMPED = """
() => [...document.querySelectorAll("td, th, dd, dt, p, li, summary, .chip")]
  .filter((one) => one.checkVisibility() && !one.closest("thead") && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
  .filter((one) => getComputedStyle(one).display !== "inline")
  .map((one) => one.textContent.trim().slice(0, 60))
"""

# Every text that is seen, with the contrast of its colour against the background behind it (WCAG 2.2, 1.4.3).
CONTRAST = """
() => {
  const numbers = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest(".visually-hidden, script, option")) continue;
    seen += 1;
    const [one, other] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) poor.push([walker.currentNode.textContent.trim(), contrast]);
  }
  return { seen, poor };
}
"""


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """The application behind a real server on a free port of 127.0.0.1."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        config = uvicorn.Config(app, log_config=None, ws="none", lifespan="off", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", server
        finally:
            server.should_exit = True
            await running


@dataclass
class Watched:
    """A page, and what its browser complained of or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    program = need("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, **options: Any) -> AsyncIterator[Watched]:
    context = await browser.new_context(**({"locale": "en-GB", "viewport": DESK} | options))
    watched = Watched(await context.new_page())
    watched.page.on("console", lambda message: watched.complaints.append(message.text) if message.type in ("error", "warning") else None)
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    watched.page.on("dialog", lambda dialog: watched.complaints.append(f"dialog: {dialog.message}"))
    try:
        yield watched
    finally:
        await context.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_every_page_fits_reads_well_and_loads_nothing_from_elsewhere(history: SqlStore, viewport: ViewportSize) -> None:
    app = application(history, config=WebConfig(timezone="Asia/Tokyo"))
    async with chromium() as browser, served(app) as (origin, _):
        for locale, scheme in (("en-GB", "light"), ("ja-JP", "dark")):
            async with opened(browser, locale=locale, color_scheme=scheme, viewport=viewport) as watched:
                for name, path in PATHS.items():
                    await watched.page.goto(origin + path)
                    where = f"{name} {locale} {scheme}"
                    await watched.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                    width = await watched.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    assert width == 0, where
                    assert await watched.page.evaluate(CRAMPED) == [], where
                    contrast = await watched.page.evaluate(CONTRAST)
                    assert contrast["seen"] > 20, where
                    assert contrast["poor"] == [], where
                assert watched.complaints == []
                assert [url for url in watched.requests if not url.startswith(origin + "/")] == []
                assert any("hamon.css" in url for url in watched.requests)


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_names_of_any_length_fit(history: SqlStore, viewport: ViewportSize) -> None:
    long = f"{'name' * 20}.example.com"
    node, other, service, cluster = f"a-{long}", f"b-{long}", f"s{'name' * 15}", f"c{'name' * 15}"
    incident = replace(FAILOVER, key="long", cluster=cluster, from_node=node, to_node=other, services=(service,), nodes=(node, other))
    event = replace(EVENTS[0], cluster=cluster, node=node, resource=f"prm{'Resource' * 20}", ref="elsewhere")
    await history.record(Recording(events=[event], transitions=steps(incident)[:1]))
    async with chromium() as browser, served(application(history)) as (origin, _), opened(browser, viewport=viewport) as watched:
        for path in ("/", "/incidents", "/events", incident_path(incident)):
            await watched.page.goto(origin + path)
            assert cluster in await watched.page.inner_text("main"), path
            assert await watched.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0, path
            assert await watched.page.evaluate(CRAMPED) == [], path


async def test_the_failover_is_told_in_both_languages(history: SqlStore) -> None:
    async with chromium() as browser, served(application(history)) as (origin, _):
        async with opened(browser, locale="en-GB") as watched:
            await watched.page.goto(origin)
            await expect(watched.page.get_by_role("heading", level=1)).to_have_text("1 service runs without protection")
            await watched.page.get_by_role("link", name="service grpPg failed over pm01 → pm02 (unplanned)").first.click()
            await expect(watched.page.get_by_role("heading", name="What to do next")).to_be_visible()
            await watched.page.get_by_role("link", name="日本語").click()
            await expect(watched.page.get_by_role("heading", name="次に行うこと")).to_be_visible()
            await watched.page.goto(origin)
            await expect(watched.page.get_by_role("heading", level=1)).to_have_text("1 件のサービスが冗長性なしで稼働中")
        async with opened(browser, locale="ja-JP", java_script_enabled=False) as watched:
            await watched.page.goto(origin)
            await expect(watched.page.get_by_role("link", name="サービス grpPg フェイルオーバ pm01 → pm02").first).to_be_visible()


async def test_names_of_nodes_keep_their_letters(history: SqlStore) -> None:
    """A Japanese sentence about a cause begins with the node."""
    style = "(element) => getComputedStyle(element, '::first-letter').textTransform"
    async with chromium() as browser, served(application(history)) as (origin, _), opened(browser, locale="ja-JP") as watched:
        await watched.page.goto(origin + PATHS["incident"])
        cause = watched.page.locator(".cause").first
        assert await cause.evaluate(style) == "none"
        await watched.page.goto(origin + PATHS["incident"] + "?lang=en")
        assert await watched.page.locator(".cause").first.evaluate(style) == "uppercase"


async def test_a_step_is_ticked_before_the_eyes_of_the_reader(history: SqlStore) -> None:
    barred = replace(FAILOVER, amiss=("fail_count pm01 prmPg", "fail_count_left pm01 prmPg"))
    cleared = replace(FAILOVER, amiss=())
    step = Transition(at=NOW, kind=TransitionKind.UPDATED, incident=barred, sequence=3, reason="the state changed")
    await history.record(Recording(transitions=[step]))
    async with chromium() as browser, served(application(history)) as (origin, _), opened(browser) as watched:
        await watched.page.goto(origin + PATHS["incident"] + "?lang=en")
        clean_up = watched.page.locator(".steps li", has_text="Clear the failure of prmPg on pm01")
        await expect(clean_up).to_contain_text("not done yet")
        entry = watched.page.locator(".timeline details").first
        await entry.locator("summary").click()
        await history.record(Recording(transitions=[replace(step, incident=cleared, sequence=4)]))
        await expect(clean_up).to_have_class("done", timeout=15_000)
        await expect(clean_up).to_contain_text("done: ")
        await expect(entry).to_have_attribute("open", "")  # what the reader opened stays open
        assert watched.complaints == []


async def test_a_keyboard_is_enough(history: SqlStore) -> None:
    async with chromium() as browser, served(application(history)) as (origin, _), opened(browser) as watched:
        page = watched.page
        await page.goto(origin)
        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.keyboard.press("Tab")
        first = page.get_by_role("link", name="service grpPg failed over").first
        await expect(first).to_be_focused()
        assert await first.evaluate("(link) => getComputedStyle(link).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("service grpPg failed over")
        summary = page.locator(".timeline summary", has_text="monitor of prmPg failed")
        await summary.focus()
        await page.keyboard.press("Enter")
        line = page.locator(".timeline pre", has_text="Result of monitor operation for prmPg on pm01: error (stopped by hand)")
        await expect(line).to_be_visible()


async def test_a_hostile_line_runs_nothing(history: SqlStore) -> None:
    async with chromium() as browser, served(application(history)) as (origin, _), opened(browser) as watched:
        for path in (PATHS["incident"], PATHS["events"]):
            await watched.page.goto(origin + path)
            hostile = watched.page.locator("summary", has_text="agent says")
            await hostile.click()
            await expect(watched.page.locator("pre", has_text=EVIL)).to_be_visible()
        assert watched.complaints == []


async def test_the_overview_follows_what_happens_without_moving_the_reader(history: SqlStore) -> None:
    views = StillViews()
    viewport = ViewportSize(width=360, height=400)
    async with (
        chromium() as browser,
        served(application(history, views)) as (origin, server),
        opened(browser, viewport=viewport) as watched,
    ):
        page = watched.page
        await page.clock.install()
        await page.goto(origin)
        await page.evaluate("window.scrollTo(0, 500)")
        more = page.get_by_role("link", name="Timeline and all steps")
        await more.evaluate("(link) => link.focus({ preventScroll: true })")
        standing = page.get_by_role("heading", level=1)
        views.now = (replace(CLUSTERS[0], services=(replace(CLUSTERS[0].services[0], up=False, active_node=None),)),)
        await expect(standing).to_have_text("1 service is down")
        await expect(page).to_have_title("1 service is down – hamon")
        assert await page.evaluate("window.scrollY") == 500
        await expect(more).to_be_focused()

        await page.get_by_role("button", name="Stop updating").click()
        await expect(page.get_by_role("button", name="Update again")).to_be_visible()
        views.now = CLUSTERS
        asked = len(watched.requests)
        await page.clock.run_for(20_000)
        assert len(watched.requests) == asked
        await expect(standing).to_have_text("1 service is down")
        await page.get_by_role("button", name="Update again").click()
        await expect(standing).to_have_text("1 service runs without protection")

        await expect(page.get_by_role("status")).to_be_hidden()
        server.should_exit = True
        await expect(page.get_by_role("status")).to_contain_text("not up to date", timeout=15_000)
