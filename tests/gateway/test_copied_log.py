"""A copy of a log that hamon read long ago tells nothing again, also after a restart: the history has its lines."""

from datetime import timedelta
from pathlib import Path

from hamon.demo import lines_of
from hamon.pipeline.process import KNOWN_EVENTS
from tests.gateway.harness import Gateway, now, restamped
from tests.recordings import RECORDINGS

NODES = ("pm01", "pm02")
COPY = "restored.log"


def played(minutes_ago: int) -> dict[str, str]:
    """The pacemaker.log of each node, the last line written so long ago."""
    lines = restamped(lines_of(RECORDINGS / "chronicle"), speed=1, end=now() - timedelta(minutes=minutes_ago))
    return {node: "".join(f"{text}\n" for _, file, text in lines if file == f"{node}/pacemaker.log") for node in NODES}


async def test_a_copy_of_a_log_tells_nothing_again_after_a_restart(tmp_path: Path) -> None:
    """Of the history only the newest events are loaded at start; what lies before them is looked up."""
    old, new = played(10), played(1)
    gateway = Gateway(tmp_path, NODES, logs=("ha-log", COPY))
    async with gateway:
        for node in NODES:
            gateway.path(node).write_text(old[node] + new[node])
        await gateway.quiet()
        incidents, mails, events = await gateway.incidents(), len(gateway.mails()), await gateway.events()
        assert mails, "nothing was told at all"
        begin = len(events) - KNOWN_EVENTS
        assert sum(event["raw"] in old[event["reporter"]] for event in events[:begin]) > begin / 2, "too little is forgotten"
        await gateway.kill()
        for node in NODES:  # not the whole file: a collector knows that by its beginning and end
            gateway.path(node, COPY).write_text(old[node].partition("\n")[2])
        await gateway.start()
        await gateway.quiet()
        again = await gateway.events()
        assert any(event["ref"].partition("@")[0].endswith(COPY) for event in again), "the copies were not read"
        assert [one["key"] for one in await gateway.incidents()] == [one["key"] for one in incidents]
        assert len(gateway.mails()) == mails
