"""`hamon notify` and `hamon snmp`: whether people can be reached, and what receivers of traps must know."""

import argparse
import asyncio
import os
from dataclasses import replace
from datetime import UTC, timedelta

from hamon import config, data
from hamon.app import outlets_of
from hamon.cli.options import OK, REFUSED, Commands, complain, config_option, loaded_by
from hamon.clock import SystemClock
from hamon.errors import DeliveryError, HamonError
from hamon.model.delivery import Notification
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Severity, Transition, TransitionKind
from hamon.notify.snmp_trap import SnmpTrapNotifier
from hamon.snmp.identity import bump
from hamon.snmp.local import beside
from hamon.snmp.mib import with_root


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    notify = commands.add_parser("notify", help="try a target").add_subparsers(metavar="COMMAND", required=True)
    test = notify.add_parser("test", help="hand a labelled test notification to a target, and say what came back")
    test.add_argument("target", metavar="TARGET", help="name of the target, as in [notify.KIND.TARGET]")
    config_option(test)
    test.set_defaults(command=_notify_test)
    snmp = commands.add_parser("snmp", help="MIB and identity of this gateway").add_subparsers(metavar="COMMAND", required=True)
    printed = snmp.add_parser("mib", help="print HAMON-MIB with the root of the configuration")
    config_option(printed)
    printed.set_defaults(command=_snmp_mib)
    identity = snmp.add_parser("identity", help="print the engine ID, for createUser -e of receivers of SNMPv3 traps")
    config_option(identity)
    identity.set_defaults(command=_snmp_identity)
    bumping = snmp.add_parser("bump-boots", help="add 1000 to the count of starts, after an old state directory was brought back")
    bumping.set_defaults(command=_snmp_bump)


def _notify_test(options: argparse.Namespace) -> int:
    loaded = loaded_by(options)
    clock = SystemClock()
    outlets = outlets_of(loaded, clock)
    outlet = outlets.get(options.target)
    if outlet is None:
        raise HamonError(f"no enabled target named {options.target}; there are: {', '.join(sorted(outlets)) or 'none'}")
    now = clock.now().astimezone(UTC)
    incident = Incident(
        key=f"test-{now:%Y%m%dT%H%M%S}",
        cluster="test",
        kind=IncidentKind.FAILOVER,
        severity=Severity.INFO,
        state=IncidentState.OPEN,
        detected_at=now,
        started_at=now - timedelta(seconds=1),
    )
    transition = Transition(at=now, kind=TransitionKind.OPENED, incident=incident, sequence=1, reason="test", notice=Notice.OPENING)
    raised = Notification(
        id=f"test/{incident.key}/1/{options.target}",
        transition=transition,
        language=outlet.target.language,
        subject="[TEST] hamon can reach this target",
        text="This is a test by an operator (`hamon notify test`). Nothing happened to any cluster.\n",
        test=True,
    )
    resolved = replace(incident, state=IncidentState.RESOLVED, resolved_at=now)
    cleared = replace(
        raised,
        id=f"test/{incident.key}/2/{options.target}",
        transition=replace(transition, kind=TransitionKind.RESOLVED, incident=resolved, sequence=2, notice=Notice.CLOSING),
        subject="[TEST] hamon can reach this target: end of the test",
    )

    async def send() -> list[str]:
        try:
            if isinstance(outlet.notifier, SnmpTrapNotifier):
                outlet.notifier.attach(await asyncio.to_thread(beside, loaded.snmp, config.state_directory(os.environ), now))
                return await outlet.notifier.test(raised, cleared)
            await outlet.notifier.send(raised)
            await outlet.notifier.send(cleared)
            return [f"{options.target} took both notifications"]
        finally:
            for other in outlets.values():
                await other.notifier.close()

    try:
        print("\n".join(asyncio.run(send())))
    except DeliveryError as err:
        complain(f"{options.target} did not take the notification ({err.reason}): {err}")
        return REFUSED
    return OK


def _snmp_mib(options: argparse.Namespace) -> int:
    print(with_root((data.folder("mibs") / "HAMON-MIB.txt").read_text(encoding="ascii"), loaded_by(options).snmp.root), end="")
    return OK


def _snmp_identity(options: argparse.Namespace) -> int:
    loaded = loaded_by(options)
    local = beside(loaded.snmp, config.state_directory(os.environ), SystemClock().now())
    print(f"engine ID  {local.identity.engine_id_text}\nstarts     {local.identity.boots}\nroot       {loaded.snmp.oid_root}")
    return OK


def _snmp_bump(_options: argparse.Namespace) -> int:
    identity = bump(config.state_directory(os.environ), SystemClock().now())
    print(f"the count of starts is {identity.boots} now; start hamon again, so that it is used")
    return OK
