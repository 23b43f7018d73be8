"""SNMPv3 users: weak ones only on demand, and secrets that are never shown."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from hamon.snmp import AuthProtocol, Identity, Level, PrivProtocol, UserSection, add_user, new_engine
from hamon.snmp.engine import user_keys
from tests.snmp.test_identity import NOW


def section(**given: object) -> UserSection:
    return UserSection.model_validate({"auth_passphrase": "secret-auth", "priv_passphrase": "secret-priv"} | given)


@pytest.mark.parametrize("given", [{"auth": "MD5"}, {"priv": "DES"}, {"level": "noAuthNoPriv"}])
def test_what_is_weak_is_refused_unless_it_is_asked_for(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="allow_weak"):
        section(**given)
    section(**given, allow_weak=True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"auth_passphrase": None}, "auth_passphrase_file"),
        ({"priv_passphrase": None}, "priv_passphrase_file"),
        ({"auth_passphrase": "short"}, "fewer than 8"),
        ({"priv_passphrase": "1234567"}, "fewer than 8"),
    ],
)
def test_a_passphrase_that_is_missing_or_short_is_told(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        section(**given)


def test_a_short_passphrase_in_a_file_is_told_when_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "auth"
    file.write_text("short\n")
    with pytest.raises(ValueError, match="fewer than 8"):
        section(auth_passphrase=None, auth_passphrase_file=file).credentials("noc")


@pytest.mark.parametrize(("spelled", "meant"), [("sha-1", "SHA"), ("SHA", "SHA"), ("sha-256", "SHA-256"), ("SHA1", "SHA")])
def test_net_snmps_spellings_are_understood(spelled: str, meant: str) -> None:
    assert section(auth=spelled).auth == meant


def test_secrets_are_not_shown() -> None:
    user = section().credentials("noc")
    assert "secret-" not in f"{user!r} {section()!r}"
    assert user.auth_passphrase == "secret-auth"


def test_of_a_lower_level_no_secrets_are_kept() -> None:
    user = section(level="authNoPriv").credentials("noc")
    assert (user.level, user.priv_passphrase) == (Level.AUTH, "")
    assert user_keys(user)[1] == b""


def test_an_engine_says_that_it_is_us_and_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    identity = Identity(engine_id=b"\x80\0\x1f\x88\x05hamon123", boots=41, started_at=NOW)
    engine = new_engine(identity)
    boots, time = engine.get_mib_builder().import_symbols("__SNMP-FRAMEWORK-MIB", "snmpEngineBoots", "snmpEngineTime")
    assert (bytes(engine.snmpEngineID), int(boots.syntax)) == (identity.engine_id, 41)
    assert int(time.syntax.clone()) > 0
    for auth in AuthProtocol:
        for priv in PrivProtocol:
            user = section(auth=auth, priv=priv, allow_weak=True).credentials(f"{auth}-{priv}")
            add_user(engine, user)
            add_user(engine, user, engine_id=b"another")
    assert not list(tmp_path.iterdir())


def test_without_snmp_in_the_configuration_pysnmp_is_not_even_imported() -> None:
    """It takes about half a second."""
    program = "import sys\nfrom hamon import cli\ncli.parsed(['run'])\n"
    program += "sys.exit(any(name.split('.')[0] in ('pysnmp', 'pyasn1', 'pysmi') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
