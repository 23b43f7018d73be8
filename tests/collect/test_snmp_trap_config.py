"""The settings of a receiver: who may send is always said, and which cluster a trap is about is never left to chance."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hamon.collect.network import Bucket, parse_address, parse_network
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.collect.trap_senders import MOST_ADDRESSES, Senders
from hamon.config import load, warnings
from hamon.errors import ConfigError

NET = ["192.0.2.0/24"]


def made(**given: Any) -> SnmpTrapConfig:
    return SnmpTrapConfig.model_validate(given)


def community(**more: Any) -> dict[str, Any]:
    return {"one": {"community": "of-our-own", "sources": NET} | more}


def user(**more: Any) -> dict[str, Any]:
    return {"one": {"auth_passphrase": "long enough 1", "priv_passphrase": "long enough 2", "sources": NET} | more}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"cluster": "pg"}, "nobody may send"),
    "community without sources": ({"cluster": "pg", "community": {"one": {"community": "x"}}}, "sources"),
    "community with an empty list of sources": ({"cluster": "pg", "community": community(sources=[])}, "sources"),
    "user without sources": (
        {"cluster": "pg", "user": {"one": {"auth_passphrase": "long enough", "priv_passphrase": "long enough"}}},
        "sources",
    ),
    "table without a community": ({"cluster": "pg", "community": {"one": {"sources": NET}}}, "needs community_file"),
    "public": ({"cluster": "pg", "community": community(community="public")}, "allow_default_community"),
    "private": ({"cluster": "pg", "community": community(community="private")}, "allow_default_community"),
    "empty community": ({"cluster": "pg", "community": community(community="")}, "is none"),
    "no cluster": ({"community": community()}, "no cluster is named for community.one from 192.0.2.0/24"),
    "no cluster for a part": (
        {"community": community(), "source": {"a": {"addresses": ["192.0.2.0/25"], "cluster": "pg"}}},
        "no cluster is named for community.one from 192.0.2.0/24",
    ),
    "receiver and community disagree": ({"cluster": "pg", "community": community(cluster="web")}, "the receiver says pg"),
    "receiver and user disagree": ({"cluster": "pg", "user": user(cluster="web")}, "the receiver says pg"),
    "receiver and source disagree": (
        {"cluster": "pg", "community": community(), "source": {"a": {"addresses": ["198.51.100.1"], "cluster": "web"}}},
        "source.a says cluster web",
    ),
    "community and source disagree": (
        {"community": community(cluster="pg"), "source": {"a": {"addresses": ["192.0.2.7"], "cluster": "web"}}},
        "source.a says web for addresses of 192.0.2.0/24",
    ),
    "two sources disagree": (
        {
            "community": community(cluster="pg", sources=["198.51.100.1"]),
            "source": {"a": {"addresses": ["192.0.2.0/24"], "cluster": "x"}, "b": {"addresses": ["192.0.2.7"], "cluster": "y"}},
        },
        "share addresses and disagree",
    ),
    "one community twice": (
        {"community": {**community(cluster="a"), "two": {"community": "of-our-own", "sources": ["192.0.2.9"], "cluster": "b"}}},
        "are the same community from the same addresses",
    ),
    "one user twice": (
        {"cluster": "pg", "user": {**user(), "two": user()["one"] | {"name": "one"}}},
        "are the same user of SNMP",
    ),
    "weak digest": ({"cluster": "pg", "user": user(auth="MD5")}, "allow_weak"),
    "weak cipher": ({"cluster": "pg", "user": user(priv="DES")}, "allow_weak"),
    "no authentication": ({"cluster": "pg", "user": user(level="noAuthNoPriv")}, "allow_weak"),
    "learning without authentication": (
        {"cluster": "pg", "user": user(level="noAuthNoPriv", allow_weak=True)},
        "engine_ids must name",
    ),
    "short passphrase": ({"cluster": "pg", "user": user(priv_passphrase="short")}, "fewer than 8"),
    "engine ID": ({"cluster": "pg", "user": user(engine_ids=["80"])}, "5 to 32 octets"),
    "address that is a name": ({"cluster": "pg", "community": community(), "listen": ["localhost:162"]}, "not a name"),
    "address without a port": ({"cluster": "pg", "community": community(), "listen": ["127.0.0.1"]}, "address:port"),
    "network with host bits": ({"cluster": "pg", "community": community(sources=["192.0.2.1/24"])}, "no bits set"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_missing_ambiguous_or_weak_is_refused_with_a_remedy(what: str) -> None:
    given, says = REFUSED[what]
    with pytest.raises(ValidationError) as refused:
        made(**given)
    assert says in str(refused.value)
    assert "of-our-own" not in str(refused.value)
    assert "long enough" not in str(refused.value)


ACCEPTED: dict[str, dict[str, Any]] = {
    "cluster of the receiver": {"cluster": "pg", "community": community()},
    "cluster of the community": {"community": community(cluster="pg")},
    "cluster of the user": {"user": user(cluster="pg")},
    "cluster of the source": {"community": community(), "source": {"a": {"addresses": ["192.0.0.0/16"], "cluster": "pg"}}},
    "all say the same": {"cluster": "pg", "user": user(cluster="pg"), "source": {"a": {"addresses": NET, "cluster": "pg"}}},
    "one community, other addresses": {
        "community": {**community(cluster="a"), "two": {"community": "of-our-own", "sources": ["198.51.100.0/24"], "cluster": "b"}}
    },
    "public, insisted": {"cluster": "pg", "community": community(community="public", allow_default_community=True)},
    "weak, insisted": {"cluster": "pg", "user": user(auth="MD5", priv="DES", allow_weak=True)},
    "IPv6": {"cluster": "pg", "community": community(sources=["2001:db8::/64", "192.0.2.1"]), "listen": ["[::1]:162", "[fe80::1%lo]:9162"]},
    "limits off": {"cluster": "pg", "community": community(), "max_per_second": 0, "max_per_second_per_source": 0},
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_what_is_said_clearly_is_accepted(what: str) -> None:
    assert made(**ACCEPTED[what]).clusters


def test_all_ambiguities_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        made(cluster="pg", community=community(cluster="web"), user=user(cluster="web"))
    assert "community.one says" in str(refused.value)
    assert "user.one says" in str(refused.value)


def written(folder: Path, text: str) -> Path:
    file = folder / "hamon.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


GOOD = """
[cluster.pg]
[collect.snmp_trap.main]
[collect.snmp_trap.main.community.one]
cluster = "pg"
community = "of-our-own"
sources = ["192.0.2.0/24"]
"""


def test_the_command_names_problems_with_their_keys(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
[cluster.pg]
[collect.snmp_trap.main.community.one]
cluster = "gp"
community_file = "/nowhere/at/all"
sources = ["192.0.2.0/24"]
[collect.snmp_trap.other]
listen = ["127.0.0.1:9162"]
[collect.snmp_trap.other.community.one]
cluster = "pg"
community = "public"
sources = ["everyone", "192.0.2.1"]
""",
    )
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    found = {(problem.id, problem.key) for problem in refused.value.problems}
    assert found == {
        ("unknown-cluster", "collect.snmp_trap.main.community.one.cluster"),
        ("secret-file-unreadable", "collect.snmp_trap.main.community.one.community_file"),
        ("duplicate-listen", "collect.snmp_trap.other.listen[0]"),
        ("wrong-value", "collect.snmp_trap.other.community.one.sources[0]"),
    }


def test_a_community_is_warned_about_and_the_cluster_counts_as_read(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD), {})
    found = {(problem.id, problem.key) for problem in warnings(config)}
    assert found == {("community-is-no-secret", "collect.snmp_trap.main.community.one"), ("nobody-to-tell", "notify")}


def test_a_source_from_which_nobody_may_send_is_found() -> None:
    """Else its node would look silent for ever, and nobody would know why."""
    sources = {"pm01": {"addresses": ["192.0.2.9"], "node": "pm01"}, "pm02": {"addresses": ["203.0.113.9"], "node": "pm02"}}
    config = made(cluster="pg", community={"one": {"community": "abcdefgh", "sources": ["192.0.2.0/24"]}}, source=sources)
    assert list(config.unheard_sources()) == ["pm02"]


def test_a_default_community_in_a_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("public\n")
    with pytest.raises(ValidationError, match="allow_default_community"):
        made(cluster="pg", community={"one": {"community_file": str(tmp_path / "secret"), "sources": NET}})


def test_any_option_can_come_from_the_environment(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD), {"HAMON_COLLECT__SNMP_TRAP__MAIN__COMMUNITY__ONE__SOURCES": '["198.51.100.7"]'})
    section = config.collect["snmp_trap"]["main"]
    assert isinstance(section, SnmpTrapConfig)
    assert section.community["one"].sources == ("198.51.100.7/32",)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_is_read_as_it_is_written(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    text = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert str(parse_address(text)) == text
    assert ipaddress.ip_address(str(address)) in parse_network(str(address))


# Who may send


def test_an_address_is_known_by_its_networks() -> None:
    senders = Senders(made(cluster="pg", community=community(sources=["192.0.2.0/24", "2001:db8::/64"]), user=user(sources=["192.0.2.7"])))
    both, one, v6 = senders.origin("192.0.2.7"), senders.origin("192.0.2.8"), senders.origin("2001:db8::5%eth0")
    assert both is not None
    assert both.users.keys() == {b"one"}
    assert one is not None
    assert (len(one.communities), len(one.users)) == (1, 0)
    assert v6 is not None
    for stranger in ("192.0.3.1", "2001:db9::1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1"):
        assert senders.origin(stranger) is None


def test_a_multicast_address_may_never_send() -> None:
    senders = Senders(made(cluster="pg", community=community(sources=["0.0.0.0/0"])))
    assert senders.origin("224.0.0.1") is None
    assert senders.origin("0.0.0.0") is None


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    senders = Senders(made(cluster="pg", community=community(sources=["10.0.0.0/8"])))
    for number in range(3 * MOST_ADDRESSES):
        senders.origin(str(ipaddress.IPv4Address("10.0.0.0") + number))
        senders.origin(str(ipaddress.IPv4Address("172.16.0.0") + number))
    assert len(senders._origins) <= MOST_ADDRESSES
    assert len(senders._strangers) <= MOST_ADDRESSES


def test_secrets_are_not_shown() -> None:
    senders = Senders(made(cluster="pg", community=community(), user=user()))
    shown = repr(senders.origin("192.0.2.1")) + repr(list(senders.users()))
    assert "of-our-own" not in shown
    assert "long enough" not in shown


@given(st.lists(st.floats(0, 5), min_size=1, max_size=300), st.integers(1, 20))
def test_a_bucket_lets_no_more_through_than_its_rate_and_one_burst(waits: list[float], rate: int) -> None:
    bucket = Bucket(rate)
    now, let = 1.0, 0
    for wait in waits:
        now += wait
        let += bucket.take(now)
    assert let <= rate * (sum(waits[1:]) + 10) + 1e-6
    assert let >= min(len(waits), rate * 10)
