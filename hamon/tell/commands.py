"""The commands that steps name, for each set of tools that operators have.

Every command is known to the tools since the releases that are in use: Pacemaker 1.1 (`crm_resource`, `crm_standby`, `stonith_admin`),
pcs 0.9 and 0.10, crmsh 2 to 4. What is to be run on one node only is marked so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hamon.model.incident import Tools
from hamon.tell.words import fill, phrase


@dataclass(frozen=True, slots=True)
class _Command:
    """`text` with names as in the phrases; `on`: the name of the node where it must be run, empty for any."""

    text: str
    on: str = ""


_BOTH = (Tools.PCS, Tools.PACEMAKER)
"""What is shown where nobody said which tools there are: those of most installations, and those of all."""


def _by_tools(pcs: str, crmsh: str, native: str, on: str = "") -> Mapping[Tools, _Command]:
    """`on`: where crmsh and Pacemaker's own tools must be run; pcs reaches every node."""
    return {Tools.PCS: _Command(pcs), Tools.CRMSH: _Command(crmsh, on), Tools.PACEMAKER: _Command(native, on)}


COMMANDS: Mapping[str, Mapping[Tools, _Command]] = {
    "start_node": _by_tools("pcs cluster start {node}", "crm cluster start", "systemctl start corosync pacemaker", on="node"),
    "cleanup": _by_tools("pcs resource cleanup {resource}", "crm resource cleanup {resource}", "crm_resource --cleanup -r {resource}"),
    "cleanup_there": _by_tools(
        "pcs resource cleanup {resource} node={node}",
        "crm resource cleanup {resource} {node}",
        "crm_resource --cleanup -r {resource} -N {node}",
    ),
    "cleanup_all": _by_tools("pcs resource cleanup", "crm resource cleanup", "crm_resource --cleanup"),
    "cleanup_device": _by_tools("pcs stonith cleanup {device}", "crm resource cleanup {device}", "crm_resource --cleanup -r {device}"),
    "reset_failures": _by_tools(
        "pcs resource failcount reset {resource} {node}",
        "crm resource cleanup {resource} {node}",
        "crm_resource --cleanup -r {resource} -N {node}",
    ),
    "move": _by_tools(
        "pcs resource move {service} {node}", "crm resource move {service} {node}", "crm_resource --move -r {service} -N {node}"
    ),
    "clear": _by_tools("pcs resource clear {service}", "crm resource clear {service}", "crm_resource --clear -r {service}"),
    "clear_resource": _by_tools("pcs resource clear {resource}", "crm resource clear {resource}", "crm_resource --clear -r {resource}"),
    "unstandby": _by_tools("pcs node unstandby {node}", "crm node online {node}", "crm_standby -N {node} -D"),
    "unmaintenance": _by_tools("pcs node unmaintenance {node}", "crm node ready {node}", "crm_attribute -N {node} -n maintenance -D"),
    "end_maintenance": _by_tools(
        "pcs property set maintenance-mode=false",
        "crm configure property maintenance-mode=false",
        "crm_attribute -n maintenance-mode -v false",
    ),
    "enable": _by_tools(
        "pcs resource enable {service}", "crm resource start {service}", "crm_resource -r {service} --meta -p target-role -v Started"
    ),
    "manage": _by_tools(
        "pcs resource manage {resource}", "crm resource manage {resource}", "crm_resource -r {resource} --meta -p is-managed -v true"
    ),
    "confirm_off": _by_tools("pcs stonith confirm {lost_node}", "crm node clearstate {lost_node}", "stonith_admin --confirm {lost_node}"),
    "constraints": _by_tools("pcs constraint", "crm configure show", "cibadmin -Q -o constraints"),
    "quorum": _by_tools("pcs quorum status", "corosync-quorumtool -s", "corosync-quorumtool -s"),
    "stop_by_force": _by_tools("pcs cluster stop --force", "crm cluster stop", "systemctl stop pacemaker corosync"),
}


def commands(tools: Tools | None, values: Mapping[str, str | None], missing: Mapping[str, str], language: str) -> dict[str, str | None]:
    """Every command with its names, in backticks, as `{command_NAME}` in phrases; two where nobody said which tools there are."""
    found: dict[str, str | None] = {}
    for name, variants in COMMANDS.items():
        told = dict.fromkeys(_told(variants[kind], values, missing, language) for kind in ((tools,) if tools else _BOTH))
        found[f"command_{name}"] = phrase("names.or", language).join(told)
    return found


def _told(command: _Command, values: Mapping[str, str | None], missing: Mapping[str, str], language: str) -> str:
    text = f"`{fill(command.text, values, missing)}`"
    return phrase("names.there", language, command=text, node=values.get(command.on) or missing[command.on]) if command.on else text
