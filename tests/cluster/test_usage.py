"""What the programs that make a cluster say to whom calls them wrongly; none is made here."""

import socket
from pathlib import Path

import pytest

from tests.cluster import demo, record
from tests.cluster.cluster import not_here
from tests.cluster.happenings import HAPPENINGS
from tests.peers import missing


def a_cluster_could_be_made() -> None:
    """Else they say that first."""
    if (why := not_here()) is not None:
        missing(why)


@pytest.mark.parametrize(
    ("listen", "why"),
    [("foo", "give host:port"), ("127.0.0.1:x", "a number from 0 to 65535"), ("127.0.0.1:99999", "a number from 0 to 65535")],
)
def test_pages_that_cannot_be_shown_there_end_the_menu_with_the_remedy(listen: str, why: str) -> None:
    a_cluster_could_be_made()
    with pytest.raises(SystemExit, match=f"{why}.*make demo-cluster LISTEN="):
        demo.main(["--listen", listen])


def test_a_port_that_is_taken_ends_the_menu_with_the_remedy() -> None:
    a_cluster_could_be_made()
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit, match=r"in use.*make demo-cluster LISTEN="):
        demo.main(["--listen", f"127.0.0.1:{other.getsockname()[1]}"])


def test_a_scenario_that_there_is_not_is_refused_and_nothing_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main(["--out", str(tmp_path / "out"), "resource_failure", "nonsense"]) == 2
    assert capsys.readouterr().err.startswith("Unknown: nonsense.")
    assert not (tmp_path / "out").exists()


def test_a_recording_that_is_there_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_cluster_could_be_made()
    (tmp_path / "cleanup").mkdir()
    assert record.main(["--out", str(tmp_path), "cleanup"]) == 1
    assert "left as it is" in capsys.readouterr().err
    assert list((tmp_path / "cleanup").iterdir()) == []


def test_without_a_scenario_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(HAPPENINGS)
