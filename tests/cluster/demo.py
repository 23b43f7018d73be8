"""A cluster and hamon for a person to play with: a menu of failures, the pages beside it. `make demo-cluster`."""

import argparse
import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hamon.web.settings import parse_listen
from tests.cluster import happenings
from tests.cluster.beside import configured
from tests.cluster.cluster import Cluster, NotReached, not_here
from tests.cluster.configuration import PING
from tests.cluster.namespaces import CommandError, entered
from tests.gateway.harness import Gateway


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _menu(cluster: Cluster) -> None:
    listed = list(happenings.HAPPENINGS.values())
    keys = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(keys), sys.stdin)
    while True:
        print()
        for number, one in enumerate(listed, 1):
            print(f"{number:3} {one.title}")
        print("  r repair everything\n  q end")
        print("> ", end="", flush=True)
        line = (await keys.readline()).decode()
        choice = line.strip()
        if choice == "q" or not line:
            return
        try:
            if choice == "r":
                await asyncio.to_thread(cluster.repair)
                print("The cluster is whole.")
            elif choice.isdecimal() and 1 <= int(choice) <= len(listed):
                roles = await asyncio.to_thread(happenings.roles, cluster)
                print(f"{listed[int(choice) - 1].title}: it runs on {roles.active}, {roles.standby} stands by ...", flush=True)
                await asyncio.to_thread(listed[int(choice) - 1].injure, cluster, roles)
                print("It has happened. What is broken stays so until you repair it.")
        except (NotReached, CommandError, AssertionError) as err:
            print(f"That did not work: {err}. Try to repair.")


async def _play(folder: Path, cluster: Cluster, front: socket.socket) -> None:
    hamon: Gateway = configured(folder / "hamon", cluster)
    hamon.sections["notify.mailbox.box"] = {"path": hamon.mbox}

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", hamon.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, back_writer), _pass_on(back_reader, writer))

    async with hamon:
        # hamon lives in the network of the cluster; this socket was made outside, for the browser.
        server = await asyncio.start_server(connect, sock=front)
        # Every node sends a trap of what it finds running. Who never sent one to this hamon would be called silent.
        await asyncio.to_thread(cluster.on, cluster.nodes[0], "crm_resource", "--refresh", "-r", PING)
        host, port = front.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"\nPages    http://{shown}:{port}/\nMails    {hamon.mbox}\nLogs     {cluster.folder}/nodes/*/log")
        print(f"Nodes    {cluster.folder}/on {cluster.nodes[0]} crm_mon -1Afr")
        try:
            await _menu(cluster)
        finally:
            server.close()


def _front(listen: str) -> socket.socket:
    """Where the pages are shown; ends the program with what to do when that cannot be."""
    try:
        host, port = parse_listen(listen)
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, ValueError) as err:
        remedy = f"Cannot show the pages on {listen}: {err}. Choose another address: make demo-cluster LISTEN=127.0.0.1:8471"
        raise SystemExit(remedy) from err


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8470", metavar="HOST:PORT", help="address of the pages (default %(default)s)")
    listen = parser.parse_args(arguments).listen
    if (why := not_here()) is not None:
        print(why, file=sys.stderr)
        return 1
    # Ctrl-C is one of the ways to end it, also while the cluster starts.
    with contextlib.suppress(KeyboardInterrupt), _front(listen) as front, tempfile.TemporaryDirectory(prefix="hamon-cluster-") as folder:
        print("A cluster of two nodes starts; this takes about 20 s ...", flush=True)
        with Cluster(Path(folder) / "rack") as cluster:
            cluster.is_ready()
            with entered(cluster.monitor):
                asyncio.run(_play(Path(folder), cluster, front))
    return 0


if __name__ == "__main__":
    sys.exit(main())
