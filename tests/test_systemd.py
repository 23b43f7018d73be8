"""sd_notify against a real datagram socket, as systemd holds it."""

import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hamon import systemd


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.settimeout(5)
        yield opened


def test_a_state_arrives_at_a_socket_of_the_file_system(listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    systemd.notify(f"{systemd.READY}\n{systemd.status('reading 2 files')}")
    assert listener.recv(4096) == b"READY=1\nSTATUS=reading 2 files"


def test_a_state_arrives_at_an_abstract_socket(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"hamon-test-{uuid4()}"
    listener.bind("\0" + name)
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
    systemd.notify(systemd.STOPPING)
    assert listener.recv(4096) == b"STOPPING=1"


def test_a_status_is_one_line_whatever_it_tells() -> None:
    assert systemd.status("two\nREADY=1\r\nlines") == "STATUS=two READY=1 lines"


@pytest.mark.parametrize("address", [None, "", "relative/path"])
def test_nothing_is_sent_without_a_usable_address(address: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        (tmp_path / "relative").mkdir()
        listener.bind("relative/path")
        if address is None:
            monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        else:
            monkeypatch.setenv("NOTIFY_SOCKET", address)
        systemd.notify(systemd.READY)
        with pytest.raises(BlockingIOError):
            listener.recv(4096)


def test_a_supervisor_that_is_gone_does_not_stop_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.notify(systemd.READY)
    assert not (tmp_path / "gone").exists()
