"""The power switch of the rack: fence agents ask it over a socket to turn nodes off and on. It can be told to fail."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path


class Mood(StrEnum):
    """How the switch answers for one node."""

    WORKS = "works"
    FAILS = "fails"
    FAILS_SLOWLY = "fails slowly"
    HANGS = "hangs"


class PowerSwitch:
    """Serves `ACTION NODE` lines, each on a connection of its own, from threads."""

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[str],
        *,
        off: Callable[[str], None],
        on: Callable[[str], None],
        is_on: Callable[[str], bool],
    ) -> None:
        self._moods = dict.fromkeys(nodes, Mood.WORKS)
        self._off, self._on, self._is_on = off, on, is_on
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        path = folder / "socket"
        self._socket.bind(str(path))
        path.chmod(0o777)
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._accept, name="power switch", daemon=True)
        self._thread.start()

    def set_mood(self, node: str, mood: Mood) -> None:
        self._moods[node] = mood

    def close(self) -> None:
        self._ending.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="power switch", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # An agent that was killed meanwhile takes no answer, nor what is written as its stream is closed.
        with contextlib.suppress(OSError), connection, connection.makefile("rw") as stream:
            words = stream.readline().split()
            answer = self._answer(*words) if len(words) == 2 else "error: not a request"
            stream.write(f"{answer}\n")
            stream.flush()

    def _answer(self, action: str, node: str) -> str:
        if action == "ping":
            return "done"
        if node not in self._moods:
            return "error: no such node"
        self.asked.append((action, node))
        if action == "status":
            return "on" if self._is_on(node) else "off"
        mood = self._moods[node]
        if mood is Mood.HANGS:
            self._ending.wait()
        if mood is Mood.FAILS_SLOWLY:
            self._ending.wait(5)
        if mood is not Mood.WORKS:
            return "error: the power switch does not answer"
        with self._lock:
            if action in ("off", "reboot"):
                # A node that was fenced stays off, as Linux-HA Japan recommends.
                self._off(node)
            elif action == "on" and not self._is_on(node):
                self._on(node)
        return "done"
