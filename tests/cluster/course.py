"""One happening from the injury to its last consequence, and everything that must be true of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.cluster.beside import Incident, Watch
from tests.cluster.detection import ALL_TOGETHER, MEASURED, Detection
from tests.cluster.happenings import Happening, Lab, Roles, roles
from tests.cluster.judge import decided, delay, faults, late_told, noticed
from tests.cluster.numbers import leaves_a_debt
from tests.cluster.pages import the_debt_is_open, the_debt_is_paid
from tests.gateway.harness import now
from tests.truth import brief, is_alarm, mains


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
    evidence: str = ALL_TOGETHER,
) -> Sequence[Incident]:
    """`injure` hamon (or what it hears), let it happen, do something `meanwhile`, and judge what came of it; its incidents.

    `evidence` is what hamon goes by, as it is called among the figures.
    """
    since = await watch.is_whole()
    at = await watch.do(roles, watch.cluster, happening.service)
    others = [service for service in watch.cluster.services if service != at.service]
    before = {service: await watch.do(watch.cluster.active_node, service) for service in others}
    await injure(at)
    injured = now()
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.do(happening.injure, watch.cluster, at))
        await meanwhile()
    if happening.lab in (Lab.PAIR, Lab.REPLICA):
        await the_debt_is_open(watch, happening, at)
    if leaves_a_debt(happening.expected):
        await watch.numbers.sees_debt()
    after = {service: await watch.do(watch.cluster.active_node, service) for service in others}
    await watch.do(watch.cluster.repair)
    incidents = await watch.over(since, happening.expected)
    found = await faults(watch, happening, at, since, incidents, repeats_allowed=repeats_allowed, was_restarted=was_restarted)
    if not happening.touches_others:
        found += [f"{service} runs on {after[service]}, no longer on {node}" for service, node in before.items() if after[service] != node]
        members = {member for service in others for member in watch.cluster.services[service]}
        found += [f"{brief(one)} names {named}" for one in mains(incidents) if is_alarm(one) and (named := members & {*one["resources"]})]
    if meanwhile is nothing:
        late = max(watch.cluster.late.values(), default=0)  # by so much, stamps are before what they tell
        found += [fault for one in mains(incidents) for fault in late_told(watch.told(one), one, happening.expected, late)]
    assert not found, "\n".join(found)
    if happening.lab in (Lab.PAIR, Lab.REPLICA):
        await the_debt_is_paid(watch, happening, at, incidents)
    for main in mains(incidents):
        if main["kind"] == happening.expected.kind:
            told = watch.told(main)
            if injure is as_it_is and meanwhile is nothing:
                since_decided = None if happening.expected.told_afterwards else decided(told)
                name = f"{happening.lab}: {happening.name}"
                MEASURED.append(Detection(name, noticed(main, injured), delay(told), since_decided, evidence))
            print(f"{happening.name}: noticed after {noticed(main, injured):.1f} s, told {delay(told):.3f} s after the last message")
    return incidents
