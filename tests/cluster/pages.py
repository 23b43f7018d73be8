"""What people read of a happening, in a real browser and in both languages: while the debt is open, and when it is paid."""

from collections.abc import Mapping
from dataclasses import dataclass

from playwright.async_api import expect

from tests.cluster import happenings
from tests.cluster.beside import Incident, Watch
from tests.cluster.happenings import Happening, Roles
from tests.cluster.numbers import leaves_a_debt
from tests.gateway.harness import CLUSTER, eventually
from tests.web.test_browser import chromium, opened

PATIENCE_MILLISECONDS = 20_000
"""The page asks again every few seconds, on a machine that is busy."""
LOCALES = {"en": "en-GB", "ja": "ja-JP"}
WELL = {"en": "All services run and are protected", "ja": "すべてのサービスが稼働中、冗長性あり"}
EXPOSED = {"en": "1 service runs without protection", "ja": "1 件のサービスが冗長性なしで稼働中"}
PAID = {"en": "Protected: another node can take over.", "ja": "冗長性あり: ほかのノードが引き継げる。"}
OWED = {"en": "Not protected: the next fault means an outage.", "ja": "冗長性なし: 次の故障でサービスが停止する。"}
DEBTS = {"en": "Redundancy to restore", "ja": "未回復の冗長性"}
DOWN = {"en": "1 service is down", "ja": "1 件のサービスが停止中"}


@dataclass(frozen=True, slots=True)
class Told:
    """By language the head of the incident while it is open and when it is over, and what its page says of the cause.

    Nodes are {active} and {standby}, as they were before. Nothing while it is open: it may be over as soon as it is done.
    """

    while_open: Mapping[str, str]
    over: Mapping[str, str]
    cause: Mapping[str, str]


_MOVED = {"en": "service grpPg failed over {active} → {standby}", "ja": "サービス grpPg フェイルオーバ {active} → {standby}"}
TOLD: Mapping[str, Told] = {
    happenings.resource_failure.__name__: Told(_MOVED, _MOVED, {"en": "prmPg", "ja": "prmPg"}),
    happenings.ping_lost_on_standby.__name__: Told(
        {"en": "standby {standby} cannot take over service grpPg", "ja": "スタンバイ系 {standby} はサービス grpPg を引き継ぎ不可"},
        {
            "en": "standby {standby} could not take over service grpPg",
            "ja": "スタンバイ系 {standby} がサービス grpPg を引き継げない状態だった",
        },
        {"en": "{standby}", "ja": "{standby}"},
    ),
    happenings.switchover_by_standby.__name__: Told(
        {},
        {"en": "service grpPg switched over {active} → {standby}", "ja": "サービス grpPg 切替 {active} → {standby}"},
        {"en": "{active}", "ja": "{active}"},
    ),
}
"""The three happenings whose pages are read in a browser."""


async def the_debt_is_open(watch: Watch, happening: Happening, roles: Roles) -> None:
    """Wait until hamon says that nobody could take over, in its API and on its first page; then read the pages of this happening."""
    expected = happening.expected
    if expected.is_down:
        for language, words in DOWN.items():
            assert words in await watch.hamon.page("/", language)
    if not leaves_a_debt(expected):
        return

    async def owed() -> list[Incident]:
        return [debt for debt in (await watch.hamon.json("/api/v1/debts", cluster=CLUSTER))["debts"] if roles.service in debt["services"]]

    (debt,) = await eventually(owed, lambda debts: [one["kind"] for one in debts] == [expected.kind], seconds=60)
    assert (debt["state"], debt["part_of"], debt["redundancy"]) == ("open", None, False)

    async def able() -> list[list[str] | None]:
        return [service["able_to_take_over"] for service in await _services(watch) if service["name"] == roles.service]

    await eventually(able, lambda found: found == [[]])
    for language, words in DEBTS.items():
        assert words in await watch.hamon.page("/", language)
    if happening.name in TOLD:
        await _read(watch, debt, roles, TOLD[happening.name].while_open, TOLD[happening.name].cause, EXPOSED, OWED)


async def _services(watch: Watch) -> list[Incident]:
    clusters = (await watch.hamon.json("/api/v1/clusters"))["clusters"]
    return [service for one in clusters if one["name"] == CLUSTER for service in one["services"]]


async def the_debt_is_paid(watch: Watch, happening: Happening, roles: Roles, incidents: list[Incident]) -> None:
    """Nothing is owed any more, in the API and on the first page; then read the pages of this happening, when all is over."""
    assert (await watch.hamon.json("/api/v1/debts", cluster=CLUSTER))["debts"] == []
    for language, words in DEBTS.items():
        assert words not in await watch.hamon.page("/", language)
    if happening.name in TOLD:
        (main,) = (one for one in incidents if one["kind"] == happening.expected.kind and one["part_of"] is None)
        await _read(watch, main, roles, TOLD[happening.name].over, TOLD[happening.name].cause, WELL, PAID)


async def _read(
    watch: Watch,
    main: Incident,
    roles: Roles,
    heads: Mapping[str, str],
    causes: Mapping[str, str],
    standing: Mapping[str, str],
    debt: Mapping[str, str],
) -> None:
    origin = f"http://127.0.0.1:{watch.hamon.port}"
    async with chromium() as browser:
        for language, head in heads.items():
            async with opened(browser, locale=LOCALES[language]) as watched:
                page = watched.page
                page.set_default_timeout(PATIENCE_MILLISECONDS)
                said = head.format(active=roles.active, standby=roles.standby)
                await page.goto(origin)
                await expect(page.get_by_role("heading", level=1)).to_have_text(standing[language], timeout=PATIENCE_MILLISECONDS)
                await page.get_by_role("link", name=said).first.click()
                await expect(page.get_by_role("heading", level=1)).to_contain_text(said)
                await expect(page.locator(".key code")).to_have_text(main["key"])
                await expect(page.locator(".cause")).to_contain_text(causes[language].format(active=roles.active, standby=roles.standby))
                await expect(page.locator("main")).to_contain_text(debt[language])
                assert watched.complaints == []
