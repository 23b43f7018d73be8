"""Tell when something happened in a directory: inotify through watchdog where it works, else say that it must be polled.

Law: an event only wakes; what happened is found out by looking. So a lost or a needless event does no harm.
"""

import logging
import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

log = logging.getLogger(__name__)

# File systems on which other machines (or a process behind it) write without the kernel here being told.
_REMOTE = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "pvfs2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    }
)
_EVERYTHING = re.compile("")


def is_remote(directory: str, mountinfo: str) -> bool:
    """Whether inotify cannot be trusted in `directory`; `mountinfo` is the text of /proc/self/mountinfo (proc(5))."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) < 5 or not rest:
            continue
        mount = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), words[4])
        is_above = directory == mount or directory.startswith(mount.rstrip("/") + "/")
        if is_above and len(mount) >= len(best):  # of equal ones the later is mounted over the earlier
            best, kind = mount, rest.split(" ")[0]
    return kind in _REMOTE or kind.startswith("fuse.")


class _Waker(FileSystemEventHandler):
    def __init__(self, watch: "Watch") -> None:
        self._watch = watch

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._watch.happened(event)


class Watch:
    """Watch directories. `wake` is called from a thread, with True when files may have come or gone.

    Two observers, because watchdog holds a rename back for half a second to pair its two halves, and with it all that comes
    after: one hears of data only, at once; the other of names.
    """

    def __init__(self, wake: Callable[[bool], None], *, poll: bool | None) -> None:
        self._wake = wake
        self._poll = poll
        self._handler = _Waker(self)
        self._observers: list[BaseObserver] = []
        self._watching: dict[str, tuple[tuple[int, int], list[ObservedWatch]]] = {}
        self._is_refused = False
        self.names = _EVERYTHING
        """Only events for files whose name this matches wake; may be set at any time."""

    def happened(self, event: FileSystemEvent) -> None:
        is_about_data = isinstance(event, (FileModifiedEvent, FileAttribEvent))
        if event.is_directory or any(
            self.names.match(os.path.basename(os.fsdecode(path))) for path in (event.src_path, event.dest_path) if path
        ):
            self._wake(not is_about_data)

    def follow(self, directories: Collection[str]) -> bool:
        """Watch exactly these; blocks. False when some cannot be watched and have to be polled."""
        wanted: dict[str, tuple[int, int]] = {}
        all_watched = not self._poll
        mountinfo = _mountinfo() if self._poll is None else ""
        for directory in directories if not self._poll else ():
            try:
                status = os.stat(directory)
            except OSError:
                continue  # it does not exist (now): looking again finds it
            if is_remote(directory, mountinfo) or not os.access(directory, os.R_OK):
                all_watched = False
            else:
                wanted[directory] = (status.st_dev, status.st_ino)
        for directory, (identity, watches) in tuple(self._watching.items()):
            if wanted.get(directory) != identity:  # also when it was deleted and made anew
                del self._watching[directory]
                for observer, watch in zip(self._observers, watches, strict=True):
                    observer.unschedule(watch)
        for directory, identity in wanted.items():
            if directory not in self._watching:
                all_watched = self._add(directory, identity) and all_watched
        return all_watched

    def _add(self, directory: str, identity: tuple[int, int]) -> bool:
        watches: list[ObservedWatch] = []
        try:
            if not self._observers:
                self._observers = _started(2)
            for observer, kinds in zip(
                self._observers,
                (
                    [FileModifiedEvent, FileAttribEvent],
                    [FileCreatedEvent, FileDeletedEvent, FileMovedEvent, DirCreatedEvent, DirDeletedEvent, DirMovedEvent],
                ),
                strict=True,
            ):
                watches.append(observer.schedule(self._handler, directory, event_filter=kinds))
        except OSError as err:
            for observer, watch in zip(self._observers, watches, strict=False):
                observer.unschedule(watch)
            if not self._is_refused:
                log.warning(
                    "Files cannot be watched and are polled instead; raise fs.inotify.max_user_watches and max_user_instances",
                    extra={"directory": directory, "error": err.strerror or str(err)},
                )
            self._is_refused = True
            return False
        self._watching[directory] = (identity, watches)
        return True

    def stop(self) -> None:
        """Stop and join the threads; blocks."""
        for observer in self._observers:
            observer.stop()
        for observer in self._observers:
            observer.join()
        self._observers, self._watching = [], {}


def _started(count: int) -> list[BaseObserver]:
    """Raises OSError when the limit of inotify instances is reached; then none is left running."""
    observers: list[BaseObserver] = []
    try:
        for _ in range(count):
            observer = Observer()
            observer.start()
            observers.append(observer)
    except OSError:
        for observer in observers:
            observer.stop()
            observer.join()
        raise
    return observers


def _mountinfo() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
