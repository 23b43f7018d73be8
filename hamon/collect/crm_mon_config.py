"""The settings of one crm_mon collector."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from hamon.collect.text import TimeZone
from hamon.section import Section

CommandName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Words = tuple[str, ...]

_SHELL = re.compile(r"^(?:\||\|\||&&|&|;|<|<<|\d?>>?|\d?>&\d?)$|[|;&]$|^2>")


def checked(command: Words) -> Words:
    """The words of a command, which is run without a shell. Raises ValueError with the remedy."""
    if not command or not command[0]:
        raise ValueError('is empty; give the words of the command, such as ["ssh", "pm01", "crm_mon"]')
    if any("\0" in word for word in command):
        raise ValueError("holds a NUL character")
    program = command[0]
    if "/" in program and not program.startswith("/"):
        raise PydanticCustomError(
            "relative-command",
            "{program} is a relative path: give the absolute one, or the bare name of a program in PATH",
            {"program": program},
        )
    if len(command) == 1 and re.search(r"\s", program.strip()):
        split = ", ".join(f'"{word}"' for word in program.split())
        raise PydanticCustomError("shell-command", "no shell runs it: give its words as a list, [{words}]", {"words": split})
    if any(_SHELL.search(word) for word in command):
        raise PydanticCustomError("shell-command", "no shell runs it: pipes and redirections belong into a script of your own", {})
    return command


class CompanionConfig(Section):
    """A tool that is asked beside crm_mon."""

    enabled: bool | None = None
    """Ask it (true) or not (false); left out, it is asked where it is found."""
    interval_seconds: float = Field(default=30.0, ge=1, le=86400)
    """How often it is asked."""
    command: Words | None = Field(default=None, examples=[["sudo", "-n", "/usr/sbin/corosync-cfgtool", "-s"]])
    """Its words, which follow those that reach the node; left out, those of the tool itself."""

    @field_validator("command")
    @classmethod
    def _words(cls, command: Words | None) -> Words | None:
        return command if command is None else checked(command)


class CrmMonConfig(Section):
    """The state of one cluster, asked at intervals and at once when something happened."""

    cluster: str = Field(min_length=1)
    """The cluster that is asked."""
    commands: dict[CommandName, Words] = Field(
        min_length=1, max_length=32, examples=[{"pm01": ["ssh", "-o", "BatchMode=yes", "hamon@pm01", "crm_mon"]}]
    )
    """By the name of the node that answers: a command that ends with crm_mon (options are added), or one that prints its XML by itself."""
    timezone: TimeZone = "UTC"
    """The time zone (IANA name) of the nodes, for times that do not name one."""
    interval_seconds: float = Field(default=10.0, ge=0.1, le=600)
    """How often the cluster is asked while it changes."""
    quiet_interval_seconds: float = Field(default=30.0, ge=0.1, le=600)
    """How often it is asked when nothing has changed for two minutes."""
    timeout_seconds: float = Field(default=10.0, ge=0.1, le=300)
    """How long a command may take before it is ended."""
    max_output_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    """A command that prints more is ended."""
    as_root: Words = ()
    """Words before tools that only root may run, such as ["sudo", "-n"]."""
    cibadmin: CompanionConfig = Field(default_factory=CompanionConfig)
    """Constraints, options and alerts of the cluster (cibadmin)."""
    quorum: CompanionConfig = Field(default_factory=CompanionConfig)
    """Votes and the quorum device (corosync-quorumtool)."""
    links: CompanionConfig = Field(default_factory=CompanionConfig)
    """Links between the nodes (corosync-cfgtool)."""
    sbd: CompanionConfig = Field(default_factory=CompanionConfig)
    """Devices of SBD (sbd)."""
    drbd: CompanionConfig = Field(default_factory=CompanionConfig)
    """Replication of DRBD (drbdsetup)."""

    @field_validator("commands")
    @classmethod
    def _commands(cls, commands: dict[str, Words]) -> dict[str, Words]:
        for command in commands.values():
            checked(command)
        return commands

    @field_validator("as_root")
    @classmethod
    def _as_root(cls, words: Words) -> Words:
        return checked(words) if words else words
