"""One happening from the injury to its last consequence, and everything that must be true of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.cluster.beside import Incident, Watch
from tests.cluster.happenings import Happening, Roles, roles
from tests.cluster.judge import delay, faults, noticed
from tests.cluster.pages import the_debt_is_open, the_debt_is_paid
from tests.gateway.harness import now
from tests.truth import mains


async def nothing() -> None:
    pass


async def as_it_is(_roles: Roles) -> None:
    pass


async def goes_right(
    watch: Watch,
    happening: Happening,
    *,
    injure: Callable[[Roles], Awaitable[object]] = as_it_is,
    meanwhile: Callable[[], Awaitable[object]] = nothing,
    repeats_allowed: bool = False,
    was_restarted: bool = False,
) -> Sequence[Incident]:
    """`injure` hamon (or what it hears), let it happen, do something `meanwhile`, and judge what came of it; its incidents."""
    since = await watch.is_whole()
    at = await watch.do(roles, watch.cluster)
    await injure(at)
    injured = now()
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.do(happening.injure, watch.cluster, at))
        await meanwhile()
    await the_debt_is_open(watch, happening, at)
    await watch.do(watch.cluster.repair)
    incidents = await watch.over(since, happening.expected)
    found = await faults(watch, happening, at, since, incidents, repeats_allowed=repeats_allowed, was_restarted=was_restarted)
    assert not found, "\n".join(found)
    await the_debt_is_paid(watch, happening, at, incidents)
    for main in mains(incidents):
        if main["kind"] == happening.expected.kind:
            print(f"{happening.name}: noticed after {noticed(main, injured):.1f} s, told {delay(watch, main):.3f} s after the last message")
    return incidents
